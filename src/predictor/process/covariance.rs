//! The Matérn 5/2 covariance.

use crate::predictor::domain::squared;
use rayon::prelude::*;

/// `(1 + √5·r + 5/3·r²)·exp(−√5·r)` of `r²`.
pub fn matern(squared: f64) -> f64 {
    let r = (5.0 * squared).sqrt();
    (1.0 + r + r * r / 3.0) * libm::exp(-r)
}

/// Twice its derivative by `r²`, with the sign turned: `5/3·(1 + √5·r)·exp(−√5·r)`.
fn slope(squared: f64) -> f64 {
    let r = (5.0 * squared).sqrt();
    5.0 / 3.0 * (1.0 + r) * libm::exp(-r)
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
        if slopes {
            let pairs = self.values.par_chunks_exact_mut(n).zip(self.slopes.par_chunks_exact_mut(n)).enumerate();
            pairs.for_each(|(i, (values, slopes))| {
                for j in 0..n {
                    let r2 = f64::from(squared(row(i), row(j)));
                    (values[j], slopes[j]) = (matern(r2) as f32, slope(r2) as f32);
                }
            });
        } else {
            self.values.par_chunks_exact_mut(n).enumerate().for_each(|(i, values)| {
                values
                    .iter_mut()
                    .enumerate()
                    .for_each(|(j, value)| *value = matern(f64::from(squared(row(i), row(j)))) as f32);
            });
        }
    }
}
