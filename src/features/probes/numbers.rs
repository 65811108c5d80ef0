//! What is said of the outputs: numbers that do not depend on the order of units or classes, nor on how many layers there are.

use super::images::PROBES;
use crate::kernels::simd::Simd;
use crate::kernels::{Isa, Kernel};

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

/// The least that a logarithm is taken of.
const FLOOR: f64 = 1e-12;

/// A unit is silent if its deviation over probes is at most this share of its layer's scale.
const SILENT: f64 = 1e-4;

fn ln(x: f64) -> f64 {
    // NaN stays NaN
    libm::log(if x < FLOOR { FLOOR } else { x })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values.iter().copied());
    mean(values.iter().map(|x| (x - centre) * (x - centre))).sqrt()
}

/// Answers of `width` units to every probe, row-major, and what follows from them.
struct Answers {
    width: usize,
    /// Mean over probes of each unit.
    centre: Vec<f64>,
    /// Deviation over probes of each unit.
    deviation: Vec<f64>,
    rank: f64,
    cosine: f64,
}

impl Answers {
    fn new(isa: Isa, width: usize, values: &[f64]) -> Answers {
        let probes = (values.len() / width) as f64;
        let mut centre = vec![0.0; width];
        for row in values.chunks_exact(width) {
            centre.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        centre.iter_mut().for_each(|sum| *sum /= probes);
        let mut centred = values.to_vec();
        let mut variance = vec![0.0; width];
        for row in centred.chunks_exact_mut(width) {
            for ((x, centre), variance) in row.iter_mut().zip(&centre).zip(&mut variance) {
                *x -= centre;
                *variance += *x * *x;
            }
        }
        let deviation = variance.iter().map(|sum| (sum / probes).sqrt()).collect();
        Answers { width, centre, deviation, rank: rank(isa, width, &centred, values), cosine: cosine(width, values) }
    }

    /// Root mean square over units of the deviation over probes.
    fn spread(&self) -> f64 {
        mean(self.deviation.iter().map(|x| x * x)).sqrt()
    }
}

/// Participation ratio `(Σλ)² / Σλ²` of the eigenvalues of `AᵀA`, where A is `values` less its mean row; 0 where that is no
/// more than rounding leaves.
fn rank(isa: Isa, width: usize, a: &[f64], values: &[f64]) -> f64 {
    // A·Aᵀ has the same ones that are not 0: the smaller of the two
    let height = a.len() / width;
    let transposed: Vec<f64>;
    let (width, a) = if width <= height {
        (width, a)
    } else {
        transposed = (0..width).flat_map(|c| (0..height).map(move |r| a[r * width + c])).collect();
        (height, transposed.as_slice())
    };
    let mut product = vec![0.0; width * width];
    isa.run(Product { width, a, product: &mut product });
    let trace: f64 = product.iter().step_by(width + 1).sum();
    let squares: f64 = product.iter().map(|x| x * x).sum();
    let least = SILENT * SILENT * values.iter().map(|x| x * x).sum::<f64>();
    if trace <= least { 0.0 } else { trace * trace / squares }
}

/// `AᵀA`.
struct Product<'a> {
    width: usize,
    a: &'a [f64],
    product: &'a mut [f64],
}

impl Kernel for Product<'_> {
    type Output = ();
    /// Plain loops, compiled for each ISA.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for row in self.a.chunks_exact(self.width) {
            for (x, sums) in row.iter().zip(self.product.chunks_exact_mut(self.width)) {
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum += x * y;
                }
            }
        }
    }
}

/// Mean cosine of pairs of rows, weighted by the product of their lengths: rows that are next to nothing do not matter,
/// whose directions are rounding. 0 if all are 0.
fn cosine(width: usize, a: &[f64]) -> f64 {
    let mut sum = vec![0.0; width];
    let (mut lengths, mut squares) = (0.0, 0.0);
    for row in a.chunks_exact(width) {
        let square = row.iter().map(|x| x * x).sum::<f64>();
        squares += square;
        lengths += square.sqrt();
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let (dots, weights) = (sum.iter().map(|x| x * x).sum::<f64>() - squares, lengths * lengths - squares);
    if squares == 0.0 { 0.0 } else { dots / weights }
}

/// What a convolution did with the probes.
pub struct Response<'a> {
    /// Mean over the map of each unit, `PROBES` × units.
    pub means: &'a [f64],
    /// Mean square over the map, summed over probes and units.
    pub square: f64,
    /// Share of the map where the activation is not flat, summed over probes, of each unit.
    pub responsive: &'a [f64],
}

