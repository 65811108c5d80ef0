//! The largest value of each window.

use super::{Dims, ROWS, windows};
use crate::activation::{
    Activation, Below, Dropout, Function, check_epilogue, epilogue, epilogue_backward, with_activation,
};
use crate::rows::with_rows;
use crate::{Block, Isa, Kernel, TILE, simd::Simd};
use core::{marker::PhantomData, ops::Range};

/// Takes the largest value of each channel in windows and applies activation and dropout.
///
/// `z[n,p,q,c] = max_{u,v} x[n, S·p+u, S·q+v, c]`, `y = dropout(f(z))`; `argmax` the tap of the first that is the largest, or
/// of the first NaN
///
/// Shapes.   `x` H·W·C blocks, `argmax` and `y` P·Q·C blocks; `z` like `y` if the activation's gradient needs it, else empty.
/// Panics.   if a slice length differs from its shape, or a window leaves the map.
/// Cost.     4·N·P·Q·U·V·C·16 operations and the activation's, twice as many where a value is not finite; reads x once for
///           each window that holds it, writes argmax and y once.
/// Numerics. exact; NaN where a window holds a NaN, so that a diverged network is seen.
/// Source.   [`crate::reference::pool::forward_max`].
pub fn forward_max(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Block],
    argmax: &mut [Block],
    z: &mut [Block],
    y: &mut [Block],
) {
    dims.check();
    assert!(x.len() == dims.x_len() && y.len() == dims.y_len(), "shape of x or y");
    assert!(argmax.len() == y.len(), "shape of argmax");
    check_epilogue(activation, dropout, z, y.len());
    with_activation!(activation, A => isa.run(Forward::<A> { dims, dropout, x, argmax, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [Block],
    argmax: &'a mut [Block],
    z: &'a mut [Block],
    y: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // two accumulators an image, and as many registers for its value and the comparison
        with_rows!(S {
            12 => self.rows::<S, 4>(s),
            6 => self.rows::<S, 2>(s),
            3 => self.rows::<S, 1>(s),
        })
    }
}

impl<A: Function> Forward<'_, A> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, s: S) {
        let Dims { width, channels, stride, p: rows, q: columns, .. } = *self.dims;
        for p in 0..rows {
            for q in 0..columns {
                for c in 0..channels {
                    let (index, start) = ((p * columns + q) * channels + c, (p * width + q) * stride * channels + c);
                    for first in (0..TILE).step_by(R) {
                        let (best, tap) = largest::<S, R>(s, self.dims, &self.x[start..], first);
                        for n in 0..R {
                            s.store(tap[n], &mut self.argmax[index][first + n]);
                        }
                        epilogue::<S, A, R>(s, &best, self.dropout, (index, first), self.z, self.y);
                    }
                }
            }
        }
    }
}

/// The largest values of the window at the beginning of `x` and their taps.
#[inline(always)]
fn largest<S: Simd, const R: usize>(s: S, dims: &Dims, x: &[Block], first: usize) -> ([S::F; R], [S::F; R]) {
    let [rows, columns] = dims.size;
    let (mut best, mut tap) = ([s.splat(f32::NEG_INFINITY); R], [s.splat(0.0); R]);
    let (mut number, mut sum) = (s.splat(0.0), s.splat(0.0));
    for u in 0..rows {
        for v in 0..columns {
            let x = &x[(u * dims.width + v) * dims.channels];
            for n in 0..R {
                let x = s.load(&x[first + n]);
                tap[n] = s.select(s.gt(x, best[n]), number, tap[n]);
                best[n] = s.max(x, best[n]);
                sum = s.add(sum, x);
            }
            number = s.add(number, s.splat(1.0));
        }
    }
    // comparisons pass over NaN, sums do not
    if s.bits(s.within(sum, s.splat(f32::MIN), s.splat(f32::MAX))) != u16::MAX {
        first_nan(s, dims, x, first, &mut best, &mut tap);
    }
    (best, tap)
}

/// Replaces what was found by the first NaN of each window that holds one.
#[inline(always)]
fn first_nan<S: Simd, const R: usize>(
    s: S,
    dims: &Dims,
    x: &[Block],
    first: usize,
    best: &mut [S::F; R],
    tap: &mut [S::F; R],
) {
    let [rows, columns] = dims.size;
    for number in (0..rows * columns).rev() {
        let x = &x[(number / columns * dims.width + number % columns) * dims.channels];
        for n in 0..R {
            let x = s.load(&x[first + n]);
            let ordered = s.within(x, s.splat(f32::NEG_INFINITY), s.splat(f32::INFINITY));
            best[n] = s.select(ordered, best[n], x);
            tap[n] = s.select(ordered, tap[n], s.splat(number as f32));
        }
    }
}

/// Gives the gradient to the largest values and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,c] = r·f'(z) · Σ_{p,q} dy[n,p,q,c]` over the windows whose `argmax` is (h, w)
///
/// Shapes.   `dy` and `argmax` P·Q·C blocks; `x` H·W·C blocks: the pooling's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape, or a window leaves the map.
/// Cost.     3·N·P·Q·U·V·C·16 operations and the activation's; reads dy and argmax U·V times from cache, reads and writes x
///           once.
/// Numerics. sums over p, q in this order.
/// Source.   [`crate::reference::pool::backward_max`].
pub fn backward_max(isa: Isa, dims: &Dims, below: Below, dy: &[Block], argmax: &[Block], x: &mut [Block]) {
    dims.check();
    assert!(dy.len() == dims.y_len() && x.len() == dims.x_len(), "shape of dy or x");
    assert!(argmax.len() == dy.len(), "shape of argmax");
    below.check(x.len());
    with_activation!(below.activation, A => isa.run(Backward::<A> { dims, below, dy, argmax, x, activation: PhantomData }));
}

struct Backward<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Block],
    argmax: &'a [Block],
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
                    self.position(s, (h, w, c), p.clone(), q.clone());
                }
            }
        }
    }
}

impl<A: Function> Backward<'_, A> {
    /// One block of the map, which the windows of rows `p` and columns `q` hold.
    #[inline(always)]
    fn position<S: Simd>(&mut self, s: S, (h, w, c): (usize, usize, usize), p: Range<usize>, q: Range<usize>) {
        let Dims { width, channels, size, stride, q: columns, .. } = *self.dims;
        let index = (h * width + w) * channels + c;
        for first in (0..TILE).step_by(ROWS) {
            let mut acc = [s.splat(0.0); ROWS];
            for p in p.clone() {
                for q in q.clone() {
                    let unit = (p * columns + q) * channels + c;
                    let tap = s.splat(((h - p * stride) * size[1] + w - q * stride) as f32);
                    let (argmax, dy) = (&self.argmax[unit], &self.dy[unit]);
                    for n in 0..ROWS {
                        let here = s.within(s.load(&argmax[first + n]), tap, tap);
                        acc[n] = s.add(acc[n], s.and_mask(here, s.load(&dy[first + n])));
                    }
                }
            }
            epilogue_backward::<S, A, ROWS>(s, &acc, &self.below, (index, first), self.x);
        }
    }
}
