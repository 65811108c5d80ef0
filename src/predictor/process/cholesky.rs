//! Symmetric positive definite systems: factors of matrix products, solutions refined in `f64`.
//!
//! Blocks of [`BLOCK`] columns: what the columns before them take away is one product of ours in `f32`, the block on the
//! diagonal is factored and inverted in `f64`, and the rest of the column is one more product. Residuals in `f64` then bring
//! solutions to full precision as long as the condition is below 10⁷ or so.
//!
//! Source: Golub, Van Loan, *Matrix Computations*, 4th ed., 4.2.9 (blocked Cholesky) and 3.5.3 (refinement).

use crate::kernels::Isa;
use crate::kernels::gemm::{Matrix, Update};
use crate::predictor::product::multiply;
use rayon::prelude::*;

/// Columns of a block.
const BLOCK: usize = 64;

/// Refinements of a solution.
const REFINEMENTS: usize = 4;

/// L of `A = L·Lᵀ`.
#[derive(Debug)]
pub struct Factor {
    n: usize,
    /// n×n, row by row; only what is on and below the diagonal means something.
    l: Vec<f32>,
    /// The inverses of the blocks on the diagonal, each BLOCK×BLOCK or less.
    inverses: Vec<Vec<f64>>,
}

impl Factor {
    /// The factor of the symmetric matrix `a + ridge·I`, n×n; none where it is not positive definite as far as `f32` can tell.
    pub fn new(isa: Isa, a: &[f32], n: usize, ridge: f64) -> Option<Factor> {
        let mut factor = Factor { n, l: a.to_vec(), inverses: Vec::new() };
        (0..n).for_each(|i| factor.l[i * n + i] = (f64::from(a[i * n + i]) + ridge) as f32);
        let mut panel = Vec::new();
        for first in (0..n).step_by(BLOCK) {
            let width = BLOCK.min(n - first);
            factor.subtract(isa, first, width, &mut panel);
            let diagonal = cholesky(&panel[..width * width], width)?;
            let inverse = invert(&diagonal, width);
            let narrow: Vec<f32> = inverse.iter().map(|&x| x as f32).collect();
            let below = n - first - width;
            let mut column = vec![0.0; below * width];
            let (rest, turned) = (&panel[width * width..], Matrix::new(&narrow, width, width).transposed());
            multiply(isa, Matrix::new(rest, below, width), turned, Update::Replace, &mut column);
            for i in 0..width {
                let at = (first + i) * n + first;
                (0..width).for_each(|j| factor.l[at + j] = diagonal[i * width + j] as f32);
            }
            for (i, row) in column.chunks_exact(width).enumerate() {
                let at = (first + width + i) * n + first;
                factor.l[at..at + width].copy_from_slice(row);
            }
            factor.inverses.push(inverse);
        }
        Some(factor)
    }

    /// `panel = A[first.., block] − L[first.., ..first]·L[block, ..first]ᵀ`
    fn subtract(&self, isa: Isa, first: usize, width: usize, panel: &mut Vec<f32>) {
        let n = self.n;
        panel.clear();
        panel.resize((n - first) * width, 0.0);
        if first > 0 {
            let view = |rows: usize| Matrix { row_stride: n, ..Matrix::new(&self.l[first * n..], rows, first) };
            multiply(isa, view(n - first), view(width).transposed(), Update::Replace, panel);
        }
        for (i, row) in panel.chunks_exact_mut(width).enumerate() {
            let a = &self.l[(first + i) * n + first..][..width];
            row.iter_mut().zip(a).for_each(|(x, a)| *x = a - *x);
        }
    }

