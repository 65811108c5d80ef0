//! The columns of `metrics.csv.gz` by their names, and how their cells are read.

use crate::zoo::Status;
use crate::zoo::hyper::{COUNT, HYPERPARAMETERS};
use crate::{Error, Result};
use csv::ByteRecord;
use std::path::Path;

const METRICS: [&str; 4] = ["test_accuracy", "test_loss", "train_accuracy", "train_loss"];

/// Where a line says which run and epoch it is of.
enum Key {
    /// Columns of run and epoch.
    Columns(usize, usize),
    /// A path such as `…/run/permanent_ckpt-18`, the index of the first version's table.
    Path(usize),
}

/// A column that a zoo has no place for.
struct Other {
    column: usize,
    name: String,
    /// The first line's cell.
    first: Option<Vec<u8>>,
    varies: bool,
}

/// Where in a line everything is.
pub(super) struct Columns {
    key: Key,
    pub test_accuracy: Option<usize>,
    pub test_loss: Option<usize>,
    pub train_accuracy: Option<usize>,
    pub train_loss: Option<usize>,
    /// The hyperparameters, in the order of their table.
    pub hyperparameters: [Option<usize>; COUNT],
    pub dataset: Option<usize>,
    /// Test accuracy of each class, or none.
    pub classes: Vec<usize>,
    seed: Option<usize>,
    status: Option<usize>,
    rounding: Option<usize>,
    checksum: Option<usize>,
    others: Vec<Other>,
}

impl Columns {
    /// Finds the columns in the header of the file at `path`; `numbered`: runs have numbers of their own in a column `run`.
    pub fn find(path: &Path, header: &ByteRecord, classes: usize, numbered: bool) -> Result<Columns> {
        let clean = |name: &[u8]| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned();
        let header: Vec<String> = header.iter().map(clean).collect();
        let mut used = vec![false; header.len()];
        let mut column = |name: &str| {
            let found = header.iter().position(|found| found == name);
            found.inspect(|&at| used[at] = true)
        };
        let (run, step) = (column(if numbered { "run" } else { "modeldir" }), column("step"));
        // pandas' index: a row number, or the checkpoint's path
        let index = (0..header.len().min(1)).find(|&at| header[at].is_empty() || header[at] == "Unnamed: 0");
        let key = match (run, step, index) {
            (Some(run), Some(step), _) => Key::Columns(run, step),
            (None, _, Some(index)) if !numbered => Key::Path(index),
            _ => {
                let expected = if numbered { "columns run and step" } else { "columns modeldir and step" };
                return Err(Error::malformed(path, expected, format!("columns {}", header.join(", "))));
            }
        };
        let [test_accuracy, test_loss, train_accuracy, train_loss] = METRICS.map(&mut column);
        if test_accuracy.is_none() {
            return Err(Error::malformed(path, "a column test_accuracy", format!("columns {}", header.join(", "))));
        }
        let every: Option<Vec<usize>> =
            (0..classes).map(|class| column(&format!("test_class_accuracy.{class}"))).collect();
        let mut columns = Columns {
            key,
            test_accuracy,
            test_loss,
            train_accuracy,
            train_loss,
            hyperparameters: HYPERPARAMETERS.each_ref().map(|hyper| column(&format!("config.{}", hyper.name))),
            dataset: column("config.dataset"),
            classes: every.unwrap_or_default(),
            seed: column("config.random_seed"),
            // in other people's tables it means something else
            status: if numbered { column("status") } else { None },
            rounding: if numbered { column("rounding") } else { None },
            checksum: if numbered { column("checksum") } else { None },
            others: Vec::new(),
        };
        // of a numbered run the folder's name says nothing more
        let known = |at: usize| used[at] || Some(at) == index || numbered && header[at] == "modeldir";
        let other = |(at, name): (usize, &String)| {
            (!known(at)).then(|| Other { column: at, name: name.clone(), first: None, varies: false })
        };
        columns.others = header.iter().enumerate().filter_map(other).collect();
        Ok(columns)
    }

    /// Names of the columns that a zoo has and the file has not.
    pub fn missing(&self) -> Vec<String> {
        let metrics = [self.test_accuracy, self.test_loss, self.train_accuracy, self.train_loss];
        let metrics = METRICS.into_iter().map(String::from).zip(metrics);
        let needed = HYPERPARAMETERS.iter().zip(self.hyperparameters).filter(|(hyper, _)| !hyper.is_optional());
        let needed = needed.map(|(hyper, column)| (format!("config.{}", hyper.name), column));
        let all = metrics.chain(needed).chain([("config.random_seed".into(), self.seed)]);
        all.filter(|(_, column)| column.is_none()).map(|(name, _)| name).collect()
    }

