//! `Writer`: makes a zoo grow, row by row, from many threads.
//!
//! Rows are written in place with positioned writes, not by storing through a map: a full disk then is an error that can be
//! reported, where a store through a map ends the process (SIGBUS). Maps of other processes see such writes at once.
//!
//! What holds. A row's bytes reach the disk (`fdatasync`) before its status is written. After `kill -9` at any moment, and
//! after a power loss on a disk that keeps its promises, status 1 or 2 therefore means that the whole row is there. The
//! status itself may be lost in a power loss; the row then counts as not written and is computed again.

use super::checksum::{CHECKSUM, Checksums, Row, Setting};
use super::hyper::{Config, HYPERPARAMETERS, Value};
use super::reader::ZooFile;
use super::schema::{Metrics, Schema, Status};
use crate::bytes::write_at;
use crate::out::{Held, OutPath, Partial};
use crate::{Error, Result};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

/// The one process that writes a zoo. Dropping it releases the file.
#[derive(Debug)]
pub struct Writer {
    file: Held,
    /// The file as it is read: of its rows only those may be that [`Writer::status`] says are there.
    zoo: ZooFile,
    weights: Place,
    class_accuracy: Place,
    metrics: [Place; 4],
    status_place: Place,
    status: Vec<AtomicU8>,
    configs: Vec<Config>,
    seal: Option<Seal>,
    mixture: Option<Mixture>,
}

/// What a row says of itself since format 3.
#[derive(Debug)]
struct Seal {
    checksums: Checksums,
    checksum: Place,
    rounding: Place,
    /// The code of this process's family.
    code: u8,
}

/// Rows of a zoo would be of different families of rounding: the same command no longer gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixture {
    /// The families of the rows that are there, or what the zoo was begun with.
    pub found: Vec<String>,
    /// The family of rows to come.
    pub wanted: String,
}

/// Where a column begins in the file and how many bytes a row of it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    start: u64,
    pub width: u64,
}

impl Place {
    pub fn new(place: Range<usize>, rows: usize) -> Place {
        Place { start: place.start as u64, width: (place.len() / rows) as u64 }
    }

    pub fn row(self, row: usize) -> u64 {
        self.start + row as u64 * self.width
    }
}

impl Writer {
    /// Makes the zoo at `out`, or goes on with the one that is there ([`OutPath::continued`]); `configs` has one entry a run.
    /// A new file appears under its name only when everything but the rows is in it.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where the file is another zoo: the first field that differs. [`Error::Locked`] where another
    /// process writes it. [`Error::Malformed`] where it is no sound zoo, [`Error::Occupied`] where something else is there by
    /// now. [`Error::Invalid`] where schema or configs are impossible. [`Error::Io`]: not allowed, no such folder, no space left.
    pub fn create_or_open(out: &OutPath, schema: &Schema, configs: &[Config]) -> Result<Writer> {
        check(schema, configs)?;
        let file = match Held::open(out)? {
            Some(old) => old,
            None => create(out, schema, configs)?,
        };
        Writer::resume(file, schema, configs)
    }

    /// Goes on with the locked `file` if it is the zoo that is wanted.
    pub(super) fn resume(mut file: Held, schema: &Schema, configs: &[Config]) -> Result<Writer> {
        let path = file.path();
        let zoo = ZooFile::of(file.file(), path)?;
        if let Some((field, expected, got)) = schema.difference(zoo.schema()) {
            return Err(Error::Mismatch { path: path.into(), field, expected, got });
        }
        same_configs(&zoo, configs)?;
        file.expect(zoo.bytes() as u64);
        let place = |name| Place::new(zoo.place(name), zoo.rows());
        Ok(Writer {
            weights: place("weights"),
            class_accuracy: place("test_class_accuracy"),
            metrics: [place("test_accuracy"), place("test_loss"), place("train_accuracy"), place("train_loss")],
            status_place: place("status"),
            status: zoo.status().iter().map(|&status| AtomicU8::new(status as u8)).collect(),
            configs: configs.to_vec(),
            seal: seal(&zoo, schema),
            mixture: mixture(&zoo, &schema.rounding),
            zoo,
            file,
        })
    }

    /// What would be mixed by writing rows of the schema's family; of a file that does not tell nothing is known.
    pub fn mixture(&self) -> Option<&Mixture> {
        self.mixture.as_ref()
    }

