//! Softmax cross-entropy of a tile.

use crate::{Block, Cost, Isa, Kernel, LANES, TILE, math, simd::Simd};

/// What a tile's logits say about its labels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// `−ln softmax(z)[label]` for each image; 0 for images beyond the count.
    pub loss: [f32; TILE],
    /// The class of the largest logit (the first of equals) for each image.
    pub predicted: [u16; TILE],
}

/// Of [`softmax`] over so many classes: a maximum, a difference, an exponential of [`math::EXP`] operations, a sum, a quotient,
/// a difference and a product for each logit.
pub fn cost(classes: usize) -> Cost {
    Cost { flops: (math::EXP + 6) * TILE * classes, bytes: 2 * classes.div_ceil(LANES) * size_of::<Block>() }
}

/// Computes losses and predictions, and turns logits into their gradient.
///
/// `loss[n] = ln Σ_k e^z[n,k] − z[n,label]`, `dz[n,k] = (softmax(z[n])[k] − [k = label]) · scale`
///
/// Shapes.   `z` ⌈classes/16⌉ blocks: logits on entry, `dz` on exit (0 in lanes beyond the classes and for images beyond
///           `labels.len()`); at most [`TILE`] labels.
/// Panics.   if a shape or a label does not fit.
/// Cost.     18 flop a logit ([`cost`]); reads and writes z.
/// Numerics. the largest logit is subtracted first; sums over the fixed lane tree, then over blocks.
/// Source.   [`crate::reference::loss::softmax`].
pub fn softmax(isa: Isa, classes: usize, labels: &[u8], scale: f32, z: &mut [Block]) -> Outcome {
    assert!(z.len() == classes.div_ceil(LANES) && labels.len() <= TILE, "shape of z or labels");
    assert!(labels.iter().all(|&label| usize::from(label) < classes), "a label beyond the classes");
    isa.run(Softmax { classes, labels, scale, z })
}

struct Softmax<'a> {
    classes: usize,
    labels: &'a [u8],
    scale: f32,
    z: &'a mut [Block],
}

impl Kernel for Softmax<'_> {
    type Output = Outcome;
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) -> Outcome {
        let mut outcome = Outcome::default();
        let mut sums = [1.0; LANES];
        for (n, &label) in self.labels.iter().enumerate() {
            let label = usize::from(label);
            let (largest, at) = self.largest(n);
            let target = self.z[label / LANES][n].0[label % LANES];
            let sum = self.exponentials(s, n, largest);
            let share = s.splat(self.scale / sum);
            for z in self.z.iter_mut() {
                s.store(s.mul(s.load(&z[n]), share), &mut z[n]);
            }
            self.z[label / LANES][n].0[label % LANES] -= self.scale;
            outcome.predicted[n] = at as u16;
            outcome.loss[n] = largest - target;
            sums[n] = sum;
        }
        for n in self.labels.len()..TILE {
            for z in self.z.iter_mut() {
                z[n] = crate::Lanes::ZERO;
            }
        }
        let mut logs = [0.0; LANES];
        s.store_array(math::ln(s, s.load_array(&sums)), &mut logs);
        for n in 0..self.labels.len() {
            // a sum that is not a positive number has no logarithm: the network has diverged
            outcome.loss[n] += if sums[n] >= 1.0 && sums[n] < f32::INFINITY { logs[n] } else { f32::NAN };
        }
        outcome
    }
}

impl Softmax<'_> {
    /// The largest logit of image `n` and its class; NaN counts as smaller than every number.
    #[inline(always)]
    fn largest(&self, n: usize) -> (f32, usize) {
        let (mut largest, mut at) = (f32::NEG_INFINITY, 0);
        for k in 0..self.classes {
            let z = self.z[k / LANES][n].0[k % LANES];
            if z > largest {
                (largest, at) = (z, k);
            }
        }
        (largest, at)
    }

    /// `z ← e^(z − largest)`, 0 beyond the classes; returns the sum.
    #[inline(always)]
    fn exponentials<S: Simd>(&mut self, s: S, n: usize, largest: f32) -> f32 {
        let mut sum = 0.0;
        for (k, z) in self.z.iter_mut().enumerate() {
            let classes = (self.classes - k * LANES).min(LANES);
            let valid = s.mask((u32::MAX >> (32 - classes)) as u16);
            let e = s.and_mask(valid, math::exp(s, s.sub(s.load(&z[n]), s.splat(largest))));
            s.store(e, &mut z[n]);
            sum += s.sum(e);
        }
        sum
    }
}
