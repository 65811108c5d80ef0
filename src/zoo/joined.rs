//! `Zoo`: the networks of one zoo file, or of several as one, read in place.
//!
//! Files that belong together have the same data set, architecture, recipe and checkpoints. Those of one seed are parts of one
//! zoo ([`super::Shard`]): their networks keep their numbers. Those of other seeds are more networks drawn from the same
//! distributions: their numbers follow those of the zoos before them. Networks stand in the order of their numbers, so that the
//! shards of a zoo are read as the file that a single machine would have made. Weights stay where they are; of several
//! files a narrow column is gathered when it is first asked for.

use super::hyper::{self, Config, HYPERPARAMETERS, Value};
use super::reader::ZooFile;
use super::schema::{Column, Metrics, Schema, Status, Width};
#[cfg(feature = "train")]
use super::writer::{Mixture, mixture};
use crate::{Error, Result};
use safetensors::Dtype;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A zoo, mapped; which rows are there is what was so when it was opened.
#[derive(Debug)]
pub struct Zoo {
    files: Vec<ZooFile>,
    schema: Schema,
    /// Where the networks are, if there are several files.
    joined: Option<Joined>,
}

/// The networks of several files.
#[derive(Debug)]
struct Joined {
    /// File and place in it of each network.
    networks: Vec<(u32, u32)>,
    run: Vec<u32>,
    epoch: Vec<u32>,
    status: Vec<Status>,
    /// Columns of one `f32` a row, gathered when they are wanted.
    columns: Vec<(String, OnceLock<Vec<f32>>)>,
}

impl Zoo {
    /// Opens a zoo file, also one that grows at the moment. Touches the header and the narrow columns, never the weights.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Malformed`] where it is no zoo or a column holds what it cannot.
    pub fn open(path: impl AsRef<Path>) -> Result<Zoo> {
        Zoo::of(vec![ZooFile::open(path.as_ref())?])
    }

    /// Opens one file or several as one zoo.
    ///
    /// # Errors
    /// Those of [`Zoo::open`]; [`Error::Mismatch`] for a file of another kind of networks than the first, [`Error::Malformed`] for
    /// one that has a network of another file. [`Error::Invalid`] without a file.
    pub fn open_all<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Zoo> {
        Zoo::of(paths.into_iter().map(|path| ZooFile::open(path.as_ref())).collect::<Result<_>>()?)
    }

    fn of(files: Vec<ZooFile>) -> Result<Zoo> {
        let Some(first) = files.first() else { return Err(Error::invalid("files", "at least one file", "none")) };
        if files.len() == 1 {
            return Ok(Zoo { schema: first.schema().clone(), files, joined: None });
        }
        let networks = numbered(&files)?;
        let mut schema = first.schema().clone();
        for file in &files[1..] {
            schema.widen(file.schema()).map_err(|name| {
                let (expected, got) = (schema.names_of(&name), file.schema().names_of(&name));
                let field = format!("names of config.{name}");
                mismatch(file.path(), field, format!("{expected:?}"), format!("{got:?}"))
            })?;
        }
        (schema.runs, schema.shard) = (networks.len(), None);
        if files.iter().any(|file| !file.schema().has_checksums()) {
            schema.rounding.clear();
        }
        schema.check()?;
        let joined = Joined::new(&files, &schema, networks);
        Ok(Zoo { files, schema, joined: Some(joined) })
    }

    /// Which file a row is in, and which of its rows that is.
    fn locate(&self, row: usize) -> (usize, usize) {
        let Some(joined) = &self.joined else { return (0, row) };
        let checkpoints = self.schema.checkpoints.len();
        let (file, run) = joined.networks[row / checkpoints];
        (file as usize, run as usize * checkpoints + row % checkpoints)
    }

    /// The file that a row is in, and which of its rows that is.
    fn at(&self, row: usize) -> (&ZooFile, usize) {
        let (file, row) = self.locate(row);
        (&self.files[file], row)
    }

    /// Where the file is; of several the first.
    pub fn path(&self) -> &Path {
        self.files[0].path()
    }

