//! The marginal likelihood, and the search for its largest value.
//!
//! The search is iRprop⁻: a step of each parameter's own length in the direction of its derivative's sign; the length grows while
//! the sign stays, and halves where it turns. It needs no line search, and a small error of a derivative does not matter.
//!
//! Source: Blum, Riedmiller, *Optimization of Gaussian Process Hyperparameters using Rprop*, ESANN 2013; Igel, Hüsken (2000).

use super::Hyper;
use super::cholesky::Factor;
use super::covariance::Covariances;
use crate::kernels::Isa;
use crate::kernels::gemm::{Matrix, Update};
use crate::predictor::product::multiply;
use crate::{Context, Error, Result};

/// Noise, as a share of the signal, below which `f32` could not tell whether a matrix is positive definite.
pub const LEAST_NOISE: f64 = 1e-4;

/// Lengths of a step: at first, least, most.
const STEPS: [f64; 3] = [0.1, 1e-4, 0.5];

/// Logarithms of lengths stay in this distance of that of √columns.
const FAR: f64 = 6.0;

/// A likelihood to be maximised.
pub struct Likelihood<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// Normal scores, row-major.
    pub scores: &'a [f32],
    /// Targets with mean 0 and deviation 1.
    pub target: &'a [f64],
    /// Whether a column has more than one value; the others do not count.
    pub varies: &'a [bool],
}

/// Parameters as the search moves them: logarithms of the lengths, of the signal, and of the noise as a share of the signal.
#[derive(Clone, Debug, PartialEq)]
struct Point(Vec<f64>);

