//! `metrics.csv.gz`: one line a checkpoint, in the order of the rows of weights.

use super::columns::{Columns, Names, number};
use crate::zoo::hyper::HYPERPARAMETERS;
use crate::zoo::{Config, Metrics, Status, Value};
use crate::{Context, Error, Result};
use csv::ByteRecord;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

/// Bytes of a line at most, on average: what a hostile .gz may grow to. The released lines have less than 400.
const LONGEST_LINE: u64 = 4096;

/// Bytes of a single line at most: a line is held.
const LONGEST_RECORD: u64 = 1 << 20;

/// What one line says.
pub(super) struct Line {
    pub run: u32,
    pub epoch: u32,
    pub metrics: Metrics,
    /// Known of our own exports only.
    pub status: Option<Status>,
    /// The family of rounding, of our own exports only.
    pub rounding: Option<Rc<str>>,
    /// Of our own exports only.
    pub checksum: Option<u64>,
}

/// The whole table, narrow enough to be held: about 30 bytes a line and 32 a run.
#[derive(Default)]
pub(super) struct Sheet {
    /// In the order of the file.
    pub lines: Vec<Line>,
    /// One a run.
    pub configs: Vec<Config>,
    /// One a line and class; empty where the file has none.
    pub class_accuracy: Vec<f32>,
    /// The data set's name, where a column tells.
    pub dataset: Option<String>,
    /// Of each hyperparameter whose values are names, the names of its codes.
    pub names: BTreeMap<&'static str, Names>,
    /// Columns without a place in a zoo: those that are the same in every line with their value, and those that are not.
    pub constants: Vec<(String, String)>,
    /// See `constants`.
    pub dropped: Vec<String>,
    /// Columns that are not there.
    pub missing: Vec<String>,
    /// Digest of the text.
    pub digest: String,
}

/// What is expected of the file.
pub(super) struct Expected {
    /// Rows of weights.
    pub rows: usize,
    /// Names of the codes that are known beforehand.
    pub names: BTreeMap<String, Vec<String>>,
    /// Runs, where the lines' own numbers count (a zoo exported by us).
    pub runs: Option<usize>,
    /// Settings of runs that have no line.
    pub settings: Vec<(u32, Config)>,
    /// Classes of the networks.
    pub classes: usize,
}

/// Reads the file, gzipped or not, whatever its name.
pub(super) fn read(context: &Context, path: &Path, expected: Expected) -> Result<Sheet> {
    let (text, _) = crate::bytes::unpacked(path)?;
    let longest = (expected.rows as u64).saturating_add(16).saturating_mul(LONGEST_LINE);
    let whole = Cell::new(0);
    let mut text = Hashing { inner: text.take(longest), digest: Sha256::new(), read: 0, whole: &whole };
    let mut sheet = {
        let mut reader = csv::Reader::from_reader(&mut text);
        let names = reader.byte_headers().map_err(not_csv(path))?.clone();
        let columns = Columns::find(path, &names, expected.classes, expected.runs.is_some())?;
        let mut reading = Reading::new(path, columns, expected);
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(not_csv(path))? {
            context.stop.go_on()?;
            whole.set(reader.position().byte());
            reading.line(&record)?;
        }
        reading.finish()
    };
    if text.inner.limit() == 0 {
        return Err(Error::malformed(path, format!("at most {longest} bytes of text"), "more"));
    }
    sheet.digest = text.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(sheet)
}

/// An error for what the crates csv and flate2 refuse.
fn not_csv(path: &Path) -> impl Fn(csv::Error) -> Error + '_ {
    move |error| Error::malformed(path, "a CSV table, gzipped or plain", error.to_string())
}

/// The lines read so far.
struct Reading<'p> {
    path: &'p Path,
    columns: Columns,
    expected: Expected,
    sheet: Sheet,
    /// Number of each run by what names it.
    runs: HashMap<Vec<u8>, u32>,
    /// Runs whose settings are known.
    seen: Vec<bool>,
}

