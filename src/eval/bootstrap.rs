//! How sure a score is: percentile intervals of the bootstrap.
//!
//! Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), section 13.3.

use super::metrics::r2;
use super::ranked::{Ranked, Space};
use crate::rng::Stream;
use rayon::prelude::*;

/// Replicates of an interval.
const REPLICATES: u32 = 1000;

/// Share of the replicates that an interval holds.
const LEVEL: f64 = 0.95;

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"boot");

/// Intervals of R² and Kendall's τ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intervals {
    /// Of R².
    pub r2: [f64; 2],
    /// Of τ.
    pub tau: [f64; 2],
}

impl Intervals {
    /// The bounds that hold 95 % of some [`replicates`]; NaN where none has a score.
    pub fn of(replicates: &[[f64; 2]]) -> Intervals {
        let of = |which: usize| percentiles(replicates.iter().map(|r| r[which]).filter(|x| !x.is_nan()).collect());
        Intervals { r2: of(0), tau: of(1) }
    }
}

/// R² and τ of 1,000 replicates; each takes one of several sets of predictions for the same targets (those of fits to different
/// networks) and draws as many rows as there are, with repetition. The rows of a replicate depend on its number, the seed and
/// the number of rows alone.
///
/// # Panics
/// If there are no predictions, or a set has not one prediction a target.
pub fn replicates(predicted: &[Vec<f32>], target: &[f32], seed: u64) -> Vec<[f64; 2]> {
    assert!(predicted.iter().all(|set| set.len() == target.len()), "one prediction a target");
    let ranked: Vec<Option<Ranked>> = predicted.iter().map(|set| Ranked::new(set, target)).collect();
    let rows = target.len();
    (0..REPLICATES)
        .into_par_iter()
        .map_init(
            || (vec![0.0; rows], vec![0.0; rows], vec![0; rows], Space::default()),
            |(x, y, count, space), replicate| {
                let mut stream = Stream::new(seed, PURPOSE, replicate);
                let set = stream.below(predicted.len() as u32) as usize;
                count.fill(0);
                for (x, y) in x.iter_mut().zip(y.iter_mut()) {
                    let row = stream.below(rows as u32) as usize;
                    (*x, *y) = (predicted[set][row], target[row]);
                    count[row] += 1;
                }
                [r2(x, y), ranked[set].as_ref().map_or(f64::NAN, |ranked| ranked.tau(count, space))]
            },
        )
        .collect()
}

/// Intervals that hold 95 % of 1,000 replicates of some measures of rows; each replicate draws as many rows as there are, with
/// repetition. Where the measures are differences of two predictors', both are scored on the same rows: the interval is paired.
///
/// NaN where no replicate has a score, and for no rows.
pub fn percentiles_of<const N: usize>(
    rows: usize,
    seed: u64,
    measure: impl Fn(&[usize]) -> [f64; N] + Sync,
) -> [[f64; 2]; N] {
    let one = |replicate: u32| {
        let mut stream = Stream::new(seed, PURPOSE, replicate);
        let drawn: Vec<usize> = (0..rows).map(|_| stream.below(rows as u32) as usize).collect();
        measure(&drawn)
    };
    let scores: Vec<[f64; N]> = (0..REPLICATES).into_par_iter().map(one).collect();
    std::array::from_fn(|k| percentiles(scores.iter().map(|score| score[k]).filter(|x| !x.is_nan()).collect()))
}

/// The bounds of the middle share `LEVEL` of some numbers, NaN of none.
pub fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let last = values.len().checked_sub(1)?;
        values.get((share * last as f64).round() as usize).copied()
    };
    [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0].map(|share| at(share).unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_as_wide_as_the_theory_says() {
        // r2 = 1 − mse/variance with normal errors: its deviation over samples of n rows is about (1 − r2)·√(4/n)
        let mut stream = Stream::new(1, 0, 0);
        let target: Vec<f32> = (0..2000).map(|_| stream.normal() as f32).collect();
        let predicted = target.iter().map(|&y| y + 0.3 * stream.normal() as f32).collect();
        let Intervals { r2: [low, high], tau } = Intervals::of(&replicates(&[predicted], &target, 0));
        let expected = 2.0 * 1.96 * 0.09 * (4.0f64 / 2000.0).sqrt();
        assert!((0.7..1.3).contains(&((high - low) / expected)), "{low} {high} {expected}");
        assert!(low < 0.91 && 0.91 < high && tau[0] < tau[1] && tau[1] < 1.0);
    }

    #[test]
    fn a_paired_difference_is_surer_than_the_scores() {
        let mut stream = Stream::new(2, 0, 0);
        let target: Vec<f32> = (0..300).map(|_| stream.normal() as f32).collect();
        let a: Vec<f32> = target.iter().map(|&y| y + 0.3 * stream.normal() as f32).collect();
        // b has a's errors, a fifth smaller
        let b: Vec<f32> = a.iter().zip(&target).map(|(a, y)| y + 0.8 * (a - y)).collect();
        let of = |predicted: &[f32], rows: &[usize]| {
            let pairs: (Vec<f32>, Vec<f32>) = rows.iter().map(|&row| (predicted[row], target[row])).unzip();
            r2(&pairs.0, &pairs.1)
        };
        let [alone] = percentiles_of(300, 0, |rows| [of(&a, rows)]);
        let [paired] = percentiles_of(300, 0, |rows| [of(&b, rows) - of(&a, rows)]);
        assert!(paired[0] > 0.0 && paired[1] - paired[0] < 0.5 * (alone[1] - alone[0]), "{paired:?} {alone:?}");
        assert!(percentiles_of(0, 0, |_| [f64::NAN])[0][0].is_nan());
    }

    #[test]
    fn several_fits_widen_it() {
        let target: Vec<f32> = (0..200).map(|i| i as f32).collect();
        let off = |by: f32| target.iter().map(|y| y + by).collect::<Vec<f32>>();
        let of = |sets: &[Vec<f32>], target: &[f32]| Intervals::of(&replicates(sets, target, 0)).r2;
        let one = of(&[off(10.0)], &target);
        let two = of(&[off(10.0), off(30.0)], &target);
        assert!(two[0] < one[0] - 0.1 && two[1] <= one[1] + 0.01, "{one:?} {two:?}");
        assert!(of(&[vec![1.0]], &[1.0])[0].is_nan());
    }
}
