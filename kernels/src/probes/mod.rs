//! Probes: what a network answers to fixed images, as numbers that do not depend on the order of its units or classes, nor on how
//! many layers it has.
//!
//! For each hidden layer a [`Response`] takes its maps, tile by tile or image by image, and gives the numbers of [`LAYER`];
//! [`output`] gives those of [`OUTPUT`] from the logits; [`numbers`] puts both together. Plain loops in one order, nothing fused: the
//! same maps have the same numbers, to the last bit, on every machine.

mod answers;
mod output;
mod response;

use crate::TILE;
use core::fmt;
pub use output::output;
pub use response::{Response, response_len};

/// Number of images: whole tiles.
pub const PROBES: usize = 2 * TILE;

/// The stages that layers are gathered in: the first, the mean over those between, the last.
pub const STAGES: [&str; 3] = ["first", "middle", "last"];

/// Numbers of a layer.
pub const LAYER: [&str; 10] = [
    "scale",            // ln of the root mean square of its outputs
    "mean",             // of its outputs
    "spread",           // ln of the root mean square, over units, of the deviation over probes; of means over the map
    "relative",         // spread − scale
    "units",            // ln of the deviation over units of the mean over probes
    "silent",           // share of units that say the same to every probe
    "responsive",       // share of outputs where the activation is not flat
    "responsive_units", // deviation of that share over units
    "rank",             // how many directions the answers to the probes spread in (participation ratio)
    "cosine",           // mean cosine between the answers to two probes, weighted by their lengths
];

/// Numbers of the logits, then of the softmax.
pub const OUTPUT: [&str; 19] = [
    "logits.scale",           // ln of the mean, over probes, of the deviation over classes
    "logits.bias",            // ln of the deviation over classes of the mean over probes
    "logits.spread",          // ln of the root mean square, over classes, of the deviation over probes
    "logits.relative",        // spread − bias
    "logits.class_min",       // ln of the deviation over probes: of the class that has the least …
    "logits.class_q25",       // … of a quarter of them
    "logits.class_median",    // … of half of them
    "logits.class_q75",       // … of three quarters
    "logits.class_max",       // … of the class that has the most
    "logits.rank",            // as a layer's
    "logits.cosine",          // as a layer's, of logits less their mean over classes
    "logits.margin",          // ln of the mean distance of the largest two
    "answers.entropy",        // mean over probes; all entropies in units of ln classes
    "answers.entropy_spread", // deviation over probes
    "answers.entropy_of_mean",
    "answers.information", // entropy of the mean − mean entropy
    "answers.confidence",  // mean of the largest probability
    "answers.distinct",    // number of different answers
    "answers.variety",     // entropy of the shares of probes that get each answer
];

/// Numbers of a network.
pub const NUMBERS: usize = STAGES.len() * LAYER.len() + OUTPUT.len();

/// A number's name, such as `probes.first.scale` or `probes.logits.rank`.
#[derive(Clone, Copy, Debug)]
pub struct Name(
    /// Its place among those of [`numbers`].
    pub usize,
);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, number) = (self.0 / LAYER.len(), self.0 % LAYER.len());
        match STAGES.get(stage) {
            Some(stage) => write!(f, "probes.{stage}.{}", LAYER[number]),
            None => write!(f, "probes.{}", OUTPUT[self.0 - STAGES.len() * LAYER.len()]),
        }
    }
}

/// Numbers of scratch that a layer of so many units, or so many classes, need.
pub const fn scratch_len(units: usize) -> usize {
    3 * units
}

/// The numbers of a network from those of its hidden layers and of its output; NaN for a stage that has no layer.
pub fn numbers(layers: &[[f64; LAYER.len()]], output: &[f64; OUTPUT.len()]) -> [f32; NUMBERS] {
    let mut numbers = [0.0; NUMBERS];
    let (stages, rest) = numbers.split_at_mut(STAGES.len() * LAYER.len());
    let (count, first, last) = (layers.len(), layers.len().min(1), layers.len().saturating_sub(1));
    let of_stages = [0..first, first..last.max(first), last..count];
    for (values, stage) in stages.chunks_exact_mut(LAYER.len()).zip(of_stages) {
        let layers = &layers[stage];
        for (k, value) in values.iter_mut().enumerate() {
            // no layer: 0/0 is NaN, a missing value
            *value = (layers.iter().map(|numbers| numbers[k]).sum::<f64>() / layers.len() as f64) as f32;
        }
    }
    rest.iter_mut().zip(output).for_each(|(value, &number)| *value = number as f32);
    numbers
}
