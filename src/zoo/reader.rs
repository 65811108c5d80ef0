//! `ZooFile`: one zoo file read in place.

use super::checksum::{CHECKSUM, Checksums};
use super::header;
use super::hyper::{Config, HYPERPARAMETERS, Value};
use super::schema::{Column, Metrics, Schema, Status};
use crate::bytes::Map;
use crate::{Error, Result};
use safetensors::tensor::Metadata;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A zoo file, mapped; which rows are there is what was so when it was opened.
#[derive(Debug)]
pub(super) struct ZooFile {
    path: PathBuf,
    map: Map,
    schema: Schema,
    /// The columns and their places in the file.
    columns: Vec<(Column, Range<usize>)>,
    status: Vec<Status>,
}

impl ZooFile {
    /// As [`super::Zoo::open`].
    pub fn open(path: &Path) -> Result<ZooFile> {
        ZooFile::of(&crate::bytes::open(path)?, path)
    }

    /// The zoo in an open file.
    pub fn of(file: &File, path: &Path) -> Result<ZooFile> {
        let map = Map::new(file, path)?;
        let (header, data) = header::parse(path, &map)?;
        let schema = Schema::from_header(path, &header)?;
        let columns = columns(path, &schema, &header, data)?;
        let mut zoo = ZooFile { path: path.into(), map, schema, columns, status: Vec::new() };
        zoo.check_rows()?;
        zoo.status = zoo.read_status()?;
        zoo.check_accuracies()?;
        Ok(zoo)
    }

    /// `run` and `epoch` are what the schema says, codes are within the lists of their names.
    fn check_rows(&self) -> Result<()> {
        let checkpoints = &self.schema.checkpoints;
        for (row, (&run, &epoch)) in self.run().iter().zip(self.epoch()).enumerate() {
            let want = (self.schema.number(row / checkpoints.len()), checkpoints[row % checkpoints.len()]);
            if (run as usize, epoch) != want {
                let expected = format!("run {} and epoch {} in row {row}", want.0, want.1);
                return Err(Error::malformed(&self.path, expected, format!("run {run} and epoch {epoch}")));
            }
        }
        for hyper in self.schema.hyperparameters().filter(|hyper| hyper.is_name()) {
            let (column, names) = (format!("config.{}", hyper.name), self.schema.names_of(hyper.name));
            let codes: &[u8] = self.slice(&column);
            if let Some(row) = codes.iter().position(|&code| usize::from(code) >= names.len()) {
                let expected = format!("{column} below {} in row {row}", names.len());
                return Err(Error::malformed(&self.path, expected, codes[row].to_string()));
            }
        }
        let families = self.schema.rounding.len();
        match self.rounding().iter().position(|&code| usize::from(code) >= families) {
            Some(row) => {
                let expected = format!("rounding below {families} in row {row}");
                Err(Error::malformed(&self.path, expected, self.rounding()[row].to_string()))
            }
            None => Ok(()),
        }
    }

    /// Codes of the families of rounding; none in a file of an older format.
    fn rounding(&self) -> &[u8] {
        if self.schema.has_checksums() { self.slice("rounding") } else { &[] }
    }

    fn read_status(&self) -> Result<Vec<Status>> {
        let codes: &[u8] = self.slice("status");
        let wrong =
            |row, code: u8| Error::malformed(&self.path, format!("status 0 to 2 in row {row}"), code.to_string());
        codes.iter().enumerate().map(|(row, &code)| Status::from_code(code).ok_or_else(|| wrong(row, code))).collect()
    }

    /// A row that is done has a test accuracy from 0 to 1.
    fn check_accuracies(&self) -> Result<()> {
        let rows = self.status.iter().zip(self.slice::<f32>("test_accuracy")).enumerate();
        let mut wrong =
            rows.filter(|(_, (status, accuracy))| **status == Status::Done && !(0.0..=1.0).contains(*accuracy));
        match wrong.next() {
            None => Ok(()),
            Some((row, (_, accuracy))) => {
                let (run, epoch) = (self.run()[row], self.epoch()[row]);
                let expected = format!("a test accuracy from 0 to 1 of run {run} at epoch {epoch}");
                Err(Error::malformed(&self.path, expected, accuracy.to_string()))
            }
        }
    }

    /// The bytes of a column in the file.
    pub fn place(&self, name: &str) -> Range<usize> {
        let found = self.columns.iter().find(|(column, _)| column.name == name);
        found.expect("a column of the format").1.clone()
    }

