//! Histograms with sums of `f64`, unpacked.

use crate::histogram::{GainRule, Leaf};

/// Sum of gradients and count of one bin of one feature.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Sum of gradients.
    pub gradient: f64,
    /// Number of rows, or the sum of their weights.
    pub count: f64,
}

/// Adds rows with the given codes and gradients to the histogram of one feature.
pub fn build(codes: impl Iterator<Item = u8>, gradients: impl Iterator<Item = f64>, bins: &mut [Bin]) {
    build_weighted(codes, gradients, std::iter::repeat(1.0), bins);
}

/// Adds rows with the given codes, gradients and weights to the histogram of one feature.
pub fn build_weighted(
    codes: impl Iterator<Item = u8>,
    gradients: impl Iterator<Item = f64>,
    weights: impl Iterator<Item = f64>,
    bins: &mut [Bin],
) {
    for ((code, gradient), weight) in codes.zip(gradients).zip(weights) {
        let bin = &mut bins[usize::from(code)];
        bin.gradient += gradient;
        bin.count += weight;
    }
}

/// The gain of the cut after each bin; `None` where a side has too few rows.
pub fn gains(bins: &[Bin], start: Bin, leaf: Leaf, rule: GainRule, mut each: impl FnMut(usize, Option<f64>)) {
    let score = |gradient: f64, count: f64| {
        let t = (gradient.abs() - rule.alpha).max(0.0);
        t * t / (count + rule.lambda)
    };
    let (whole, n) = (leaf.gradient as f64, f64::from(leaf.count));
    let mut left = start;
    for (b, bin) in bins.iter().enumerate() {
        left.gradient += bin.gradient;
        left.count += bin.count;
        let enough = left.count.min(n - left.count) >= f64::from(rule.min_count);
        let gain = score(left.gradient, left.count) + score(whole - left.gradient, n - left.count) - score(whole, n);
        each(b, enough.then_some(gain));
    }
}
