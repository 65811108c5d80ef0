//! The Matérn 5/2 covariance.

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

/// Sum of squared differences: of the differences themselves, as in `a² + b² − 2ab` everything would cancel for neighbours.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from((a - b) * (a - b)));
    sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest.sum::<f64>()
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
                    let squared = distance(row(i), row(j));
                    (values[j], slopes[j]) = (matern(squared) as f32, slope(squared) as f32);
                }
            });
        } else {
            self.values.par_chunks_exact_mut(n).enumerate().for_each(|(i, values)| {
                values.iter_mut().enumerate().for_each(|(j, value)| *value = matern(distance(row(i), row(j))) as f32);
            });
        }
    }
}
