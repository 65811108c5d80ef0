//! The maximum of each window.

use super::{Dims, covering};
use crate::activation::{Activation, Function, with_activation};
use crate::simd::Simd;
use crate::team::epilogue::{Finish, Unfinish, check};
use crate::team::{Below, Dropout};
use crate::{Isa, Kernel, Lanes};
use core::marker::PhantomData;

/// Takes the maximum of each window and applies activation and dropout.
///
/// `z[n,p,q,c] = max_{u,v} x[n, S·p+u, S·q+v, c]`, `argmax[n,p,q,c] = u·V + v` of the first maximum, `y = dropout(f(z))`
///
/// Shapes.   `x` N·H·W·C, `argmax` and `y` N·P·Q·C lanes; `z` like `y` if the activation's gradient needs it, else empty.
/// Panics.   if a slice length differs from its shape or a window lies outside of the map.
/// Cost.     4·16 operations for each element of a window; reads x U·V/S² times, writes argmax and y.
/// Numerics. exact; NaN counts as larger than every number, so that a diverged network is seen.
/// Source.   [`crate::reference::team::max_pool`].
pub fn forward_max(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Lanes],
    argmax: &mut [Lanes],
    z: &mut [Lanes],
    y: &mut [Lanes],
) {
    dims.check(x.len(), y.len());
    assert!(argmax.len() == y.len(), "shape of argmax");
    check(activation, dropout, z, y.len());
    with_activation!(activation, A => {
        isa.run(Forward::<A> { dims, dropout, x, argmax, z, y, activation: PhantomData })
    });
}

struct Forward<'a, A> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [Lanes],
    argmax: &'a mut [Lanes],
    z: &'a mut [Lanes],
    y: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dims { images, width, channels, size, stride, p: rows, q: columns, .. } = *self.dims;
        let mut end = Finish::<S, A>::new(s, self.dropout, self.z, self.y);
        for n in 0..images {
            for p in 0..rows {
                for q in 0..columns {
                    let (corner, index) = (self.dims.x_at(n, p * stride, q * stride), self.dims.y_at(n, p, q));
                    for c in 0..channels {
                        let (mut best, mut at) = (s.load(&self.x[corner + c]), s.splat(0.0));
                        for u in 0..size[0] {
                            let row = &self.x[corner + u * width * channels..][..size[1] * channels];
                            for v in 0..size[1] {
                                let x = s.load(&row[v * channels + c]);
                                let beats = s.beats(x, best);
                                best = s.select(beats, x, best);
                                at = s.select(beats, s.splat((u * size[1] + v) as f32), at);
                            }
                        }
                        s.store(at, &mut self.argmax[index + c]);
                        end.unit(s, index + c, best);
                    }
                }
            }
        }
    }
}

/// Gives each window's gradient to its maximum and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,c] = r·f'(z) · Σ_{p,q} dy[n,p,q,c]` over the windows whose maximum is at `(h, w)`
///
/// Shapes.   `dy` and `argmax` N·P·Q·C lanes; `x` N·H·W·C: the pooling's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape or a window lies outside of the map.
/// Cost.     3·16 operations for each element of a window; reads dy and argmax U·V times from cache, reads and writes x.
/// Numerics. sums over p, q in this order.
/// Source.   [`crate::reference::team::max_pool`].
pub fn backward_max(isa: Isa, dims: &Dims, below: Below, dy: &[Lanes], argmax: &[Lanes], x: &mut [Lanes]) {
    dims.check(x.len(), dy.len());
    assert!(argmax.len() == dy.len(), "shape of argmax");
    below.check(x.len());
    with_activation!(below.activation, A => {
        isa.run(Backward::<A> { dims, below, dy, argmax, x, activation: PhantomData })
    });
}

struct Backward<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Lanes],
    argmax: &'a [Lanes],
    x: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Dims { images, height, width, channels, size, stride, p: rows, q: columns } = *self.dims;
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        for n in 0..images {
            for h in 0..height {
                let (p0, p1) = covering(h, size[0], stride, rows);
                for w in 0..width {
                    let (q0, q1) = covering(w, size[1], stride, columns);
                    let index = self.dims.x_at(n, h, w);
                    for c in 0..channels {
                        let mut sum = s.splat(0.0);
                        for p in p0..p1 {
                            for q in q0..q1 {
                                let at = s.splat(((h - p * stride) * size[1] + w - q * stride) as f32);
                                let window = self.dims.y_at(n, p, q) + c;
                                let hit = s.within(s.load(&self.argmax[window]), at, at);
                                sum = s.add(sum, s.keep(hit, s.load(&self.dy[window])));
                            }
                        }
                        end.unit(s, index + c, sum);
                    }
                }
            }
        }
    }
}
