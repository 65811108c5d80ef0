//! Softmax cross-entropy of one image of each network.

use super::Lanes;
use crate::simd::{LANES, Simd};
use crate::{Isa, Kernel, math};

/// What the logits of each network's image say about its label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// `−ln softmax(z)[label]`
    pub loss: Lanes,
    /// The class of the largest logit, the first of equals.
    pub predicted: [u16; LANES],
}

/// Computes losses and predictions, and turns logits into their gradient.
///
/// `loss = ln Σ_k e^z[k] − z[label]`, `dz[k] = (softmax(z)[k] − [k = label]) · scale`
///
/// Shapes.   `z` one vector a class: logits on entry, `dz` on exit.
/// Panics.   if there is no class, or a label is none of them.
/// Cost.     about 25·16 flop a class; reads z three times from cache, writes it twice.
/// Numerics. the largest logit is subtracted first (NaN counts as smaller than every number); sums over k in order. A network
///           whose sum of exponentials is not a number has diverged: its loss is NaN.
/// Source.   [`crate::reference::loss::softmax`].
pub fn softmax(isa: Isa, labels: &[u8; LANES], scale: f32, z: &mut [Lanes]) -> Outcome {
    assert!(labels.iter().all(|&label| usize::from(label) < z.len()), "a label beyond the classes");
    isa.run(Softmax { labels, scale, z })
}

struct Softmax<'a> {
    labels: &'a [u8; LANES],
    scale: f32,
    z: &'a mut [Lanes],
}

impl Kernel for Softmax<'_> {
    type Output = Outcome;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Outcome {
        // classes are small integers, exact as floats
        let label = s.load(&Lanes(self.labels.map(f32::from)));
        let (mut largest, mut at) = (s.splat(f32::NEG_INFINITY), s.splat(0.0));
        for (k, z) in self.z.iter().enumerate() {
            let z = s.load(z);
            let larger = s.gt(z, largest);
            (largest, at) = (s.select(larger, z, largest), s.select(larger, s.splat(k as f32), at));
        }
        let (mut sum, mut target) = (s.splat(0.0), s.splat(0.0));
        for (k, z) in self.z.iter_mut().enumerate() {
            let (class, logit) = (s.splat(k as f32), s.load(z));
            target = s.select(s.within(label, class, class), logit, target);
            let e = math::exp(s, s.sub(logit, largest));
            sum = s.add(sum, e);
            s.store(e, z);
        }
        let (scale, one) = (s.splat(self.scale), s.splat(1.0));
        let share = s.div(scale, sum);
        for (k, z) in self.z.iter_mut().enumerate() {
            let class = s.splat(k as f32);
            let hit = s.and_mask(s.within(label, class, class), scale);
            s.store(s.sub(s.mul(s.load(z), share), hit), z);
        }
        let log = s.select(s.within(sum, one, s.splat(f32::MAX)), math::ln(s, sum), s.splat(f32::NAN));
        let (mut loss, mut classes) = (Lanes::ZERO, Lanes::ZERO);
        s.store(s.add(s.sub(largest, target), log), &mut loss);
        s.store(at, &mut classes);
        Outcome { loss, predicted: classes.0.map(|class| class as u16) }
    }
}
