//! What a zoo file is: its tensors, their order, its metadata.
//!
//! | tensor | type, shape | |
//! |---|---|---|
//! | `weights` | f32 \[R, P\] | R = runs × checkpoints, run-major, epochs ascending; order of [`crate::cnn::layout`] |
//! | `run`, `epoch` | u32 \[R\] | |
//! | `status` | u8 \[R\] | [`Status`] |
//! | `test_accuracy`, `test_loss`, `train_accuracy`, `train_loss` | f32 \[R\] | without dropout; train: on the run's own subset |
//! | `test_class_accuracy` | f32 \[R, classes\] | |
//! | `config.learning_rate`, `.l2reg`, `.dropout`, `.init_std`, `.train_fraction` | f32 \[R\] | |
//! | `config.weight_decay`, `.momentum`, `.bias_init` | f32 \[R\] | missing: 0, 0.9, 0 ([`super::hyper`]) |
//! | `config.optimizer`, `.activation`, `.w_init` | u8 \[R\] | codes; their names are JSON lists in the metadata |
//! | `config.schedule` | u8 \[R\] | missing: constant |
//! | `config.batch_size` | f32 \[R\] | missing or 0: the recipe's `batch` |
//! | `config.seed` | u64 \[R\] | |
//! | `checksum` | u64 \[R\] | XXH3-64 of the row's bytes in every other column, in the order of the file; since format 3 |
//! | `rounding` | u8 \[R\] | code of the family whose sums are rounded alike ([`Schema::rounding`]); since format 3 |
//!
//! `__metadata__`: `format`, `format_version`, `program`, `dataset`, `dataset_digest`, `architecture`, `layout`, `runs`,
//! `checkpoints`, `recipe`, `seed`, `config.optimizer`, `config.activation`, `config.w_init`; since format 3 `rounding` and,
//! where there is something to say, `dataset_notes`; of a file that holds some networks of a zoo `shard` ([`Shard`]; `runs` then
//! counts those, `run` is their number in the zoo); all but plain texts as JSON.

use super::hyper::{Config, HYPERPARAMETERS, Hyperparameter, Kind};
use super::shard::{Place, Shard};
use crate::cnn::{self, Arch};
use crate::{Error, Result};
use safetensors::Dtype::{self, F32, U8, U32, U64};
use safetensors::tensor::TensorInfo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The newest version of the format, which is described here. Version 1 knew stacks of 3×3 convolutions on grey images and no
/// optional columns, version 2 no `checksum`, no `rounding` and no shards. A zoo without these says 1 or 2 and is read, continued,
/// exported and imported as it is.
pub const FORMAT_VERSION: u32 = 3;

/// Name of the code 0 of `rounding`: a family that the file does not name, or none that is known.
pub const OTHER_ROUNDING: &str = "other";

/// What makes a zoo the one it is: enough to lay out its file and to tell whether another is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schema {
    /// Shape of every network.
    pub arch: Arch,
    /// Networks in the file.
    pub runs: usize,
    /// Epochs after which a network is kept, ascending; 0 is the untrained one.
    pub checkpoints: Vec<u32>,
    /// Name of the data set.
    pub dataset: String,
    /// Digest of the data set's images and labels.
    pub digest: String,
    /// Distributions that the hyperparameters were drawn from, as the caller writes them.
    pub recipe: Value,
    /// Seed of the zoo.
    pub seed: u64,
    /// Of each hyperparameter whose values are names, the names of its codes.
    #[serde(flatten)]
    pub names: BTreeMap<String, Vec<String>>,
    /// Hyperparameters with a default that the file has columns of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
    /// Which networks of a zoo these are, where it is made in several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Names of the codes in `rounding`: devices and instruction sets of one family give the same bits. The first is
    /// [`OTHER_ROUNDING`], the second the family that the zoo was begun with. Empty: a file of format 1 or 2, which has neither
    /// that column nor checksums. Not compared; who continues a zoo asks [`super::Writer::mixture`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounding: Vec<String>,
    /// What a reader of scores should know of the images, such as missing batches; the digest covers it, so it is not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dataset_notes: Vec<String>,
    /// Program and version that made the file; not compared.
    pub program: String,
}

