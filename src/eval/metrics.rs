//! Measures of agreement between predictions and targets.

use super::nan::or_nan;
use serde::{Deserialize, Serialize};

/// All measures for one set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// [`r2`]
    #[serde(deserialize_with = "or_nan")]
    pub r2: f64,
    /// [`kendall_tau_b`]
    #[serde(deserialize_with = "or_nan")]
    pub tau: f64,
    /// [`mse`]
    #[serde(deserialize_with = "or_nan")]
    pub mse: f64,
    /// [`mae`]
    #[serde(deserialize_with = "or_nan")]
    pub mae: f64,
    /// Number of rows.
    pub n: usize,
}

impl Score {
    /// All measures.
    ///
    /// Panics if there is not one prediction a target.
    pub fn new(predicted: &[f32], target: &[f32]) -> Score {
        Score {
            r2: r2(predicted, target),
            tau: kendall_tau_b(predicted, target),
            mse: mse(predicted, target),
            mae: mae(predicted, target),
            n: target.len(),
        }
    }
}

/// A probability below which none is taken to be in [`ClassScore::log_loss`], as scikit-learn does with `f32`.
const LEAST_PROBABILITY: f64 = f32::EPSILON as f64;

/// All measures of predicted classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// Share of rows whose most probable class, the first of equals, is the true one.
    pub accuracy: f64,
    /// Mean of −ln of the probability of the true class.
    pub log_loss: f64,
    /// Share of the class that is most frequent: the accuracy of one who knows no more than that.
    pub majority: f64,
    /// Number of rows.
    pub n: usize,
}

impl ClassScore {
    /// Of probabilities, `classes` a row, and the numbers of the true classes; NaN for no rows.
    ///
    /// # Panics
    /// If there are not `classes` probabilities a target, or a target is none of the classes.
    pub fn new(probabilities: &[f32], classes: usize, target: &[f32]) -> ClassScore {
        assert_eq!(probabilities.len(), classes * target.len(), "{classes} probabilities a target");
        let (mut right, mut loss, mut counts) = (0usize, 0.0, vec![0usize; classes]);
        for (p, &truth) in probabilities.chunks_exact(classes).zip(target) {
            let truth = truth as usize;
            right += usize::from(most_probable(p) == truth);
            loss -= f64::from(p[truth]).max(LEAST_PROBABILITY).ln();
            counts[truth] += 1;
        }
        let n = target.len() as f64;
        let most = counts.into_iter().max().unwrap_or(0) as f64;
        ClassScore { accuracy: right as f64 / n, log_loss: loss / n, majority: most / n, n: target.len() }
    }
}

/// The class with the largest probability, the first of equals.
pub fn most_probable(probabilities: &[f32]) -> usize {
    let better = |best: usize, k: usize| if probabilities[k] > probabilities[best] { k } else { best };
    (0..probabilities.len()).fold(0, better)
}

/// Mean of `f(predicted, target)`; NaN for no rows.
fn mean(predicted: &[f32], target: &[f32], f: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(predicted.len(), target.len(), "one prediction a target");
    let terms = predicted.iter().zip(target).map(|(&p, &t)| f(f64::from(p), f64::from(t)));
    terms.sum::<f64>() / target.len() as f64
}

/// Mean squared error; NaN for no rows.
pub fn mse(predicted: &[f32], target: &[f32]) -> f64 {
    mean(predicted, target, |p, t| (p - t) * (p - t))
}

/// Mean absolute error; NaN for no rows.
pub fn mae(predicted: &[f32], target: &[f32]) -> f64 {
    mean(predicted, target, |p, t| (p - t).abs())
}

/// Coefficient of determination, `1 − Σ(p − t)² / Σ(t − t̄)²`; NaN if the targets are all the same.
pub fn r2(predicted: &[f32], target: &[f32]) -> f64 {
    let centre = mean(target, target, |t, _| t);
    let variance = mean(target, target, |t, _| (t - centre) * (t - centre));
    if variance > 0.0 { 1.0 - mse(predicted, target) / variance } else { f64::NAN }
}

