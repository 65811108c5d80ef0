//! The forward pass.

use super::Dims;
use super::span::{Axis, GROUP, Span, groups};
use super::sums::{CHANNELS, Products, Sums};
use crate::activation::{Activation, Function, with_activation};
use crate::simd::Simd;
use crate::team::epilogue::{Finish, check};
use crate::team::{Dropout, parts};
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
/// Numerics. starts from the bias and sums over u, v, i in this order, one rounding for each product where the leg fuses.
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
    with_activation!(activation, A => isa.run(Forward::<A> { dims, dropout, x, w, b, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dims: Dims,
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
                rectangle(s, &self.dims, [rows, columns], self.x, self.w, self.b, &mut end);
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
    end: &mut Finish<S, A>,
) {
    let row = d.kernel[1] * d.inputs * d.outputs;
    // the taps of a row lie one after another, in the map and in the weights
    let products = Products {
        taps: [rows.taps, columns.taps.min(1)],
        depth: columns.taps * d.inputs,
        source: [d.width * d.inputs, 0],
        weights: [row, 0],
        within: [d.outputs, 1],
    };
    let mut out = [Lanes::ZERO; GROUP * CHANNELS];
    let (source, target) = ([d.height, d.width, d.inputs], [d.p, d.q, d.outputs]);
    for group in groups(d.images, [rows, columns], source, target) {
        let at = &group.source[..group.len];
        for (o, channels) in parts(d.outputs, CHANNELS) {
            let w = &w[rows.tap * row + columns.tap * d.inputs * d.outputs + o..];
            let start = &b[o..o + channels];
            s.run(Sums { products: &products, a: x, at, w, start, out: &mut out });
            for (r, sums) in out.chunks_exact(channels).take(group.len).enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    end.unit(s, group.target[r] + o + c, s.load(sum));
                }
            }
        }
    }
}
