//! The Matérn 5/2 covariance.

use crate::predictor::domain::squared;
use rayon::prelude::*;

/// Rows that [`mirror`] takes at a time: sixteen numbers are a line of the cache.
const BLOCK: usize = 16;

/// `(1 + √5·r + 5/3·r²)·exp(−√5·r)` of `r²`.
pub fn matern(squared: f64) -> f64 {
    matern_and_slope(squared).0
}

/// The covariance, and twice its derivative by `r²` with the sign turned: `5/3·(1 + √5·r)·exp(−√5·r)`.
fn matern_and_slope(squared: f64) -> (f64, f64) {
    let r = (5.0 * squared).sqrt();
    let decay = libm::exp(-r);
    ((1.0 + r + r * r / 3.0) * decay, 5.0 / 3.0 * (1.0 + r) * decay)
}

/// Covariances of rows with each other, and their slopes, both n×n and without the signal.
#[derive(Debug, Default)]
pub struct Covariances {
    /// `k(xᵢ, xⱼ)/τ²`
    pub values: Vec<f32>,
    /// What `k/τ²` gains where the logarithm of ℓ_c grows, as a multiple of `((z_c − z′_c)/ℓ_c)²`.
    pub slopes: Vec<f32>,
}

impl Covariances {
    /// Of rows of so many columns; the slopes only if they are wanted.
    pub fn set(&mut self, rows: &[f32], width: usize, slopes: bool) {
        let n = rows.len() / width;
        self.values.resize(n * n, 0.0);
        self.slopes.resize(if slopes { n * n } else { 0 }, 0.0);
        let row = |i: usize| &rows[i * width..(i + 1) * width];
        let pair = |i: usize, j: usize| matern_and_slope(f64::from(squared(row(i), row(j))));
        // both matrices are symmetric: one triangle is computed
        if slopes {
            let lines = self.values.par_chunks_exact_mut(n).zip(self.slopes.par_chunks_exact_mut(n));
            lines.enumerate().for_each(|(i, (values, slopes))| {
                for j in 0..=i {
                    let (value, slope) = pair(i, j);
                    (values[j], slopes[j]) = (value as f32, slope as f32);
                }
            });
        } else {
            let lines = self.values.par_chunks_exact_mut(n);
            lines.enumerate().for_each(|(i, values)| (0..=i).for_each(|j| values[j] = pair(i, j).0 as f32));
        }
        mirror(&mut self.values, n);
        mirror(&mut self.slopes, n);
    }
}

/// Copies what lies below the diagonal of an n×n matrix above it, or does nothing to an empty one.
fn mirror(matrix: &mut [f32], n: usize) {
    if matrix.is_empty() {
        return;
    }
    // blocks, so that the columns of a few rows stay in the closest cache
    for first in (0..n).step_by(BLOCK) {
        for j in 0..n {
            for i in first.max(j + 1)..(first + BLOCK).min(n) {
                matrix[j * n + i] = matrix[i * n + j];
            }
        }
    }
}
