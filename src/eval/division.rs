//! `Division`: which of a zoo's networks are in the train, the validation and the test part; [`Parts`]: their tables.

use super::{Fractions, PublishedOrder, Split};
use crate::kernels::Isa;
use crate::par::Stop;
use crate::predictor::{Options, Predictor};
use crate::table::Table;
use crate::zoo::{Source, Zoo};
use crate::{Error, Result};
use std::path::Path;

/// Networks, or rows, that must be there to be divided: parts of fewer say nothing.
pub const MIN_NETWORKS: usize = 10;

/// How networks are divided.
#[derive(Clone, Debug, PartialEq)]
pub enum Division {
    /// By a hash of this seed and their numbers: a number is in the same part in every zoo.
    Seed(u64),
    /// As a published file says.
    File {
        /// The order in the file.
        published: PublishedOrder,
        /// Which of its rows are the zoo's networks.
        source: Source,
    },
}

impl Division {
    /// The division of a zoo by `file` if there is one, else by `seed`.
    ///
    /// # Errors
    /// Those of [`Source::of`] and of [`PublishedOrder::read`].
    pub fn new(file: Option<&Path>, seed: u64, zoo: &Zoo) -> Result<Division> {
        let Some(file) = file else { return Ok(Division::Seed(seed)) };
        let source = Source::of(zoo)?;
        Ok(Division::File { published: PublishedOrder::read(file, source.rows)?, source })
    }

    /// The seed, where there is one.
    pub fn seed(&self) -> Option<u64> {
        match self {
            Division::Seed(seed) => Some(*seed),
            Division::File { .. } => None,
        }
    }

    /// Digest of the published division, where there is one.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Division::Seed(_) => None,
            Division::File { published, .. } => Some(&published.digest),
        }
    }

    /// The parts of rows of which `group` has the networks' numbers; by a seed in the shares of [`Fractions::default`].
    ///
    /// # Errors
    /// Those of [`Split::new`].
    pub fn split(&self, group: &[u64]) -> Result<Split> {
        match self {
            Division::Seed(seed) => Split::new(group, *seed, Fractions::default()),
            Division::File { published, source } => Ok(published.split(&source.finals, group)),
        }
    }
}

/// The parts of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// What a predictor is fitted to.
    pub train: Table,
    /// What chooses: early stopping, options; may be empty.
    pub validation: Table,
    /// What a predictor is scored on.
    pub test: Table,
}

impl Parts {
    /// The parts of a table's rows.
    ///
    /// # Panics
    /// If the table has not the rows of the split.
    pub fn new(table: &Table, split: &Split) -> Parts {
        let [train, validation, test] = [&split.train, &split.validation, &split.test].map(|rows| table.select(rows));
        Parts { train, validation, test }
    }

    /// Fits to the train part; the validation part, if there is one, stops the fit. What holds out rows by itself is fitted to
    /// both parts.
    ///
    /// # Errors
    /// Those of [`Predictor::fit`].
    pub fn fit(&self, isa: Isa, options: &Options, stop: &Stop) -> Result<Predictor> {
        match self.validation.rows() {
            0 => Predictor::fit(isa, options, &self.train, None, stop),
            _ if options.holds_out() => Predictor::fit(isa, options, &self.train.join(&self.validation), None, stop),
            _ => Predictor::fit(isa, options, &self.train, Some(&self.validation), stop),
        }
    }

    /// [`Predictor::refit`]: fitted to both parts, with the rounds that the validation part found to be best.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a validation part; those of [`Predictor::fit`].
    pub fn refit(&self, isa: Isa, options: &Options, stop: &Stop) -> Result<Predictor> {
        match self.validation.rows() {
            0 => Err(Error::invalid("refit", "validation rows, which tell how many rounds", "none")),
            _ => Predictor::refit(isa, options, &self.train, &self.validation, stop),
        }
    }
}