    /// Where the files are, in the order in which they were opened.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(ZooFile::path)
    }

    /// The file that a row is in.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn file_of(&self, row: usize) -> &Path {
        self.at(row).0.path()
    }

    /// Which of [`Zoo::paths`] a row is in, from 0.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn file_number(&self, row: usize) -> usize {
        self.locate(row).0
    }

    /// What zoo it is. Of several files it counts the networks of all, and the seed is the first one's.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Seeds of the zoos that the networks are of, each once.
    pub fn seeds(&self) -> Vec<u64> {
        let mut seeds: Vec<u64> = Vec::new();
        for file in &self.files {
            if !seeds.contains(&file.schema().seed) {
                seeds.push(file.schema().seed);
            }
        }
        seeds
    }

    /// What tells a zoo from others: data, shape, recipe and seeds. Networks are told by their weights ([`super::digest`]).
    pub fn identity(&self) -> String {
        let (schema, seeds) = (&self.schema, self.seeds());
        let seed = if let [seed] = *seeds { seed.into() } else { serde_json::Value::from(seeds) };
        serde_json::json!([schema.digest, schema.arch, schema.recipe, seed]).to_string()
    }

    /// What a reader of any score on the zoo should know: how many networks are finished if not all, and what its images lack.
    pub fn caveats(&self) -> Vec<String> {
        let (runs, checkpoints) = (self.networks(), self.schema.checkpoints.len());
        let ends = self.status().iter().skip(checkpoints - 1).step_by(checkpoints);
        let finished = ends.filter(|&&status| status != Status::NotWritten).count();
        let unfinished = (finished < runs).then(|| format!("{finished} of {runs} networks finished"));
        unfinished.into_iter().chain(self.schema.dataset_notes.iter().cloned()).collect()
    }

    /// Networks of the zoos that the files are of, whether or not a file with them is among these.
    pub fn networks(&self) -> usize {
        families(&self.files).iter().map(|family| family.networks).sum()
    }

    /// Refuses several files that are not one zoo with all its networks and the same columns.
    #[cfg(feature = "formats")]
    pub(super) fn check_one(&self) -> Result<()> {
        let alike = |file: &ZooFile| {
            let schema = file.schema();
            (&schema.optional, &schema.rounding) == (&self.schema.optional, &self.schema.rounding)
        };
        let whole = self.seeds().len() == 1 && self.schema.runs == self.networks() && self.files.iter().all(alike);
        match self.files.len() > 1 && !whole {
            true => {
                let got =
                    format!("{} of {} networks of {} zoos", self.schema.runs, self.networks(), self.seeds().len());
                Err(Error::unsuitable(self.path(), "one zoo, all of its networks (merging makes it)", got))
            }
            false => Ok(()),
        }
    }

    /// Rows, written or not: networks × checkpoints.
    pub fn rows(&self) -> usize {
        self.status().len()
    }

    /// Bytes of the files, holes included.
    pub fn bytes(&self) -> usize {
        self.files.iter().map(ZooFile::bytes).sum()
    }

    /// The place among the networks of the one that a row is a checkpoint of.
    pub fn network(&self, row: usize) -> usize {
        row / self.schema.checkpoints.len()
    }

    /// The place among the networks of the one with a number, if it is there.
    pub fn find(&self, number: usize) -> Option<usize> {
        match &self.joined {
            None => self.schema.run(number),
            Some(joined) => {
                let checkpoints = self.schema.checkpoints.len();
                let found = joined.run.partition_point(|&run| (run as usize) < number);
                joined.run.get(found).filter(|&&run| run as usize == number).map(|_| found / checkpoints)
            }
        }
    }

    /// Number of each row's network.
    pub fn run(&self) -> &[u32] {
        self.joined.as_ref().map_or_else(|| self.files[0].run(), |joined| &joined.run)
    }

    /// Epoch of each row.
    pub fn epoch(&self) -> &[u32] {
        self.joined.as_ref().map_or_else(|| self.files[0].epoch(), |joined| &joined.epoch)
    }

    /// Status of each row when the zoo was opened.
    pub fn status(&self) -> &[Status] {
        self.joined.as_ref().map_or_else(|| self.files[0].status(), |joined| &joined.status)
    }

    /// Flat vector of the network in `row`, in the order of [`crate::cnn::layout`]; zeros where it is not written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn weights(&self, row: usize) -> &[f32] {
        let (file, row) = self.at(row);
        file.weights(row)
    }

    /// Test accuracy of each class.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn class_accuracy(&self, row: usize) -> &[f32] {
        let (file, row) = self.at(row);
        file.class_accuracy(row)
    }

    /// A column of one `f32` a row that the zoo has, such as `test_accuracy` or `config.dropout`.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn column(&self, name: &str) -> Result<&[f32]> {
        let columns = self.schema.columns();
        let narrow = || columns.iter().filter(|column| is_narrow(column)).map(|column| &*column.name);
        match narrow().any(|column| column == name) {
            true => Ok(self.narrow(name)),
            false => Err(Error::unknown("column", name, narrow())),
        }
    }

    fn narrow(&self, name: &str) -> &[f32] {
        let Some(joined) = &self.joined else { return self.files[0].floats(name).unwrap_or(&[]) };
        let found = joined.columns.iter().find(|(column, _)| column == name);
        found.expect("a column of the format").1.get_or_init(|| joined.gather(&self.files, &self.schema, name))
    }

    /// What [`Zoo::column`] gives for `test_accuracy`.
    pub fn test_accuracy(&self) -> &[f32] {
        self.narrow("test_accuracy")
    }

    /// Metrics of a row; zeros where it is not written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn metrics(&self, row: usize) -> Metrics {
        let (file, row) = self.at(row);
        file.metrics(row)
    }

    /// The family whose sums are rounded as those that a row came of; nothing in a file of an older format.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn rounding_of(&self, row: usize) -> Option<&str> {
        let (file, row) = self.at(row);
        file.rounding_of(row)
    }

    /// The families of rounding that the written rows are of, each once; none in files of an older format.
    pub fn families(&self) -> Vec<String> {
        let mut families: Vec<String> = Vec::new();
        for family in self.files.iter().flat_map(ZooFile::families) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }

    /// What the rows of a zoo's own file would be mixed with by rows of the family that `rounding` names last.
    #[cfg(feature = "train")]
    pub(crate) fn mixture(&self, rounding: &[String]) -> Option<Mixture> {
        mixture(&self.files[0], rounding)
    }

    /// The checksum that the file has of a row; nothing in a file of an older format.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn checksum(&self, row: usize) -> Option<u64> {
        let (file, row) = self.at(row);
        file.checksum(row)
    }

    /// What the checksums of the rows must be; nothing where a file is of an older format.
    pub fn checksums(&self) -> Option<impl Fn(usize) -> u64 + '_> {
        let all: Vec<_> = self.files.iter().map(ZooFile::checksums).collect::<Option<_>>()?;
        Some(move |row| {
            let (file, row) = self.locate(row);
            all[file](row)
        })
    }

    /// Settings of a network, by its place; see [`Zoo::network`].
    ///
    /// # Panics
    /// If there is no such network.
    pub fn config(&self, network: usize) -> Config {
        let (file, row) = self.at(network * self.schema.checkpoints.len());
        file.config(row / self.schema.checkpoints.len())
    }

    /// Rows that are done at the last epoch, ascending: the finished networks that did not diverge.
    pub fn final_rows(&self) -> Vec<usize> {
        self.done_at(self.schema.checkpoints.len() - 1)
    }

    /// Rows that are done at `epoch`, ascending.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no checkpoint was kept at that epoch.
    pub fn rows_at_epoch(&self, epoch: u32) -> Result<Vec<usize>> {
        let checkpoints = &self.schema.checkpoints;
        let unknown = |_| Error::invalid("epoch", format!("one of {checkpoints:?}"), epoch);
        Ok(self.done_at(checkpoints.binary_search(&epoch).map_err(unknown)?))
    }

    fn done_at(&self, checkpoint: usize) -> Vec<usize> {
        let (status, rows) = (self.status(), (checkpoint..self.rows()).step_by(self.schema.checkpoints.len()));
        rows.filter(|&row| status[row] == Status::Done).collect()
    }
}

