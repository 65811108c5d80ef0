//! Networks in a `.safetensors` file that is no zoo: a tensor `weights`, f32 \[networks, P\] or \[P\], or one of PyTorch's.

use super::{header, torch};
use crate::bytes::Map;
use crate::cnn::Arch;
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What an exported network's file says of it; anything may be missing in what others have written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Exported {
    /// Name of the activation.
    pub activation: Option<String>,
    /// Name of the data set.
    pub dataset: Option<String>,
    /// Number in its zoo.
    pub run: Option<u64>,
    /// Epoch of the weights.
    pub epoch: Option<u32>,
    /// Measured by the zoo.
    pub test_accuracy: Option<f32>,
}

/// An open file with weights.
pub struct Loose {
    path: PathBuf,
    map: Map,
    header: Metadata,
    data: usize,
}

impl Loose {
    /// Opens any `.safetensors` file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] where it is no such file.
    pub fn open(path: impl AsRef<Path>) -> Result<Loose> {
        let path = path.as_ref().to_owned();
        let map = Map::open(&path)?;
        let (header, data) = header::parse(&path, &map)?;
        Ok(Loose { path, map, header, data })
    }

    /// Whether the file says that it is a zoo, to be opened as such.
    pub fn is_zoo(&self) -> bool {
        let metadata = self.header.metadata().as_ref();
        metadata.and_then(|entries| entries.get("format")).is_some_and(|format| format == header::FORMAT)
    }

    /// What the file says of its network, where it is of [`super::write_torch`].
    pub fn exported(&self) -> Option<Exported> {
        let network = self.header.metadata().as_ref()?.get("network")?;
        serde_json::from_str(network).ok()
    }

    /// Names, types and shapes of the tensors, in the order of the names.
    pub fn tensors(&self) -> Vec<(String, Dtype, Vec<usize>)> {
        let all = self.header.tensors().into_iter();
        let mut all: Vec<_> = all.map(|(name, info)| (name, info.dtype, info.shape.clone())).collect();
        all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The flat vectors of the networks one after another, in place where they lie at a multiple of 4 bytes, all of shape `arch`: the rows of a tensor `weights`, or one network
    /// as PyTorch keeps it (`conv1.weight` …).
    ///
    /// # Errors
    /// [`Error::Malformed`] where there is no tensor `weights` of f32 and that many columns, nor the tensors of such a network.
    pub fn weights(&self, arch: &Arch) -> Result<Cow<'_, [f32]>> {
        let Some(info) = self.header.info("weights") else {
            return torch::flat(&self.path, &self.header, &self.map[self.data..], arch).map(Cow::Owned);
        };
        let parameters = arch.parameters();
        let expected = format!("a tensor weights, F32 [networks, {parameters}]");
        let wrong = |got: String| Error::malformed(&self.path, expected, got);
        let fits = info.dtype == Dtype::F32 && matches!(info.shape.as_slice(), [p] | [_, p] if *p == parameters);
        if !fits {
            return Err(wrong(format!("{} {:?}", info.dtype, info.shape)));
        }
        let (start, end) = info.data_offsets;
        let bytes = &self.map[self.data + start..self.data + end];
        Ok(bytemuck::try_cast_slice(bytes).map_or_else(|_| Cow::Owned(floats(bytes)), Cow::Borrowed))
    }
}

/// Little-endian floats at any address.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect()
}
