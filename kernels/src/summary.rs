//! Seven numbers of a set of weights: what predictors of accuracy see of a tensor.

use crate::{Isa, quantile, reduce};

/// Numbers of a summary.
pub const SUMMARY: usize = 7;

/// Computes minimum, quartiles, maximum, standard deviation (the population's) and mean.
///
/// Shapes.   `x` any length n from 1 on; `scratch` at least [`quantile::scratch_len`]`(n)`, contents irrelevant.
/// Panics.   if `x` is empty or `scratch` too short.
/// Cost.     that of [`reduce::moments`] and [`quantile::quartiles`].
/// Numerics. theirs, and one rounding of standard deviation and mean to `f32`: the same bits on every machine. All are NaN where
///           a weight is NaN; standard deviation and mean are NaN where one is infinite.
/// Source.   [`crate::reference::reduce::moments`], [`crate::reference::quantile::quartiles`].
pub fn summary(isa: Isa, x: &[f32], scratch: &mut [f32]) -> [f32; SUMMARY] {
    let moments = reduce::moments(isa, x);
    let [q25, median, q75] = quantile::quartiles(isa, x, scratch);
    [moments.min, q25, median, q75, moments.max, libm::sqrt(moments.variance) as f32, moments.mean as f32]
}
