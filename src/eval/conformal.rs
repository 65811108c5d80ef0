//! Intervals that hold the truth as often as promised, whatever the predictor: split-conformal prediction, and CV+ where there
//! are several fits.
//!
//! Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, *Distribution-Free Predictive Inference for Regression*, JASA 2018,
//! section 2.2.

use crate::Context;
use crate::predictor::{BagModel, Predictor};
use crate::table::Table;
use rayon::prelude::*;

/// How far from the prediction an interval reaches that holds the truth with probability `level`, by the absolute errors on rows
/// that the predictor was not fitted to: the ⌈(n+1)·level⌉-th smallest; infinite where there are too few of them.
pub fn reach(errors: &[f32], level: f64) -> f32 {
    let mut sorted = errors.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    match place(sorted.len(), level) {
        0 => 0.0,
        place => sorted.get(place - 1).copied().unwrap_or(f32::INFINITY),
    }
}

/// Which of `n` errors in ascending order it is, from 1; beyond `n` where they are too few.
fn place(n: usize, level: f64) -> usize {
    ((n + 1) as f64 * level).ceil() as usize
}

/// The fewest errors that give intervals of a level below 1 a finite reach: of .9 nine, of .95 nineteen.
pub fn fewest(level: f64) -> usize {
    // n ≥ level / (1 − level), but for rounding
    let about = (level / (1.0 - level)) as usize;
    (about.saturating_sub(1)..=about).find(|&n| place(n, level) <= n).unwrap_or(about + 1)
}

/// Around the predictions of several fits for some rows, each with its errors on rows that it was not fitted to, intervals of the
/// fits' mean that hold the truth with probability `level` (of a fold's fit at least 2·level − 1 is certain, where the errors of
/// its own fold did not choose it); not cut.
///
/// The upper end is the ⌈(n+1)·level⌉-th smallest of the n numbers «prediction of the fit + one of its errors», the lower end
/// likewise from above; infinite where there are too few errors. Of a single fit that is its prediction ± [`reach`].
///
/// Source: Barber, Candès, Ramdas, Tibshirani, *Predictive Inference with the Jackknife+*, Annals of Statistics 49 (2021),
/// section 3 (CV+).
pub fn cv_plus(predicted: &[Vec<f32>], errors: &[Vec<f32>], level: f64) -> Vec<[f32; 2]> {
    let (rows, n) = (predicted.first().map_or(0, Vec::len), errors.iter().map(Vec::len).sum());
    let place = place(n, level);
    if place == 0 || place > n {
        return vec![[f32::NEG_INFINITY, f32::INFINITY]; rows];
    }
    let ends = |row: usize, sign: f32| {
        let fits = predicted.iter().zip(errors);
        let mut ends: Vec<f32> =
            fits.flat_map(|(fit, errors)| errors.iter().map(move |e| sign * fit[row] + e)).collect();
        *ends.select_nth_unstable_by(place - 1, f32::total_cmp).1
    };
    (0..rows).into_par_iter().map(|row| [-ends(row, -1.0), ends(row, 1.0)]).collect()
}

/// Intervals around what a predictor predicts for the rows of a table: of a bag by [`cv_plus`], else by its errors on the
/// validation part; not cut.
pub fn around(context: &Context, predictor: &Predictor, table: &Table, predicted: &[f32], level: f64) -> Vec<[f32; 2]> {
    match predictor.model_as::<BagModel>() {
        Some(bag) => cv_plus(&bag.predict_each(context.isa, &table.x), bag.errors(), level),
        None => cv_plus(&[predicted.to_vec()], std::slice::from_ref(&predictor.residuals), level),
    }
}

/// Errors that [`around`] has.
pub fn errors(predictor: &Predictor) -> usize {
    let of_bag = |bag: &BagModel| bag.errors().iter().map(Vec::len).sum();
    predictor.model_as().map_or(predictor.residuals.len(), of_bag)
}

/// The interval of an accuracy.
pub fn interval(predicted: f32, reach: f32) -> [f32; 2] {
    [(predicted - reach).clamp(0.0, 1.0), (predicted + reach).clamp(0.0, 1.0)]
}

/// The share of targets inside of their intervals; intervals of targets beyond 0…1, which a table may have, are not cut.
pub fn coverage(predicted: &[f32], target: &[f32], reach: f32) -> f64 {
    let inside = predicted.iter().zip(target).filter(|(p, y)| {
        let [low, high] = interval(**p, reach);
        (low..=high).contains(*y) || (*p - reach..=*p + reach).contains(*y)
    });
    inside.count() as f64 / target.len() as f64
}

/// The share of targets inside of their intervals.
pub fn share_inside(intervals: &[[f32; 2]], target: &[f32]) -> f64 {
    let inside = intervals.iter().zip(target).filter(|([low, high], y)| (low..=high).contains(y));
    inside.count() as f64 / target.len() as f64
}

