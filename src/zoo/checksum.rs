//! Checksums of rows: XXH3-64 of the row's bytes in every other column, in the order of the file.
//!
//! Settings, run, epoch and status are in it, so that a row in another row's place is noticed, and a value that was changed. The
//! column of checksums is the only one left out. A row that is not written has none.
//!
//! Source of the hash: Collet, *XXH3* (the crate `xxhash-rust`).

use super::hyper::{Config, HYPERPARAMETERS, Value};
use super::schema::{Column, Metrics, Schema, Status};
use std::ops::Deref;
use xxhash_rust::xxh3::Xxh3;

/// The column of checksums.
pub(super) const CHECKSUM: &str = "checksum";

/// What a row holds besides its settings.
pub(super) struct Row<'a> {
    pub weights: &'a [f32],
    pub metrics: &'a Metrics,
    pub class_accuracy: &'a [f32],
    pub status: Status,
    pub rounding: u8,
}

/// The columns of a zoo whose rows have checksums.
#[derive(Debug)]
pub(super) struct Checksums(Vec<(Column, Option<Setting>)>);

impl Checksums {
    /// Those of a zoo; nothing for one of an older format.
    pub fn new(schema: &Schema) -> Option<Checksums> {
        let columns = schema.columns().into_iter().filter(|column| column.name != CHECKSUM);
        let columns =
            columns.map(|column| (Setting::of(&column.name), column)).map(|(setting, column)| (column, setting));
        schema.has_checksums().then(|| Checksums(columns.collect()))
    }

    /// The checksum of a row of which `bytes` gives the bytes in each column.
    pub fn of_bytes<'b>(&self, bytes: impl Fn(&Column) -> &'b [u8]) -> u64 {
        let mut hash = Xxh3::new();
        self.0.iter().for_each(|(column, _)| hash.update(bytes(column)));
        hash.digest()
    }

    /// The checksum of a row that is about to be written.
    pub fn of_row(&self, config: &Config, run: usize, epoch: u32, row: &Row) -> u64 {
        let mut hash = Xxh3::new();
        for (column, setting) in &self.0 {
            match (setting, &*column.name) {
                (Some(setting), _) => hash.update(&setting.cell(config, run, epoch)),
                (None, "weights") => hash.update(bytemuck::cast_slice(row.weights)),
                (None, "test_class_accuracy") => hash.update(bytemuck::cast_slice(row.class_accuracy)),
                (None, "test_accuracy") => hash.update(&row.metrics.test_accuracy.to_le_bytes()),
                (None, "test_loss") => hash.update(&row.metrics.test_loss.to_le_bytes()),
                (None, "train_accuracy") => hash.update(&row.metrics.train_accuracy.to_le_bytes()),
                (None, "train_loss") => hash.update(&row.metrics.train_loss.to_le_bytes()),
                (None, "status") => hash.update(&[row.status as u8]),
                (None, "rounding") => hash.update(&[row.rounding]),
                (None, other) => unreachable!("{other} is a column of every row"),
            }
        }
        hash.digest()
    }
}

/// A column that is known before any network is trained.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    Run,
    Epoch,
    Seed,
    /// A hyperparameter, by its place in their table.
    Hyperparameter(usize),
}

impl Setting {
    /// What a column of that name holds, if it is one of these.
    pub fn of(column: &str) -> Option<Setting> {
        match column {
            "run" => Some(Setting::Run),
            "epoch" => Some(Setting::Epoch),
            "config.seed" => Some(Setting::Seed),
            other => {
                let name = other.strip_prefix("config.")?;
                HYPERPARAMETERS.iter().position(|hyper| hyper.name == name).map(Setting::Hyperparameter)
            }
        }
    }

    /// Its bytes in a row.
    pub fn cell(self, config: &Config, run: usize, epoch: u32) -> Cell {
        match self {
            Setting::Run => Cell::new((run as u32).to_le_bytes()),
            Setting::Epoch => Cell::new(epoch.to_le_bytes()),
            Setting::Seed => Cell::new(config.seed.to_le_bytes()),
            Setting::Hyperparameter(at) => match (HYPERPARAMETERS[at].is_name(), config.values[at]) {
                (true, Value::Code(code)) => Cell::new([code]),
                (false, Value::Number(number)) => Cell::new(number.to_le_bytes()),
                (true, Value::Number(_)) => Cell::new([0]),
                (false, Value::Code(_)) => Cell::new([0; 4]),
            },
        }
    }
}

/// At most eight bytes.
pub(super) struct Cell {
    bytes: [u8; 8],
    length: usize,
}

impl Cell {
    fn new<const N: usize>(of: [u8; N]) -> Cell {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&of);
        Cell { bytes, length: N }
    }
}

impl Deref for Cell {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
