//! The first bytes of a zoo file: written from a [`Schema`], read back into one.

use super::hyper::{self, HYPERPARAMETERS};
use super::schema::{FORMAT_VERSION, Schema};
use crate::cnn::layout;
use crate::out::FileKind;
use crate::{Error, Result, json};
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Serialize, de::DeserializeOwned, ser::SerializeMap};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// What `format` in the metadata says.
pub(super) const FORMAT: &str = "zoometry zoo";

/// Longest header that is looked at, as in the crate safetensors.
const LONGEST: u64 = 100_000_000;

/// The header's text: metadata, then the tensors in the order of the file.
struct Text<'a> {
    metadata: BTreeMap<String, String>,
    tensors: &'a [(Cow<'static, str>, TensorInfo)],
}

// by hand, because the crate keeps metadata in a hash map, whose order differs from run to run
impl Serialize for Text<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.tensors.len()))?;
        map.serialize_entry("__metadata__", &self.metadata)?;
        for (name, info) in self.tensors {
            map.serialize_entry(name, info)?;
        }
        map.end()
    }
}

/// The header of an open file and where the data begins.
///
/// # Errors
/// [`Error::OtherKind`] where the bytes are another file, [`Error::Malformed`] where they are no sound safetensors file: the header's length, text, offsets and shapes, and the
/// file's length are checked, all before anything is allocated that the file does not hold.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<(Metadata, usize)> {
    let wrong = |expected: &str, got: String| Error::malformed(path, expected, got);
    let other = || Error::other_kind(path, "a safetensors file", FileKind::described(path));
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(other)?;
    let length = u64::from_le_bytes(*length);
    let text = usize::try_from(length).ok().filter(|_| length <= LONGEST).and_then(|length| rest.get(..length));
    let text = text.ok_or_else(|| match rest.first() {
        Some(b'{') => wrong("a safetensors file", format!("{} bytes of a header of {length}", rest.len())),
        _ => other(),
    })?;
    let header: Metadata = json::parse(text).map_err(|error| wrong("a safetensors header", error.to_string()))?;
    let data = rest.len() - text.len();
    if header.data_len() != data {
        let what = if data < header.data_len() { "cut off" } else { "longer" };
        return Err(wrong(&format!("{} bytes of data", header.data_len()), format!("{data}: the file is {what}")));
    }
    Ok((header, 8 + text.len()))
}

impl Schema {
    /// `__metadata__`.
    fn metadata(&self) -> serde_json::Result<BTreeMap<String, String>> {
        let entries = [
            ("format", FORMAT.to_string()),
            ("format_version", self.version().to_string()),
            ("program", self.program.clone()),
            ("dataset", self.dataset.clone()),
            ("dataset_digest", self.digest.clone()),
            ("architecture", serde_json::to_string(&self.arch)?),
            ("layout", serde_json::to_string(&layout::tensors(&self.arch.plan()))?),
            ("runs", self.runs.to_string()),
            ("checkpoints", serde_json::to_string(&self.checkpoints)?),
            ("recipe", self.recipe.to_string()),
            ("seed", self.seed.to_string()),
        ];
        let mut entries: BTreeMap<String, String> = entries.map(|(key, value)| (key.to_owned(), value)).into();
        for hyper in self.hyperparameters().filter(|hyper| hyper.is_name()) {
            entries.insert(format!("config.{}", hyper.name), serde_json::to_string(self.names_of(hyper.name))?);
        }
        if let Some(shard) = self.shard {
            entries.insert("shard".into(), serde_json::to_string(&shard)?);
        }
        if self.has_checksums() {
            entries.insert("rounding".into(), serde_json::to_string(&self.rounding)?);
        }
        if !self.dataset_notes.is_empty() {
            entries.insert("dataset_notes".into(), serde_json::to_string(&self.dataset_notes)?);
        }
        Ok(entries)
    }

    /// The first bytes of the file: the header's length and the header, padded so that `weights` begins at a multiple of 64.
    pub(super) fn header(&self) -> Result<Vec<u8>> {
        let tensors = self.tensors()?;
        let unwritable = |error| Error::invalid("zoo", "metadata that can be JSON", error);
        let metadata = self.metadata().map_err(unwritable)?;
        let mut text = serde_json::to_string(&Text { metadata, tensors: &tensors }).map_err(unwritable)?;
        let before = 8 + tensors.iter().find(|tensor| tensor.0 == "weights").map_or(0, |(_, info)| info.data_offsets.0);
        while !(text.len() + before).is_multiple_of(64) {
            text.push(' ');
        }
        let mut header = (text.len() as u64).to_le_bytes().to_vec();
        header.extend(text.into_bytes());
        Ok(header)
    }

