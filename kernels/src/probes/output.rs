//! What the last layer answers.

use super::answers::{Answers, deviation, ln, mean};
use super::{OUTPUT, PROBES, scratch_len};
use crate::Isa;

/// The numbers of the logits; see [`OUTPUT`].
///
/// Shapes. `logits` [`PROBES`] × `classes`, overwritten; `scratch` at least [`scratch_len`]`(classes)`, contents irrelevant.
/// Panics. if `logits` are of another shape or `scratch` is too short.
pub fn output(isa: Isa, classes: usize, logits: &mut [f64], scratch: &mut [f64]) -> [f64; OUTPUT.len()] {
    assert!(logits.len() == PROBES * classes && classes > 0, "shape of the logits");
    let says = Says::new(classes, logits, scratch);
    let bias = &mut scratch[..classes];
    bias.fill(0.0);
    let mut scale = 0.0;
    for row in logits.chunks_exact_mut(classes) {
        scale += deviation(row.iter().copied()) / PROBES as f64;
        let centre = mean(row.iter().copied());
        row.iter_mut().for_each(|z| *z -= centre);
        bias.iter_mut().zip(row).for_each(|(sum, z)| *sum += *z / PROBES as f64);
    }
    let bias = ln(deviation(bias.iter().copied()));
    let answers = Answers::new(isa, classes, logits, scratch);
    let spread = ln(answers.spread());
    let sorted = answers.deviation;
    sorted.sort_unstable_by(f64::total_cmp);
    // the nearest class, the lower of two: no mixture of classes
    let class = |quarter: usize| ln(sorted[quarter * (classes - 1) / 4]);
    let entropy = mean(says.entropy.iter().copied());
    [
        ln(scale),
        bias,
        spread,
        spread - bias,
        class(0),
        class(1),
        class(2),
        class(3),
        class(4),
        answers.rank,
        answers.cosine,
        ln(says.margin),
        entropy,
        deviation(says.entropy.iter().copied()),
        says.of_mean,
        says.of_mean - entropy,
        says.confidence,
        says.distinct,
        says.variety,
    ]
}

/// What the softmax says.
struct Says {
    entropy: [f64; PROBES],
    of_mean: f64,
    margin: f64,
    confidence: f64,
    distinct: f64,
    variety: f64,
}

impl Says {
    fn new(classes: usize, logits: &[f64], scratch: &mut [f64]) -> Says {
        let mut says =
            Says { entropy: [0.0; PROBES], of_mean: 0.0, margin: 0.0, confidence: 0.0, distinct: 0.0, variety: 0.0 };
        let share = 1.0 / PROBES as f64;
        let scratch = &mut scratch[..scratch_len(classes)];
        scratch.fill(0.0);
        let (average, scratch) = scratch.split_at_mut(classes);
        let (answers, p) = scratch.split_at_mut(classes);
        for (row, own) in logits.chunks_exact(classes).zip(&mut says.entropy) {
            let [mut first, mut second] = [f64::NEG_INFINITY; 2];
            let mut answer = 0;
            for (k, &z) in row.iter().enumerate() {
                if z > first {
                    (first, second, answer) = (z, first, k);
                } else if z > second {
                    second = z;
                }
            }
            p.iter_mut().zip(row).for_each(|(p, z)| *p = libm::exp(z - first));
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            // −Σ p·ln p with ln p = z − first − ln Σ
            let product: f64 = p.iter().zip(row).map(|(p, z)| if *p > 0.0 { p * (z - first) } else { 0.0 }).sum();
            *own = (libm::log(sum) - product) / libm::log(classes as f64);
            says.margin += (first - second) * share;
            says.confidence += share / sum;
            average.iter_mut().zip(&*p).for_each(|(average, p)| *average += p * share);
            answers[answer] += share;
        }
        says.of_mean = entropy(average);
        says.variety = entropy(answers);
        says.distinct = answers.iter().filter(|&&share| share > 0.0).count() as f64;
        says
    }
}

/// In units of ln classes.
fn entropy(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().map(|&p| if p > 0.0 { p * libm::log(p) } else { 0.0 * p }).sum();
    -sum / libm::log(shares.len() as f64)
}