    /// The columns in the order of the file.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().map(|(column, _)| column)
    }

    /// The bytes of some rows of a column.
    pub fn bytes_of(&self, name: &str, rows: Range<usize>) -> &[u8] {
        let place = self.place(name);
        let width = place.len() / self.schema.rows();
        &self.map[place.start + rows.start * width..place.start + rows.end * width]
    }

    /// A column as numbers; type and alignment were checked when the file was opened.
    fn slice<T: bytemuck::Pod>(&self, name: &str) -> &[T] {
        bytemuck::cast_slice(&self.map[self.place(name)])
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What zoo it is.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Rows, written or not: runs × checkpoints.
    pub fn rows(&self) -> usize {
        self.status.len()
    }

    /// Bytes of the file, holes included.
    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    /// Run of each row.
    pub fn run(&self) -> &[u32] {
        self.slice("run")
    }

    /// Epoch of each row.
    pub fn epoch(&self) -> &[u32] {
        self.slice("epoch")
    }

    /// Status of each row when the zoo was opened.
    pub fn status(&self) -> &[Status] {
        &self.status
    }

    /// Flat vector of the network in `row`, in the order of [`crate::cnn::layout`]; zeros where it is not written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn weights(&self, row: usize) -> &[f32] {
        self.wide("weights", row)
    }

    /// Test accuracy of each class.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn class_accuracy(&self, row: usize) -> &[f32] {
        self.wide("test_class_accuracy", row)
    }

    fn wide(&self, name: &str, row: usize) -> &[f32] {
        assert!(row < self.rows(), "row {row} of {}", self.rows());
        let place = self.place(name);
        let width = place.len() / self.rows();
        let start = place.start + row * width;
        bytemuck::cast_slice(&self.map[start..start + width])
    }

    /// A column of one `f32` a row, if the file has it.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        let found = self.columns.iter().find(|(column, _)| column.name == name)?;
        bytemuck::try_cast_slice(&self.map[found.1.clone()]).ok()
    }

    /// Metrics of a row; zeros where it is not written.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn metrics(&self, row: usize) -> Metrics {
        let value = |name| self.slice::<f32>(name)[row];
        Metrics {
            test_accuracy: value("test_accuracy"),
            test_loss: value("test_loss"),
            train_accuracy: value("train_accuracy"),
            train_loss: value("train_loss"),
        }
    }

    /// The family whose sums are rounded as those that a row came of; nothing in a file of an older format.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn rounding_of(&self, row: usize) -> Option<&str> {
        assert!(row < self.rows(), "row {row} of {}", self.rows());
        self.rounding().get(row).map(|&code| &*self.schema.rounding[usize::from(code)])
    }

    /// The families of rounding that the written rows are of, in the order of their codes; none in a file of an older format.
    pub fn families(&self) -> Vec<String> {
        let mut found = vec![false; self.schema.rounding.len()];
        let written = self.rounding().iter().zip(&self.status).filter(|(_, status)| **status != Status::NotWritten);
        written.for_each(|(&code, _)| found[usize::from(code)] = true);
        self.schema.rounding.iter().zip(found).filter(|(_, found)| *found).map(|(name, _)| name.clone()).collect()
    }

    /// The checksum that the file has of a row; nothing in a file of an older format.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn checksum(&self, row: usize) -> Option<u64> {
        self.schema.has_checksums().then(|| self.slice::<u64>(CHECKSUM)[row])
    }

    /// What the checksums of the rows must be; nothing of a file of an older format.
    pub fn checksums(&self) -> Option<impl Fn(usize) -> u64 + '_> {
        let checksums = Checksums::new(&self.schema)?;
        Some(move |row| {
            checksums.of_bytes(|column| {
                let place = self.place(&column.name);
                let width = place.len() / self.rows();
                &self.map[place.start + row * width..][..width]
            })
        })
    }

    /// Settings of a run.
    ///
    /// # Panics
    /// If there is no such run.
    pub fn config(&self, run: usize) -> Config {
        let row = run * self.schema.checkpoints.len();
        let mut config = Config { seed: self.slice::<u64>("config.seed")[row], ..Config::default() };
        for (hyper, value) in HYPERPARAMETERS.iter().zip(&mut config.values) {
            if self.schema.has(hyper.name) {
                let column = format!("config.{}", hyper.name);
                *value = match hyper.is_name() {
                    true => Value::Code(self.slice::<u8>(&column)[row]),
                    false => Value::Number(self.slice::<f32>(&column)[row]),
                };
            }
        }
        config
    }
}

/// Where in the file each column lies, the data beginning at `data`; the schema was checked against `header`.
fn columns(path: &Path, schema: &Schema, header: &Metadata, data: usize) -> Result<Vec<(Column, Range<usize>)>> {
    let place = |column: Column| {
        let (start, end) = header.info(&column.name).map_or((0, 0), |info| info.data_offsets);
        // the map itself begins at a page
        let aligned = (data + start).is_multiple_of(column.dtype.bitsize() / 8);
        let expected = || format!("tensor {} at a multiple of its element size", column.name);
        if !aligned {
            return Err(Error::malformed(path, expected(), "another place"));
        }
        Ok((column, data + start..data + end))
    };
    schema.columns().into_iter().map(place).collect()
}
