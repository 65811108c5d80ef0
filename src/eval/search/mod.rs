//! Random search: a fit's options are drawn, and the validation part chooses.
//!
//! A kind's search space is that of its [`crate::predictor::Estimator`]; ours are those of Unterthiner et al., *Predicting
//! Neural Network Accuracy from Weights* (arXiv 2002.11448), but for what is said there.
//!
//! A trial's options are a pure function of the seed and its number, so a search can be stopped and continued ([`Journal`]), and
//! the first trials of a long search are those of a short one.

mod journal;

pub use journal::Journal;

use super::Score;
use crate::par::{self};
use crate::predictor::{Options, Predictor};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"srch");

/// The options of trial number `trial` for a kind of predictor and a table of this many rows and columns: a pure function of
/// its arguments. Trial 0 has the options that one fits with without a search.
///
/// # Errors
/// [`Error::Unknown`] for a kind that is none of [`crate::predictor::KINDS`].
pub fn draw(kind: &str, seed: u64, trial: u32, rows: usize, width: usize) -> Result<Options> {
    let mut options = Options::networks(kind)?;
    if trial > 0 {
        options.draw(&mut Stream::new(seed, PURPOSE, trial), rows, width);
    }
    Ok(options)
}

/// What is searched for, and on what.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// Name of one of [`crate::predictor::KINDS`].
    pub kind: &'a str,
    /// `name=value` of options that are the same in every trial.
    pub fixed: &'a [String],
    /// Of the draws.
    pub seed: u64,
    /// Number of trials.
    pub trials: u32,
    /// Rows that every trial is fitted to.
    pub train: &'a Table,
    /// Rows that stop a fit and choose between trials; at least one.
    pub validation: &'a Table,
}

/// A trial and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number; 0 has the options that one fits with without a search.
    pub number: u32,
    /// Its options.
    pub options: Options,
    /// On the validation part.
    pub score: Score,
    /// Trees, or epochs, up to the best on the validation part.
    pub rounds: usize,
    /// Seconds of the fit.
    pub seconds: f64,
}

impl Trial {
    /// What the best has least of: the squared error, infinite after a fit that diverged.
    fn loss(&self) -> f64 {
        if self.score.mse.is_nan() { f64::INFINITY } else { self.score.mse }
    }
}

impl Search<'_> {
    /// The options of a trial.
    ///
    /// # Errors
    /// [`Error::Unknown`] for an unknown kind, those of [`Options::set`] for the fixed options.
    pub fn options(&self, number: u32) -> Result<Options> {
        let mut options = draw(self.kind, self.seed, number, self.train.rows(), self.train.width())?;
        self.fixed.iter().try_for_each(|assignment| options.set(assignment))?;
        Ok(options)
    }

    /// Runs the trials that are not among `done`, several at once on rayon's number of threads, and tells `finished` of each;
    /// returns all of them, the smallest validation error first.
    ///
    /// The same trials for every number of threads, but for their seconds.
    ///
    /// # Errors
    /// [`Error::Invalid`] without validation rows, those of [`Predictor::fit`] and of `finished`, [`Error::Interrupted`] when
    /// a stop is requested.
    pub fn run(
        &self,
        context: &Context,
        done: Vec<Trial>,
        finished: &(dyn Fn(&Trial) -> Result<()> + Sync),
    ) -> Result<Vec<Trial>> {
        if self.validation.rows() == 0 {
            return Err(Error::invalid("search", "validation rows", "none"));
        }
        let missing: Vec<u32> =
            (0..self.trials).filter(|number| done.iter().all(|trial| trial.number != *number)).collect();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(done));
        let work = || -> Result<()> {
            while let Some(&number) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                let trial = self.trial(context, number)?;
                finished(&trial)?;
                found.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(trial);
            }
            Ok(())
        };
        // each worker's fits have threads of their own: none waits for another's
        let threads = rayon::current_num_threads();
        let workers = threads.min(missing.len());
        if workers > 0 {
            par::workers(workers, &context.stop, &|_| par::with_threads(threads.div_ceil(workers), work))?;
        }
        let mut trials = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        trials.sort_by(|a, b| a.loss().total_cmp(&b.loss()).then(a.number.cmp(&b.number)));
        Ok(trials)
    }

    /// One trial.
    fn trial(&self, context: &Context, number: u32) -> Result<Trial> {
        let options = self.options(number)?;
        let start = Instant::now();
        // a trial that was stopped is run again when the search goes on
        let predictor = Predictor::fit(context, &options, self.train, Some(self.validation)).map_err(|e| match e {
            Error::Cancelled => Error::Interrupted,
            other => other,
        })?;
        let seconds = start.elapsed().as_secs_f64();
        if predictor.model.outputs() > 1 {
            return Err(Error::invalid("search", "a predictor of a number", "one of classes"));
        }
        let score = Score::new(&predictor.predict(context, self.validation)?, &self.validation.y);
        Ok(Trial { number, options, score, rounds: predictor.model.rounds(), seconds })
    }
}

#[cfg(test)]
mod tests;
