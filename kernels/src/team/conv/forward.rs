//! The forward pass.

use super::Dims;
use super::span::{Axis, Span, groups};
use super::sums::Sums;
use crate::activation::{Activation, Function, with_activation};
use crate::simd::Simd;
use crate::simd::tile::Walk;
use crate::team::Dropout;
use crate::team::epilogue::{Finish, check};
use crate::{Isa, Kernel, Lanes};
use core::marker::PhantomData;

/// Convolves images and applies activation and dropout.
///
/// `z[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, `y = dropout(f(z))`
///
/// Shapes.   `x` N·H·W·I, `w` U·V·I·O, `b` O, `y` N·P·Q·O lanes; `z` like `y` if the activation's gradient needs it, else
///           empty.
/// Panics.   if a slice length differs from its shape, or P, Q or S is 0.
/// Cost.     2·N·P·Q·U·V·I·O·16 flop (fewer at a border); reads x and w from cache, writes y once.
/// Numerics. starts from the bias and sums over u, v, i in this order, one rounding for each product where the ISA fuses.
/// Source.   [`crate::reference::conv::forward`], lane by lane.
pub fn forward(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Lanes],
    w: &[Lanes],
    b: &[Lanes],
    z: &mut [Lanes],
    y: &mut [Lanes],
) {
    assert!(x.len() == dims.x_len() && w.len() == dims.w_len(), "shape of x or w");
    assert!(b.len() == dims.outputs && y.len() == dims.y_len(), "shape of b or y");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    check(activation, dropout, z, y.len());
    let dims = dims.flattened();
    let plain = activation == Activation::Identity && dropout.is_none();
    with_activation!(activation, A => {
        isa.run(Forward::<A> { dims, plain, dropout, x, w, b, z, y, activation: PhantomData })
    });
}

struct Forward<'a, A> {
    dims: Dims,
    /// The sums are the output.
    plain: bool,
    dropout: Option<Dropout<'a>>,
    x: &'a [Lanes],
    w: &'a [Lanes],
    b: &'a [Lanes],
    z: &'a mut [Lanes],
    y: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut end = Finish::<S, A>::new(s, self.dropout, self.z, self.y);
        let [vertical, horizontal] = Axis::of(&self.dims);
        for rows in vertical.forward() {
            for columns in horizontal.forward() {
                rectangle(s, &self.dims, [rows, columns], self.x, self.w, self.b, self.plain, &mut end);
            }
        }
    }
}

/// All positions that the same taps reach, in every image.
#[inline(always)]
fn rectangle<S: Simd, A: Function>(
    s: S,
    d: &Dims,
    [rows, columns]: [Span; 2],
    x: &[Lanes],
    w: &[Lanes],
    b: &[Lanes],
    plain: bool,
    end: &mut Finish<S, A>,
) {
    let (row, across) = (d.kernel[1] * d.inputs * d.outputs, (d.width * d.inputs) as isize);
    // the taps of a row lie one after another, in the map and in the weights
    let counts = [1, rows.taps, columns.taps * d.inputs];
    let walk = Walk::new(counts, [0, across, 1], [0, row, d.outputs]);
    let w = &w[rows.tap * row + columns.tap * d.inputs * d.outputs..];
    let (source, target) = ([d.height, d.width, d.inputs], [d.p, d.q, d.outputs]);
    for group in groups(d.images, [rows, columns], source, target) {
        let (at, to) = (group.source(), group.target());
        let sums = Sums {
            walk: &walk,
            a: x,
            at,
            w,
            step: 1,
            channels: d.outputs,
            start: Some(b),
            to,
            shift: 0,
            out: end.sums(),
        };
        s.run(sums);
        if !plain {
            for &place in to {
                end.in_place(s, place, d.outputs);
            }
        }
    }
}
