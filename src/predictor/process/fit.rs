//! Fitting a process.

use super::cholesky::Factor;
use super::covariance::Covariances;
use super::likelihood::Likelihood;
use super::scores::Scores;
use super::{MOST_ROWS, Params, Process};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"like");

/// Times that the noise is made tenfold where the covariance is not positive definite in `f32`.
const ATTEMPTS: usize = 6;

/// Fits a process to a table.
///
/// Missing values count as the median of their column, infinite ones as its ends.
///
/// # Errors
/// [`Error::Unsuitable`] for fewer than two rows or more than [`MOST_ROWS`], a table without columns, or targets that are not finite;
/// [`Error::Cancelled`] when a stop is requested.
pub fn fit(context: &Context, train: &Table, params: &Params) -> Result<Process> {
    check(train)?;
    let width = train.width();
    let scores = Scores::of(&train.x, width);
    let normal: Vec<f32> = train.x.chunks_exact(width).flat_map(|row| scores.row(row)).collect();
    let (target, y) = standard(&train.y);
    let rows = drawn(train.rows(), params);
    let varies: Vec<bool> = scores.0.iter().map(|knots| !knots.values.is_empty()).collect();
    let seen: Vec<f32> = rows.iter().flat_map(|&row| &normal[row * width..(row + 1) * width]).copied().collect();
    let seen_y: Vec<f64> = rows.iter().map(|&row| y[row]).collect();
    let likelihood = Likelihood { isa: context.isa, scores: &seen, target: &seen_y, varies: &varies };
    let (mut hyper, log_likelihood, steps) = likelihood.search(context, params.steps)?;
    let inputs: Vec<f32> = normal
        .chunks_exact(width)
        .flat_map(|row| row.iter().zip(&hyper.inverse_lengths).map(|(z, inverse)| z * inverse))
        .collect();
    let mut work = Covariances::default();
    work.set(&inputs, width, false);
    for _ in 0..ATTEMPTS {
        let ridge = hyper.noise / hyper.signal;
        if let Some(factor) = Factor::new(context.isa, &work.values, train.rows(), ridge) {
            let solution = factor.solve(&work.values, ridge, &y);
            let alpha = solution.into_iter().map(|x| x / hyper.signal).collect();
            return Ok(Process { params: params.clone(), scores, hyper, log_likelihood, steps, target, inputs, alpha });
        }
        hyper.noise *= 10.0;
    }
    Err(Error::unsuitable_table(
        "training table",
        "a covariance that is positive definite",
        "one that is not, whatever the noise",
    ))
}

fn check(train: &Table) -> Result<()> {
    let (rows, width) = (train.rows(), train.width());
    let wrong = |expected: String, got: String| {
        Err(Error::unsuitable_table("training table of a Gaussian process", expected, got))
    };
    if rows > MOST_ROWS {
        let expected = format!("{MOST_ROWS} rows at most (time grows with their cube; gbm takes any number)");
        return wrong(expected, rows.to_string());
    }
    if rows < 2 || width == 0 || train.x.len() != rows * width || train.y.len() != rows {
        let got = format!("{rows} rows, {width} columns, {} values, {} targets", train.x.len(), train.y.len());
        return wrong("two rows or more, columns, one target a row".into(), got);
    }
    match train.y.iter().position(|y| !y.is_finite()) {
        Some(row) => wrong("finite targets".into(), format!("{} in row {row}", train.y[row])),
        None => Ok(()),
    }
}

/// Mean and deviation of the targets, and the targets without them.
fn standard(y: &[f32]) -> ([f64; 2], Vec<f64>) {
    let n = y.len() as f64;
    let mean = y.iter().map(|&y| f64::from(y)).sum::<f64>() / n;
    let variance = y.iter().map(|&y| (f64::from(y) - mean).powi(2)).sum::<f64>() / n;
    // equal targets: there is nothing to be scaled
    let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    ([mean, deviation], y.iter().map(|&y| (f64::from(y) - mean) / deviation).collect())
}

/// The rows that the likelihood is that of.
fn drawn(rows: usize, params: &Params) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if rows > params.likelihood_rows {
        Stream::new(params.seed, PURPOSE, 0).shuffle(&mut order);
        order.truncate(params.likelihood_rows);
        order.sort_unstable();
    }
    order
}
