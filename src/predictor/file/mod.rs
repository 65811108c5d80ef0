//! The file of a fitted predictor: safetensors, with one entry of metadata, [`KEY`], a JSON object ([`Head`]).
//!
//! Nothing in it is trusted: what a fit cannot have written is an error.

mod boost;
mod perceptron;
#[cfg(test)]
mod tests;

use super::{Model, Predictor};
use crate::bytes::replace;
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Name of the metadata entry. There is but one, so that the same predictor always gives the same bytes.
const KEY: &str = "zoometry.predictor";

/// Name of the tensor of validation errors; a file without it is one of a fit without validation rows, or an old one.
const RESIDUALS: &str = "validation_residuals";

/// The format written and read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    kind: String,
    params: serde_json::Value,
    columns: Vec<String>,
    info: BTreeMap<String, String>,
}

/// Bytes of a tensor, its type and its name.
type Column = (&'static str, Dtype, Vec<u8>);

/// Little-endian bytes of one number after another.
fn bytes<T, const N: usize>(numbers: impl Iterator<Item = T>, of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.flat_map(of).collect()
}

pub(super) fn save(predictor: &Predictor, path: &Path) -> Result<()> {
    let (params, mut columns) = match &predictor.model {
        Model::Boost(model) => (serde_json::to_value(&model.params), boost::columns(model)),
        Model::Perceptron(model) => (serde_json::to_value(&model.params), perceptron::columns(model)),
    };
    if !predictor.residuals.is_empty() {
        columns.push((RESIDUALS, Dtype::F32, bytes(predictor.residuals.iter().copied(), f32::to_le_bytes)));
    }
    let not_json = |e: serde_json::Error| Error::malformed(path, "metadata that JSON can hold", e.to_string());
    let head = Head {
        version: VERSION,
        kind: predictor.kind().to_owned(),
        params: params.map_err(not_json)?,
        columns: predictor.columns.clone(),
        info: predictor.info.clone(),
    };
    let head = serde_json::to_string(&head).map_err(not_json)?;
    let views = columns.iter().map(|(name, dtype, bytes)| {
        let length = bytes.len() * 8 / dtype.bitsize();
        TensorView::new(*dtype, vec![length], bytes).map(|view| (*name, view))
    });
    let views: std::result::Result<Vec<_>, _> = views.collect();
    let metadata = Some(HashMap::from([(KEY.to_owned(), head)]));
    let contents = views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|e| Error::malformed(path, "tensors that safetensors can hold", e.to_string()))?;
    replace(path, |file| file.write_all(&contents))
}

pub(super) fn load(path: &Path) -> Result<Predictor> {
    let contents = crate::bytes::read(path)?;
    let not_safetensors = |e: safetensors::SafeTensorError| Error::malformed(path, "a safetensors file", e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(&contents).map_err(not_safetensors)?;
    let entries = metadata.metadata().as_ref();
    let Some(head) = entries.and_then(|entries| entries.get(KEY)) else {
        let zoo = entries.is_some_and(|entries| entries.contains_key("format"));
        let got = if zoo { "a zoo" } else { "another file" };
        return Err(Error::malformed(path, format!("a fitted predictor (metadata {KEY:?})"), got));
    };
    let version: serde_json::Value = serde_json::from_str(head).unwrap_or_default();
    if version["version"] != VERSION {
        return Err(Error::malformed(path, format!("predictor format {VERSION}"), version["version"].to_string()));
    }
    let head: Head =
        serde_json::from_str(head).map_err(|e| Error::malformed(path, format!("JSON of {KEY:?}"), e.to_string()))?;
    let tensors = Tensors { path, tensors: SafeTensors::deserialize(&contents).map_err(not_safetensors)? };
    let model = match head.kind.as_str() {
        "gbm" => Model::Boost(tensors.boost(params(path, head.params)?, head.columns.len())?),
        "linear" | "mlp" => Model::Perceptron(tensors.perceptron(params(path, head.params)?, head.columns.len())?),
        other => return Err(Error::malformed(path, "a predictor of kind gbm, linear or mlp", other)),
    };
    let residuals = tensors.residuals()?;
    Ok(Predictor { columns: head.columns, info: head.info, model, residuals })
}

/// The options of a fit.
fn params<P: serde::de::DeserializeOwned>(path: &Path, params: serde_json::Value) -> Result<P> {
    serde_json::from_value(params).map_err(|e| Error::malformed(path, "the options of a fit", e.to_string()))
}

struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl Tensors<'_> {
    /// The numbers of a tensor, whatever their number.
    fn numbers<T, const N: usize>(&self, name: &str, dtype: Dtype, of: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let fail = |got: String| Error::malformed(self.path, format!("a vector {name:?} of {dtype:?}"), got);
        let tensor = self.tensors.tensor(name).map_err(|e| fail(e.to_string()))?;
        if tensor.dtype() != dtype || tensor.shape().len() != 1 {
            return Err(fail(format!("{:?} {:?}", tensor.dtype(), tensor.shape())));
        }
        let (numbers, _) = tensor.data().as_chunks::<N>();
        Ok(numbers.iter().map(|&bytes| of(bytes)).collect())
    }

    /// The errors on the validation rows, if the file has them.
    fn residuals(&self) -> Result<Vec<f32>> {
        if self.tensors.tensor(RESIDUALS).is_err() {
            return Ok(Vec::new());
        }
        let residuals = self.f32s(RESIDUALS)?;
        match residuals.iter().all(|residual| residual.is_finite() && *residual >= 0.0) && residuals.is_sorted() {
            true => Ok(residuals),
            false => Err(Error::malformed(self.path, format!("{RESIDUALS} from 0 on, ascending"), "others")),
        }
    }

    fn u32s(&self, name: &str) -> Result<Vec<u32>> {
        self.numbers(name, Dtype::U32, u32::from_le_bytes)
    }
    fn f32s(&self, name: &str) -> Result<Vec<f32>> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }
    fn f64s(&self, name: &str) -> Result<Vec<f64>> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }
}
