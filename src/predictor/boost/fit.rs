//! The rounds of boosting.

use super::bin;
use super::growing::{CHUNK, Growing, Integers};
use super::tree::Tree;
use super::{Boost, Forest, Params, Round};
use crate::kernels::histogram::Packing;
use crate::table::Table;
use crate::{Context, Error, Result};
use rayon::prelude::*;

/// Fits trees to a table; with `val` and `early_stopping_rounds` it ends when the validation error does not fall any more, and
/// the rounds after the best one are dropped.
///
/// `NaN` is a missing value, infinite values count as the largest finite ones. Constant columns and constant targets are fine;
/// what cannot be split is predicted by the mean.
///
/// # Errors
/// [`Error::Invalid`] for options out of range; [`Error::Unsuitable`] for a table without rows or columns, or with more than there is room for,
/// targets that are missing or not finite, or validation columns that differ; [`Error::Cancelled`] when a stop is requested.
pub fn fit(
    context: &Context,
    train: &Table,
    val: Option<&Table>,
    params: &Params,
    progress: &mut dyn FnMut(&Round),
) -> Result<Boost> {
    params.check()?;
    let packing = check(train, "training table")?;
    let val = val.filter(|val| val.rows() > 0);
    if let Some(val) = val {
        check(val, "validation table")?;
        if val.columns != train.columns {
            return Err(Error::unsuitable_table("validation table", "the columns of the training table", "others"));
        }
    }
    let columns = bin::columns(&train.x, train.width(), params.max_bin);
    let growing = Growing::new(context.isa, train, val, params, packing, &columns);
    Fit::new(growing, train, val, params).run(context, progress)
}

/// Checks what a fit needs of a table.
pub(super) fn check(table: &Table, what: &str) -> Result<Packing> {
    let (rows, width) = (table.rows(), table.width());
    if !(1..=Forest::MAX_WIDTH).contains(&width) {
        return Err(Error::unsuitable_table(what, format!("1 to {} columns", Forest::MAX_WIDTH), width));
    }
    if table.x.len() != rows * width || table.y.len() != rows {
        let got = format!("{} values and {} targets in {rows} rows", table.x.len(), table.y.len());
        return Err(Error::unsuitable_table(what, format!("{width} values and one target a row"), got));
    }
    if let Some(row) = table.y.iter().position(|y| !y.is_finite()) {
        return Err(Error::unsuitable_table(what, "finite targets", format!("{} in row {row}", table.y[row])));
    }
    match Packing::new(rows) {
        Some(packing) if rows > 0 => Ok(packing),
        _ => Err(Error::unsuitable_table(what, format!("1 to {} rows", Packing::MAX_ROWS), rows)),
    }
}

/// The state between two rounds.
struct Fit<'a> {
    growing: Growing<'a>,
    params: &'a Params,
    train: &'a Table,
    val: Option<&'a Table>,
    base: f64,
    /// Predictions so far.
    scores: Vec<f64>,
    val_scores: Vec<f64>,
    /// Residuals.
    residuals: Integers,
}

impl<'a> Fit<'a> {
    fn new(growing: Growing<'a>, train: &'a Table, val: Option<&'a Table>, params: &'a Params) -> Fit<'a> {
        let rows = train.rows();
        let base = train.y.iter().map(|&y| f64::from(y)).sum::<f64>() / rows as f64;
        Fit {
            growing,
            params,
            train,
            val,
            base,
            scores: vec![base; rows],
            val_scores: vec![base; val.map_or(0, Table::rows)],
            residuals: Integers::new(rows),
        }
    }

    fn run(mut self, context: &Context, progress: &mut dyn FnMut(&Round)) -> Result<Boost> {
        let (mut trees, mut curve) = (Vec::new(), Vec::new());
        let mut best = (f64::INFINITY, 0);
        for round in 0..self.params.n_estimators {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            let (tree, train_rmse) = self.round(round);
            let nothing_to_split = tree.nodes.len() == 1;
            trees.push(tree);
            let val_rmse = self.val.map(|val| rmse(&self.val_scores, &val.y));
            let state = Round { trees: trees.len(), train_rmse, val_rmse };
            progress(&state);
            curve.push(state);
            if let Some(rmse) = val_rmse.filter(|&rmse| rmse < best.0) {
                best = (rmse, trees.len());
            }
            let patience = self.params.early_stopping_rounds;
            let too_late = val_rmse.is_some() && patience > 0 && trees.len() - best.1 >= patience;
            if too_late || (nothing_to_split && !self.growing.draws()) {
                break;
            }
        }
        if self.val.is_some() && self.params.early_stopping_rounds > 0 {
            trees.truncate(best.1);
        }
        Ok(Boost::new(self.params.clone(), self.train.width(), self.base, trees, curve))
    }

    /// One tree more; returns it with the training error before it.
    fn round(&mut self, round: usize) -> (Tree, f64) {
        self.growing.draw_rows(round);
        let train_rmse = self.set_residuals();
        let tree = self.growing.grow(round, &self.residuals, &mut self.scores);
        self.growing.add_elsewhere(&tree, &mut self.scores, &mut self.val_scores);
        (tree, train_rmse)
    }

    /// Sets the gradients, which are `prediction − target`, to integers times a unit, as fine as there is room for; returns the
    /// root mean square of the exact ones.
    fn set_residuals(&mut self) -> f64 {
        let pairs = self.scores.par_chunks(CHUNK).zip(self.train.y.par_chunks(CHUNK));
        let partial = |(scores, y): (&[f64], &[f32])| {
            scores.iter().zip(y).fold((0.0f64, 0.0), |(largest, squares), (&score, &y)| {
                let gradient = score - f64::from(y);
                (largest.max(gradient.abs()), squares + gradient * gradient)
            })
        };
        let partial: Vec<(f64, f64)> = pairs.map(partial).collect();
        let largest = partial.iter().fold(0.0f64, |largest, part| largest.max(part.0));
        let squares: f64 = partial.iter().map(|part| part.1).sum();
        let limit = f64::from(self.growing.packing().limit());
        let unit = if largest > 0.0 { largest / limit } else { 1.0 };
        // added to it, a number below 2³¹ is rounded to an integer, which stands in the low bits
        let rounder = 1.5 * (1u64 << 52) as f64;
        let chunks = self.residuals.gradients.par_chunks_mut(CHUNK).zip(self.scores.par_chunks(CHUNK));
        chunks.zip(self.train.y.par_chunks(CHUNK)).for_each(|((gradients, scores), y)| {
            for ((gradient, &score), &y) in gradients.iter_mut().zip(scores).zip(y) {
                *gradient = ((score - f64::from(y)) / unit + rounder).to_bits() as i32;
            }
        });
        self.residuals.unit = unit;
        (squares / self.train.rows() as f64).sqrt()
    }
}

/// Root mean squared difference.
fn rmse(scores: &[f64], y: &[f32]) -> f64 {
    let squares: f64 = scores.iter().zip(y).map(|(&score, &y)| (score - f64::from(y)).powi(2)).sum();
    (squares / y.len() as f64).sqrt()
}
