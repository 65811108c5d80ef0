//! The largest value of each window.

use super::{Dims, ROWS, windows};
use crate::activation::{
    Activation, Below, Dropout, Function, check_epilogue, epilogue, epilogue_backward, with_activation,
};
use crate::{Block, Isa, Kernel, TILE, simd::Simd};
use core::marker::PhantomData;

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
        let Dims { channels, q: columns, .. } = *self.dims;
        for index in 0..self.y.len() {
            let (position, c) = (index / channels, index % channels);
            let start = self.dims.corner(position / columns, position % columns) * channels + c;
            for first in (0..TILE).step_by(ROWS) {
                let (best, tap) = largest(s, self.dims, &self.x[start..], first);
                for n in 0..ROWS {
                    s.store(tap[n], &mut self.argmax[index][first + n]);
                }
                epilogue::<S, A, ROWS>(s, &best, self.dropout, (index, first), self.z, self.y);
            }
        }
    }
}

/// The largest values of the window at the beginning of `x` and their taps.
#[inline(always)]
fn largest<S: Simd>(s: S, dims: &Dims, x: &[Block], first: usize) -> ([S::F; ROWS], [S::F; ROWS]) {
    let [rows, columns] = dims.size;
    let mut best = [s.splat(f32::NEG_INFINITY); ROWS];
    let mut tap = [s.splat(0.0); ROWS];
    let mut sum = [s.splat(0.0); ROWS];
    for u in 0..rows {
        for v in 0..columns {
            let (x, number) = (&x[(u * dims.width + v) * dims.channels], s.splat((u * columns + v) as f32));
            for n in 0..ROWS {
                let x = s.load(&x[first + n]);
                tap[n] = s.select(s.gt(x, best[n]), number, tap[n]);
                best[n] = s.max(x, best[n]);
                sum[n] = s.add(sum[n], x);
            }
        }
    }
    for n in 0..ROWS {
        // comparisons pass over NaN, sums do not
        if s.bits(finite(s, sum[n])) != u16::MAX {
            (best[n], tap[n]) = first_nan(s, dims, x, first + n, (best[n], tap[n]));
        }
    }
    (best, tap)
}

/// `best` and its tap, in lanes where the window holds NaN the first of them.
#[inline(always)]
fn first_nan<S: Simd>(s: S, dims: &Dims, x: &[Block], n: usize, found: (S::F, S::F)) -> (S::F, S::F) {
    let ([rows, columns], (mut best, mut tap)) = (dims.size, found);
    for number in (0..rows * columns).rev() {
        let x = s.load(&x[(number / columns * dims.width + number % columns) * dims.channels][n]);
        let ordered = s.within(x, s.splat(f32::NEG_INFINITY), s.splat(f32::INFINITY));
        best = s.select(ordered, best, x);
        tap = s.select(ordered, tap, s.splat(number as f32));
    }
    (best, tap)
}

#[inline(always)]
fn finite<S: Simd>(s: S, x: S::F) -> S::M {
    s.within(x, s.splat(f32::MIN), s.splat(f32::MAX))
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
    fn run<S: Simd>(self, s: S) {
        let Dims { width, channels, size, stride, p: rows, q: columns, .. } = *self.dims;
        for index in 0..self.x.len() {
            let (position, c) = (index / channels, index % channels);
            let (h, w) = (position / width, position % width);
            let (p0, p1) = windows(h, size[0], stride, rows);
            let (q0, q1) = windows(w, size[1], stride, columns);
            for first in (0..TILE).step_by(ROWS) {
                let mut acc = [s.splat(0.0); ROWS];
                for p in p0..p1 {
                    for q in q0..q1 {
                        let unit = (p * columns + q) * channels + c;
                        let tap = s.splat(((h - p * stride) * size[1] + w - q * stride) as f32);
                        for n in 0..ROWS {
                            let here = s.within(s.load(&self.argmax[unit][first + n]), tap, tap);
                            acc[n] = s.add(acc[n], s.keep(here, s.load(&self.dy[unit][first + n])));
                        }
                    }
                }
                epilogue_backward::<S, A, ROWS>(s, &acc, &self.below, (index, first), self.x);
            }
        }
    }
}
