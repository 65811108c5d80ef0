//! What is said of a network's answers beside the consensus.

/// Numbers of a network; p its probabilities, q the consensus, z its logits less their mean over classes, ℓ the logarithm of q
/// likewise.
pub const NUMBERS: [&str; 9] = [
    "agreement",           // share of images where its answer is the consensus'
    "agreement_sure",      // of the half of the images where the consensus is surest
    "cross_entropy",       // −Σ q·ln p, mean over images
    "probability",         // Σ q·p, mean over images
    "class_probability",   // p of the consensus' class, mean over images
    "margin", // z of the consensus' class less the largest other, mean over images, by the root mean square of z
    "correlation", // of z and ℓ
    "correlation_classes", // of z and ℓ, of each class less its mean over images
    "distance", // Σ |p − q|, mean over images
];

/// The least that a probability counts for in a logarithm.
const LEAST: f64 = 1e-12;

/// What varies by no more than this share of itself does not vary: networks are run in single precision.
const SILENT: f64 = 1e-3;

/// Probabilities that differ by less are equally sure.
const SURE: f64 = 1e-4;

/// Softmax of logits, row by row.
pub fn softmax(classes: usize, logits: &[f64]) -> Vec<f64> {
    let mut p = logits.to_vec();
    for row in p.chunks_exact_mut(classes) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut().for_each(|z| *z = libm::exp(*z - largest));
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
    }
    p
}

/// Values less their mean over classes, row by row.
fn centred(classes: usize, values: &[f64]) -> Vec<f64> {
    let mut centred = values.to_vec();
    for row in centred.chunks_exact_mut(classes) {
        let mean = row.iter().sum::<f64>() / classes as f64;
        row.iter_mut().for_each(|z| *z -= mean);
    }
    centred
}

/// Values less their class' mean over images.
fn centred_classes(classes: usize, values: &[f64]) -> Vec<f64> {
    let mut mean = vec![0.0; classes];
    let share = classes as f64 / values.len() as f64;
    for row in values.chunks_exact(classes) {
        mean.iter_mut().zip(row).for_each(|(mean, z)| *mean += share * z);
    }
    values.chunks_exact(classes).flat_map(|row| row.iter().zip(&mean).map(|(z, mean)| z - mean)).collect()
}