/// Kendall's rank correlation with ties, τ_b = (concordant − discordant pairs) / √((pairs − ties in x)·(pairs − ties in y)).
///
/// NaN if x or y are all the same, a value is NaN, or there are fewer than two pairs. O(n log n): sorted by x, the discordant
/// pairs are those that a merge sort by y turns round.
///
/// Panics if the lengths differ. Source: Knight, JASA 61 (1966).
pub fn kendall_tau_b(x: &[f32], y: &[f32]) -> f64 {
    assert_eq!(x.len(), y.len(), "pairs");
    if x.iter().chain(y).any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let mut pairs: Vec<u64> = x.iter().zip(y).map(|(&x, &y)| u64::from(rank(x)) << 32 | u64::from(rank(y))).collect();
    pairs.sort_unstable();
    let mut y: Vec<u32> = pairs.iter().map(|&pair| pair as u32).collect();
    let ties_x = tied_pairs(pairs.iter().map(|pair| pair >> 32));
    let ties_both = tied_pairs(pairs.iter().copied());
    let discordant = count_inversions(&mut y);
    let ties_y = tied_pairs(y.iter().map(|&y| u64::from(y)));
    tau_b(Counts { n: x.len() as u64, ties_x, ties_y, ties_both, discordant })
}

/// What a rank correlation is computed of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Rows.
    pub n: u64,
    /// Pairs of rows of the same x, the same y, the same in both.
    pub ties_x: u64,
    pub ties_y: u64,
    pub ties_both: u64,
    /// Pairs in the other order.
    pub discordant: u64,
}

/// τ_b of these counts.
pub(super) fn tau_b(Counts { n, ties_x, ties_y, ties_both, discordant }: Counts) -> f64 {
    let all = pairs_among(n);
    if ties_x == all || ties_y == all {
        return f64::NAN;
    }
    // pairs tied in neither = concordant + discordant
    let untied = (all - ties_x + ties_both - ties_y) as f64;
    // each root alone: where both are alike the quotient is exact
    let scale = ((all - ties_x) as f64).sqrt() * ((all - ties_y) as f64).sqrt();
    ((untied - 2.0 * discordant as f64) / scale).clamp(-1.0, 1.0)
}

