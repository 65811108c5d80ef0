//! The gradient of the input.

use super::Dims;
use super::span::{Axis, Span, groups};
use super::sums::{BLOCK, SUMS, Sums};
use crate::activation::{Function, with_activation};
use crate::simd::Simd;
use crate::simd::tile::Walk;
use crate::team::epilogue::Unfinish;
use crate::team::{Below, parts};
use crate::{Isa, Kernel, Lanes};
use core::marker::PhantomData;

/// Computes the gradient of a convolution's input and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,i] = r·f'(z) · Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w
///
/// Shapes.   `dy` N·P·Q·O, `w` U·V·I·O lanes; `x` N·H·W·I: the convolution's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape, or P, Q or S is 0.
/// Cost.     2·N·P·Q·U·V·I·O·16 flop (fewer at a border); reads dy and w from cache, reads and writes x once.
/// Numerics. sums over u, v, o in this order.
/// Source.   [`crate::reference::conv::backward_input`], lane by lane.
pub fn backward_input(isa: Isa, dims: &Dims, below: Below, dy: &[Lanes], w: &[Lanes], x: &mut [Lanes]) {
    assert!(dy.len() == dims.y_len() && w.len() == dims.w_len() && x.len() == dims.x_len(), "shape of dy, w or x");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    below.check(x.len());
    let dims = dims.flattened();
    with_activation!(below.activation, A => {
        isa.run(BackwardInput::<A> { dims, below, dy, w, x, activation: PhantomData })
    });
}

struct BackwardInput<'a, A> {
    dims: Dims,
    below: Below<'a>,
    dy: &'a [Lanes],
    w: &'a [Lanes],
    x: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for BackwardInput<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        let mut out = [Lanes::ZERO; SUMS];
        let [vertical, horizontal] = Axis::of(&self.dims);
        for rows in vertical.backward() {
            for columns in horizontal.backward() {
                rectangle(s, &self.dims, [rows, columns], self.dy, self.w, &mut out, &mut end);
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
    dy: &[Lanes],
    w: &[Lanes],
    out: &mut [Lanes; SUMS],
    end: &mut Unfinish<S, A>,
) {
    let (tap, pixel) = (d.inputs * d.outputs, d.outputs as isize);
    // S taps further is one output position back
    let counts = [rows.taps, columns.taps, d.outputs];
    let weights = [d.stride * d.kernel[1] * tap, d.stride * tap, 1];
    let walk = Walk::new(counts, [-(d.q as isize) * pixel, -pixel, 1], weights);
    let w = &w[(rows.tap * d.kernel[1] + columns.tap) * tap..];
    let (source, target) = ([d.p, d.q, d.outputs], [d.height, d.width, d.inputs]);
    for (i, channels) in parts(d.inputs, BLOCK) {
        for group in groups(d.images, [rows, columns], source, target, SUMS / channels) {
            let (at, start) = (group.source(), &[Lanes::ZERO; BLOCK][..channels]);
            s.run(Sums { walk: &walk, a: dy, at, w: &w[i * d.outputs..], step: d.outputs, start, out });
            for (item, place, items) in group.runs(channels) {
                end.units(s, place + i, &out[item * channels..][..items * channels]);
            }
        }
    }
}