    /// `ln det A`
    pub fn log_determinant(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * libm::log(f64::from(self.l[i * self.n + i]))).sum()
    }

    /// The solution of `(A + ridge·I)·x = b` for the matrix that this is the factor of.
    pub fn solve(&self, a: &[f32], ridge: f64, b: &[f64]) -> Vec<f64> {
        let mut x = self.substitute(b);
        for _ in 0..REFINEMENTS {
            let residual = |(i, row): (usize, &[f32])| {
                let product: f64 = row.iter().zip(&x).map(|(&a, x)| f64::from(a) * x).sum();
                b[i] - product - ridge * x[i]
            };
            let residual: Vec<f64> = a.par_chunks_exact(self.n).enumerate().map(residual).collect();
            let change = self.substitute(&residual);
            x.iter_mut().zip(change).for_each(|(x, change)| *x += change);
        }
        x
    }

    /// `L⁻ᵀ·L⁻¹·b`, as precise as the factor.
    fn substitute(&self, b: &[f64]) -> Vec<f64> {
        let n = self.n;
        let mut x = b.to_vec();
        for i in 0..n {
            let sum: f64 = self.l[i * n..i * n + i].iter().zip(&x).map(|(&l, x)| f64::from(l) * x).sum();
            x[i] = (x[i] - sum) / f64::from(self.l[i * n + i]);
        }
        for i in (0..n).rev() {
            let (before, at) = x.split_at_mut(i);
            at[0] /= f64::from(self.l[i * n + i]);
            before.iter_mut().zip(&self.l[i * n..]).for_each(|(x, &l)| *x -= at[0] * f64::from(l));
        }
        x
    }

    /// `A⁻¹`, n×n, in `f32`: `L⁻¹` block of rows by block of rows, then `L⁻ᵀ·L⁻¹`.
    pub fn inverse(&self, isa: Isa) -> Vec<f32> {
        let n = self.n;
        let mut x = vec![0.0f32; n * n];
        for (block, inverse) in self.inverses.iter().enumerate() {
            let first = block * BLOCK;
            let width = BLOCK.min(n - first);
            let (done, rows) = x.split_at_mut(first * n);
            let rows = &mut rows[..width * n];
            let mut right = vec![0.0f32; width * n];
            if first > 0 {
                let left = Matrix { row_stride: n, ..Matrix::new(&self.l[first * n..], width, first) };
                multiply(isa, left, Matrix::new(done, first, n), Update::Replace, &mut right);
                right.iter_mut().for_each(|x| *x = -*x);
            }
            (0..width).for_each(|i| right[i * n + first + i] = 1.0);
            let narrow: Vec<f32> = inverse.iter().map(|&x| x as f32).collect();
            multiply(isa, Matrix::new(&narrow, width, width), Matrix::new(&right, width, n), Update::Replace, rows);
        }
        let mut product = vec![0.0; n * n];
        let factor = Matrix::new(&x, n, n);
        multiply(isa, factor.transposed(), factor, Update::Replace, &mut product);
        product
    }
}

/// The lower factor of a small matrix in `f64`, zeros above.
fn cholesky(a: &[f32], n: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0f64; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (row, column) = (&l[i * n..i * n + j], &l[j * n..j * n + j]);
            let rest = f64::from(a[i * n + j]) - row.iter().zip(column).map(|(a, b)| a * b).sum::<f64>();
            if i > j {
                l[i * n + j] = rest / l[j * n + j];
            } else if rest > 0.0 && rest.is_finite() {
                l[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(l)
}

/// The inverse of a small lower triangular matrix.
fn invert(l: &[f64], n: usize) -> Vec<f64> {
    let mut x = vec![0.0f64; n * n];
    for j in 0..n {
        for i in j..n {
            let sum: f64 = (j..i).map(|k| l[i * n + k] * x[k * n + j]).sum();
            x[i * n + j] = (f64::from(u8::from(i == j)) - sum) / l[i * n + i];
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// A symmetric positive definite matrix.
    fn example(n: usize, seed: u64) -> Vec<f32> {
        let mut stream = Stream::new(seed, 0, 0);
        let b: Vec<f64> = (0..n * n).map(|_| stream.normal()).collect();
        let entry = |i: usize, j: usize| (0..n).map(|k| b[i * n + k] * b[j * n + k]).sum::<f64>() / n as f64;
        (0..n * n).map(|at| entry(at / n, at % n) as f32).collect()
    }

    #[test]
    fn solutions_inverses_and_determinants_are_those_of_f64() {
        for n in [1, 7, 64, 65, 200] {
            let a = example(n, n as u64);
            let wide: Vec<f32> = (0..n * n).map(|at| a[at] + if at / n == at % n { 0.01 } else { 0.0 }).collect();
            let exact = cholesky(&wide, n).unwrap();
            let log: f64 = (0..n).map(|i| 2.0 * exact[i * n + i].ln()).sum();
            let inverse = invert(&exact, n);
            let b: Vec<f64> = (0..n).map(|i| ((i * 37) % 11) as f64 - 5.0).collect();
            for isa in Isa::available() {
                let factor = Factor::new(isa, &a, n, 0.01).unwrap();
                assert!((factor.log_determinant() - log).abs() < 1e-3 * n as f64, "{} {log}", factor.log_determinant());
                let x = factor.solve(&a, 0.01, &b);
                for i in 0..n {
                    let back: f64 = (0..n).map(|j| f64::from(a[i * n + j]) * x[j]).sum::<f64>() + 0.01 * x[i];
                    assert!((back - b[i]).abs() < 1e-8, "{back} {}", b[i]);
                }
                let found = factor.inverse(isa);
                let largest = found.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let want: f64 = (0..n).map(|k| inverse[k * n + i] * inverse[k * n + j]).sum();
                    assert!((f64::from(found[i * n + j]) - want).abs() < 2e-3 * f64::from(largest));
                }
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        let mut a = example(100, 1);
        a[50 * 100 + 50] = -1.0;
        assert!(Factor::new(Isa::detect(), &a, 100, 0.0).is_none());
        a[50 * 100 + 50] = f32::NAN;
        assert!(Factor::new(Isa::detect(), &a, 100, 0.0).is_none());
    }
}