    /// What zoo it is, as the file says.
    pub fn schema(&self) -> &Schema {
        self.zoo.schema()
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Index of the row that holds a checkpoint (an index into [`Schema::checkpoints`]) of a run.
    ///
    /// # Panics
    /// If there is no such run or checkpoint.
    pub fn row(&self, run: usize, checkpoint: usize) -> usize {
        let (runs, checkpoints) = (self.schema().runs, self.schema().checkpoints.len());
        assert!(
            run < runs && checkpoint < checkpoints,
            "run {run} of {runs}, checkpoint {checkpoint} of {checkpoints}"
        );
        run * checkpoints + checkpoint
    }

    /// Whether a row is there.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn status(&self, row: usize) -> Status {
        Status::from_code(self.status[row].load(Ordering::Acquire)).unwrap_or(Status::NotWritten)
    }

    /// Writes a row, then its status; threads may write different rows at once. The row is on the disk when this returns.
    ///
    /// A row that is already there is written anew; meanwhile its status says that it is not.
    ///
    /// # Errors
    /// [`Error::Io`], no space left for instance: the row then counts as not written, every other row is untouched.
    /// [`Error::Disturbed`] where another program has taken the file away.
    ///
    /// # Panics
    /// If run, checkpoint or a length is not the schema's, or the status is [`Status::NotWritten`].
    pub fn write(
        &self,
        run: usize,
        checkpoint: usize,
        weights: &[f32],
        metrics: &Metrics,
        class_accuracy: &[f32],
        status: Status,
    ) -> Result<()> {
        assert_eq!(weights.len(), self.schema().arch.parameters(), "weights");
        assert_eq!(class_accuracy.len(), self.schema().arch.classes, "class accuracies");
        assert_ne!(status, Status::NotWritten, "status of a row to be written");
        // before anything is written: into a file that was made shorter it would make a hole
        self.file.check_place()?;
        let row = self.row(run, checkpoint);
        if self.status(row) != Status::NotWritten {
            self.write_status(row, Status::NotWritten)?;
            self.sync()?;
        }
        self.write_at(bytemuck::cast_slice(weights), self.weights.row(row))?;
        self.write_at(bytemuck::cast_slice(class_accuracy), self.class_accuracy.row(row))?;
        let values = [metrics.test_accuracy, metrics.test_loss, metrics.train_accuracy, metrics.train_loss];
        for (value, place) in values.into_iter().zip(self.metrics) {
            self.write_at(&value.to_le_bytes(), place.row(row))?;
        }
        if let Some(seal) = &self.seal {
            let values = Row { weights, metrics, class_accuracy, status, rounding: seal.code };
            let (number, epoch) = (self.schema().number(run), self.schema().checkpoints[checkpoint]);
            let checksum = seal.checksums.of_row(&self.configs[run], number, epoch, &values);
            self.write_at(&[seal.code], seal.rounding.row(row))?;
            self.write_at(&checksum.to_le_bytes(), seal.checksum.row(row))?;
        }
        self.sync()?;
        self.write_status(row, status)
    }

    /// The file as it is read.
    pub(super) fn zoo(&self) -> &ZooFile {
        &self.zoo
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        self.file.file()
    }

    /// The weights, metrics and accuracies of the classes in a row that is there.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn read(&self, row: usize) -> (&[f32], Metrics, &[f32]) {
        (self.zoo.weights(row), self.zoo.metrics(row), self.zoo.class_accuracy(row))
    }

    pub(super) fn write_status(&self, row: usize, status: Status) -> Result<()> {
        self.write_at(&[status as u8], self.status_place.row(row))?;
        self.status[row].store(status as u8, Ordering::Release);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        write_at(self.file(), bytes, offset).map_err(Error::io("write", self.path()))
    }

    /// Waits until all that was written is on the disk and is what the path names; at the end of a job, for the last status.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Disturbed`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync()
    }
}

/// How rows of the family that `schema` names last are sealed in a zoo.
fn seal(zoo: &ZooFile, schema: &Schema) -> Option<Seal> {
    let place = |name| Place::new(zoo.place(name), zoo.rows());
    let code = schema.rounding.last().and_then(|family| zoo.schema().rounding_code(family)).unwrap_or(0);
    let checksums = Checksums::new(zoo.schema())?;
    Some(Seal { checksums, checksum: place(CHECKSUM), rounding: place("rounding"), code })
}

