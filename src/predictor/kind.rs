//! What a kind of predictor is: a [`Kind`] with a name, an [`Estimator`] with the options of a fit, a fitted [`Model`].
//!
//! A new kind is a folder with these three and a line in [`super::KINDS`]. Some kinds are made of predictors (`compose`): their
//! estimators hold estimators, their models models, and their files the tensors of all.

use super::Options;
use crate::kernels::Isa;
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors};
use crate::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// Puts predictors together.
pub type Compose = fn(Vec<Options>) -> Result<Box<dyn Estimator>>;

/// A kind of predictor.
#[derive(Debug)]
pub struct Kind {
    /// As `--predictor` takes it.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// What a fit has many of: trees or epochs.
    pub rounds: &'static str,
    /// Options that a search may draw, and what its table calls them.
    pub drawn: &'static [(&'static str, &'static str)],
    /// The default options.
    pub options: fn() -> Box<dyn Estimator>,
    /// The options that it is fitted to a zoo's networks with, so that nobody must search.
    pub networks: fn() -> Box<dyn Estimator>,
    /// Of a kind that is made of predictors: the options of a fit of these; refuses what cannot be put together.
    pub compose: Option<Compose>,
}

/// The options of a fit.
pub trait Estimator: Debug + Send + Sync {
    /// The kind whose options these are.
    fn kind(&self) -> &'static Kind;

    /// What `--predictor` has to say to get this kind, made of these predictors.
    fn spec(&self) -> String {
        self.kind().name.into()
    }

    /// In words.
    fn title(&self) -> String {
        self.kind().title.into()
    }

    /// Every option with its value.
    fn values(&self) -> Map<String, Value>;

    /// An option's name of ours, where this is another one of it.
    fn own_name<'n>(&self, name: &'n str) -> &'n str {
        name
    }

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// [`crate::Error::Unknown`] for a name that is none, [`crate::Error::Invalid`] for a value out of range.
    fn set(&mut self, assignment: &str) -> Result<()>;

    /// Draws options from the kind's search space, for a table of so many rows and columns.
    fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize);

    /// Whether a fit looks at a validation part.
    fn stops_early(&self) -> bool;

    /// Whether a fit holds out rows by itself, so that it needs no validation part.
    fn holds_out(&self) -> bool {
        false
    }

    /// Fits to a table.
    ///
    /// # Errors
    /// [`crate::Error::Unsuitable`] for a table that the kind cannot be fitted to, [`crate::Error::Cancelled`] when a stop is
    /// requested.
    fn fit(&self, context: &Context, train: &Table, val: Option<&Table>) -> Result<Arc<dyn Model>>;

    /// The fitted model over so many columns that a file holds.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] for tensors that no fit with these options can have written.
    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>>;

    /// The same options with as many rounds as a fit has found to be best, for a fit that looks at no validation part.
    fn settled(&self, fitted: &dyn Model) -> Box<dyn Estimator>;

    /// The same options for a target that is one of so many classes.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] of a kind that predicts numbers only.
    fn of_classes(&self, _: usize) -> Result<Box<dyn Estimator>> {
        Err(crate::Error::invalid("predictor", "gbm, bag(gbm) …, which can tell classes apart", self.spec()))
    }

    /// The same options.
    fn copy(&self) -> Box<dyn Estimator>;
}

/// A fitted state; two are equal whose options and tensors are.
pub trait Model: Any + Debug + Send + Sync {
    /// What it was fitted with.
    fn options(&self) -> &dyn Estimator;

    /// Numbers that are predicted of a row: 1, or of each class its probability.
    fn outputs(&self) -> usize {
        1
    }

    /// The prediction, [`Model::outputs`] numbers, for each row of a row-major table of the columns of the fit.
    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32>;

    /// What its file holds besides the options.
    fn tensors(&self) -> Vec<Column>;

    /// Whether a column can change a prediction.
    fn uses(&self, column: usize) -> bool;

    /// Trees, or epochs, up to the best on the validation part.
    fn rounds(&self) -> usize;
}

/// The tensors of the predictors that one is made of: `0/base`, `1/base` …
pub fn of_members<'m>(members: impl Iterator<Item = &'m dyn Model>) -> Vec<Column> {
    let named = |(place, model): (usize, &dyn Model)| {
        model.tensors().into_iter().map(move |(name, dtype, bytes)| (format!("{place}/{name}").into(), dtype, bytes))
    };
    members.enumerate().flat_map(named).collect()
}

/// The fields of plain options.
pub fn fields(options: &impl Serialize) -> Map<String, Value> {
    // plain structs of numbers and names are objects
    let value = serde_json::to_value(options).ok();
    value.and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::KINDS;
    use crate::rng::Stream;

    #[test]
    fn a_row_is_predicted_alike_in_any_company() {
        const WIDTH: usize = 5;
        let mut stream = Stream::new(3, 0, 0);
        let x: Vec<f32> = (0..600 * WIDTH).map(|_| stream.normal() as f32).collect();
        let rows = 120;
        let train = Table {
            columns: (0..WIDTH).map(|column| column.to_string()).collect(),
            y: x.chunks(WIDTH).take(rows).map(|row| 1.0 / (1.0 + row[0].exp())).collect(),
            group: (0..rows as u64).collect(),
            x: x[..rows * WIDTH].to_vec(),
            ..Table::default()
        };
        for kind in KINDS.iter().filter(|kind| kind.compose.is_none()) {
            for isa in Isa::available() {
                let model = (kind.options)().fit(&Context::new().isa(isa), &train, Some(&train)).unwrap();
                let whole = model.predict(isa, &x);
                let parts: Vec<f32> = x.chunks(7 * WIDTH).flat_map(|some| model.predict(isa, some)).collect();
                assert!(
                    whole.iter().zip(&parts).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{} {}",
                    kind.name,
                    isa.kind()
                );
            }
        }
    }
}
