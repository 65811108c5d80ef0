//! What a process is fitted with.

use crate::predictor::option::{parse, split};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Params {
    /// Steps of the search for the largest likelihood; 0: one length for all columns, √columns, and a noise of 0.05.
    pub steps: usize,
    /// Rows that the likelihood is that of; of more these many are drawn.
    pub likelihood_rows: usize,
    /// Seed of that draw.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Params {
        Params { steps: 60, likelihood_rows: 1000, seed: 0 }
    }
}

impl Params {
    /// The names that [`Params::set`] takes.
    pub const NAMES: [&str; 3] = ["steps", "likelihood_rows", "seed"];

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`Params::NAMES`], [`Error::Invalid`] for a value out of range.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) = split(assignment)?;
        let mut changed = self.clone();
        match name {
            "steps" => changed.steps = parse(name, value)?,
            "likelihood_rows" => changed.likelihood_rows = parse(name, value)?,
            "seed" => changed.seed = parse(name, value)?,
            _ => return Err(Error::unknown("parameter", name, Self::NAMES)),
        }
        if changed.steps > 100_000 {
            return Err(Error::invalid("steps", "0 to 100000", changed.steps));
        }
        if !(2..=super::MOST_ROWS).contains(&changed.likelihood_rows) {
            let expected = format!("2 to {}", super::MOST_ROWS);
            return Err(Error::invalid("likelihood_rows", expected, changed.likelihood_rows));
        }
        *self = changed;
        Ok(())
    }
}