/// The range in which the share of `tested` targets inside lies by chance in 95 of 100 cases, where the reach is that of `n`
/// errors and no two are equal; none where the reach is infinite.
///
/// The share of all targets inside is distributed as Beta(k, n + 1 − k), k the error's place, so their number among those tested
/// is beta-binomial: both parts have a share in the chance, and few errors the larger one.
///
/// Source: Vovk, *Conditional Validity of Inductive Conformal Predictors* (ACML 2012), section 3.
pub fn chance(n: usize, level: f64, tested: usize) -> Option<[f64; 2]> {
    let place = place(n, level);
    if place == 0 || place > n || tested == 0 {
        return None;
    }
    let (a, b, all) = (place as f64, (n + 1 - place) as f64, tested as f64);
    // the logarithm of the probability that none is inside; each further one follows from it
    let mut log: f64 = (0..tested).map(|i| ((b + i as f64) / (a + b + i as f64)).ln()).sum();
    let (mut sum, mut low, mut high) = (0.0, None, None);
    for inside in 0..=tested {
        sum += log.exp();
        let share = inside as f64 / all;
        low = low.or((sum > 0.025).then_some(share));
        high = high.or((sum >= 0.975).then_some(share));
        let (i, out) = (inside as f64, (tested - inside) as f64);
        log += (out / (i + 1.0) * (a + i) / (b + out - 1.0)).ln();
    }
    Some([low.unwrap_or(0.0), high.unwrap_or(1.0)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn chance_has_a_share_of_both_parts() {
        // one error, of which half of all are smaller: the number inside is uniform on 0 … 99
        assert_eq!(chance(1, 0.5, 99), Some([2.0 / 99.0, 97.0 / 99.0]));
        // so many errors that the binomial law is left: 0.9 ± 1.96·√(0.9·0.1/1000)
        let [low, high] = chance(10_000_000, 0.9, 1000).unwrap();
        assert!((low - 0.8814).abs() < 0.0011 && (high - 0.9186).abs() < 0.0011, "{low} {high}");
        assert_eq!((chance(8, 0.9, 100), chance(20, 0.9, 0)), (None, None));
    }

    #[test]
    fn the_share_inside_lies_in_its_range() {
        let mut stream = Stream::new(2, 0, 0);
        let mut normal = |n: usize| (0..n).map(|_| stream.normal() as f32).collect::<Vec<f32>>();
        let [low, high] = chance(30, 0.9, 300).unwrap();
        let outside = (0..2000).filter(|_| {
            let errors: Vec<f32> = normal(30).iter().map(|y| y.abs()).collect();
            let reach = reach(&errors, 0.9);
            let inside = normal(300).iter().filter(|y| y.abs() <= reach).count() as f64 / 300.0;
            !(low..=high).contains(&inside)
        });
        // 5 of 100 less what whole numbers leave, with six standard deviations of 2,000 draws
        let outside = outside.count();
        assert!((40..=150).contains(&outside), "{outside} of 2000 are outside {low} {high}");
    }

    #[test]
    fn the_reach_is_an_order_statistic() {
        let errors = [0.4, 0.1, 0.3, 0.2];
        // ⌈5·0.8⌉ = 4, ⌈5·0.5⌉ = 3, ⌈5·0.9⌉ = 5: more than there are
        assert_eq!((reach(&errors, 0.8), reach(&errors, 0.5), reach(&errors, 0.9)), (0.4, 0.3, f32::INFINITY));
        assert_eq!(reach(&[], 0.5), f32::INFINITY);
        assert_eq!(interval(0.9, 0.3)[1], 1.0);
        assert_eq!(coverage(&[0.9, 5.0, 5.0], &[1.0, 5.5, 0.4], 0.5), 2.0 / 3.0);
        for (level, n) in [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.01, 1)] {
            assert_eq!(fewest(level), n, "{level}");
        }
        for level in (1..1000).map(|k| f64::from(k) / 1000.0) {
            let n = fewest(level);
            assert!(reach(&vec![1.0; n], level) == 1.0 && (n == 1 || reach(&vec![1.0; n - 1], level) > 1.0), "{level}");
        }
    }

    #[test]
    fn of_one_fit_cv_plus_is_the_prediction_and_its_reach() {
        let errors = vec![0.1, 0.2, 0.3, 0.4];
        for (level, reach) in [(0.5, 0.3), (0.8, 0.4), (0.9, f32::INFINITY)] {
            let found = cv_plus(&[vec![0.5, 7.0]], std::slice::from_ref(&errors), level);
            assert_eq!(found, [[0.5 - reach, 0.5 + reach], [7.0 - reach, 7.0 + reach]]);
        }
    }

    /// Means of what is left when a fold is taken out, as predictors of a normal number.
    #[test]
    fn cv_plus_holds_what_it_promises() {
        let (mut stream, folds, n) = (Stream::new(3, 0, 0), 5, 40);
        let (mut inside, tests) = (0, 4000);
        for _ in 0..tests {
            let y: Vec<f32> = (0..=n).map(|_| stream.normal() as f32).collect();
            let (train, truth) = (&y[..n], y[n]);
            let of = |k: usize, held: bool| {
                train.iter().skip(if held { k } else { 0 }).step_by(if held { folds } else { 1 })
            };
            let fit = |k: usize| (of(k, false).sum::<f32>() - of(k, true).sum::<f32>()) / (n - n / folds) as f32;
            let errors: Vec<Vec<f32>> = (0..folds).map(|k| of(k, true).map(|y| (y - fit(k)).abs()).collect()).collect();
            let predicted: Vec<Vec<f32>> = (0..folds).map(|k| vec![fit(k)]).collect();
            let [low, high] = cv_plus(&predicted, &errors, 0.9)[0];
            inside += u32::from((low..=high).contains(&truth));
        }
        // 0.9 to 0.9 + 1/41, with six standard deviations
        let share = f64::from(inside) / f64::from(tests);
        assert!((0.87..0.955).contains(&share), "{share}");
    }

    #[test]
    fn intervals_hold_what_they_promise() {
        let mut stream = Stream::new(1, 0, 0);
        let mut normal = |n: usize| (0..n).map(|_| (0.5 + 0.1 * stream.normal()) as f32).collect::<Vec<f32>>();
        let mut covered = 0.0;
        for _ in 0..200 {
            let errors: Vec<f32> = normal(60).iter().map(|y| (y - 0.5).abs()).collect();
            covered += coverage(&[0.5; 200], &normal(200), reach(&errors, 0.9)) / 200.0;
        }
        assert!((0.89..0.93).contains(&covered), "{covered}");
    }
}
