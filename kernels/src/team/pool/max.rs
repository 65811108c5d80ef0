//! The maximum of each window.

use super::{Cover, Dims};
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
/// Source.   [`crate::reference::pool::forward_max`].
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
        let d = self.dims;
        let mut end = Finish::<S, A>::new(s, self.dropout, self.z, self.y);
        for n in 0..d.images {
            for p in 0..d.p {
                for q in 0..d.q {
                    let (x, y) = (d.x_at(n, p * d.stride, q * d.stride), d.y_at(n, p, q));
                    channels!(d.channels, c, C => {
                        let (mut best, mut at) = ([s.splat(0.0); C], [s.splat(0.0); C]);
                        for k in 0..C {
                            best[k] = s.load(&self.x[x + c + k]);
                        }
                        for u in 0..d.size[0] {
                            for v in 0..d.size[1] {
                                let place = s.splat((u * d.size[1] + v) as f32);
                                let x = &self.x[x + (u * d.width + v) * d.channels + c..][..C];
                                for k in 0..C {
                                    let x = s.load(&x[k]);
                                    let beats = s.beats(x, best[k]);
                                    best[k] = s.select(beats, x, best[k]);
                                    at[k] = s.select(beats, place, at[k]);
                                }
                            }
                        }
                        let argmax = &mut self.argmax[y + c..][..C];
                        for k in 0..C {
                            s.store(at[k], &mut argmax[k]);
                        }
                        end.few(s, y + c, best);
                    });
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
/// Source.   [`crate::reference::pool::backward_max`].
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
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        match self.dims.stride >= self.dims.size[0].max(self.dims.size[1]) {
            true => apart(s, self.dims, self.dy, self.argmax, &mut end),
            false => overlapping(s, self.dims, self.dy, self.argmax, &mut end),
        }
    }
}

/// Windows that share no position: each window writes all of its own.
#[inline(always)]
fn apart<S: Simd, A: Function>(s: S, d: &Dims, dy: &[Lanes], argmax: &[Lanes], end: &mut Unfinish<S, A>) {
    for n in 0..d.images {
        for p in 0..d.p {
            for q in 0..d.q {
                let (x, y) = (d.x_at(n, p * d.stride, q * d.stride), d.y_at(n, p, q));
                channels!(d.channels, c, C => {
                    let (argmax, dy) = (&argmax[y + c..][..C], &dy[y + c..][..C]);
                    for u in 0..d.size[0] {
                        for v in 0..d.size[1] {
                            let place = s.splat((u * d.size[1] + v) as f32);
                            let mut given = [place; C];
                            for k in 0..C {
                                given[k] = s.and_mask(s.within(s.load(&argmax[k]), place, place), s.load(&dy[k]));
                            }
                            end.few(s, x + (u * d.width + v) * d.channels + c, given);
                        }
                    }
                });
            }
        }
    }
    uncovered(s, d, end);
}

/// Positions that no window covers.
#[inline(always)]
fn uncovered<S: Simd, A: Function>(s: S, d: &Dims, end: &mut Unfinish<S, A>) {
    if d.size == [d.stride; 2] && d.height == d.p * d.stride && d.width == d.q * d.stride {
        return;
    }
    for n in 0..d.images {
        let mut rows = Cover::new(d.size[0], d.stride, d.p);
        for h in 0..d.height {
            rows.forward_to(h);
            let mut columns = Cover::new(d.size[1], d.stride, d.q);
            for w in 0..d.width {
                columns.forward_to(w);
                if rows.windows().is_empty() || columns.windows().is_empty() {
                    for c in 0..d.channels {
                        end.few(s, d.x_at(n, h, w) + c, [s.splat(0.0)]);
                    }
                }
            }
        }
    }
}

/// Any windows: each position asks those that cover it.
#[inline(always)]
fn overlapping<S: Simd, A: Function>(s: S, d: &Dims, dy: &[Lanes], argmax: &[Lanes], end: &mut Unfinish<S, A>) {
    for n in 0..d.images {
        let mut rows = Cover::new(d.size[0], d.stride, d.p);
        for h in 0..d.height {
            rows.forward_to(h);
            let mut columns = Cover::new(d.size[1], d.stride, d.q);
            for w in 0..d.width {
                columns.forward_to(w);
                let x = d.x_at(n, h, w);
                channels!(d.channels, c, C => {
                    let mut sum = [s.splat(0.0); C];
                    for p in rows.windows() {
                        for q in columns.windows() {
                            let place = s.splat(((h - p * d.stride) * d.size[1] + w - q * d.stride) as f32);
                            let y = d.y_at(n, p, q) + c;
                            let (argmax, dy) = (&argmax[y..][..C], &dy[y..][..C]);
                            for k in 0..C {
                                let hit = s.within(s.load(&argmax[k]), place, place);
                                sum[k] = s.add(sum[k], s.and_mask(hit, s.load(&dy[k])));
                            }
                        }
                    }
                    end.few(s, x + c, sum);
                });
            }
        }
    }
}