/// How good one checkpoint is, measured without dropout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Share of the test set classified rightly.
    pub test_accuracy: f32,
    /// Mean cross-entropy on the test set.
    pub test_loss: f32,
    /// Share of the run's training subset classified rightly.
    pub train_accuracy: f32,
    /// Mean cross-entropy on the run's training subset.
    pub train_loss: f32,
}

/// Whether a row is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Not yet; the row holds zeros.
    NotWritten = 0,
    /// Final.
    Done = 1,
    /// Final, of a run whose loss or weights became infinite or NaN: the last finite weights. Of an imported zoo: a row whose
    /// weights are not finite or whose test accuracy is none from 0 to 1.
    Diverged = 2,
}

impl Status {
    /// The status of a code, if it is one.
    pub fn from_code(code: u8) -> Option<Status> {
        [Status::NotWritten, Status::Done, Status::Diverged].into_iter().find(|&status| status as u8 == code)
    }
}

/// Second dimension of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Classes,
    Parameters,
}

/// A tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: Cow<'static, str>,
    pub dtype: Dtype,
    pub width: Width,
}

/// The tensors that every zoo has: widest types first, so that each begins at a multiple of its element's size. The numbers
/// among the hyperparameters come before the first `u32`, their codes at the end. [`SINCE_3`] are left out of older formats.
const FIXED: [(&str, Dtype, Width); 12] = [
    ("config.seed", U64, Width::One),
    ("checksum", U64, Width::One),
    ("weights", F32, Width::Parameters),
    ("test_class_accuracy", F32, Width::Classes),
    ("test_accuracy", F32, Width::One),
    ("test_loss", F32, Width::One),
    ("train_accuracy", F32, Width::One),
    ("train_loss", F32, Width::One),
    ("run", U32, Width::One),
    ("epoch", U32, Width::One),
    ("status", U8, Width::One),
    ("rounding", U8, Width::One),
];

/// Columns that formats 1 and 2 did not know.
const SINCE_3: [&str; 2] = ["checksum", "rounding"];

impl Schema {
    /// Rows of the file: runs × checkpoints. Meaningful once [`Schema::check`] passed.
    pub fn rows(&self) -> usize {
        self.runs * self.checkpoints.len()
    }

    /// Networks of the whole zoo.
    pub fn networks(&self) -> usize {
        self.shard.map_or(self.runs, |shard| shard.networks)
    }

    /// The number in the whole zoo of the file's `run`-th network.
    pub fn number(&self, run: usize) -> usize {
        self.shard.map_or(run, |shard| shard.number(run))
    }

    /// Which of the file's networks has a number, if it has that.
    pub fn run(&self, number: usize) -> Option<usize> {
        self.shard.map_or(Some(number), |shard| shard.run(number)).filter(|&run| run < self.runs)
    }

    /// Whether the runs' seeds are known: of an imported zoo the recipe lists the columns that the folder lacked.
    pub fn seeds_are_known(&self) -> bool {
        let missing = self.recipe.get("missing").and_then(Value::as_array);
        !missing.is_some_and(|names| names.iter().any(|name| name == "config.random_seed"))
    }

    /// Who trained the networks, as far as the file tells: of an imported zoo, only who imported it and from which metrics.
    pub fn origin(&self) -> String {
        match self.recipe.get("metrics_sha256").and_then(Value::as_str) {
            Some(digest) => format!("imported by {} (metrics: sha256 {digest})", self.program),
            None => format!("trained by {}", self.program),
        }
    }

