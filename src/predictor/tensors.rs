//! The tensors of a predictor's file: vectors of numbers by their names.

use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// Bytes of a tensor, its type and its name.
pub type Column = (&'static str, Dtype, Vec<u8>);

/// Little-endian bytes of one number after another.
pub fn bytes<T, const N: usize>(numbers: impl Iterator<Item = T>, of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.flat_map(of).collect()
}

/// The tensors of a file that is read.
pub struct Tensors<'a> {
    /// The file.
    pub path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> Tensors<'a> {
    /// The tensors of the file at `path`, whose bytes are `contents`.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn new(path: &'a Path, contents: &'a [u8]) -> Result<Tensors<'a>> {
        let tensors = SafeTensors::deserialize(contents);
        let tensors = tensors.map_err(|e| Error::malformed(path, "a safetensors file", e.to_string()))?;
        Ok(Tensors { path, tensors })
    }

    /// The file is not as expected.
    pub fn malformed(&self, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::malformed(self.path, expected, got)
    }

    /// The options of a fit, as the file has them.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn options<P: DeserializeOwned>(&self, options: Value) -> Result<P> {
        serde_json::from_value(options).map_err(|e| self.malformed("the options of a fit", e.to_string()))
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The numbers of a vector, however many.
    ///
    /// # Errors
    /// [`Error::Malformed`] where it is missing, of another type or no vector.
    pub fn numbers<T, const N: usize>(&self, name: &str, dtype: Dtype, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let fail = |got: String| self.malformed(format!("a vector {name:?} of {dtype:?}"), got);
        let tensor = self.tensors.tensor(name).map_err(|e| fail(e.to_string()))?;
        if tensor.dtype() != dtype || tensor.shape().len() != 1 {
            return Err(fail(format!("{:?} {:?}", tensor.dtype(), tensor.shape())));
        }
        let (numbers, _) = tensor.data().as_chunks::<N>();
        Ok(numbers.iter().map(|&bytes| of(bytes)).collect())
    }

    /// [`Tensors::numbers`] of `u32`.
    ///
    /// # Errors
    /// Those of [`Tensors::numbers`].
    pub fn u32s(&self, name: &str) -> Result<Vec<u32>> {
        self.numbers(name, Dtype::U32, u32::from_le_bytes)
    }

    /// [`Tensors::numbers`] of `u64`.
    ///
    /// # Errors
    /// Those of [`Tensors::numbers`].
    pub fn u64s(&self, name: &str) -> Result<Vec<u64>> {
        self.numbers(name, Dtype::U64, u64::from_le_bytes)
    }

    /// [`Tensors::numbers`] of `f32`.
    ///
    /// # Errors
    /// Those of [`Tensors::numbers`].
    pub fn f32s(&self, name: &str) -> Result<Vec<f32>> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    /// [`Tensors::numbers`] of `f64`.
    ///
    /// # Errors
    /// Those of [`Tensors::numbers`].
    pub fn f64s(&self, name: &str) -> Result<Vec<f64>> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }
}