/// The numbers of a layer; see [`LAYER`].
pub fn layer(isa: Isa, response: &Response) -> [f64; LAYER.len()] {
    let units = response.responsive.len();
    let answers = Answers::new(isa, units, response.means);
    let scale = (response.square / (PROBES * units) as f64).sqrt();
    let responsive: Vec<f64> = response.responsive.iter().map(|sum| sum / PROBES as f64).collect();
    let silent = answers.deviation.iter().filter(|&&deviation| deviation <= SILENT * scale).count();
    [
        ln(scale),
        mean(answers.centre.iter().copied()),
        ln(answers.spread()),
        ln(answers.spread()) - ln(scale),
        ln(deviation(&answers.centre)),
        silent as f64 / units as f64,
        mean(responsive.iter().copied()),
        deviation(&responsive),
        answers.rank,
        answers.cosine,
    ]
}

/// The numbers of the logits, `PROBES` × `classes`; see [`OUTPUT`].
pub fn output(isa: Isa, classes: usize, logits: &[f64]) -> [f64; OUTPUT.len()] {
    let mut centred = logits.to_vec();
    let (mut scale, mut bias) = (0.0, vec![0.0; classes]);
    for row in centred.chunks_exact_mut(classes) {
        scale += deviation(row) / PROBES as f64;
        let centre = mean(row.iter().copied());
        row.iter_mut().for_each(|z| *z -= centre);
        bias.iter_mut().zip(row).for_each(|(sum, z)| *sum += *z / PROBES as f64);
    }
    let answers = Answers::new(isa, classes, &centred);
    let mut sorted = answers.deviation.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    // the nearest class, the lower of two: no mixture of classes
    let class = |quarter: usize| ln(sorted[quarter * (answers.width - 1) / 4]);
    let spread = ln(answers.spread());
    let bias = ln(deviation(&bias));
    let says = Says::new(classes, logits);
    let [entropy, entropy_spread, of_mean] =
        [mean(says.entropy.iter().copied()), deviation(&says.entropy), says.of_mean];
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
        entropy_spread,
        of_mean,
        of_mean - entropy,
        says.confidence,
        says.distinct,
        says.variety,
    ]
}

/// What the softmax says.
struct Says {
    entropy: Vec<f64>,
    of_mean: f64,
    margin: f64,
    confidence: f64,
    distinct: f64,
    variety: f64,
}

impl Says {
    fn new(classes: usize, logits: &[f64]) -> Says {
        let mut says =
            Says { entropy: Vec::new(), of_mean: 0.0, margin: 0.0, confidence: 0.0, distinct: 0.0, variety: 0.0 };
        let share = 1.0 / PROBES as f64;
        let (mut average, mut answers) = (vec![0.0; classes], vec![0.0; classes]);
        let mut p = vec![0.0; classes];
        for row in logits.chunks_exact(classes) {
            let [mut first, mut second, mut answer] = [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0];
            for (k, &z) in row.iter().enumerate() {
                if z > first {
                    (first, second, answer) = (z, first, k as f64);
                } else if z > second {
                    second = z;
                }
            }
            p.iter_mut().zip(row).for_each(|(p, z)| *p = libm::exp(z - first));
            let sum: f64 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            // −Σ p·ln p with ln p = z − first − ln Σ
            let product: f64 = p.iter().zip(row).map(|(p, z)| if *p > 0.0 { p * (z - first) } else { 0.0 }).sum();
            says.entropy.push((libm::log(sum) - product) / libm::log(classes as f64));
            says.margin += (first - second) * share;
            says.confidence += share / sum;
            average.iter_mut().zip(&p).for_each(|(average, p)| *average += p * share);
            answers[answer as usize] += share;
        }
        says.of_mean = entropy(&average);
        says.variety = entropy(&answers);
        says.distinct = answers.iter().filter(|&&share| share > 0.0).count() as f64;
        says
    }
}

/// In units of ln classes.
fn entropy(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().map(|&p| if p > 0.0 { p * libm::log(p) } else { 0.0 * p }).sum();
    -sum / libm::log(shares.len() as f64)
}