    /// Names of the codes of a hyperparameter; none of one that has numbers.
    pub fn names_of(&self, hyperparameter: &str) -> &[String] {
        self.names.get(hyperparameter).map_or(&[], Vec::as_slice)
    }

    /// The name of a hyperparameter's value in a run.
    ///
    /// # Panics
    /// If the hyperparameter has numbers, or the config is of another zoo.
    pub fn name<'s>(&'s self, hyperparameter: &str, config: &Config) -> &'s str {
        &self.names_of(hyperparameter)[usize::from(config.code(hyperparameter))]
    }

    /// Hyperparameters with a default that some run differs from: those that a file has columns of.
    pub fn optional(configs: &[Config]) -> Vec<String> {
        let differs = |(at, hyper): &(usize, &Hyperparameter)| {
            hyper.is_optional() && configs.iter().any(|config| config.values[*at] != hyper.default())
        };
        HYPERPARAMETERS.iter().enumerate().filter(differs).map(|(_, hyper)| hyper.name.to_owned()).collect()
    }

    /// The hyperparameters that the file has columns of.
    pub(super) fn hyperparameters(&self) -> impl Iterator<Item = &'static Hyperparameter> + '_ {
        let there =
            |hyper: &&Hyperparameter| !hyper.is_optional() || self.optional.iter().any(|name| name == hyper.name);
        HYPERPARAMETERS.iter().filter(there)
    }

    /// Whether the file has a column of a hyperparameter.
    pub(super) fn has(&self, hyperparameter: &str) -> bool {
        self.hyperparameters().any(|hyper| hyper.name == hyperparameter)
    }

    /// The same with the names that a file without a column leaves to be understood.
    pub(super) fn with_defaults(mut self) -> Schema {
        for hyper in &HYPERPARAMETERS {
            if let Kind::Name { default: Some(name), .. } = hyper.kind {
                self.names.entry(hyper.name.into()).or_insert_with(|| vec![name.into()]);
            }
        }
        self
    }

    /// The names of `rounding` for a zoo that is begun with a family.
    pub fn begun_with(family: impl Into<String>) -> Vec<String> {
        vec![OTHER_ROUNDING.into(), family.into()]
    }

    /// The code of a family of rounding, if it has one.
    pub(super) fn rounding_code(&self, family: &str) -> Option<u8> {
        let code = self.rounding.iter().position(|known| known == family)?;
        u8::try_from(code).ok()
    }

    /// Whether rows have checksums and say how they were rounded: since format 3.
    pub fn has_checksums(&self) -> bool {
        !self.rounding.is_empty()
    }

    /// The version of the format that the zoo needs.
    pub(super) fn version(&self) -> u32 {
        if self.has_checksums() {
            return FORMAT_VERSION;
        }
        let first = self.arch.channels == 1 && cnn::stack(&self.arch.layers).is_some() && self.optional.is_empty();
        if first { 1 } else { 2 }
    }

    /// Every tensor in the order of the file.
    pub(super) fn columns(&self) -> Vec<Column> {
        let (before, after) = FIXED.split_at(8);
        let known = |column: &&(&str, Dtype, Width)| self.has_checksums() || !SINCE_3.contains(&column.0);
        let fixed = |&(name, dtype, width): &(&'static str, Dtype, Width)| Column { name: name.into(), dtype, width };
        let of = |names: bool, dtype: Dtype| {
            let wanted = self.hyperparameters().filter(move |hyper| hyper.is_name() == names);
            wanted.map(move |hyper| Column { name: format!("config.{}", hyper.name).into(), dtype, width: Width::One })
        };
        let (before, after) = (before.iter().filter(known).map(fixed), after.iter().filter(known).map(fixed));
        before.chain(of(false, F32)).chain(after).chain(of(true, U8)).collect()
    }

    /// Refuses what cannot be a zoo.
    ///
    /// # Errors
    /// [`Error::Invalid`]: no run, checkpoints missing or not ascending, an impossible architecture, no names, too large.
    pub fn check(&self) -> Result<()> {
        self.arch.check()?;
        if let Some(shard) = self.shard {
            let place = Shard::new(shard.place(), shard.networks);
            if shard.count < 2
                || shard.count > Place::MOST
                || place? != Some(shard)
                || shard.runs() != self.runs
                || !self.has_checksums()
            {
                let expected = format!("a shard of {} networks", self.runs);
                return Err(Error::invalid("shard", expected, format!("{shard:?}")));
            }
        }
        if self.runs == 0 || u32::try_from(self.networks()).is_err() {
            return Err(Error::invalid("runs", "1 to 4294967295", self.networks()));
        }
        if self.checkpoints.is_empty() || !self.checkpoints.is_sorted_by(|a, b| a < b) {
            let got = format!("{:?}", self.checkpoints);
            return Err(Error::invalid("checkpoints", "at least one epoch, ascending, none twice", got));
        }
        for hyper in HYPERPARAMETERS.iter().filter(|hyper| hyper.is_name()) {
            let names = self.names_of(hyper.name);
            if names.is_empty() || names.len() > 256 {
                return Err(Error::invalid(format!("names of config.{}", hyper.name), "1 to 256", names.len()));
            }
        }
        if self.rounding.len() > 256 || self.rounding.first().is_some_and(|first| first != OTHER_ROUNDING) {
            let expected = format!("at most 256, the first {OTHER_ROUNDING:?}");
            return Err(Error::invalid("names of rounding", expected, format!("{:?}", self.rounding)));
        }
        self.tensors().map(drop)
    }

    /// Size of the zoo's file.
    ///
    /// # Errors
    /// Those of [`Schema::check`].
    pub fn bytes(&self) -> Result<u64> {
        let data = self.tensors()?.last().map_or(0, |(_, info)| info.data_offsets.1);
        Ok((self.header()?.len() + data) as u64)
    }

    /// Bytes on the disk of the zoo's file when so many of its rows are written: weights of the others are a hole.
    ///
    /// # Errors
    /// Those of [`Schema::check`].
    pub(super) fn bytes_of(&self, written: usize) -> Result<u64> {
        let hole = self.rows().saturating_sub(written) * self.arch.parameters() * size_of::<f32>();
        Ok(self.bytes()?.saturating_sub(hole as u64))
    }

    /// Name, type, shape and place of every tensor.
    pub(super) fn tensors(&self) -> Result<Vec<(Cow<'static, str>, TensorInfo)>> {
        let too_large = || Error::invalid("size of the zoo", "less than 2^63 bytes", "more");
        let rows = self.runs.checked_mul(self.checkpoints.len()).ok_or_else(too_large)?;
        let mut start = 0usize;
        let mut tensors = Vec::new();
        for Column { name, dtype, width } in self.columns() {
            let width = self.width(width);
            let shape = std::iter::once(rows).chain(width).collect();
            let end = rows
                .checked_mul(width.unwrap_or(1))
                .and_then(|elements| elements.checked_mul(dtype.bitsize() / 8))
                .and_then(|bytes| bytes.checked_add(start))
                .filter(|&end| end < i64::MAX as usize / 2)
                .ok_or_else(too_large)?;
            tensors.push((name, TensorInfo { dtype, shape, data_offsets: (start, end) }));
            start = end;
        }
        Ok(tensors)
    }

    /// Second dimension, if there is one.
    pub(super) fn width(&self, width: Width) -> Option<usize> {
        match width {
            Width::One => None,
            Width::Classes => Some(self.arch.classes),
            Width::Parameters => Some(self.arch.parameters()),
        }
    }

    /// Its place among the shards of a zoo.
    pub(super) fn place(&self) -> Place {
        self.shard.map_or(Place::WHOLE, |shard| shard.place())
    }

    /// The first field in which `found` says that its networks are drawn from other distributions or trained on other images.
    pub(super) fn other_distributions(&self, found: &Schema) -> Option<Difference> {
        field("dataset", &self.dataset, &found.dataset)
            .or_else(|| field("dataset digest", &self.digest, &found.digest))
            .or_else(|| field("architecture", &format_args!("{}", self.arch), &format_args!("{}", found.arch)))
            .or_else(|| difference("recipe", &self.recipe, &found.recipe))
    }

    /// As [`Schema::other_distributions`], or that other checkpoints are kept of them.
    pub(super) fn other_networks(&self, found: &Schema) -> Option<Difference> {
        let checkpoints = || field("checkpoints", &self.checkpoints, &found.checkpoints);
        self.other_distributions(found).or_else(checkpoints)
    }

    /// Whether both are a zoo of one seed, or the same shard of it, whatever the number of networks and checkpoints.
    pub(crate) fn is_of_one_zoo(&self, other: &Schema) -> bool {
        self.other_distributions(other).is_none() && (self.seed, self.place()) == (other.seed, other.place())
    }

    /// As [`Schema::other_networks`], or that they are another zoo's.
    pub(super) fn other_zoo(&self, found: &Schema) -> Option<Difference> {
        self.other_networks(found).or_else(|| field("seed", &self.seed, &found.seed))
    }

    /// Adds the columns and names that `other` has besides.
    ///
    /// # Errors
    /// The hyperparameter of whose names neither list begins with the other.
    pub(super) fn widen(&mut self, other: &Schema) -> std::result::Result<(), String> {
        for (name, list) in &other.names {
            let own = self.names.entry(name.clone()).or_default();
            if !own.iter().zip(list).all(|(own, other)| own == other) {
                return Err(name.clone());
            }
            own.extend_from_slice(list.get(own.len()..).unwrap_or_default());
        }
        let wanted = |hyper: &&Hyperparameter| hyper.is_optional() && (self.has(hyper.name) || other.has(hyper.name));
        self.optional = HYPERPARAMETERS.iter().filter(wanted).map(|hyper| hyper.name.to_owned()).collect();
        Ok(())
    }

    /// The first field in which `found`, read from a file, is another zoo: its name, what is wanted, what was found.
    pub(super) fn difference(&self, found: &Schema) -> Option<Difference> {
        self.other_distributions(found)
            .or_else(|| field("seed", &self.seed, &found.seed))
            .or_else(|| field("shard", &self.place(), &found.place()))
            .or_else(|| field("networks", &self.networks(), &found.networks()))
            .or_else(|| field("checkpoints", &self.checkpoints, &found.checkpoints))
            .or_else(|| field("hyperparameters with columns", &self.optional, &found.optional))
            .or_else(|| {
                let names = HYPERPARAMETERS.iter().filter(|hyper| hyper.is_name()).map(|hyper| hyper.name);
                let mut names = names.map(|name| (name, self.names_of(name), found.names_of(name)));
                names.find_map(|(name, want, got)| field(&format!("names of config.{name}"), &want, &got))
            })
    }
}

/// A field, what is wanted, what was found.
pub(super) type Difference = (String, String, String);

fn field(name: &str, want: &dyn fmt::Debug, got: &dyn fmt::Debug) -> Option<Difference> {
    let (want, got) = (format!("{want:?}"), format!("{got:?}"));
    (want != got).then(|| (name.to_string(), want, got))
}

/// The first leaf, named like `recipe.learning_rate.low`, in which two JSON values differ.
fn difference(name: &str, want: &Value, got: &Value) -> Option<Difference> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let keys: BTreeSet<&String> = want.keys().chain(got.keys()).collect();
            let of = |map: &serde_json::Map<String, Value>, key| map.get(key).cloned().unwrap_or_default();
            keys.into_iter().find_map(|key| difference(&format!("{name}.{key}"), &of(want, key), &of(got, key)))
        }
        _ => (want != got).then(|| (name.to_string(), want.to_string(), got.to_string())),
    }
}