    /// Reads the schema of the file at `path` from its header and checks the header against it.
    pub(super) fn from_header(path: &Path, header: &Metadata) -> Result<Schema> {
        let none = HashMap::new();
        let entries = Entries { path, map: header.metadata().as_ref().unwrap_or(&none) };
        if !entries.map.contains_key("format") {
            return Err(Error::other_kind(path, "a zoo", FileKind::of(path)));
        }
        entries.expect("format", FORMAT)?;
        let version: u32 = entries.json("format_version")?;
        if !(1..=FORMAT_VERSION).contains(&version) {
            let expected = format!("version 1 to {FORMAT_VERSION}");
            return Err(entries.wrong("format_version", &expected, &version.to_string()));
        }
        let tensors = header.tensors();
        let known = |name: &str| hyper::find(name).is_ok() || name == "seed";
        let columns = || tensors.keys().filter_map(|name| name.strip_prefix("config."));
        if let Some(unknown) = columns().find(|name| !known(name)) {
            let expected = "hyperparameters that this version knows";
            return Err(Error::malformed(path, expected, format!("a column config.{unknown}")));
        }
        let optional = HYPERPARAMETERS.iter().filter(|hyper| hyper.is_optional()).map(|hyper| hyper.name);
        let optional: Vec<String> =
            optional.filter(|name| columns().any(|column| column == *name)).map(str::to_owned).collect();
        let mut names = BTreeMap::new();
        for hyper in HYPERPARAMETERS.iter().filter(|hyper| hyper.is_name()) {
            if !hyper.is_optional() || optional.iter().any(|name| name == hyper.name) {
                names.insert(hyper.name.to_owned(), entries.json(&format!("config.{}", hyper.name))?);
            }
        }
        let schema = Schema {
            arch: entries.json("architecture")?,
            runs: entries.json("runs")?,
            checkpoints: entries.json("checkpoints")?,
            dataset: entries.text("dataset")?.into(),
            digest: entries.text("dataset_digest")?.into(),
            recipe: entries.json("recipe")?,
            seed: entries.json("seed")?,
            names,
            optional,
            shard: entries.maybe("shard")?,
            rounding: if version < 3 { Vec::new() } else { entries.json("rounding")? },
            dataset_notes: entries.maybe("dataset_notes")?.unwrap_or_default(),
            program: entries.text("program")?.into(),
        }
        .with_defaults();
        if version >= 3 && !schema.has_checksums() {
            return Err(entries.wrong("rounding", "at least one name", "none"));
        }
        schema.check().map_err(|wrong| Error::malformed(path, "metadata of a zoo", wrong.to_string()))?;
        let layout: Vec<layout::Tensor> = entries.json("layout")?;
        if layout != layout::tensors(&schema.arch.plan()) {
            return Err(Error::malformed(path, format!("the layout of {}", schema.arch), "another in the metadata"));
        }
        for (name, want) in schema.tensors()? {
            let describe = |info: &TensorInfo| format!("{} {:?}", info.dtype, info.shape);
            let got = header.info(&name).map_or("none".into(), describe);
            if got != describe(&want) {
                return Err(Error::malformed(path, format!("tensor {name} of {}", describe(&want)), got));
            }
        }
        Ok(schema)
    }
}

/// `__metadata__` of the file at `path`.
struct Entries<'a> {
    path: &'a Path,
    map: &'a HashMap<String, String>,
}

impl Entries<'_> {
    fn wrong(&self, key: &str, expected: &str, got: &str) -> Error {
        Error::malformed(self.path, format!("{expected} as metadata {key:?}"), shortened(got))
    }

    fn text(&self, key: &str) -> Result<&str> {
        self.map.get(key).map(String::as_str).ok_or_else(|| self.wrong(key, "a text", "none"))
    }

    fn expect(&self, key: &str, want: &str) -> Result<()> {
        let got = self.text(key)?;
        if got == want { Ok(()) } else { Err(self.wrong(key, &format!("{want:?}"), &format!("{got:?}"))) }
    }

    /// [`Entries::json`] of a key that may be missing.
    fn maybe<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        if self.map.contains_key(key) { self.json(key).map(Some) } else { Ok(None) }
    }

    fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        serde_json::from_str(text).map_err(|error| self.wrong(key, "JSON of a zoo", &format!("{text:?} ({error})")))
    }
}

/// At most 200 characters, for a message.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.into(),
    }
}
