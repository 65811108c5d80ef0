//! Extremes and moments, two passes.

use crate::reduce::Moments;

/// `mean = Σ xᵢ / n;  variance = Σ (xᵢ − mean)² / n`, NaN where an `xᵢ` is not finite; extremes NaN where one is NaN.
pub fn moments(x: &[f32]) -> Moments {
    let n = x.len() as f64;
    let (mut min, mut max, mut sum) = (x[0], x[0], 0.0);
    for &x in x {
        min = if x.is_nan() || min.is_nan() { f32::NAN } else { min.min(x) };
        max = if x.is_nan() || max.is_nan() { f32::NAN } else { max.max(x) };
        sum += f64::from(x);
    }
    let mean = if sum.is_finite() { sum / n } else { f64::NAN };
    let mut squares = 0.0;
    for &x in x {
        squares += (f64::from(x) - mean) * (f64::from(x) - mean);
    }
    Moments { min, max, mean, variance: squares / n }
}