/// The files of each zoo: shards of one stand together, any other file alone.
///
/// # Errors
/// Those of [`Zoo::open`].
pub fn of_one_zoo(paths: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
    let mut zoos: Vec<(Schema, Vec<PathBuf>)> = Vec::new();
    for path in paths {
        let schema = ZooFile::open(path)?.schema().clone();
        let sibling = |(other, _): &&mut (Schema, Vec<PathBuf>)| {
            schema.shard.is_some() && other.shard.is_some() && other.other_zoo(&schema).is_none()
        };
        match zoos.iter_mut().find(sibling) {
            Some((_, files)) => files.push(path.clone()),
            None => zoos.push((schema, vec![path.clone()])),
        }
    }
    Ok(zoos.into_iter().map(|(_, files)| files).collect())
}

fn is_narrow(column: &Column) -> bool {
    column.dtype == Dtype::F32 && column.width == Width::One
}

impl Joined {
    fn new(files: &[ZooFile], schema: &Schema, networks: Vec<(u64, u32, u32)>) -> Joined {
        let checkpoints = &schema.checkpoints;
        let each = |number: u64| std::iter::repeat_n(number as u32, checkpoints.len());
        let status = |&(_, file, run): &(u64, u32, u32)| {
            let first = run as usize * checkpoints.len();
            files[file as usize].status()[first..first + checkpoints.len()].iter().copied()
        };
        Joined {
            run: networks.iter().flat_map(|&(number, ..)| each(number)).collect(),
            epoch: networks.iter().flat_map(|_| checkpoints.iter().copied()).collect(),
            status: networks.iter().flat_map(status).collect(),
            networks: networks.into_iter().map(|(_, file, run)| (file, run)).collect(),
            columns: schema
                .columns()
                .iter()
                .filter(|column| is_narrow(column))
                .map(|column| (column.name.to_string(), OnceLock::new()))
                .collect(),
        }
    }

