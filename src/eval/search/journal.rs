//! The journal of a search: what is searched, then a line of JSON for each trial that is finished.
//!
//! The first line has `format` and `about` (input, division, digest of the networks …), every other a [`Trial`]: its number, the
//! options drawn, the scores on the validation part. The file that `--out` names has the winner: `predictor`, `input`, `params`, as `fit
//! --config` takes it.

use super::{Search, Trial};
use crate::out::{FileKind, Held, OutPath, sync_folder};
use crate::predictor::Options;
use crate::table::Table;
use crate::{Error, Result, bytes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Mutex;

/// What the first line calls itself.
const FORMAT: &str = "zoometry search 1";

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    about: Map<String, Value>,
}

/// An open journal; no other process writes to it.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<Held>,
}

impl Journal {
    /// Opens the journal of a search, a new one if there is none; gives the trials in it that are among the search's. `about` is
    /// what else tells this search from others, by the names that a message uses.
    ///
    /// A last line that was cut short, as by a power failure, is taken off.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for the journal of another search, [`Error::Malformed`] for another file, [`Error::Locked`] where
    /// another process has it open, [`Error::Io`].
    pub fn open(out: &OutPath, about: &[(String, String)], search: &Search) -> Result<(Journal, Vec<Trial>)> {
        let path = out.path();
        let mut file = Held::open_or_begin(out)?;
        let about: Vec<(String, String)> = about.iter().cloned().chain(describe(search)).collect();
        let entries = about.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let head = line(&Head { format: FORMAT.into(), about: entries });
        let contents = bytes::read(path)?;
        let (whole, trials) = read(path, &contents, &head, &about, search)?;
        file.cut(whole as u64)?;
        if whole == 0 {
            file.append(head.as_bytes())?;
        }
        sync_folder(path);
        Ok((Journal { file: Mutex::new(file) }, trials))
    }

    /// Adds a finished trial; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Disturbed`] where another program has taken the file away.
    pub fn append(&self, trial: &Trial) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        file.append(line(trial).as_bytes())
    }
}

/// A line of JSON.
fn line(entry: &impl Serialize) -> String {
    // numbers and names have a JSON
    serde_json::to_string(entry).unwrap_or_default() + "\n"
}

/// What tells a search from others, the plainest first.
fn describe(search: &Search) -> [(String, String); 5] {
    let (train, validation) = (search.train, search.validation);
    let entry = |name: &str, value: String| (name.to_owned(), value);
    [
        entry("predictor", search.kind.into()),
        entry("params", search.fixed.join(" ")),
        entry("seed", search.seed.to_string()),
        // the name that journals have always had
        entry("networks for fitting and choosing", format!("{} + {}", train.rows(), validation.rows())),
        entry("digest of the networks", digest([train, validation])),
    ]
}

/// A digest of columns, values and targets.
fn digest(tables: [&Table; 2]) -> String {
    let mut digest = Sha256::new();
    for table in tables {
        digest.update(table.columns.join("\n"));
        digest.update((table.rows() as u64).to_le_bytes());
        digest.update(bytemuck::cast_slice::<f32, u8>(&table.x));
        digest.update(bytemuck::cast_slice::<f32, u8>(&table.y));
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The length of a journal without a last line that was cut short, and the trials of `search` in it.
fn read(
    path: &Path,
    contents: &[u8],
    head: &str,
    about: &[(String, String)],
    search: &Search,
) -> Result<(usize, Vec<Trial>)> {
    if head.as_bytes().starts_with(contents) && contents.len() < head.len() {
        return Ok((0, Vec::new()));
    }
    let wrong = |got: String| Error::malformed(path, "the journal of a search", got);
    let mut lines = contents.split_inclusive(|&byte| byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let found: Head = serde_json::from_slice(first)
        .map_err(|_| Error::other_kind(path, "the journal of a search", FileKind::of(path)))?;
    if found.format != FORMAT {
        return Err(wrong(format!("{:?}", found.format)));
    }
    for (name, expected) in about {
        let got = found.about.get(name).and_then(Value::as_str).unwrap_or("nothing");
        same(path, name, expected, got)?;
    }
    let (mut whole, mut trials): (usize, Vec<Trial>) = (first.len(), Vec::new());
    for line in lines {
        let last = whole + line.len() == contents.len();
        match serde_json::from_slice::<Trial>(line) {
            Ok(trial) if line.ends_with(b"\n") => {
                expect(path, &trial, search)?;
                trials.push(trial);
            }
            _ if last => break,
            outcome => {
                let error = outcome.map_or_else(|error| error.to_string(), |_| "a line cut short".into());
                return Err(wrong(format!("{error} in trial {} of the file", trials.len())));
            }
        }
        whole += line.len();
    }
    trials.retain(|trial| trial.number < search.trials);
    trials.sort_by_key(|trial| trial.number);
    trials.dedup_by_key(|trial| trial.number);
    Ok((whole, trials))
}

/// Refuses a trial whose options are not those that its number has here: the ranges of another version.
fn expect(path: &Path, trial: &Trial, search: &Search) -> Result<()> {
    let expected = search.options(trial.number)?;
    let text = |options: &Options| serde_json::to_string(options).unwrap_or_default();
    match trial.options == expected {
        true => Ok(()),
        false => same(path, &format!("options of trial {}", trial.number), &text(&expected), &text(&trial.options)),
    }
}

fn same(path: &Path, field: &str, expected: &str, got: &str) -> Result<()> {
    let quoted = |text: &str| if text.is_empty() { "none".into() } else { text.to_owned() };
    match expected == got {
        true => Ok(()),
        false => Err(Error::Mismatch {
            path: path.into(),
            field: field.into(),
            expected: quoted(expected),
            got: quoted(got),
        }),
    }
}
