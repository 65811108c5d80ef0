//! Predictors: fitted to a [`Table`], they predict its target.
//!
//! A fitted predictor is one safetensors file. It knows the columns it was fitted on and refuses others.

pub mod boost;
mod file;

use crate::kernels::Isa;
use crate::table::Table;
use crate::{Error, Result};
use boost::Boost;
use std::collections::BTreeMap;
use std::path::Path;

/// What kind of predictor, and its fitted state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Model {
    /// Gradient boosting.
    Boost(Boost),
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
}

impl Predictor {
    /// The name of its kind, as `--predictor` takes it.
    pub fn kind(&self) -> &'static str {
        match self.model {
            Model::Boost(_) => "gbm",
        }
    }

    /// One prediction a row.
    ///
    /// Errors: [`Error::Invalid`] if the table's columns are not those of the fit.
    pub fn predict(&self, isa: Isa, table: &Table) -> Result<Vec<f32>> {
        self.check(table)?;
        match &self.model {
            Model::Boost(boost) => Ok(boost.predict(isa, &table.x)),
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
