//! The statistics of one window of weights.

use crate::kernels::{Isa, quantile, reduce};

/// Minimum, quartiles, maximum, standard deviation and mean; `scratch` as [`quantile::quartiles`] wants it.
///
/// All are NaN where a weight is NaN; standard deviation and mean are NaN where one is infinite.
///
/// # Panics
/// If `weights` is empty or `scratch` too short.
pub fn statistics(isa: Isa, weights: &[f32], scratch: &mut [f32]) -> [f32; 7] {
    let moments = reduce::moments(isa, weights);
    let [q25, median, q75] = quantile::quartiles(isa, weights, scratch);
    [moments.min, q25, median, q75, moments.max, moments.variance.sqrt() as f32, moments.mean as f32]
}

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
