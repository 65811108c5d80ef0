//! The sum of two maps: where a shortcut meets the layers it went around.

use super::epilogue::{Finish, Unfinish, check};
use super::{Below, Dropout, Lanes};
use crate::activation::{Activation, Function, with_activation};
use crate::simd::Simd;
use crate::{Isa, Kernel};
use core::marker::PhantomData;

/// Adds two maps and applies activation and dropout.
///
/// `z = a + b`, `y = dropout(f(z))`
///
/// Shapes.   `a`, `b`, `y` of one length; `z` as well if the activation's gradient needs it, else empty.
/// Panics.   if a length differs.
/// Cost.     16 flop a unit and the activation's; reads a and b, writes y.
/// Numerics. one rounding, then the activation's.
/// Source.   none; He, Zhang, Ren, Sun: Deep residual learning (2016).
pub fn forward(
    isa: Isa,
    activation: Activation,
    dropout: Option<Dropout>,
    a: &[Lanes],
    b: &[Lanes],
    z: &mut [Lanes],
    y: &mut [Lanes],
) {
    assert!(a.len() == y.len() && b.len() == y.len(), "shape of a, b or y");
    check(activation, dropout, z, y.len());
    with_activation!(activation, A => isa.run(Forward::<A> { dropout, a, b, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dropout: Option<Dropout<'a>>,
    a: &'a [Lanes],
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
        for k in 0..self.a.len() {
            end.few(s, k, [s.add(s.load(&self.a[k]), s.load(&self.b[k]))]);
        }
    }
}

/// Takes the gradient of a map through the activation and dropout of the layer that made it.
///
/// `dz = r·f'(z)·dy`: both terms of a sum have its gradient, so each of the two layers is given `dy`.
///
/// Shapes.   `dy` and `x` of one length; `x` is the layer's output on entry, `dz` on exit.
/// Panics.   if a length differs.
/// Cost.     16 flop a unit and the activation's; reads dy, reads and writes x.
/// Numerics. each unit alone, no sums.
/// Source.   none.
pub fn backward(isa: Isa, below: Below, dy: &[Lanes], x: &mut [Lanes]) {
    assert!(dy.len() == x.len(), "shape of dy or x");
    below.check(x.len());
    with_activation!(below.activation, A => isa.run(Backward::<A> { below, dy, x, activation: PhantomData }));
}

struct Backward<'a, A> {
    below: Below<'a>,
    dy: &'a [Lanes],
    x: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        end.many(s, 0, self.dy);
    }
}
