//! `FileKind`: what is in a file, by its first bytes.

use crate::kernels::compact::MAGIC;
use crate::{Error, Result, magic};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

/// What a page's head says.
pub const PAGE: &str = "<meta name=\"generator\" content=\"zoometry\" />";

/// What stands before a picture.
pub const PICTURE: &str = "<!-- zoometry -->\n";

/// What the metadata of safetensors files say: a key of each kind, where need be with its value.
const SAFETENSORS: [(&str, Option<&str>, FileKind); 4] = [
    ("format", Some("zoometry zoo"), FileKind::Zoo),
    ("zoometry.predictor", None, FileKind::Predictor),
    ("columns", None, FileKind::Features),
    ("network", None, FileKind::Network),
];

/// How our tables begin: of features and predictions, of what matters to a predictor, of a study's scores.
const TABLES: [&str; 3] = ["run,", "column,", "experiment,"];

/// How the names of files end whose kind that says.
const ENDINGS: [&str; 8] = ["safetensors", "csv", "npy", "json", "html", "htm", "svg", "jsonl"];

/// Bytes that are looked at, but for the header of a safetensors file.
const START: u64 = 4096;

/// Longest header of a safetensors file, as in the crate.
const LONGEST: u64 = 100_000_000;

/// What a file is. All but the last two are of our own making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A zoo.
    Zoo,
    /// A folder of the released format.
    Folder,
    /// A fitted predictor.
    Predictor,
    /// A table of features, `.safetensors`.
    Features,
    /// A table, `.csv`.
    Table,
    /// An array, `.npy`, with the names of its columns beside it.
    Array,
    /// These names, `.columns.json`.
    Names,
    /// A predictor for small machines.
    Compact,
    /// One network for PyTorch.
    Network,
    /// A page, `.html`.
    Page,
    /// A picture, `.svg`.
    Picture,
    /// A page of the manual.
    Manual,
    /// A configuration that a search found.
    Config,
    /// What a search has tried so far.
    Trials,
    /// What a study has found so far.
    Findings,
    /// What a benchmark has measured.
    Measurements,
    /// Nothing.
    Empty,
    /// Something else, and what.
    Other(&'static str),
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            FileKind::Zoo => "a zoo",
            FileKind::Folder => "a folder",
            FileKind::Predictor => "a fitted predictor",
            FileKind::Features => "a table of features",
            FileKind::Table => "a table",
            FileKind::Array => "an array",
            FileKind::Names => "names of columns",
            FileKind::Compact => "a compact table",
            FileKind::Network => "a network for PyTorch",
            FileKind::Page => "a page",
            FileKind::Picture => "a picture",
            FileKind::Manual => "a page of the manual",
            FileKind::Config => "a configuration",
            FileKind::Trials => "the journal of a search",
            FileKind::Findings => "the journal of a study",
            FileKind::Measurements => "the report of a benchmark",
            FileKind::Empty => "an empty file",
            FileKind::Other(what) => what,
        })
    }
}

impl FileKind {
    /// How names of such files end; nothing where any name will do.
    fn endings(self) -> &'static [&'static str] {
        match self {
            FileKind::Zoo | FileKind::Predictor | FileKind::Features | FileKind::Network => &["safetensors"],
            FileKind::Table => &["csv"],
            FileKind::Array => &["npy"],
            FileKind::Names | FileKind::Config => &["json"],
            FileKind::Page => &["html", "htm"],
            FileKind::Picture => &["svg"],
            FileKind::Trials | FileKind::Findings => &["jsonl"],
            _ => &[],
        }
    }

    /// Refuses a name that ends as those of another kind of files do: who wrote it was in error, or whoever reads it will be.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub(super) fn check_name(self, path: &Path) -> Result<()> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let own = self.endings();
        if own.is_empty() || own.contains(&&*ending) || !ENDINGS.contains(&&*ending) {
            return Ok(());
        }
        Err(Error::invalid("output", format!("a name like those of {self}, .{}", own[0]), path.display()))
    }

    /// What is at `path` in words: its kind, or how it begins.
    pub fn described(path: impl AsRef<Path>) -> String {
        let path = path.as_ref();
        match FileKind::of(path) {
            FileKind::Other("another file" | "another text") => {
                let mut start = Vec::new();
                // what cannot be read begins with nothing
                let _ = crate::bytes::open(path).map(|file| file.take(16).read_to_end(&mut start));
                magic::describe(&start)
            }
            kind => kind.to_string(),
        }
    }

    /// What is at `path`, by its first bytes alone: whether the rest is sound is not looked at.
    pub fn of(path: impl AsRef<Path>) -> FileKind {
        let path = path.as_ref();
        if path.is_dir() {
            return FileKind::Folder;
        }
        let mut start = Vec::new();
        let Ok(mut file) = crate::bytes::open(path) else { return FileKind::Other("a file that cannot be read") };
        if file.by_ref().take(START).read_to_end(&mut start).is_err() {
            return FileKind::Other("a file that cannot be read");
        }
        safetensors(&mut file, &start).unwrap_or_else(|| of_bytes(path, &start))
    }
}

