//! Predictors: fitted to a [`Table`], they predict its target.
//!
//! A fitted predictor is one safetensors file. It knows the columns it was fitted on and refuses others.

pub mod boost;
mod config;
mod file;
mod option;
pub mod perceptron;

pub use config::Config;

use crate::kernels::Isa;
use crate::par::Stop;
use crate::table::Table;
use crate::{Error, Result};
use boost::Boost;
use perceptron::Perceptron;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// What kind of predictor, and its fitted state.
#[expect(clippy::large_enum_variant, reason = "a program holds one or two")]
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Model {
    /// Gradient boosting.
    Boost(Boost),
    /// A perceptron; without hidden layers the logit-linear model.
    Perceptron(Perceptron),
}

/// A kind of predictor with the options of its fit; in JSON a [`Config`] without an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Config", try_from = "Config")]
#[non_exhaustive]
pub enum Options {
    /// Gradient boosting.
    Boost(boost::Params),
    /// A perceptron.
    Perceptron(perceptron::Params),
}

impl Options {
    /// The default options of a kind.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`KINDS`].
    pub fn new(kind: &str) -> Result<Options> {
        match kind {
            "gbm" => Ok(Options::Boost(boost::Params::default())),
            "linear" => Ok(Options::Perceptron(perceptron::Params::linear())),
            "mlp" => Ok(Options::Perceptron(perceptron::Params::mlp())),
            _ => Err(Error::unknown("predictor", kind, KINDS)),
        }
    }

    /// The options that a kind is fitted to a zoo with: gradient boosting's are [`boost::Params::networks`], the others' their
    /// defaults.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`KINDS`].
    pub fn networks(kind: &str) -> Result<Options> {
        Ok(match Options::new(kind)? {
            Options::Boost(_) => Options::Boost(boost::Params::networks()),
            other => other,
        })
    }

    /// The name of the kind, as `--predictor` takes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Options::Boost(_) => "gbm",
            Options::Perceptron(params) if params.layers == 0 => "linear",
            Options::Perceptron(_) => "mlp",
        }
    }

    /// Every option with its value.
    pub fn values(&self) -> Map<String, Value> {
        let value = match self {
            Options::Boost(params) => serde_json::to_value(params),
            Options::Perceptron(params) => serde_json::to_value(params),
        };
        // plain structs of numbers and names are objects
        value.ok().and_then(|value| value.as_object().cloned()).unwrap_or_default()
    }

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// Those of [`boost::Params::set`] and [`perceptron::Params::set`]; [`Error::Invalid`] for a number of hidden layers that
    /// another kind has.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let params = match self {
            Options::Boost(params) => return params.set(assignment),
            Options::Perceptron(params) => params,
        };
        let mut changed = params.clone();
        changed.set(assignment)?;
        match (params.layers, changed.layers) {
            (0, layers @ 1..) => Err(Error::invalid("layers", "0 for linear; mlp has hidden layers", layers)),
            (1.., 0) => Err(Error::invalid("layers", "at least 1 for mlp; linear has none", 0)),
            _ => {
                *params = changed;
                Ok(())
            }
        }
    }

    /// Whether a fit looks at a validation part.
    pub fn stops_early(&self) -> bool {
        match self {
            Options::Boost(params) => params.early_stopping_rounds > 0,
            Options::Perceptron(params) => params.early_stopping_rounds > 0,
        }
    }

    /// Fits to a table.
    ///
    /// # Errors
    /// Those of [`boost::fit`] and [`perceptron::fit`].
    pub fn fit(&self, isa: Isa, train: &Table, val: Option<&Table>, stop: &Stop) -> Result<Model> {
        match self {
            Options::Boost(params) => boost::fit(isa, train, val, params, &mut |_| {}, stop).map(Model::Boost),
            Options::Perceptron(params) => perceptron::fit(isa, train, val, params, stop).map(Model::Perceptron),
        }
    }
}

/// A fitted predictor.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictor {
    /// Names of the columns it was fitted on.
    pub columns: Vec<String>,
    /// What the caller wants to find again in the file: the input, the split …
    pub info: BTreeMap<String, String>,
    /// The fitted state.
    pub model: Model,
    /// Absolute errors on the validation rows of the fit, ascending, in the target's units; empty where there were none.
    /// Intervals are made of them ([`crate::eval::conformal`]).
    pub residuals: Vec<f32>,
}

/// The kinds of predictors, as `--predictor` takes them.
pub const KINDS: [&str; 3] = ["gbm", "linear", "mlp"];

impl Predictor {
    /// Fits to a table and keeps the errors on the rows of `val`.
    ///
    /// Early stopping looks at the same rows, so these errors are a little smaller than those on rows never seen. After a fit
    /// that diverged there are none.
    ///
    /// # Errors
    /// Those of [`Options::fit`].
    pub fn fit(isa: Isa, options: &Options, train: &Table, val: Option<&Table>, stop: &Stop) -> Result<Predictor> {
        let model = options.fit(isa, train, val, stop)?;
        let (columns, info) = (train.columns.clone(), BTreeMap::new());
        let mut predictor = Predictor { columns, info, model, residuals: Vec::new() };
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

    /// The name of its kind, as `--predictor` takes it.
    pub fn kind(&self) -> &'static str {
        match &self.model {
            Model::Boost(_) => "gbm",
            Model::Perceptron(model) if model.layers.len() == 1 => "linear",
            Model::Perceptron(_) => "mlp",
        }
    }

    /// One prediction a row.
    ///
    /// Errors: [`Error::Invalid`] if the table's columns are not those of the fit.
    pub fn predict(&self, isa: Isa, table: &Table) -> Result<Vec<f32>> {
        self.check(table)?;
        match &self.model {
            Model::Boost(model) => Ok(model.predict(isa, &table.x)),
            Model::Perceptron(model) => Ok(model.predict(isa, &table.x)),
        }
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
    /// Errors: [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        file::save(self, path)
    }

    /// Reads a predictor.
    ///
    /// Errors: [`Error::Io`]; [`Error::Malformed`] for anything that [`Predictor::save`] does not write.
    pub fn load(path: &Path) -> Result<Predictor> {
        file::load(path)
    }
}