impl<'p> Reading<'p> {
    fn new(path: &'p Path, columns: Columns, mut expected: Expected) -> Reading<'p> {
        let known = |name: &str| expected.names.get(name).cloned().unwrap_or_default();
        let named = HYPERPARAMETERS.iter().filter(|hyper| hyper.is_name());
        let names = named.map(|hyper| (hyper.name, Names::new(known(hyper.name)))).collect();
        let runs = expected.runs.unwrap_or(0);
        let (mut configs, mut seen) = (vec![Config::default(); runs], vec![false; runs]);
        for (run, config) in expected.settings.drain(..) {
            (configs[run as usize], seen[run as usize]) = (config, true);
        }
        let sheet = Sheet { names, configs, missing: columns.missing(), ..Sheet::default() };
        Reading { path, columns, expected, sheet, runs: HashMap::new(), seen }
    }

    fn line(&mut self, record: &ByteRecord) -> Result<()> {
        if self.sheet.lines.len() == self.expected.rows {
            let expected = format!("one line for each of the {} rows of weights", self.expected.rows);
            return Err(Error::malformed(self.path, expected, "more lines"));
        }
        let at = Place { path: self.path, record };
        at.utf8()?;
        let (key, epoch) = self.columns.checkpoint(record).map_err(|(expected, got)| at.wrong(expected, got))?;
        let run = self.run(&at, key)?;
        self.settle(&at, run, key)?;
        let status = self.columns.status(record).map_err(|got| at.wrong("a status, done or diverged", got))?;
        let metrics = Metrics {
            test_accuracy: at.float(self.columns.test_accuracy)?,
            test_loss: at.float(self.columns.test_loss)?,
            train_accuracy: at.float(self.columns.train_accuracy)?,
            train_loss: at.float(self.columns.train_loss)?,
        };
        if status == Some(Status::Done) && !(0.0..=1.0).contains(&metrics.test_accuracy) {
            return Err(at.wrong("a test accuracy from 0 to 1, as the row is done", metrics.test_accuracy.to_string()));
        }
        for &column in &self.columns.classes {
            self.sheet.class_accuracy.push(at.float(Some(column))?);
        }
        self.columns.compare(record);
        let checksum = self.columns.checksum(record).map_err(|got| at.wrong("a checksum", got))?;
        let rounding = self.columns.rounding(record).map(|name| self.family(name));
        self.sheet.lines.push(Line { run, epoch, metrics, status, rounding, checksum });
        Ok(())
    }

    /// A family of rounding; the same text for all lines of one.
    fn family(&self, name: &[u8]) -> Rc<str> {
        let name = String::from_utf8_lossy(name);
        let last = self.sheet.lines.last().and_then(|line| line.rounding.clone());
        last.filter(|last| **last == *name).unwrap_or_else(|| name.into())
    }

    /// The number of the run that a line names.
    fn run(&mut self, at: &Place, key: &[u8]) -> Result<u32> {
        if let Some(runs) = self.expected.runs {
            let run: Option<u32> = std::str::from_utf8(key).ok().and_then(|text| text.parse().ok());
            let below = run.filter(|&run| (run as usize) < runs);
            return below.ok_or_else(|| at.wrong(&format!("a run below {runs}"), String::from_utf8_lossy(key).into()));
        }
        if let Some(&run) = self.runs.get(key) {
            return Ok(run);
        }
        let run = self.runs.len() as u32;
        self.runs.insert(key.to_vec(), run);
        self.sheet.configs.push(Config::default());
        self.seen.push(false);
        Ok(run)
    }

    /// Takes a run's settings and data set from its first line and checks those of the others against it.
    fn settle(&mut self, at: &Place, run: u32, key: &[u8]) -> Result<()> {
        let columns = &self.columns;
        let mut config = Config::default();
        for ((hyper, column), value) in HYPERPARAMETERS.iter().zip(columns.hyperparameters).zip(&mut config.values) {
            if column.is_none() && hyper.is_optional() {
                continue;
            }
            *value = match self.sheet.names.get_mut(hyper.name) {
                None => Value::Number(at.float(column)?),
                Some(names) => {
                    let code = names.code(column.map_or(&b""[..], |column| &at.record[column]));
                    Value::Code(code.ok_or_else(|| at.wrong("one of at most 256 names", "another".into()))?)
                }
            };
        }
        config.seed = columns.seed(at.record).map_err(|got| at.wrong("a seed", got))?;
        let known = &mut self.sheet.configs[run as usize];
        if !std::mem::replace(&mut self.seen[run as usize], true) {
            *known = config;
        } else if !same(known, &config) {
            let got = format!("others for run {:?}", String::from_utf8_lossy(key));
            return Err(at.wrong("the settings that other lines of the run have", got));
        }
        let Some(column) = columns.dataset else { return Ok(()) };
        let name = String::from_utf8_lossy(&at.record[column]);
        match &self.sheet.dataset {
            None => self.sheet.dataset = Some(name.into_owned()),
            Some(first) if *first == name => {}
            Some(first) => {
                return Err(at.wrong(&format!("data set {first:?} as in the lines above"), format!("{name:?}")));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Sheet {
        (self.sheet.constants, self.sheet.dropped) = self.columns.others();
        self.sheet
    }
}

/// A line and where it is, for error messages.
struct Place<'a> {
    path: &'a Path,
    record: &'a ByteRecord,
}

impl Place<'_> {
    fn wrong(&self, expected: &str, got: String) -> Error {
        let line = self.record.position().map_or(0, csv::Position::line);
        Error::malformed(self.path, format!("{expected} in line {line}"), got)
    }

    /// Refuses a line in another encoding: its names could not be compared.
    fn utf8(&self) -> Result<()> {
        match self.record.iter().find(|cell| std::str::from_utf8(cell).is_err()) {
            None => Ok(()),
            Some(cell) => {
                let text = String::from_utf8_lossy(cell);
                Err(self.wrong("UTF-8", format!("another encoding, Latin-1 perhaps: {text:?}")))
            }
        }
    }

    /// A cell as a number; NaN without such a column.
    fn float(&self, column: Option<usize>) -> Result<f32> {
        let Some(text) = column.map(|column| &self.record[column]) else { return Ok(f32::NAN) };
        number(text).ok_or_else(|| self.wrong("a number", format!("{:?}", String::from_utf8_lossy(text))))
    }
}

/// Whether two settings are the same, NaN being the same as NaN.
fn same(a: &Config, b: &Config) -> bool {
    let bits = |value: &Value| match *value {
        Value::Number(number) => (number.to_bits(), 0),
        Value::Code(code) => (0, code),
    };
    a.seed == b.seed && a.values.iter().map(bits).eq(b.values.iter().map(bits))
}

/// Passes bytes on and digests them, and refuses a line that does not end.
struct Hashing<'w, R> {
    inner: R,
    digest: Sha256,
    read: u64,
    /// Where the last whole line ended.
    whole: &'w Cell<u64>,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read - self.whole.get() > LONGEST_RECORD {
            return Err(std::io::Error::other(format!("a line of more than {LONGEST_RECORD} bytes")));
        }
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        self.digest.update(&buffer[..length]);
        Ok(length)
    }
}
