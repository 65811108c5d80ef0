//! The average of each window.

use super::{Dims, ROWS, windows};
use crate::activation::{
    Activation, Below, Dropout, Function, check_epilogue, epilogue, epilogue_backward, with_activation,
};
use crate::{Block, Isa, Kernel, TILE, simd::Simd};
use core::{marker::PhantomData, ops::Range};

/// Averages each channel over windows and applies activation and dropout.
///
/// `z[n,p,q,c] = Σ_{u,v} x[n, S·p+u, S·q+v, c] · 1/(U·V)`, `y = dropout(f(z))`
///
/// Shapes.   `x` H·W·C blocks, `y` P·Q·C blocks; `z` like `y` if the activation's gradient needs it, else empty.
/// Panics.   if a slice length differs from its shape, or a window leaves the map.
/// Cost.     N·P·Q·U·V·C·16 flop and the activation's; reads x once for each window that holds it, writes y once.
/// Numerics. sums over u, v in this order, one product with the reciprocal.
/// Source.   [`crate::reference::pool::forward_average`].
pub fn forward_average(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Block],
    z: &mut [Block],
    y: &mut [Block],
) {
    dims.check();
    assert!(x.len() == dims.x_len() && y.len() == dims.y_len(), "shape of x or y");
    check_epilogue(activation, dropout, z, y.len());
    with_activation!(activation, A => isa.run(Forward::<A> { dims, dropout, x, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [Block],
    z: &'a mut [Block],
    y: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for p in 0..self.dims.p {
            for q in 0..self.dims.q {
                for c in 0..self.dims.channels {
                    self.window(s, p, q, c);
                }
            }
        }
    }
}

impl<A: Function> Forward<'_, A> {
    /// One channel block of one position.
    #[inline(always)]
    fn window<S: Simd>(&mut self, s: S, p: usize, q: usize, c: usize) {
        let Dims { width, channels, size: [rows, columns], stride, .. } = *self.dims;
        let index = (p * self.dims.q + q) * channels + c;
        let share = s.splat(1.0 / (rows * columns) as f32);
        for first in (0..TILE).step_by(ROWS) {
            let mut acc = [s.splat(0.0); ROWS];
            for u in 0..rows {
                for v in 0..columns {
                    let x = &self.x[((p * stride + u) * width + q * stride + v) * channels + c];
                    for n in 0..ROWS {
                        acc[n] = s.add(acc[n], s.load(&x[first + n]));
                    }
                }
            }
            for n in 0..ROWS {
                acc[n] = s.mul(acc[n], share);
            }
            epilogue::<S, A, ROWS>(s, &acc, self.dropout, (index, first), self.z, self.y);
        }
    }
}

/// Spreads the gradient over the windows and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,c] = r·f'(z) · Σ_{p,q} dy[n,p,q,c] · 1/(U·V)` over the windows that hold (h, w)
///
/// Shapes.   `dy` P·Q·C blocks; `x` H·W·C blocks: the pooling's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape, or a window leaves the map.
/// Cost.     N·P·Q·U·V·C·16 flop and the activation's; reads dy U·V times from cache, reads and writes x once.
/// Numerics. sums over p, q in this order, one product with the reciprocal.
/// Source.   [`crate::reference::pool::backward_average`].
pub fn backward_average(isa: Isa, dims: &Dims, below: Below, dy: &[Block], x: &mut [Block]) {
    dims.check();
    assert!(dy.len() == dims.y_len() && x.len() == dims.x_len(), "shape of dy or x");
    below.check(x.len());
    with_activation!(below.activation, A => isa.run(Backward::<A> { dims, below, dy, x, activation: PhantomData }));
}

struct Backward<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Block],
    x: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Dims { height, width, channels, size, stride, p: rows, q: columns } = *self.dims;
        for h in 0..height {
            let p = windows(h, size[0], stride, rows);
            for w in 0..width {
                let q = windows(w, size[1], stride, columns);
                for c in 0..channels {
                    self.position(s, (h * width + w) * channels + c, c, p.clone(), q.clone());
                }
            }
        }
    }
}

impl<A: Function> Backward<'_, A> {
    /// One block of the map, which the windows of rows `p` and columns `q` hold.
    #[inline(always)]
    fn position<S: Simd>(&mut self, s: S, index: usize, c: usize, p: Range<usize>, q: Range<usize>) {
        let Dims { channels, size, q: columns, .. } = *self.dims;
        let share = s.splat(1.0 / (size[0] * size[1]) as f32);
        for first in (0..TILE).step_by(ROWS) {
            // −0 is the sum of nothing: a single gradient keeps its sign if it is 0
            let mut acc = [s.splat(-0.0); ROWS];
            for p in p.clone() {
                for q in q.clone() {
                    let dy = &self.dy[(p * columns + q) * channels + c];
                    for n in 0..ROWS {
                        acc[n] = s.add(acc[n], s.load(&dy[first + n]));
                    }
                }
            }
            for n in 0..ROWS {
                acc[n] = s.mul(acc[n], share);
            }
            epilogue_backward::<S, A, ROWS>(s, &acc, &self.below, (index, first), self.x);
        }
    }
}