/// What rows of the family that `rounding` names last would be mixed with.
pub(super) fn mixture(zoo: &ZooFile, rounding: &[String]) -> Option<Mixture> {
    let wanted = rounding.last()?;
    let mut found = zoo.families();
    if found.is_empty() {
        found.extend(zoo.schema().rounding.get(1).cloned());
    }
    let differs = found.iter().any(|family| family != wanted);
    differs.then(|| Mixture { found, wanted: wanted.clone() })
}

/// Refuses what would make a file that the reader refuses.
pub(super) fn check(schema: &Schema, configs: &[Config]) -> Result<()> {
    schema.check()?;
    if configs.len() != schema.runs {
        return Err(Error::invalid("configs", format!("one for each of {} runs", schema.runs), configs.len()));
    }
    for config in configs {
        for (hyper, value) in HYPERPARAMETERS.iter().zip(config.values) {
            let names = schema.names_of(hyper.name).len();
            match value {
                Value::Code(code) if usize::from(code) >= names => {
                    return Err(Error::invalid(
                        format!("config.{}", hyper.name),
                        format!("a code below {names}"),
                        code,
                    ));
                }
                value if !schema.has(hyper.name) && value != hyper.default() => {
                    let expected = format!("{} in a zoo without its column", hyper.default());
                    return Err(Error::invalid(format!("config.{}", hyper.name), expected, value));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Refuses a file whose networks have other settings than `configs`, its first runs' one after another.
pub(super) fn same_configs(zoo: &ZooFile, configs: &[Config]) -> Result<()> {
    for (run, config) in configs.iter().enumerate().take(zoo.schema().runs) {
        if let Some((name, expected, got)) = difference(config, &zoo.config(run)) {
            let field = format!("config.{name} of run {}", zoo.schema().number(run));
            return Err(Error::Mismatch { path: zoo.path().into(), field, expected, got });
        }
    }
    Ok(())
}

/// The first hyperparameter in which two runs differ: its name and values. NaN is NaN.
fn difference(want: &Config, got: &Config) -> Option<(&'static str, String, String)> {
    let values = HYPERPARAMETERS.iter().zip(want.values).zip(got.values);
    let texts = values.map(|((hyper, want), got)| (hyper.name, want.to_string(), got.to_string()));
    let seed = ("seed", want.seed.to_string(), got.seed.to_string());
    texts.chain([seed]).find(|(_, want, got)| want != got)
}

/// A new, locked file of full length with everything but the rows in it.
pub(super) fn create(out: &OutPath, schema: &Schema, configs: &[Config]) -> Result<Held> {
    match out.name(begin(out, schema, configs)?) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::Locked { path: out.path().into() })
        }
        file => Held::new(file?, out),
    }
}

/// What is to become the zoo at `out`: of full length, with everything but the rows in it.
pub(super) fn begin(out: &OutPath, schema: &Schema, configs: &[Config]) -> Result<Partial> {
    let partial = Partial::new(out)?;
    // before it has its name: where files cannot be locked nobody could tell two writers from one
    partial.file().try_lock().map_err(|refused| Error::io("lock", out)(refused.into()))?;
    fill(partial.file(), &schema.header()?, schema, configs).map_err(Error::io("write", out))?;
    Ok(partial)
}

/// Writes header and settings; the rest stays a hole, which reads as zeros.
pub(super) fn fill(file: &File, header: &[u8], schema: &Schema, configs: &[Config]) -> io::Result<()> {
    write_at(file, header, 0)?;
    let mut end = header.len() as u64;
    for of in schema.columns() {
        if let Some(bytes) = settings(&of.name, schema, configs) {
            write_at(file, &bytes, end)?;
        }
        end += (schema.rows() * schema.width(of.width).unwrap_or(1) * of.dtype.bitsize() / 8) as u64;
    }
    file.set_len(end)?;
    file.sync_all()
}

/// The bytes of a column that is known before any network is trained. Among them are `status` and `rounding`: a reader touches all
/// of them, and on some systems touching a hole takes space.
fn settings(name: &str, schema: &Schema, configs: &[Config]) -> Option<Vec<u8>> {
    let epochs = &schema.checkpoints;
    if ["status", "rounding"].contains(&name) {
        return Some(vec![Status::NotWritten as u8; schema.rows()]);
    }
    let setting = Setting::of(name)?;
    let mut column = Vec::new();
    for (run, config) in configs.iter().enumerate() {
        epochs.iter().for_each(|&epoch| column.extend_from_slice(&setting.cell(config, schema.number(run), epoch)));
    }
    Some(column)
}
