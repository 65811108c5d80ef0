//! The gradient of the input.

use super::{Dims, Input};
use crate::activation::{Below, Function, epilogue_backward, with_activation};
use crate::rows::{starts, with_rows};
use crate::{Block, Isa, Kernel, LANES, Lanes, simd::Simd};
use core::marker::PhantomData;

/// Computes the gradient of a convolution's input and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,i] = r·f'(z) · Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w;
/// positions that no window reads have the sum 0
///
/// Shapes.   `dy` P·Q·O blocks; `wt` the weights as [`transpose`] gives them; `x` H·W·I blocks: the convolution's input on
///           entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape, or a window misses the map.
/// Cost.     2·N·P·Q·U·V·I·O·256 flop; reads dy and wt, reads and writes x once.
/// Numerics. sums over u, v, o in this order.
/// Source.   [`crate::reference::conv::backward_input`].
pub fn backward_input(isa: Isa, dims: &Dims, below: Below, dy: &[Block], wt: &[Lanes], x: &mut [Block]) {
    dims.check_map();
    assert!(dy.len() == dims.y_len() && wt.len() == dims.w_len() && x.len() == dims.x_len(), "shape of dy, wt or x");
    below.check(x.len());
    let wt = wt.as_chunks::<LANES>().0;
    with_activation!(below.activation, A => {
        isa.run(BackwardInput::<A> { dims, below, dy, wt, x, activation: PhantomData })
    });
}

struct BackwardInput<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Block],
    wt: &'a [[Lanes; LANES]],
    x: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for BackwardInput<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        with_rows!(S, self.dims.images, R => self.rows::<S, R>(s));
    }
}

impl<A: Function> BackwardInput<'_, A> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, s: S) {
        let Dims { height, width, outputs, kernel, stride, top, left, p: rows, q: columns, .. } = *self.dims;
        let inputs = self.dims.inputs.count();
        for h in 0..height {
            let (u0, u1, p0) = reach(h + top, stride, rows, kernel[0]);
            for w in 0..width {
                let (v0, v1, q0) = reach(w + left, stride, columns, kernel[1]);
                for i in 0..inputs {
                    let index = (h * width + w) * inputs + i;
                    for first in starts::<R>(self.dims.images) {
                        let mut acc = [s.splat(0.0); R];
                        let (mut u, mut p) = (u0, p0);
                        while u < u1 {
                            let (mut v, mut q) = (v0, q0);
                            while v < v1 {
                                let dy = &self.dy[(p * columns + q) * outputs..][..outputs];
                                let wt = &self.wt[((i * kernel[0] + u) * kernel[1] + v) * outputs..][..outputs];
                                for (dy, wt) in dy.iter().zip(wt) {
                                    <Block as Input>::accumulate(s, dy, first, wt, &mut acc);
                                }
                                (v, q) = (v + stride, q.wrapping_sub(1));
                            }
                            (u, p) = (u + stride, p.wrapping_sub(1));
                        }
                        epilogue_backward::<S, A, R>(s, &acc, &self.below, (index, first), self.x);
                    }
                }
            }
        }
    }
}

/// Taps `first, first + stride, … < last` of an axis that carry input position `at` (counted with the zeros before it) to an
/// output position, and that of the first.
#[inline(always)]
fn reach(at: usize, stride: usize, positions: usize, kernel: usize) -> (usize, usize, usize) {
    let far = at.saturating_sub(stride * (positions - 1));
    let first = far + (at - far) % stride;
    (first, kernel.min(at + 1), (at.saturating_sub(first)) / stride)
}

/// Rearranges a convolution's weights for [`backward_input`].
///
/// `wt[i block][tap][o block][o][i] = w[o block][tap][i block][i][o]`
///
/// Shapes.   both O·U·V·I·16 lanes.
/// Panics.   if a slice length differs from its shape.
/// Cost.     none; reads w, writes wt.
/// Numerics. exact.
/// Source.   none.
pub fn transpose(dims: &Dims, w: &[Lanes], wt: &mut [Lanes]) {
    dims.check_map();
    assert!(w.len() == dims.w_len() && wt.len() == dims.w_len(), "shape of w or wt");
    let (taps, inputs) = (dims.kernel[0] * dims.kernel[1], dims.inputs.count());
    let w = w.as_chunks::<LANES>().0;
    let wt = wt.as_chunks_mut::<LANES>().0;
    for o in 0..dims.outputs {
        for tap in 0..taps {
            for i in 0..inputs {
                let from = &w[(o * taps + tap) * inputs + i];
                let to = &mut wt[(i * taps + tap) * dims.outputs + o];
                for (a, to) in to.iter_mut().enumerate() {
                    for (b, from) in from.iter().enumerate() {
                        to.0[b] = from.0[a];
                    }
                }
            }
        }
    }
}
