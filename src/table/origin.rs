//! `Origin`: where the rows of a table came from, so that who fits to them can say so; `Part`: what a fit makes of them.

use std::collections::BTreeMap;
use std::fmt;

/// What tells a network, whatever its name, number or file: digests ([`crate::zoo::digest`]) of the weights that a row was computed
/// of and of the network's last checkpoint. Two rows are of one network if one of these is the same. Initial weights tell nothing,
/// as networks of one seed share them: of an untrained row both are the last checkpoint's.
pub type Identity = [u64; 2];

/// Where rows came from. It goes with the rows: [`super::Table::select`] keeps it, a fit writes it into the predictor's file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// Which networks the rows are, one entry a row; empty where that is not known.
    pub networks: Vec<Identity>,
    /// By the keys below.
    pub about: BTreeMap<String, String>,
}

/// What tells the zoo from others: data, recipe and seed ([`crate::zoo::Zoo::identity`]).
pub const ZOO: &str = "zoo";
/// What a reader of scores should know of the zoo ([`crate::zoo::Zoo::caveats`]); missing where there is nothing.
pub const CAVEATS: &str = "caveats";
/// Key of the input.
pub const INPUT: &str = "input";
/// The checkpoint, where it is one for all rows.
pub const EPOCH: &str = "epoch";
/// Shape of the networks.
pub const ARCHITECTURE: &str = "architecture";
/// Seed of the division.
pub const SPLIT_SEED: &str = "split_seed";
/// Digest of the division's file, where there was one instead of a seed.
pub const SPLIT: &str = "split";
/// Rows of the fit.
pub const N_TRAIN: &str = "n_train";
/// Rows that the fit was stopped by.
pub const N_VAL: &str = "n_val";

impl Origin {
    /// That of some rows.
    pub fn select(&self, rows: &[usize]) -> Origin {
        let of = |row: &usize| self.networks.get(*row).copied();
        Origin { networks: rows.iter().filter_map(of).collect(), about: self.about.clone() }
    }

    /// That of the rows of both, which are said to come from where the first do.
    pub fn join(&self, other: &Origin) -> Origin {
        Origin { networks: [&self.networks[..], &other.networks].concat(), about: self.about.clone() }
    }
}

/// Which part of a fit a network was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// Fitted to.
    Train = 0,
    /// Chose the number of rounds and made the intervals.
    Validation = 1,
    /// Of the division that the fit made, and not looked at by it.
    Test = 2,
    /// None that the fit knew of.
    Unseen = 3,
    /// The predictor's file does not say what it was fitted to.
    Unknown = 4,
}

impl Part {
    /// All parts, in the order of their codes.
    pub const ALL: [Part; 5] = [Part::Train, Part::Validation, Part::Test, Part::Unseen, Part::Unknown];

    /// As tables have it.
    pub fn name(self) -> &'static str {
        ["train", "validation", "test", "unseen", "unknown"][self as usize]
    }

    /// Whether the fit made use of the network.
    pub fn is_fitted(self) -> bool {
        matches!(self, Part::Train | Part::Validation)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
