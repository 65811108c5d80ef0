//! How much a predictor needs each column: what it loses when the column's values are shuffled among the rows.
//!
//! Source: Breiman, *Random Forests*, Machine Learning 45 (2001), section 10; for any predictor Fisher, Rudin, Dominici, *All
//! Models are Wrong, but Many are Useful*, JMLR 20 (2019).

use super::metrics::r2;
use crate::kernels::Isa;
use crate::predictor::{Model, Predictor};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Error, Result};

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"perm");

/// For each column how far R² falls on a table with targets when that column is shuffled, mean of `rounds` orders; the rows
/// should be ones that the predictor was not fitted to. NaN where R² is.
///
/// A column's orders are a pure function of seed, column and round. Of columns that are copies of each other none seems to
/// matter much: the others stand in for it.
///
/// # Errors
/// Those of [`Predictor::predict`]; [`Error::Invalid`] without targets or rounds.
pub fn permutation(isa: Isa, predictor: &Predictor, table: &Table, rounds: usize, seed: u64) -> Result<Vec<f64>> {
    if rounds == 0 {
        return Err(Error::invalid("rounds", "at least 1", rounds));
    }
    if table.y.len() != table.rows() {
        return Err(Error::invalid("table", "a target for each row", table.y.len()));
    }
    let before = r2(&predictor.predict(isa, table)?, &table.y);
    let (width, mut shuffled) = (table.width(), table.clone());
    let fall = |column: usize| {
        if !looks_at(&predictor.model, column) {
            return Ok(before - before);
        }
        let values: Vec<f32> = table.x.iter().skip(column).step_by(width).copied().collect();
        let set = |shuffled: &mut Table, values: &[f32]| {
            let cells = shuffled.x.iter_mut().skip(column).step_by(width);
            cells.zip(values).for_each(|(cell, value)| *cell = *value);
        };
        let mut sum = 0.0;
        for round in 0..rounds {
            let mut values = values.clone();
            Stream::at_step(seed, PURPOSE, column as u32, round as u32).shuffle(&mut values);
            set(&mut shuffled, &values);
            sum += before - r2(&predictor.predict(isa, &shuffled)?, &table.y);
        }
        set(&mut shuffled, &values);
        Ok(sum / rounds as f64)
    };
    (0..width).map(fall).collect()
}

/// Whether a column can change a prediction: trees look at few of many.
fn looks_at(model: &Model, column: usize) -> bool {
    match model {
        Model::Boost(model) => {
            model.trees.iter().flat_map(|tree| &tree.nodes).any(|n| !n.is_leaf() && n.feature as usize == column)
        }
        Model::Perceptron(model) => model.standard.scale[column] != 0.0,
    }
}

