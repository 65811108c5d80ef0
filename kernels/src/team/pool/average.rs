//! The average of each window.

use super::{Cover, Dims};
use crate::activation::{Activation, Function, with_activation};
use crate::simd::Simd;
use crate::team::epilogue::{Finish, Unfinish, check};
use crate::team::{Below, Dropout};
use crate::{Isa, Kernel, Lanes};
use core::marker::PhantomData;

/// Averages each window and applies activation and dropout.
///
/// `z[n,p,q,c] = 1/(U·V) · Σ_{u,v} x[n, S·p+u, S·q+v, c]`, `y = dropout(f(z))`
///
/// Shapes.   `x` N·H·W·C, `y` N·P·Q·C lanes; `z` like `y` if the activation's gradient needs it, else empty.
/// Panics.   if a slice length differs from its shape or a window lies outside of the map.
/// Cost.     16 flop for each element of a window; reads x U·V/S² times, writes y.
/// Numerics. sums over u, v in this order, one product with 1/(U·V).
/// Source.   [`crate::reference::pool::forward_average`].
pub fn forward_average(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Lanes],
    z: &mut [Lanes],
    y: &mut [Lanes],
) {
    dims.check(x.len(), y.len());
    check(activation, dropout, z, y.len());
    with_activation!(activation, A => isa.run(Forward::<A> { dims, dropout, x, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [Lanes],
    z: &'a mut [Lanes],
    y: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.dims;
        let share = s.splat(1.0 / (d.size[0] * d.size[1]) as f32);
        let mut end = Finish::<S, A>::new(s, self.dropout, self.z, self.y);
        for n in 0..d.images {
            for p in 0..d.p {
                for q in 0..d.q {
                    let (x, y) = (d.x_at(n, p * d.stride, q * d.stride), d.y_at(n, p, q));
                    channels!(d.channels, c, C => {
                        let mut sum = [s.splat(0.0); C];
                        for u in 0..d.size[0] {
                            for v in 0..d.size[1] {
                                let x = &self.x[x + (u * d.width + v) * d.channels + c..][..C];
                                for k in 0..C {
                                    sum[k] = s.add(sum[k], s.load(&x[k]));
                                }
                            }
                        }
                        for k in 0..C {
                            sum[k] = s.mul(sum[k], share);
                        }
                        end.few(s, y + c, sum);
                    });
                }
            }
        }
    }
}

/// Spreads each window's gradient over it and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,c] = r·f'(z) · 1/(U·V) · Σ_{p,q} dy[n,p,q,c]` over the windows that cover `(h, w)`
///
/// Shapes.   `dy` N·P·Q·C lanes; `x` N·H·W·C: the pooling's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape or a window lies outside of the map.
/// Cost.     16 flop for each element of a window; reads dy U·V times from cache, reads and writes x.
/// Numerics. sums over p, q in this order, one product with 1/(U·V).
/// Source.   [`crate::reference::pool::backward_average`].
pub fn backward_average(isa: Isa, dims: &Dims, below: Below, dy: &[Lanes], x: &mut [Lanes]) {
    dims.check(x.len(), dy.len());
    below.check(x.len());
    with_activation!(below.activation, A => isa.run(Backward::<A> { dims, below, dy, x, activation: PhantomData }));
}

struct Backward<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Lanes],
    x: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.dims;
        let share = s.splat(1.0 / (d.size[0] * d.size[1]) as f32);
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        for n in 0..d.images {
            let mut rows = Cover::new(d.size[0], d.stride, d.p);
            for h in 0..d.height {
                rows.forward_to(h);
                let mut columns = Cover::new(d.size[1], d.stride, d.q);
                for w in 0..d.width {
                    columns.forward_to(w);
                    let index = d.x_at(n, h, w);
                    channels!(d.channels, c, C => {
                        let mut sum = [s.splat(0.0); C];
                        for p in rows.windows() {
                            for q in columns.windows() {
                                let dy = &self.dy[d.y_at(n, p, q) + c..][..C];
                                for k in 0..C {
                                    sum[k] = s.add(sum[k], s.load(&dy[k]));
                                }
                            }
                        }
                        for k in 0..C {
                            sum[k] = s.mul(sum[k], share);
                        }
                        end.few(s, index + c, sum);
                    });
                }
            }
        }
    }
}