/// The kind of a file that begins like one of safetensors.
fn safetensors(file: &mut File, start: &[u8]) -> Option<FileKind> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(default)]
        __metadata__: BTreeMap<String, String>,
    }
    let (length, rest) = start.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    if rest.first() != Some(&b'{') || length > LONGEST.min(file.metadata().ok()?.len()) {
        return None;
    }
    file.seek(std::io::SeekFrom::Start(8)).ok()?;
    let header: Header = serde_json::from_reader(BufReader::new(file.take(length))).ok()?;
    let says = |(key, value, _): &&(&str, Option<&str>, FileKind)| {
        header.__metadata__.get(*key).is_some_and(|found| value.is_none_or(|value| found == value))
    };
    Some(SAFETENSORS.iter().find(says).map_or(FileKind::Other("another safetensors file"), |(_, _, kind)| *kind))
}

fn of_bytes(path: &Path, start: &[u8]) -> FileKind {
    let named = |ending: &str| path.to_string_lossy().ends_with(ending);
    let text = String::from_utf8_lossy(start);
    let begins = |what: &[&str]| what.iter().any(|what| text.starts_with(what));
    match start {
        [] => FileKind::Empty,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] if path.with_extension("columns.json").exists() => FileKind::Array,
        _ if start.starts_with(&MAGIC) => FileKind::Compact,
        _ if begins(&[PICTURE]) => FileKind::Picture,
        _ if begins(&[".ie \\n(.g", ".TH zoometry"]) => FileKind::Manual,
        _ if text.contains(PAGE) => FileKind::Page,
        _ if begins(&["{\"format\":\"zoometry search"]) => FileKind::Trials,
        _ if begins(&["{\"kind\":\"study\""]) => FileKind::Findings,
        _ if begins(&["{"]) && text.contains("\"fma_gflops\":") => FileKind::Measurements,
        _ if begins(&TABLES) => FileKind::Table,
        _ if named(".columns.json") && begins(&["[\"", "[]"]) => FileKind::Names,
        _ if is_config(start) => FileKind::Config,
        _ => {
            let other = if start.contains(&0) { "another file" } else { "another text" };
            FileKind::Other(magic::recognise(start).unwrap_or(other))
        }
    }
}

/// An object with the name of a predictor and its options.
fn is_config(text: &[u8]) -> bool {
    let object: Value = serde_json::from_slice(text).unwrap_or_default();
    object.get("predictor").is_some_and(Value::is_string) && object.get("params").is_some_and(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |bytes: &[u8]| {
            let path = folder.path().join("file");
            std::fs::write(&path, bytes).unwrap();
            FileKind::of(&path)
        };
        assert_eq!(kind(b""), FileKind::Empty);
        assert_eq!(kind(b"run,a\n"), FileKind::Table);
        assert_eq!(kind(b"\x93NUMPY\x01\0"), FileKind::Other("a NumPy array (.npy)"));
        assert_eq!(kind(b"0\n1\n"), FileKind::Other("another text"));
        assert_eq!(kind(br#"{"predictor": "gbm", "params": {}}"#), FileKind::Config);
        assert_eq!(kind(br#"{"predictor": 3}"#), FileKind::Other("another text"));
        let safetensors = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
        assert_eq!(kind(&safetensors(r#"{"__metadata__":{"format":"zoometry zoo"}}"#)), FileKind::Zoo);
        assert_eq!(
            kind(&safetensors(r#"{"__metadata__":{"format":"pt"}}"#)),
            FileKind::Other("another safetensors file")
        );
        let long = format!(r#"{{"a":{{"x":"{}"}},"__metadata__":{{"columns":"[]"}}}}"#, "y".repeat(9000));
        assert_eq!(kind(&safetensors(&long)), FileKind::Features);
        assert_eq!(FileKind::of(folder.path()), FileKind::Folder);
        assert_eq!(FileKind::of(folder.path().join("none")), FileKind::Other("a file that cannot be read"));
    }
}
