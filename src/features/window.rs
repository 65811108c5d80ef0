//! Quantiles of sorted numbers.

/// The quantile of sorted numbers at a share of 0 to 1, linear between neighbours as NumPy's.
///
/// # Panics
/// If there is no number.
pub fn quantile(sorted: &[f32], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let low = position as usize;
    let (a, b) = (f64::from(sorted[low]), f64::from(sorted[(low + 1).min(sorted.len() - 1)]));
    // no difference of two infinities
    let step = if a == b { 0.0 } else { (b - a) * position.fract() };
    a + step
}
