//! The tensors of a safetensors file that is read whole: vectors of numbers by their names.

use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

/// Name of a tensor, its type and its bytes.
pub type Column = (Cow<'static, str>, Dtype, Vec<u8>);

/// A tensor by a name that is the kind's own.
pub fn column(name: &'static str, dtype: Dtype, bytes: Vec<u8>) -> Column {
    (name.into(), dtype, bytes)
}

/// Little-endian bytes of one number after another.
pub fn bytes<T, const N: usize>(numbers: impl Iterator<Item = T>, of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.flat_map(of).collect()
}

/// The tensors of a file that is read, or those of one of the predictors in it.
pub struct Tensors<'a> {
    /// The file.
    pub path: &'a Path,
    tensors: Rc<SafeTensors<'a>>,
    /// What stands before every name.
    prefix: String,
}

impl<'a> Tensors<'a> {
    /// The tensors of the file at `path`, whose bytes are `contents`.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn new(path: &'a Path, contents: &'a [u8]) -> Result<Tensors<'a>> {
        let tensors = SafeTensors::deserialize(contents);
        let tensors = tensors.map_err(|e| Error::malformed(path, "a safetensors file", e.to_string()))?;
        Ok(Tensors { path, tensors: Rc::new(tensors), prefix: String::new() })
    }

    /// Those of a predictor that this one is made of.
    pub fn member(&self, place: usize) -> Tensors<'a> {
        let prefix = format!("{}{place}/", self.prefix);
        Tensors { path: self.path, tensors: self.tensors.clone(), prefix }
    }

    /// The file is not as expected.
    pub fn malformed(&self, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::malformed(self.path, expected, got)
    }

    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(&format!("{}{name}", self.prefix)).is_ok()
    }

    /// The numbers of a vector, however many.
    ///
    /// # Errors
    /// [`Error::Malformed`] where it is missing, of another type or no vector.
    pub fn numbers<T, const N: usize>(&self, name: &str, dtype: Dtype, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let name = format!("{}{name}", self.prefix);
        let fail = |got: String| self.malformed(format!("a vector {name:?} of {dtype:?}"), got);
        let tensor = self.tensors.tensor(&name).map_err(|e| fail(e.to_string()))?;
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

    /// The absolute errors of a fit.
    ///
    /// # Errors
    /// [`Error::Malformed`] for any that is none, or where they are not in ascending order.
    pub fn errors(&self, name: &str) -> Result<Vec<f32>> {
        let errors = self.f32s(name)?;
        match errors.iter().all(|error| error.is_finite() && *error >= 0.0) && errors.is_sorted() {
            true => Ok(errors),
            false => Err(self.malformed(format!("{name} from 0 on, ascending"), "others")),
        }
    }
}