    /// What names the run of a line, and its epoch; or what was expected and what was found.
    pub fn checkpoint<'r>(
        &self,
        record: &'r ByteRecord,
    ) -> std::result::Result<(&'r [u8], u32), (&'static str, String)> {
        let quoted = |text: &[u8]| format!("{:?}", String::from_utf8_lossy(text));
        let epoch = |text: &[u8]| {
            let value = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<f64>().ok());
            // pandas writes 86.0 where a cell of the column was empty
            let whole = value.filter(|value| value.fract() == 0.0 && (0.0..4_294_967_295.0).contains(value));
            whole.map(|value| value as u32)
        };
        match self.key {
            Key::Columns(run, step) => {
                let (run, step) = (&record[run], &record[step]);
                if missing(run) {
                    return Err(("a run", quoted(run)));
                }
                Ok((run, epoch(step).ok_or_else(|| ("an epoch as step", quoted(step)))?))
            }
            Key::Path(index) => {
                let path = &record[index];
                let wrong = || ("a column modeldir, or a path such as RUN/ckpt-18 as index,", quoted(path));
                let slash = path.iter().rposition(|&byte| byte == b'/').ok_or_else(wrong)?;
                let dash = path.iter().rposition(|&byte| byte == b'-').filter(|&dash| dash > slash);
                let epoch = dash.and_then(|dash| epoch(&path[dash + 1..])).ok_or_else(wrong)?;
                Ok((&path[..slash], epoch))
            }
        }
    }

    /// The seed of a line's run, 0 where there is none; or what was found.
    pub fn seed(&self, record: &ByteRecord) -> std::result::Result<u64, String> {
        let Some(text) = self.seed.map(|column| &record[column]).filter(|text| !missing(text)) else { return Ok(0) };
        let text = std::str::from_utf8(text).unwrap_or("no UTF-8").trim();
        let whole = || text.strip_suffix(".0").and_then(|digits| digits.parse().ok());
        text.parse().ok().or_else(whole).ok_or_else(|| format!("{text:?}"))
    }

    /// The status of a line, if it tells; or what was found.
    pub fn status(&self, record: &ByteRecord) -> std::result::Result<Option<Status>, String> {
        match self.status.map_or(&b""[..], |column| &record[column]) {
            b"" => Ok(None),
            b"done" => Ok(Some(Status::Done)),
            b"diverged" => Ok(Some(Status::Diverged)),
            other => Err(format!("{:?}", String::from_utf8_lossy(other))),
        }
    }

    /// The name of the family of rounding of a line, if it tells.
    pub fn rounding<'r>(&self, record: &'r ByteRecord) -> Option<&'r [u8]> {
        self.rounding.map(|column| &record[column]).filter(|name| !name.is_empty())
    }

    /// The checksum of a line, if it tells; or what was found.
    pub fn checksum(&self, record: &ByteRecord) -> std::result::Result<Option<u64>, String> {
        let text = self.checksum.map_or(&b""[..], |column| &record[column]);
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        match (text.is_empty(), number) {
            (true, _) => Ok(None),
            (false, Some(checksum)) => Ok(Some(checksum)),
            (false, None) => Err(format!("{:?}", String::from_utf8_lossy(text))),
        }
    }

    /// Notes whether the columns that a zoo has no place for are the same in this line as in the first.
    pub fn compare(&mut self, record: &ByteRecord) {
        for other in &mut self.others {
            let cell = &record[other.column];
            match &other.first {
                None => other.first = Some(cell.to_vec()),
                Some(first) => other.varies |= first != cell,
            }
        }
    }

    /// Names and values of the constant ones among these columns; names of the rest.
    pub fn others(&self) -> (Vec<(String, String)>, Vec<String>) {
        let value = |other: &Other| String::from_utf8_lossy(other.first.as_deref().unwrap_or_default()).into_owned();
        let constant = |other: &&Other| !other.varies && other.first.as_ref().is_some_and(|first| first.len() <= 200);
        let constants = self.others.iter().filter(constant).map(|other| (other.name.clone(), value(other))).collect();
        let rest = self.others.iter().filter(|other| !constant(other)).map(|other| other.name.clone()).collect();
        (constants, rest)
    }
}

/// What `pandas.read_csv` takes for a missing value.
const MISSING: [&str; 19] = [
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
];

/// Whether a cell says that there is nothing.
fn missing(text: &[u8]) -> bool {
    MISSING.iter().any(|missing| missing.as_bytes() == text.trim_ascii())
}

/// A number, NaN where there is none; nothing for other text.
pub(super) fn number(text: &[u8]) -> Option<f32> {
    if missing(text) {
        return Some(f32::NAN);
    }
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Names of codes, growing with the names that are found.
#[derive(Default)]
pub(super) struct Names {
    pub list: Vec<String>,
    /// How many were known beforehand.
    pub known: usize,
}

impl Names {
    pub fn new(list: Vec<String>) -> Names {
        Names { known: list.len(), list }
    }

    /// The code of a name, a new one if need be; nothing where there are too many.
    pub fn code(&mut self, name: &[u8]) -> Option<u8> {
        let name = if missing(name) { b"unknown" } else { name };
        let found = self.list.iter().position(|known| known.as_bytes() == name);
        let code = found.unwrap_or_else(|| {
            self.list.push(String::from_utf8_lossy(name).into_owned());
            self.list.len() - 1
        });
        u8::try_from(code).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_pandas_takes_for_missing_is_nan() {
        for text in ["", " ", "n/a", "#N/A", "#NA", "1.#QNAN", "-1.#IND", "-nan", "NULL", "<NA>"] {
            assert!(number(text.as_bytes()).is_some_and(f32::is_nan), "{text:?}");
        }
        assert_eq!((number(b" 0.5 "), number(b"missing"), number(b"#")), (Some(0.5), None, None));
    }
}