    /// A column in the order of the networks; of a file without it the default.
    fn gather(&self, files: &[ZooFile], schema: &Schema, name: &str) -> Vec<f32> {
        let checkpoints = schema.checkpoints.len();
        let hyper = name.strip_prefix("config.").and_then(|name| hyper::find(name).ok());
        let default = match hyper.map(|at| HYPERPARAMETERS[at].default()) {
            Some(Value::Number(number)) => number,
            _ => 0.0,
        };
        let columns: Vec<Option<&[f32]>> = files.iter().map(|file| file.floats(name)).collect();
        let mut values = Vec::with_capacity(self.status.len());
        for &(file, run) in &self.networks {
            let first = run as usize * checkpoints;
            match columns[file as usize] {
                Some(column) => values.extend_from_slice(&column[first..first + checkpoints]),
                None => values.extend(std::iter::repeat_n(default, checkpoints)),
            }
        }
        values
    }
}

/// The zoo that some files are parts of.
struct Family {
    seed: u64,
    /// What its networks' numbers begin at among all.
    first: u64,
    networks: usize,
}

/// The zoos that files are parts of, in the order in which they come.
fn families(files: &[ZooFile]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for schema in files.iter().map(ZooFile::schema) {
        match families.iter_mut().find(|family| family.seed == schema.seed) {
            Some(family) => family.networks = family.networks.max(schema.networks()),
            None => families.push(Family { seed: schema.seed, first: 0, networks: schema.networks() }),
        }
    }
    let mut first = 0;
    for family in &mut families {
        family.first = first;
        first += family.networks as u64;
    }
    families
}

/// Number, file and place in it of each network, in the order of their numbers.
fn numbered(files: &[ZooFile]) -> Result<Vec<(u64, u32, u32)>> {
    let families = families(files);
    let mut networks = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let schema = file.schema();
        if let Some((field, expected, got)) = files[0].schema().other_networks(schema) {
            return Err(mismatch(file.path(), field, expected, got));
        }
        let family = families.iter().find(|family| family.seed == schema.seed);
        let first = family.map_or(0, |family| family.first);
        networks.extend((0..schema.runs).map(|run| (first + schema.number(run) as u64, index as u32, run as u32)));
    }
    networks.sort_unstable();
    if let Some(pair) = networks.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let [one, other] = [pair[0], pair[1]].map(|(_, file, _)| files[file as usize].path());
        let number = files[pair[1].1 as usize].schema().number(pair[1].2 as usize);
        let got = format!("network {number} is in {} too; merging joins them", one.display());
        return Err(Error::unsuitable(other, "networks that no other file has", got));
    }
    match networks.last() {
        Some(&(last, ..)) if last > u64::from(u32::MAX) => {
            Err(Error::invalid("files", "files of at most 4294967295 networks", "more"))
        }
        _ => Ok(networks),
    }
}

fn mismatch(path: &Path, field: String, expected: String, got: String) -> Error {
    Error::Mismatch { path: path.into(), field, expected, got }
}
