//! Growing: a zoo becomes one of more networks or more checkpoints, and keeps every row.
//!
//! The columns of a zoo file stand one after another, so that with every network all of them move. A grown zoo is therefore a new
//! file beside the old one, which takes the old one's name once all rows are on the disk in it: whenever the work is ended, one
//! of the two is there, whole. For that moment the disk holds both; what is not written is a hole in either.

use super::checksum::{CHECKSUM, Checksums, Row};
use super::hyper::Config;
use super::reader::ZooFile;
use super::schema::{Schema, Status};
use super::writer::{Place, Writer, begin, check, create, same_configs};
use crate::bytes::write_at;
use crate::out::{Held, OutPath};
use crate::par::Stop;
use crate::{Error, Result};
use std::fs::File;
use std::io;

/// Bytes of weights that are copied between two looks at whether somebody wants to stop.
const BATCH: usize = 64 << 20;

impl Writer {
    /// As [`Writer::create_or_open`]; a zoo that holds some of the networks, or some of the checkpoints, of the one that is wanted
    /// becomes that first.
    ///
    /// # Errors
    /// Those of [`Writer::create_or_open`]; [`Error::Interrupted`] when `stop` was requested, the old file then is as it was.
    pub fn create_or_grow(out: &OutPath, schema: &Schema, configs: &[Config], stop: &Stop) -> Result<Writer> {
        check(schema, configs)?;
        let file = match Held::open(out)? {
            Some(held) => {
                let old = ZooFile::of(held.file(), out.path())?;
                if schema.grows(old.schema()) { grown(&old, out, schema, configs, stop)? } else { held }
            }
            None => create(out, schema, configs)?,
        };
        Writer::resume(file, schema, configs)
    }

    /// Copies rows of another file, which must not be there yet: `rows` are pairs of a row there and the row here. They are on the
    /// disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(super) fn copy(&self, from: &ZooFile, rows: &[(usize, usize)]) -> Result<()> {
        copy(from, self.zoo(), self.file(), rows).map_err(Error::io("write", self.path()))?;
        self.sync()?;
        rows.iter().try_for_each(|&(theirs, ours)| self.write_status(ours, from.status()[theirs]))
    }
}

impl Schema {
    /// Whether `old` is a zoo of which this one holds more.
    fn grows(&self, old: &Schema) -> bool {
        let kept = old.checkpoints.iter().all(|epoch| self.checkpoints.contains(epoch));
        let more = self.networks() > old.networks() || self.checkpoints.len() > old.checkpoints.len();
        self.is_of_one_zoo(old) && kept && more && self.networks() >= old.networks()
    }
}

/// The old file's rows in a new one, which has taken its name.
fn grown(old: &ZooFile, out: &OutPath, schema: &Schema, configs: &[Config], stop: &Stop) -> Result<Held> {
    same_configs(old, configs)?;
    let path = old.path();
    let Schema { program, rounding, dataset_notes, .. } = old.schema().clone();
    let schema = Schema { program, rounding, dataset_notes, ..schema.clone() };
    let partial = begin(out, &schema, configs)?;
    let file = partial.file();
    let new = ZooFile::of(file, path)?;
    let status = Place::new(new.place("status"), schema.rows());
    for batch in written(old, &schema).chunks(batch(&schema)) {
        stop.check()?;
        copy(old, &new, file, batch).map_err(Error::io("write", path))?;
        for &(theirs, ours) in batch {
            let code = [old.status()[theirs] as u8];
            write_at(file, &code, status.row(ours)).map_err(Error::io("write", path))?;
        }
    }
    Held::new(partial.replace()?, out)
}

/// The written rows of a file and where they are in one of `schema`, which has all its networks and checkpoints.
fn written(old: &ZooFile, schema: &Schema) -> Vec<(usize, usize)> {
    let (theirs, ours) = (&old.schema().checkpoints, &schema.checkpoints);
    let places: Vec<usize> = theirs.iter().filter_map(|epoch| ours.binary_search(epoch).ok()).collect();
    let place = |row: usize| row / theirs.len() * ours.len() + places[row % theirs.len()];
    let rows = (0..old.status().len()).filter(|&row| old.status()[row] != Status::NotWritten);
    rows.map(|row| (row, place(row))).collect()
}

/// Rows that are copied at once.
pub(super) fn batch(schema: &Schema) -> usize {
    (BATCH / (4 * schema.arch.parameters())).max(1)
}

/// What a format-3 row says of itself.
const SEALS: [&str; 2] = [CHECKSUM, "rounding"];

/// The columns that are a row's own, neither its settings nor its status nor its seal.
fn own(new: &ZooFile) -> impl Iterator<Item = &str> {
    let names = new.columns().map(|column| &*column.name);
    let others = |name: &&str| ["run", "epoch", "status"].contains(name) || SEALS.contains(name);
    names.filter(move |name| !name.starts_with("config.") && !others(name))
}

/// Copies what is the rows' own to the open `file`, which is read as `new`.
fn copy(old: &ZooFile, new: &ZooFile, file: &File, rows: &[(usize, usize)]) -> io::Result<()> {
    let alike = seals_alike(old.schema(), new.schema());
    let seals = if alike && new.schema().has_checksums() { &SEALS[..] } else { &[] };
    for name in own(new).chain(seals.iter().copied()) {
        let target = Place::new(new.place(name), new.schema().rows());
        for neighbours in rows.chunk_by(|a, b| (b.0, b.1) == (a.0 + 1, a.1 + 1)) {
            let (first, ours) = neighbours[0];
            let last = neighbours[neighbours.len() - 1].0;
            write_at(file, old.bytes_of(name, first..last + 1), target.row(ours))?;
        }
    }
    if alike { Ok(()) } else { seal(old, new, file, rows) }
}

/// Whether a row's seal is the same in both: a checksum covers every column, and the code of the family.
fn seals_alike(old: &Schema, new: &Schema) -> bool {
    (&old.optional, old.has_checksums()) == (&new.optional, new.has_checksums())
        && new.rounding.starts_with(&old.rounding)
}

/// Writes the seals of rows that are new in a file of other columns.
fn seal(old: &ZooFile, new: &ZooFile, file: &File, rows: &[(usize, usize)]) -> io::Result<()> {
    let Some(checksums) = Checksums::new(new.schema()) else { return Ok(()) };
    let [checksum, rounding] = SEALS.map(|name| Place::new(new.place(name), new.schema().rows()));
    let epochs = &new.schema().checkpoints;
    for &(theirs, ours) in rows {
        let code = old.rounding_of(theirs).and_then(|family| new.schema().rounding_code(family)).unwrap_or(0);
        let (run, epoch) = (ours / epochs.len(), epochs[ours % epochs.len()]);
        let row = Row {
            weights: old.weights(theirs),
            metrics: &old.metrics(theirs),
            class_accuracy: old.class_accuracy(theirs),
            status: old.status()[theirs],
            rounding: code,
        };
        let sum = checksums.of_row(&new.config(run), new.schema().number(run), epoch, &row);
        write_at(file, &[code], rounding.row(ours))?;
        write_at(file, &sum.to_le_bytes(), checksum.row(ours))?;
    }
    Ok(())
}

/// Whether two files hold the same in a row.
pub(super) fn same_row((one, a): (&ZooFile, usize), (other, b): (&ZooFile, usize)) -> bool {
    own(other).all(|name| one.bytes_of(name, a..a + 1) == other.bytes_of(name, b..b + 1))
}
