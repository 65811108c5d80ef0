//! Global average pooling of a tile: `y[n,c] = (1/M) Σ_m x[n,m,c]` over the `M` positions of a map.

use crate::activation::{Below, Function, unfinish, with_activation};
use crate::{Block, Isa, Kernel, TILE, simd::Simd};

/// Averages each channel over the map.
///
/// `y[n,c] = (1/M) Σ_m x[n,m,c]`
///
/// Shapes.   `x` M·C blocks, `y` C blocks.
/// Panics.   if `x` is not a multiple of `y`.
/// Cost.     N·M·C·16 flop; reads x, writes y.
/// Numerics. sums over m in order, one product with 1/M.
/// Source.   [`crate::reference::pool::forward`].
pub fn forward(isa: Isa, x: &[Block], y: &mut [Block]) {
    assert!(!y.is_empty() && x.len().is_multiple_of(y.len()), "shape of x or y");
    isa.run(Forward { x, y });
}

struct Forward<'a> {
    x: &'a [Block],
    y: &'a mut [Block],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let channels = self.y.len();
        let share = s.splat(1.0 / (self.x.len() / channels) as f32);
        for c in 0..channels {
            for n in 0..TILE {
                let mut sum = s.splat(0.0);
                for x in self.x[c..].iter().step_by(channels) {
                    sum = s.add(sum, s.load(&x[n]));
                }
                s.store(s.mul(sum, share), &mut self.y[c][n]);
            }
        }
    }
}

/// Spreads the gradient over the map and takes it through the activation and dropout of the layer below.
///
/// `dz[n,m,c] = r·f'(z) · dy[n,c] / M`
///
/// Shapes.   `dy` C blocks; `x` M·C blocks: the pooling's input on entry, `dz` on exit.
/// Panics.   if `x` is not a multiple of `dy`.
/// Cost.     N·M·C·16 flop and the activation's; reads and writes x.
/// Numerics. one product with 1/M.
/// Source.   [`crate::reference::pool::backward`].
pub fn backward(isa: Isa, below: Below, dy: &[Block], x: &mut [Block]) {
    assert!(!dy.is_empty() && x.len().is_multiple_of(dy.len()), "shape of dy or x");
    with_activation!(below.activation, A => {
        isa.run(Backward::<A> { below, dy, x, activation: core::marker::PhantomData })
    });
}

struct Backward<'a, A> {
    below: Below<'a>,
    dy: &'a [Block],
    x: &'a mut [Block],
    activation: core::marker::PhantomData<A>,
}

impl<A: Function> Kernel for Backward<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const R: usize = 3;
        let channels = self.dy.len();
        let share = s.splat(1.0 / (self.x.len() / channels) as f32);
        for (index, x) in self.x.iter_mut().enumerate() {
            let dy = &self.dy[index % channels];
            for first in (0..TILE).step_by(R) {
                let mut spread = [share; R];
                for n in 0..R {
                    spread[n] = s.mul(s.load(&dy[first + n]), share);
                }
                if let Some(x) = x[first..].first_chunk_mut::<R>() {
                    unfinish::<S, A, R>(s, &spread, &self.below, index, first, x);
                }
            }
        }
    }
}
