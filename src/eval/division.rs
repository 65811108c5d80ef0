//! `Division`: which of a zoo's networks are in the train, the validation and the test part; [`Parts`]: their tables.

use super::{Fractions, Split};
#[cfg(feature = "formats")]
use super::{NamedParts, PublishedOrder};
use crate::predictor::{Options, Predictor, Provenance};
use crate::table::{Table, origin};
#[cfg(feature = "formats")]
use crate::zoo::{Source, Zoo};
use crate::{Context, Error, Result};
use std::collections::{BTreeMap, HashSet};
#[cfg(feature = "formats")]
use std::path::Path;

/// Networks, or rows, that must be there to be divided: parts of fewer say nothing.
pub const MIN_NETWORKS: usize = 10;

/// How networks are divided.
#[derive(Clone, Debug, PartialEq)]
pub enum Division {
    /// By a hash of this seed and their numbers: a number is in the same part in every zoo.
    Seed(u64),
    /// As a published file says.
    #[cfg(feature = "formats")]
    File {
        /// The order in the file.
        published: PublishedOrder,
        /// Which of its rows are the zoo's networks.
        source: Source,
    },
    /// As a table of networks and parts says.
    #[cfg(feature = "formats")]
    Named(NamedParts),
}

impl Division {
    /// The division of a zoo by `file` if there is one, else by `seed`.
    ///
    /// # Errors
    /// Those of [`Source::of`], of [`PublishedOrder::read`] and of [`NamedParts::read`].
    #[cfg(feature = "formats")]
    pub fn new(file: Option<&Path>, seed: u64, zoo: &Zoo) -> Result<Division> {
        let Some(file) = file else { return Ok(Division::Seed(seed)) };
        if let Some(named) = NamedParts::read(file)? {
            return Ok(Division::Named(named));
        }
        let source = Source::of(zoo)?;
        Ok(Division::File { published: PublishedOrder::read(file, source.rows)?, source })
    }

    /// The seed, where there is one.
    pub fn seed(&self) -> Option<u64> {
        match self {
            Division::Seed(seed) => Some(*seed),
            #[cfg(feature = "formats")]
            Division::File { .. } | Division::Named(_) => None,
        }
    }

    /// Digest of the file's division, where there is one.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Division::Seed(_) => None,
            #[cfg(feature = "formats")]
            Division::File { published, .. } => Some(&published.digest),
            #[cfg(feature = "formats")]
            Division::Named(named) => Some(&named.digest),
        }
    }

    /// Notes the division in what a predictor's file says.
    pub fn note(&self, about: &mut BTreeMap<String, String>) {
        let digest = self.digest().map(|digest| (origin::SPLIT, digest.to_owned()));
        let seed = self.seed().map(|seed| (origin::SPLIT_SEED, seed.to_string()));
        about.extend(digest.or(seed).map(|(key, value)| (key.to_owned(), value)));
    }

    /// The parts of rows of which `group` has the networks' numbers; by a seed in the shares of [`Fractions::default`].
    ///
    /// # Errors
    /// Those of [`Split::new`].
    pub fn split(&self, group: &[u64]) -> Result<Split> {
        match self {
            Division::Seed(seed) => Split::new(group, *seed, Fractions::default()),
            #[cfg(feature = "formats")]
            Division::File { published, source } => Ok(published.split(&source.finals, group)),
            #[cfg(feature = "formats")]
            Division::Named(named) => Ok(named.split(group)),
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
    /// Rows of networks that are in an earlier part under another number: they are in no later one.
    pub repeated: usize,
}

impl Parts {
    /// The parts of a table's rows. A network that is there twice, by its weights, is in the first of its parts alone.
    ///
    /// # Panics
    /// If the table has not the rows of the split.
    pub fn new(table: &Table, split: &Split) -> Parts {
        let (validation, test) = once(table, split);
        Parts::of([&split.train, &validation, &test].map(|rows| table.select(rows)), split)
    }

    fn of([train, validation, test]: [Table; 3], split: &Split) -> Parts {
        let repeated = split.validation.len() + split.test.len() - validation.rows() - test.rows();
        Parts { train, validation, test, repeated }
    }

    /// The parts of a table, divided; what the table says of its origin then says how. As [`Parts::new`], with the memory of the
    /// table alone.
    ///
    /// # Errors
    /// Those of [`Division::split`].
    pub fn divide(table: Table, division: &Division) -> Result<Parts> {
        let split = division.split(&table.group)?;
        let (validation, test) = once(&table, &split);
        let mut parts = Parts::of(table.into_parts([&split.train, &validation, &test]), &split);
        for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
            division.note(&mut part.origin.about);
        }
        Ok(parts)
    }

    /// Fits to the train part; the validation part, if there is one, stops the fit. What holds out rows by itself is fitted to
    /// both parts.
    ///
    /// # Errors
    /// Those of [`Predictor::fit`].
    pub fn fit(&self, context: &Context, options: &Options) -> Result<Predictor> {
        let predictor = match self.validation.rows() {
            0 => Predictor::fit(context, options, &self.train, None),
            _ if options.holds_out() => Predictor::fit(context, options, &self.train.join(&self.validation), None),
            _ => Predictor::fit(context, options, &self.train, Some(&self.validation)),
        };
        Ok(self.known_to(predictor?))
    }

    /// [`Predictor::refit`]: fitted to both parts, with the rounds that the validation part found to be best.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a validation part; those of [`Predictor::fit`].
    pub fn refit(&self, context: &Context, options: &Options) -> Result<Predictor> {
        match self.validation.rows() {
            0 => Err(Error::invalid("refit", "validation rows, which tell how many rounds", "none")),
            _ => {
                let predictor = Predictor::refit(context, options, &self.train, &self.validation)?;
                Ok(self.known_to(predictor))
            }
        }
    }

    /// The predictor with all parts as the networks of its fit.
    fn known_to(&self, mut predictor: Predictor) -> Predictor {
        let validation = (self.validation.rows() > 0).then_some(&self.validation);
        predictor.provenance = Provenance::new(&self.train, validation, Some(&self.test));
        predictor
    }
}

/// The rows of the validation and the test part without networks that are in an earlier part.
fn once(table: &Table, split: &Split) -> (Vec<usize>, Vec<usize>) {
    let validation = unlike(table, &split.validation, &digests(table, &split.train));
    (validation, unlike(table, &split.test, &known(table, split)))
}

/// The digests of some rows' networks.
pub(crate) fn digests(table: &Table, rows: &[usize]) -> HashSet<u64> {
    rows.iter().filter_map(|&row| table.origin.networks.get(row)).flatten().copied().collect()
}

/// The digests of the networks that are in no test score of the same table: those of the train and the validation part, but for a
/// protocol that chooses on the test part itself.
pub(crate) fn known(table: &Table, split: &Split) -> HashSet<u64> {
    let chosen = split.validation.iter().filter(|row| split.test.binary_search(row).is_err());
    digests(table, &split.train.iter().chain(chosen).copied().collect::<Vec<usize>>())
}

/// Those of some rows whose networks are none of the known ones.
pub(crate) fn unlike(table: &Table, rows: &[usize], known: &HashSet<u64>) -> Vec<usize> {
    let new = |row: &usize| {
        !table.origin.networks.get(*row).is_some_and(|network| network.iter().any(|one| known.contains(one)))
    };
    rows.iter().copied().filter(new).collect()
}
