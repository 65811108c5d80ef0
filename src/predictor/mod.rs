//! Predictors: fitted to a [`Table`], they predict its target.
//!
//! A fitted predictor is one safetensors file. It knows the columns it was fitted on and refuses others.

pub mod boost;
mod config;
mod distribution;
mod file;
mod kind;
mod option;
pub mod perceptron;
mod tensors;

pub use config::Config;
pub use kind::{Estimator, Kind, Model};
pub use tensors::{Column, Tensors, bytes};

use crate::features::Fitted;
use crate::kernels::Isa;
use crate::out::OutPath;
use crate::par::Stop;
use crate::rng::Stream;
use crate::table::Table;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The kinds of predictors.
pub static KINDS: [&Kind; 3] = [&boost::KIND, &perceptron::LINEAR, &perceptron::MLP];

/// Entry of [`Predictor::info`] that names the input of [`Predictor::input`].
pub const INPUT: &str = "input";

/// Name of the kind that is taken where none is named.
pub const DEFAULT: &str = boost::KIND.name;

/// Names of [`KINDS`], as `--predictor` takes them.
pub fn names() -> [&'static str; KINDS.len()] {
    KINDS.map(|kind| kind.name)
}

/// The kind of a name.
///
/// # Errors
/// [`Error::Unknown`].
pub fn kind(name: &str) -> Result<&'static Kind> {
    let found = KINDS.into_iter().find(|kind| kind.name == name);
    found.ok_or_else(|| Error::unknown("predictor", name, names()))
}

/// The options of a fit of one of [`KINDS`]; in JSON a [`Config`] without an input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(into = "Config", try_from = "Config")]
pub struct Options(Box<dyn Estimator>);

impl Clone for Options {
    fn clone(&self) -> Options {
        Options(self.0.copy())
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Options) -> bool {
        self.kind().name == other.kind().name && self.values() == other.values()
    }
}

impl Options {
    /// The default options of a kind.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`names`].
    pub fn new(name: &str) -> Result<Options> {
        kind(name).map(|kind| Options((kind.options)()))
    }

    /// The options that a kind is fitted to a zoo's networks with.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`names`].
    pub fn networks(name: &str) -> Result<Options> {
        kind(name).map(|kind| Options((kind.networks)()))
    }

    /// The kind whose options these are.
    pub fn kind(&self) -> &'static Kind {
        self.0.kind()
    }

    /// Every option with its value.
    pub fn values(&self) -> Map<String, Value> {
        self.0.values()
    }

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// Those of [`Estimator::set`].
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        self.0.set(assignment)
    }

    /// Draws options from the kind's search space, for a table of so many rows and columns.
    pub fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize) {
        self.0.draw(stream, rows, width);
    }

    /// Whether a fit looks at a validation part.
    pub fn stops_early(&self) -> bool {
        self.0.stops_early()
    }
}

/// A fitted predictor.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Names of the columns it was fitted on.
    pub columns: Vec<String>,
    /// What the caller wants to find again in the file: the split …, and under [`INPUT`] the input's key, if there is one.
    pub info: BTreeMap<String, String>,
    /// What it sees of networks; none where it was fitted to a table.
    pub input: Option<Fitted>,
    /// The fitted state.
    pub model: Arc<dyn Model>,
    /// Absolute errors on the validation rows of the fit, ascending, in the target's units; empty where there were none.
    /// Intervals are made of them ([`crate::eval::conformal`]).
    pub residuals: Vec<f32>,
}

impl PartialEq for Predictor {
    fn eq(&self, other: &Predictor) -> bool {
        let options = |predictor: &Predictor| predictor.model.options().values();
        (self.kind().name, &self.columns, &self.info) == (other.kind().name, &other.columns, &other.info)
            && self.input == other.input
            && options(self) == options(other)
            && self.model.tensors() == other.model.tensors()
            && self.residuals == other.residuals
    }
}

impl Predictor {
    /// Fits to a table and keeps the errors on the rows of `val`.
    ///
    /// Early stopping looks at the same rows, so these errors are a little smaller than those on rows never seen. After a fit
    /// that diverged there are none.
    ///
    /// # Errors
    /// Those of [`Estimator::fit`].
    pub fn fit(isa: Isa, options: &Options, train: &Table, val: Option<&Table>, stop: &Stop) -> Result<Predictor> {
        let model = options.0.fit(isa, train, val, stop)?;
        let (columns, info) = (train.columns.clone(), BTreeMap::new());
        let mut predictor = Predictor { columns, info, input: None, model, residuals: Vec::new() };
        if let Some(val) = val {
            let predicted = predictor.predict(isa, val)?;
            let mut residuals: Vec<f32> = predicted.iter().zip(&val.y).map(|(p, y)| (p - y).abs()).collect();
            residuals.retain(|residual| residual.is_finite());
            residuals.sort_unstable_by(f32::total_cmp);
            if residuals.len() == val.rows() {
                predictor.residuals = residuals;
            }
        }
        Ok(predictor)
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        self.model.options().kind()
    }

    /// The fitted state, if it is of type `M`.
    pub fn model_as<M: Model>(&self) -> Option<&M> {
        (&*self.model as &dyn Any).downcast_ref()
    }

    /// One prediction a row.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the table's columns are not those of the fit.
    pub fn predict(&self, isa: Isa, table: &Table) -> Result<Vec<f32>> {
        self.check(table)?;
        Ok(self.model.predict(isa, &table.x))
    }

    fn check(&self, table: &Table) -> Result<()> {
        let (expected, got) = (self.columns.len(), table.width());
        if expected != got {
            return Err(Error::invalid(
                "table",
                format!("the {expected} columns of the fit"),
                format!("{got} columns"),
            ));
        }
        if let Some(c) = (0..expected).find(|&c| self.columns[c] != table.columns[c]) {
            let column = |names: &[String]| format!("{:?} as column {c}", names[c]);
            return Err(Error::invalid("table", column(&self.columns), column(&table.columns)));
        }
        if table.x.len() != table.rows() * expected {
            let got = format!("{} in {} rows", table.x.len(), table.rows());
            return Err(Error::invalid("table", format!("{expected} values a row"), got));
        }
        Ok(())
    }

    /// Writes the predictor to a file: to a new one beside it first, which then takes its place, so a file that was there is
    /// never lost.
    ///
    /// # Errors
    /// Those of [`crate::out::replace`].
    pub fn save(&self, out: &OutPath) -> Result<()> {
        file::save(self, out)
    }

    /// Reads a predictor.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for anything that [`Predictor::save`] does not write.
    pub fn load(path: &Path) -> Result<Predictor> {
        file::load(path)
    }
}
