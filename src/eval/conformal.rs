//! Intervals that hold the truth as often as promised, whatever the predictor: split-conformal prediction.
//!
//! Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, *Distribution-Free Predictive Inference for Regression*, JASA 2018,
//! section 2.2.

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