/// The first of the largest.
fn answer(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

/// Pearson's correlation of `[values, what they are the rest of]`; 0 where one is no more than rounding leaves.
fn correlation([a, whole_a]: [&[f64]; 2], [b, whole_b]: [&[f64]; 2]) -> f64 {
    let silent = |square: f64, whole: &[f64]| square <= SILENT * SILENT * whole.iter().map(|w| w * w).sum::<f64>();
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let pairs = a.iter().zip(b).map(|(a, b)| (a - ma, b - mb));
    let (ab, aa, bb) = pairs.fold((0.0, 0.0, 0.0), |(ab, aa, bb), (a, b)| (ab + a * b, aa + a * a, bb + b * b));
    if silent(aa, whole_a) || silent(bb, whole_b) { 0.0 } else { ab / (aa * bb).sqrt() }
}

fn ln(p: f64) -> f64 {
    // NaN stays NaN
    libm::log(if p < LEAST { LEAST } else { p })
}

/// The numbers of a network with these logits beside the consensus `q`, both images × classes.
pub fn numbers(classes: usize, logits: &[f64], q: &[f64]) -> [f64; NUMBERS.len()] {
    let (p, z) = (softmax(classes, logits), centred(classes, logits));
    let log = centred(classes, &q.iter().map(|&q| ln(q)).collect::<Vec<f64>>());
    let images = (q.len() / classes) as f64;
    let rows = || p.chunks_exact(classes).zip(q.chunks_exact(classes));
    let mean = |of: &dyn Fn(&[f64], &[f64]) -> f64| rows().map(|(p, q)| of(p, q)).sum::<f64>() / images;
    let sum =
        |p: &[f64], q: &[f64], of: &dyn Fn(f64, f64) -> f64| p.iter().zip(q).map(|(&p, &q)| of(p, q)).sum::<f64>();
    let agrees = |p: &[f64], q: &[f64]| f64::from(u8::from(answer(p) == answer(q)));
    let mut sure: Vec<(f64, f64)> = rows().map(|(p, q)| ((q[answer(q)] / SURE).round(), agrees(p, q))).collect();
    sure.sort_by(|a, b| b.0.total_cmp(&a.0));
    sure.truncate(sure.len().div_ceil(2));
    [
        mean(&agrees),
        sure.iter().map(|(_, agrees)| agrees).sum::<f64>() / sure.len() as f64,
        mean(&|p, q| sum(p, q, &|p, q| -q * ln(p))),
        mean(&|p, q| sum(p, q, &|p, q| q * p)),
        mean(&|p, q| p[answer(q)]),
        margin(classes, &z, q),
        correlation([&z, logits], [&log, &log]),
        correlation([&centred_classes(classes, &z), logits], [&centred_classes(classes, &log), &log]),
        mean(&|p, q| sum(p, q, &|p, q| (p - q).abs())),
    ]
}

fn margin(classes: usize, z: &[f64], q: &[f64]) -> f64 {
    let of = |(z, q): (&[f64], &[f64])| {
        let class = answer(q);
        let others = (0..classes).filter(|&k| k != class).map(|k| z[k]);
        z[class] - others.fold(f64::NEG_INFINITY, f64::max)
    };
    let sum: f64 = z.chunks_exact(classes).zip(q.chunks_exact(classes)).map(of).sum();
    let square = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
    sum / (z.len() / classes) as f64 / square.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a name.
    fn number(name: &str, logits: &[f64], q: &[f64]) -> f64 {
        let at = NUMBERS.iter().position(|number| *number == name);
        numbers(2, logits, q)[at.unwrap_or_else(|| panic!("no {name}"))]
    }

    #[test]
    fn two_classes_by_hand() {
        // p = ¾, ¼ and ½, ½; the consensus is surest of the second image
        let (logits, q) = ([3f64.ln(), 0.0, 5.0, 5.0], [0.6, 0.4, 0.1, 0.9]);
        for (name, want) in [
            ("agreement", 0.5), // the first of equals is class 0
            ("agreement_sure", 0.0),
            ("cross_entropy", -(0.6 * 0.75f64.ln() + 0.4 * 0.25f64.ln() + 0.5f64.ln()) / 2.0),
            ("probability", (0.6 * 0.75 + 0.4 * 0.25 + 0.5) / 2.0),
            ("class_probability", (0.75 + 0.5) / 2.0),
            ("distance", (0.3 + 0.8) / 2.0),
            // z = ±½ ln 3 and 0: its mean square is (ln 3)²/8
            ("margin", 3f64.ln() / 2.0 / (3f64.ln() / 8f64.sqrt())),
        ] {
            let got = number(name, &logits, &q);
            assert!((got - want).abs() < 1e-12, "{name}: {got} {want}");
        }
    }

    #[test]
    fn a_network_that_is_the_consensus_agrees_with_it() {
        let logits = [1.0, -0.5, 0.2, 2.0, -1.0, -3.0];
        let q = softmax(2, &logits);
        for name in ["agreement", "agreement_sure", "correlation", "correlation_classes"] {
            assert!((number(name, &logits, &q) - 1.0).abs() < 1e-12, "{name}");
        }
        assert!(number("distance", &logits, &q) < 1e-12);
        // one that always says the same is correlated with nothing, of one that is broken nothing is known
        assert_eq!(number("correlation_classes", &[1.0, 0.1, 1.0, 0.1 + 1e-9, 1.0, 0.1], &q), 0.0);
        assert!(number("correlation", &[0.0; 6], &q) == 0.0 && number("cross_entropy", &[f64::NAN; 6], &q).is_nan());
        assert!(number("correlation", &[f64::NAN; 6], &q).is_nan());
    }
}
