//! `Whole`: a zoo that is written in one go and has its name only when all of it is there.
//!
//! [`super::Writer`] makes every row safe on its own, which costs a wait for the disk a row; who has all rows at hand needs
//! that once.

use super::hyper::Config;
use super::joined::Zoo;
use super::schema::Schema;
use super::writer::{check, fill};
use crate::bytes::write_at;
use crate::out::{OutPath, Partial};
use crate::{Error, Result};
use std::path::PathBuf;

/// A zoo in the making; dropped before [`Whole::finish`] it leaves nothing behind.
pub(super) struct Whole {
    path: PathBuf,
    partial: Partial,
    schema: Schema,
    /// Bytes before the data.
    header: u64,
    /// Where the weights begin.
    weights: u64,
}

impl Whole {
    /// Begins a zoo whose rows are all not written; `configs` has one entry a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] where schema or configs are impossible; [`Error::Io`]: no space left.
    pub fn create(out: &OutPath, schema: &Schema, configs: &[Config]) -> Result<Whole> {
        check(schema, configs)?;
        let partial = Partial::new(out)?;
        let header = schema.header()?;
        fill(partial.file(), &header, schema, configs).map_err(Error::io("write", out))?;
        let header = header.len() as u64;
        let weights = header + place(schema, "weights")?.0 as u64;
        Ok(Whole { path: out.path().into(), partial, schema: schema.clone(), header, weights })
    }

    /// Writes the weights of a row.
    pub fn weights(&self, row: usize, weights: &[f32]) -> Result<()> {
        assert!(row < self.schema.rows() && weights.len() == self.schema.arch.parameters(), "a row of the zoo");
        self.write(bytemuck::cast_slice(weights), self.weights + (row * size_of_val(weights)) as u64)
    }

    /// Writes all rows of a tensor.
    pub fn column<T: bytemuck::Pod>(&self, name: &str, values: &[T]) -> Result<()> {
        let (start, end) = place(&self.schema, name)?;
        assert_eq!(size_of_val(values), end - start, "{name}");
        self.write(bytemuck::cast_slice(values), self.header + start as u64)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        write_at(self.partial.file(), bytes, offset).map_err(Error::io("write", &self.path))
    }

    /// Gives the zoo its name.
    ///
    /// # Errors
    /// [`Error::Io`]: no space left, or a file of that name has appeared.
    pub fn finish(self) -> Result<Zoo> {
        self.partial.claim()?;
        Zoo::open(&self.path)
    }
}

/// Where a tensor's data begins and ends.
fn place(schema: &Schema, name: &str) -> Result<(usize, usize)> {
    let tensors = schema.tensors()?;
    let tensor = tensors.iter().find(|tensor| tensor.0 == name).expect("a tensor of the format");
    Ok(tensor.1.data_offsets)
}
