//! The parts that a study fits to and scores on, and its fits.

use super::Protocol;
use super::subject::{MEASURED, Subject};
use crate::eval::{MIN_NETWORKS, Parts, Split};
use crate::kernels::Isa;
use crate::par::Stop;
use crate::predictor::{Options, Predictor};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Error, Result};

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

/// The parts of a zoo's networks, seen by an input at a checkpoint.
pub fn parts(isa: Isa, zoo: &Subject, input: &str, epoch: Option<u32>, protocol: Protocol) -> Result<Parts> {
    let mut table = zoo.table(isa, input, epoch)?;
    zoo.division().note(&mut table.origin.about);
    Ok(Parts::new(&table, &shares(zoo.division().split(&table.group)?, protocol)))
}

/// A subset of the train networks, and as large a part of the validation networks.
pub fn draw_parts(parts: &Parts, size: usize, draw: usize) -> Parts {
    let share = size as f64 / parts.train.rows().max(1) as f64;
    let subset = |table: &Table, part: u32, size: usize| {
        let mut rows: Vec<usize> = (0..table.rows()).collect();
        if size < rows.len() {
            Stream::new(draw as u64, PURPOSE, part).shuffle(&mut rows);
            rows.truncate(size);
            rows.sort_unstable();
        }
        table.select(&rows)
    };
    let validation = ((parts.validation.rows() as f64 * share).ceil() as usize).max(MIN_NETWORKS);
    Parts {
        train: subset(&parts.train, 0, size),
        validation: subset(&parts.validation, 1, validation),
        ..Parts::default()
    }
}

/// Fits a kind of predictor with its defaults.
pub fn fit(isa: Isa, parts: &Parts, kind: &str, stop: &Stop) -> Result<Predictor> {
    let mut options = Options::networks(kind)?;
    if parts.train.columns == [MEASURED] {
        // one column: all that a tree could leave out
        options.set("colsample_bytree=1")?;
    }
    parts.fit(isa, &options, stop).map_err(kept)
}

/// The error of a step that was stopped: what was found before it is in the journal.
pub fn kept(error: Error) -> Error {
    match error {
        Error::Cancelled => Error::Interrupted,
        error => error,
    }
}
