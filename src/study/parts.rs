//! The parts that a study fits to and scores on, and its fits.

use super::Protocol;
use super::subject::{MEASURED, Sight, Subject};
use crate::eval::{MIN_NETWORKS, Parts, Split};
use crate::predictor::{Options, Predictor};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};
use std::sync::Arc;

/// What the order of networks in learning curves is for.
const PURPOSE: u32 = u32::from_be_bytes(*b"draw");

/// The division as the protocol uses it.
pub fn shares(split: Split, protocol: Protocol) -> Split {
    match protocol {
        Protocol::Clean => split,
        Protocol::Optimistic => {
            let mut train = [split.train, split.validation].concat();
            train.sort_unstable();
            Split { train, validation: split.test.clone(), test: split.test }
        }
    }
}

/// The parts of a zoo's networks, seen by an input at their end, and that input, fitted to the train part.
pub fn parts(context: &Context, zoo: &Subject, input: &str, protocol: Protocol) -> Result<(Parts, Arc<Sight>)> {
    let seen = zoo.networks(input, None)?;
    let split = shares(zoo.division().split(&seen.group)?, protocol);
    let sight = zoo.sight(context, input, &seen, &split.train)?;
    let mut table = Table::clone(&*zoo.table(context, &sight, &seen)?);
    zoo.division().note(&mut table.origin.about);
    Ok((Parts::new(&table, &split), sight))
}

/// A subset of the train networks, and as large a part of the validation networks.
pub fn draw_split(split: &Split, size: usize, draw: usize) -> Split {
    let share = size as f64 / split.train.len().max(1) as f64;
    let subset = |part: &[usize], number: u32, size: usize| {
        let mut places: Vec<usize> = (0..part.len()).collect();
        if size < places.len() {
            Stream::new(draw as u64, PURPOSE, number).shuffle(&mut places);
            places.truncate(size);
            places.sort_unstable();
        }
        places.into_iter().map(|place| part[place]).collect()
    };
    let validation = ((split.validation.len() as f64 * share).ceil() as usize).max(MIN_NETWORKS);
    Split {
        train: subset(&split.train, 0, size),
        validation: subset(&split.validation, 1, validation),
        test: split.test.clone(),
    }
}

/// Fits a kind of predictor with its defaults.
pub fn fit(context: &Context, parts: &Parts, kind: &str) -> Result<Predictor> {
    let mut options = Options::networks(kind)?;
    if parts.train.columns == [MEASURED] {
        // one column: all that a tree could leave out
        options.set("colsample_bytree=1")?;
    }
    parts.fit(context, &options).map_err(kept)
}

/// The error of a step that was stopped: what was found before it is in the journal.
pub fn kept(error: Error) -> Error {
    match error {
        Error::Cancelled => Error::Interrupted,
        error => error,
    }
}
