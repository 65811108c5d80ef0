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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

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