/// An integer in the order of the number; −0 and +0 are the same.
pub(super) fn rank(x: f32) -> u32 {
    let bits = (x + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// `n·(n − 1)/2`
pub(super) fn pairs_among(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Pairs of equal values in a sequence where equal ones are neighbours.
fn tied_pairs(mut sorted: impl Iterator<Item = u64>) -> u64 {
    let Some(mut last) = sorted.next() else { return 0 };
    let (mut run, mut pairs) = (0, 0);
    for value in sorted {
        // the m-th of a run makes a pair with each before it
        run = if value == last { run + 1 } else { 0 };
        pairs += run;
        last = value;
    }
    pairs
}

/// Sorts, and counts the pairs that stood in the wrong order.
fn count_inversions(values: &mut [u32]) -> u64 {
    let mut other = values.to_vec();
    let (mut from, mut to) = (values, &mut other[..]);
    let (mut width, mut inversions, mut swapped) = (1, 0, false);
    while width < from.len() {
        for (from, to) in from.chunks(2 * width).zip(to.chunks_mut(2 * width)) {
            let (left, right) = from.split_at(width.min(from.len()));
            inversions += merge(left, right, to);
        }
        std::mem::swap(&mut from, &mut to);
        swapped = !swapped;
        width *= 2;
    }
    if swapped {
        to.copy_from_slice(from);
    }
    inversions
}

/// Merges two sorted sequences; returns the number of pairs (l, r) with l > r.
fn merge(left: &[u32], right: &[u32], out: &mut [u32]) -> u64 {
    let (mut l, mut r, mut inversions) = (0, 0, 0);
    for k in 0..out.len() {
        if l == left.len() || r == right.len() {
            let (rest, _) = if l == left.len() { (&right[r..], ()) } else { (&left[l..], ()) };
            out[k..].copy_from_slice(rest);
            break;
        }
        // no branch on the data: it would be mispredicted half the time
        let take_right = right[r] < left[l];
        out[k] = if take_right { right[r] } else { left[l] };
        inversions += if take_right { left.len() - l } else { 0 } as u64;
        l += usize::from(!take_right);
        r += usize::from(take_right);
    }
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, pair by pair.
    fn tau_by_pairs(x: &[f32], y: &[f32]) -> f64 {
        let (mut agreement, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
        for i in 0..x.len() {
            for j in 0..i {
                let order = |v: &[f32]| f64::from(i8::from(v[i] > v[j]) - i8::from(v[i] < v[j]));
                let (a, b) = (order(x), order(y));
                agreement += a * b;
                untied_x += a * a;
                untied_y += b * b;
            }
        }
        agreement / (f64::sqrt(untied_x) * f64::sqrt(untied_y))
    }

    fn pairs() -> impl Strategy<Value = Vec<(f32, f32)>> {
        let value = prop_oneof![(-3i8..3).prop_map(f32::from), -1e3f32..1e3, Just(-0.0), Just(f32::INFINITY)];
        prop::collection::vec((value.clone(), value), 0..70)
    }

    proptest! {
        #[test]
        fn tau_is_its_definition(pairs in pairs()) {
            let (x, y): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (got, expected) = (kendall_tau_b(&x, &y), tau_by_pairs(&x, &y));
            prop_assert!((got.is_nan() && expected.is_nan()) || (got - expected).abs() < 1e-12, "{got} is not {expected}");
        }

        #[test]
        fn merge_sort_counts_inversions(values in prop::collection::vec(0u32..40, 0..100)) {
            let pairs = (0..values.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
            let expected = pairs.filter(|&(i, j)| values[i] > values[j]).count() as u64;
            let mut sorted = values.clone();
            prop_assert_eq!(count_inversions(&mut sorted), expected);
            prop_assert!(sorted.is_sorted());
        }
    }

    #[test]
    fn measures_of_a_small_example() {
        // scikit-learn: r2_score, mean_squared_error, mean_absolute_error; SciPy: kendalltau
        let score = Score::new(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
        assert!((score.r2 - 0.948_608_137_044_967_9).abs() < 1e-12);
        assert_eq!((score.mse, score.mae, score.tau, score.n), (0.375, 0.5, 1.0, 4));
        assert!(
            (kendall_tau_b(&[12., 2., 1., 12., 2.], &[1., 4., 7., 1., 0.]) + 0.471_404_520_791_031_7).abs() < 1e-15
        );
    }

    #[test]
    fn classes_of_a_small_example() {
        let score = ClassScore::new(
            &[0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0],
            3,
            &[0.0, 1.0, 1.0, 0.0],
        );
        assert_eq!((score.accuracy, score.majority, score.n), (0.75, 0.5, 4));
        assert!((score.log_loss - 4.0 * 2.0f64.ln() / 4.0).abs() < 1e-12, "{}", score.log_loss);
        let sure = ClassScore::new(&[0.0, 1.0], 2, &[0.0]);
        assert!(sure.accuracy == 0.0 && (sure.log_loss - 15.942_385).abs() < 1e-5, "{}", sure.log_loss);
        assert!(ClassScore::new(&[], 3, &[]).accuracy.is_nan());
    }

    #[test]
    fn what_is_undefined_is_nan() {
        let empty = Score::new(&[], &[]);
        assert!(empty.r2.is_nan() && empty.tau.is_nan() && empty.mse.is_nan() && empty.mae.is_nan());
        let again: Score = serde_json::from_str(&serde_json::to_string(&empty).unwrap()).unwrap();
        assert!(again.r2.is_nan() && again.tau.is_nan() && again.mse.is_nan() && again.mae.is_nan() && again.n == 0);
        assert!(r2(&[1.0, 2.0], &[3.0, 3.0]).is_nan());
        assert!(kendall_tau_b(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        assert!(kendall_tau_b(&[1.0, f32::NAN], &[1.0, 2.0]).is_nan());
        assert_eq!(kendall_tau_b(&[1.0, 2.0, 3.0], &[9.0, 5.0, 4.0]), -1.0);
    }
}
