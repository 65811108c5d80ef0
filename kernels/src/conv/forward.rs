//! The forward pass.

use super::{Dims, Input};
use crate::activation::{Activation, Dropout, Function, check_epilogue, epilogue, with_activation};
use crate::rows::{starts, with_rows};
use crate::{Block, Isa, Kernel, LANES, Lanes, TILE, simd::Simd};
use core::marker::PhantomData;

/// Convolves a tile and applies activation and dropout.
///
/// `z[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, `y = dropout(f(z))`
///
/// Shapes.   `x` H·W·I blocks, `w` O·U·V·I·16 lanes, `b` O lanes, `y` P·Q·O blocks; `z` like `y` if the activation's gradient
///           needs it, else empty.
/// Panics.   if a slice length differs from its shape, or a window misses the map.
/// Cost.     2·N·P·Q·U·V·I·O·256 flop (fewer at a border); reads x, w, b once from cache, writes y once.
/// Numerics. sums over u, v, i in this order, one rounding for each product where the ISA fuses.
/// Source.   [`crate::reference::conv::forward`].
pub fn forward(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Block],
    w: &[Lanes],
    b: &[Lanes],
    z: &mut [Block],
    y: &mut [Block],
) {
    dims.check_map();
    assert!(w.len() == dims.w_len(), "shape of w");
    let w = w.as_chunks::<LANES>().0;
    forward_any(isa, activation, Forward { dims, dropout, x, w, b, z, y });
}

/// Convolves a tile of images; as [`forward`], with `x` of H·W·C values for each n and `w` of O·U·V·C lanes.
///
/// The image is padded by whoever fills it: T and L must be 0 and every window must lie inside.
pub fn forward_image(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[[f32; TILE]],
    w: &[Lanes],
    b: &[Lanes],
    z: &mut [Block],
    y: &mut [Block],
) {
    dims.check_image();
    assert!(w.len() == dims.w_len(), "shape of w");
    forward_any(isa, activation, Forward { dims, dropout, x, w, b, z, y });
}

fn forward_any<X: Input>(isa: Isa, activation: Activation, job: Forward<X>) {
    let dims = job.dims;
    assert!(job.x.len() == dims.x_len(), "shape of x");
    assert!(job.b.len() == dims.outputs && job.y.len() == dims.y_len(), "shape of b or y");
    check_epilogue(activation, job.dropout, job.z, job.y.len());
    with_activation!(activation, A => isa.run(ForwardAs::<X, A>(job, PhantomData)));
}

struct Forward<'a, X: Input> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [X],
    w: &'a [X::Weights],
    b: &'a [Lanes],
    z: &'a mut [Block],
    y: &'a mut [Block],
}

struct ForwardAs<'a, X: Input, A>(Forward<'a, X>, PhantomData<A>);

impl<X: Input, A: Function> Kernel for ForwardAs<'_, X, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        with_rows!(S, self.0.dims.images, R => self.0.rows::<S, A, R>(s));
    }
}

impl<X: Input> Forward<'_, X> {
    #[inline(always)]
    fn rows<S: Simd, A: Function, const R: usize>(self, s: S) {
        let Dims { height, width, outputs, kernel: [rows, columns], stride, top, left, .. } = *self.dims;
        let inputs = self.dims.inputs.count();
        for p in 0..self.dims.p {
            let (u0, u1) = taps(p, stride, top, height, rows);
            for q in 0..self.dims.q {
                let (v0, v1) = taps(q, stride, left, width, columns);
                for o in 0..outputs {
                    let index = (p * self.dims.q + q) * outputs + o;
                    for first in starts::<R>(self.dims.images) {
                        let mut acc = [s.load(&self.b[o]); R];
                        for u in u0..u1 {
                            let start = (p * stride + u - top) * width + q * stride + v0 - left;
                            let tap = (o * rows + u) * columns;
                            let x = &self.x[start * inputs..(start + v1 - v0) * inputs];
                            let w = &self.w[(tap + v0) * inputs..(tap + v1) * inputs];
                            for (x, w) in x.iter().zip(w) {
                                X::accumulate(s, x, first, w, &mut acc);
                            }
                        }
                        epilogue::<S, A, R>(s, &acc, self.dropout, (index, first), self.z, self.y);
                    }
                }
            }
        }
    }
}

/// Taps `first..last` of an axis that meet the input at output position `p`.
#[inline(always)]
fn taps(p: usize, stride: usize, before: usize, size: usize, kernel: usize) -> (usize, usize) {
    let start = p * stride;
    (before.saturating_sub(start), kernel.min((size + before).saturating_sub(start)))
}
