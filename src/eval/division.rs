//! `Division`: which of a zoo's networks are in the train, the validation and the test part; [`Parts`]: their tables.

use super::{Fractions, NamedParts, PublishedOrder, Split};
use crate::Result;
use crate::kernels::Isa;
use crate::par::Stop;
use crate::predictor::{Options, Predictor, Provenance};
use crate::table::{Table, origin};
use crate::zoo::{Source, Zoo};
use std::collections::{BTreeMap, HashSet};
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
    /// As a table of networks and parts says.
    Named(NamedParts),
}

impl Division {
    /// The division of a zoo by `file` if there is one, else by `seed`.
    ///
    /// # Errors
    /// Those of [`Source::of`], of [`PublishedOrder::read`] and of [`NamedParts::read`].
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
            Division::File { .. } | Division::Named(_) => None,
        }
    }

    /// Digest of the file's division, where there is one.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Division::Seed(_) => None,
            Division::File { published, .. } => Some(&published.digest),
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
            Division::File { published, source } => Ok(published.split(&source.finals, group)),
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
        let mut known = digests(table, &split.train);
        let validation = unlike(table, &split.validation, &known);
        // a protocol that chooses on the test part itself has the same rows in both
        let chosen: Vec<usize> =
            split.validation.iter().copied().filter(|row| split.test.binary_search(row).is_err()).collect();
        known.extend(digests(table, &chosen));
        let test = unlike(table, &split.test, &known);
        let repeated = split.validation.len() + split.test.len() - validation.len() - test.len();
        let [train, validation, test] = [&split.train, &validation, &test].map(|rows| table.select(rows));
        Parts { train, validation, test, repeated }
    }

    /// The parts of a table, divided; what the table says of its origin then says how.
    ///
    /// # Errors
    /// Those of [`Division::split`].
    pub fn divide(table: &Table, division: &Division) -> Result<Parts> {
        let mut parts = Parts::new(table, &division.split(&table.group)?);
        for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
            division.note(&mut part.origin.about);
        }
        Ok(parts)
    }

    /// Those rows of a table whose networks are neither in the train nor in the validation part, and how many are left out.
    pub fn new_to(&self, table: &Table) -> (Table, usize) {
        let digests = [&self.train, &self.validation].into_iter().flat_map(|part| &part.origin.networks);
        let rows = unlike(table, &(0..table.rows()).collect::<Vec<usize>>(), &digests.flatten().copied().collect());
        let left_out = table.rows() - rows.len();
        (table.select(&rows), left_out)
    }

    /// Fits to the train part; the validation part, if there is one, stops the fit.
    ///
    /// # Errors
    /// Those of [`Predictor::fit`].
    pub fn fit(&self, isa: Isa, options: &Options, stop: &Stop) -> Result<Predictor> {
        let validation = (self.validation.rows() > 0).then_some(&self.validation);
        let mut predictor = Predictor::fit(isa, options, &self.train, validation, stop)?;
        predictor.provenance = Provenance::new(&self.train, validation, Some(&self.test));
        Ok(predictor)
    }
}

/// The digests of some rows' networks.
fn digests(table: &Table, rows: &[usize]) -> HashSet<u64> {
    rows.iter().filter_map(|&row| table.origin.networks.get(row)).flatten().copied().collect()
}

/// Those of some rows whose networks are none of the known ones.
fn unlike(table: &Table, rows: &[usize], known: &HashSet<u64>) -> Vec<usize> {
    let new = |row: &usize| {
        !table.origin.networks.get(*row).is_some_and(|network| network.iter().any(|one| known.contains(one)))
    };
    rows.iter().copied().filter(new).collect()
}
