//! Addition of two maps, the end of a residual connection.

use crate::activation::{
    Activation, Below, Dropout, Function, check_epilogue, epilogue, epilogue_backward, with_activation,
};
use crate::{Block, Isa, Kernel, TILE, simd::Simd};
use core::marker::PhantomData;

/// Images whose sums are in registers together.
const ROWS: usize = 3;

/// Adds two maps and applies activation and dropout.
///
/// `z[n,m,c] = a[n,m,c] + b[n,m,c]`, `y = dropout(f(z))`
///
/// Shapes.   `a`, `b` and `y` M·C blocks; `z` like `y` if the activation's gradient needs it, else empty.
/// Panics.   if a slice length differs from its shape.
/// Cost.     N·M·C·16 flop and the activation's; reads a and b once, writes y once.
/// Numerics. one addition.
/// Source.   [`crate::reference::residual::forward`].
pub fn forward(
    isa: Isa,
    activation: Activation,
    dropout: Option<Dropout>,
    a: &[Block],
    b: &[Block],
    z: &mut [Block],
    y: &mut [Block],
) {
    assert!(a.len() == y.len() && b.len() == y.len(), "shape of a, b or y");
    check_epilogue(activation, dropout, z, y.len());
    with_activation!(activation, A => isa.run(Forward::<A> { dropout, a, b, z, y, activation: PhantomData }));
}

struct Forward<'a, A> {
    dropout: Option<Dropout<'a>>,
    a: &'a [Block],
    b: &'a [Block],
    z: &'a mut [Block],
    y: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Forward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (index, (a, b)) in self.a.iter().zip(self.b).enumerate() {
            for first in (0..TILE).step_by(ROWS) {
                let mut sum = [s.splat(0.0); ROWS];
                for n in 0..ROWS {
                    sum[n] = s.add(s.load(&a[first + n]), s.load(&b[first + n]));
                }
                epilogue::<S, A, ROWS>(s, &sum, self.dropout, (index, first), self.z, self.y);
            }
        }
    }
}

/// Takes the gradient of a sum through the activation and dropout of a layer that made one of its parts.
///
/// `dz[n,m,c] = r·f'(z) · dy[n,m,c]`
///
/// Shapes.   `dy` and `x` M·C blocks; `x`: the part on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape.
/// Cost.     the activation's; reads dy once, reads and writes x once.
/// Numerics. the activation's.
/// Source.   [`crate::reference::residual::backward`].
pub fn backward(isa: Isa, below: Below, dy: &[Block], x: &mut [Block]) {
    assert!(dy.len() == x.len(), "shape of dy or x");
    below.check(x.len());
    with_activation!(below.activation, A => isa.run(Backward::<A> { below, dy, x, activation: PhantomData }));
}

struct Backward<'a, A> {
    below: Below<'a>,
    dy: &'a [Block],
    x: &'a mut [Block],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (index, dy) in self.dy.iter().enumerate() {
            for first in (0..TILE).step_by(ROWS) {
                let mut gradient = [s.splat(0.0); ROWS];
                for n in 0..ROWS {
                    gradient[n] = s.load(&dy[first + n]);
                }
                epilogue_backward::<S, A, ROWS>(s, &gradient, &self.below, (index, first), self.x);
            }
        }
    }
}
