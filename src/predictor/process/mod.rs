//! Gaussian process regression: the exact posterior mean under a Matérn 5/2 covariance.
//!
//! `f(x) = ȳ + s·Σᵢ αᵢ·k(x, xᵢ)`, `(K + ν·I)·α = (y − ȳ)/s`, `k(x, x′) = τ²·(1 + √5·r + 5/3·r²)·exp(−√5·r)`,
//! `r² = Σ_c ((z_c − z′_c)/ℓ_c)²`. Inputs z are quantile-normal ([`scores`]); the length scales ℓ, the signal τ² and the noise ν
//! are those of the largest marginal likelihood that the search finds (`likelihood`).
//!
//! Time grows with the cube of the rows and memory with their square, so there is a limit ([`MOST_ROWS`]).
//!
//! Source: Rasmussen, Williams, *Gaussian Processes for Machine Learning* (2006), algorithm 2.1, equations 4.17 and 5.9.

mod cholesky;
mod covariance;
mod file;
mod fit;
mod kind;
mod likelihood;
mod params;
pub mod scores;
#[cfg(test)]
mod tests;

pub use fit::fit;
pub use kind::KIND;
pub use params::Params;

use super::domain::squared;
use crate::kernels::Isa;
use covariance::matern;
use rayon::prelude::*;
use scores::Scores;

/// Rows that a process is fitted to at most.
pub const MOST_ROWS: usize = 8192;

/// What the likelihood chooses.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyper {
    /// 1/ℓ of each column; 0 for a column that does not matter at all.
    pub inverse_lengths: Vec<f32>,
    /// τ², in squares of the targets' deviation.
    pub signal: f64,
    /// ν, likewise.
    pub noise: f64,
}

/// A fitted process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// What it was fitted with.
    pub params: Params,
    /// How inputs become normal.
    pub scores: Scores,
    /// What the likelihood chose.
    pub hyper: Hyper,
    /// Logarithm of the marginal likelihood of the rows that it was maximised on, in units of the targets' deviation.
    pub log_likelihood: f64,
    /// Steps to that maximum.
    pub steps: usize,
    /// Mean and standard deviation of the training targets.
    pub target: [f64; 2],
    /// z/ℓ of the training rows, row-major.
    inputs: Vec<f32>,
    /// α.
    alpha: Vec<f64>,
}

impl Process {
    /// Columns of the tables that it takes.
    pub fn width(&self) -> usize {
        self.hyper.inverse_lengths.len()
    }

    /// Predictions for the rows of a row-major table of [`Process::width`] columns.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn predict(&self, _: Isa, x: &[f32]) -> Vec<f32> {
        let width = self.width();
        assert_eq!(x.len() % width, 0, "whole rows of {width} columns");
        let [mean, deviation] = self.target;
        let one = |row: &[f32]| {
            let at: Vec<f32> = self.scores.row(row).zip(&self.hyper.inverse_lengths).map(|(z, i)| z * i).collect();
            let rows = self.inputs.chunks_exact(width).zip(&self.alpha);
            let sum: f64 = rows.map(|(row, alpha)| alpha * matern(f64::from(squared(&at, row)))).sum();
            (mean + deviation * self.hyper.signal * sum) as f32
        };
        x.par_chunks_exact(width).map(one).collect()
    }
}