impl Likelihood<'_> {
    fn width(&self) -> usize {
        self.varies.len()
    }

    /// Where the search begins.
    fn start(&self) -> Point {
        let varying = self.varies.iter().filter(|varies| **varies).count().max(1) as f64;
        let mut point = vec![0.5 * libm::log(varying); self.width()];
        point.extend([0.0, libm::log(0.05)]);
        Point(point)
    }

    fn hyper(&self, point: &Point) -> Hyper {
        let inverse = |(log, varies): (&f64, &bool)| if *varies { libm::exp(-log) as f32 } else { 0.0 };
        let [signal, noise] = [0, 1].map(|at| libm::exp(point.0[self.width() + at]));
        let inverse_lengths = point.0.iter().zip(self.varies).map(inverse).collect();
        Hyper { inverse_lengths, signal, noise: noise * signal }
    }

    /// The best of so many steps, its likelihood, and which step it was.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn search(&self, context: &Context, steps: usize) -> Result<(Hyper, f64, usize)> {
        let mut point = self.start();
        let parameters = point.0.len();
        let (mut length, mut before) = (vec![STEPS[0]; parameters], vec![0.0; parameters]);
        let mut work = Covariances::default();
        let mut best: Option<(Point, f64, usize)> = None;
        for step in 0..=steps {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            match self.at(&self.hyper(&point), &mut work) {
                Some((value, mut derivative)) => {
                    if best.as_ref().is_none_or(|best| value > best.1) {
                        best = Some((point.clone(), value, step));
                    }
                    self.step(&mut point, &mut length, &mut before, &mut derivative);
                }
                // too far: back to the best, and on in smaller steps
                None => {
                    point = best.as_ref().map_or_else(|| self.start(), |best| best.0.clone());
                    length.iter_mut().for_each(|length| *length = (0.5 * *length).max(STEPS[1]));
                    before.fill(0.0);
                }
            }
        }
        let (point, value, step) = best.unwrap_or((self.start(), f64::NEG_INFINITY, 0));
        Ok((self.hyper(&point), value, step))
    }

    /// One step of iRprop⁻.
    fn step(&self, point: &mut Point, length: &mut [f64], before: &mut [f64], derivative: &mut [f64]) {
        let middle = 0.5 * libm::log(self.width() as f64);
        for k in 0..derivative.len() {
            let turned = derivative[k] * before[k];
            let factor = if turned > 0.0 {
                1.2
            } else if turned < 0.0 {
                0.5
            } else {
                1.0
            };
            length[k] = (length[k] * factor).clamp(STEPS[1], STEPS[2]);
            before[k] = if turned < 0.0 { 0.0 } else { derivative[k] };
            if before[k] != 0.0 {
                point.0[k] += length[k].copysign(before[k]);
            }
        }
        let width = self.width();
        point.0[..width].iter_mut().for_each(|log| *log = log.clamp(middle - FAR, middle + FAR));
        point.0[width + 1] = point.0[width + 1].clamp(libm::log(LEAST_NOISE), 5.0);
    }

    /// Logarithm of the likelihood and its derivatives; none where the covariance is not positive definite.
    ///
    /// `−½·yᵀα − ½·ln det K − n/2·ln 2π`; the derivative by a parameter θ is `½·Σᵢⱼ Wᵢⱼ·∂Kᵢⱼ/∂θ` with `W = α·αᵀ − K⁻¹`.
    pub(super) fn at(&self, hyper: &Hyper, work: &mut Covariances) -> Option<(f64, Vec<f64>)> {
        let (n, width) = (self.target.len(), self.width());
        let rows: Vec<f32> = self
            .scores
            .chunks_exact(width)
            .flat_map(|row| row.iter().zip(&hyper.inverse_lengths).map(|(z, inverse)| z * inverse))
            .collect();
        work.set(&rows, width, true);
        // all in units of the signal
        let ridge = hyper.noise / hyper.signal;
        let factor = Factor::new(self.isa, &work.values, n, ridge)?;
        let alpha = factor.solve(&work.values, ridge, self.target);
        let fit: f64 = self.target.iter().zip(&alpha).map(|(y, alpha)| y * alpha).sum::<f64>() / hyper.signal;
        let log_determinant = factor.log_determinant() + n as f64 * libm::log(hyper.signal);
        let constant = n as f64 * libm::log(2.0 * std::f64::consts::PI);
        let value = -0.5 * (fit + log_determinant + constant);
        let inverse = factor.inverse(self.isa);
        let mut derivative = self.lengths(&rows, &alpha, &inverse, &work.slopes, hyper.signal);
        let trace: f64 = (0..n).map(|i| f64::from(inverse[i * n + i])).sum();
        let squares: f64 = alpha.iter().map(|alpha| alpha * alpha).sum();
        // by the signal everything grows, the noise with it; by the noise's share only the diagonal
        derivative.push(0.5 * (fit - n as f64));
        derivative.push(0.5 * ridge * (squares / hyper.signal - trace));
        value.is_finite().then_some((value, derivative))
    }

    /// Derivatives by the logarithms of the lengths: `½·Σᵢⱼ Mᵢⱼ·(uᵢ − uⱼ)² = Σᵢ (Σⱼ Mᵢⱼ)·uᵢ² − Σᵢ uᵢ·(M·U)ᵢ` for each column u
    /// of the rows, M the slopes times W.
    fn lengths(&self, rows: &[f32], alpha: &[f64], inverse: &[f32], slopes: &[f32], signal: f64) -> Vec<f64> {
        let (n, width) = (alpha.len(), self.width());
        let mut m = vec![0.0f32; n * n];
        for i in 0..n {
            let pairs = inverse[i * n..][..n].iter().zip(&slopes[i * n..][..n]).zip(alpha);
            for (m, ((&inverse, &slope), other)) in m[i * n..][..n].iter_mut().zip(pairs) {
                *m = ((alpha[i] * other / signal - f64::from(inverse)) * f64::from(slope)) as f32;
            }
        }
        let mut product = vec![0.0f32; n * width];
        multiply(self.isa, Matrix::new(&m, n, n), Matrix::new(rows, n, width), Update::Replace, &mut product);
        let mut derivative = vec![0.0; width];
        for i in 0..n {
            let sum: f64 = m[i * n..][..n].iter().map(|&m| f64::from(m)).sum();
            let (row, product) = (&rows[i * width..][..width], &product[i * width..][..width]);
            for (derivative, (&u, &product)) in derivative.iter_mut().zip(row.iter().zip(product)) {
                *derivative += f64::from(u) * (sum * f64::from(u) - f64::from(product));
            }
        }
        derivative
    }
}
