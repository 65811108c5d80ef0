//! The file of a fitted predictor: safetensors, with one entry of metadata, [`KEY`], a JSON object ([`Head`]).
//!
//! Nothing in it is trusted: what a fit cannot have written is an error.

use super::boost::{Boost, Forest, Node, Params, Round, Tree};
use super::{Model, Predictor};
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Name of the metadata entry. There is but one, so that the same predictor always gives the same bytes.
const KEY: &str = "zoometry.predictor";

/// The format written and read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    kind: String,
    params: Params,
    columns: Vec<String>,
    info: BTreeMap<String, String>,
}

/// Bytes of a tensor, its type and its name.
type Column = (&'static str, Dtype, Vec<u8>);

/// Little-endian bytes of one number after another.
fn bytes<T, const N: usize>(numbers: impl Iterator<Item = T>, of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    numbers.flat_map(of).collect()
}

fn boost_columns(boost: &Boost) -> Vec<Column> {
    let nodes = || boost.trees.iter().flat_map(|tree| &tree.nodes);
    let u32s = |number: fn(&Node) -> u32| bytes(nodes().map(number), u32::to_le_bytes);
    let f32s = |number: fn(&Node) -> f32| bytes(nodes().map(number), f32::to_le_bytes);
    let rounds = |number: fn(&Round) -> f64| bytes(boost.curve.iter().map(number), f64::to_le_bytes);
    vec![
        ("base", Dtype::F64, boost.base.to_le_bytes().into()),
        ("tree_nodes", Dtype::U32, bytes(boost.trees.iter().map(|tree| tree.nodes.len() as u32), u32::to_le_bytes)),
        ("feature", Dtype::U32, u32s(|node| node.feature)),
        ("left", Dtype::U32, u32s(|node| node.left)),
        ("count", Dtype::U32, u32s(|node| node.count)),
        ("threshold", Dtype::F32, f32s(|node| node.threshold)),
        ("value", Dtype::F32, f32s(|node| node.value)),
        ("gain", Dtype::F32, f32s(|node| node.gain)),
        ("missing_left", Dtype::U8, nodes().map(|node| u8::from(node.missing_left)).collect()),
        ("train_rmse", Dtype::F64, rounds(|round| round.train_rmse)),
        ("val_rmse", Dtype::F64, rounds(|round| round.val_rmse.unwrap_or(f64::NAN))),
    ]
}

pub(super) fn save(predictor: &Predictor, path: &Path) -> Result<()> {
    let Model::Boost(boost) = &predictor.model;
    let head = Head {
        version: VERSION,
        kind: predictor.kind().to_owned(),
        params: boost.params.clone(),
        columns: predictor.columns.clone(),
        info: predictor.info.clone(),
    };
    let head = serde_json::to_string(&head)
        .map_err(|e| Error::malformed(path, "metadata that JSON can hold", e.to_string()))?;
    let columns = boost_columns(boost);
    let views = columns.iter().map(|(name, dtype, bytes)| {
        let length = bytes.len() * 8 / dtype.bitsize();
        TensorView::new(*dtype, vec![length], bytes).map(|view| (*name, view))
    });
    let views: std::result::Result<Vec<_>, _> = views.collect();
    let metadata = Some(HashMap::from([(KEY.to_owned(), head)]));
    let contents = views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|e| Error::malformed(path, "tensors that safetensors can hold", e.to_string()))?;
    replace(path, &contents)
}

/// Writes a new file beside `path` and gives it its name.
fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::invalid("output file", "a file name", path.display()))?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(beside);
    let write = || {
        let mut file = File::create(&beside).map_err(Error::io("create", &beside))?;
        file.write_all(contents).and_then(|()| file.sync_all()).map_err(Error::io("write", &beside))?;
        fs::rename(&beside, path).map_err(Error::io("write", path))
    };
    // the error that matters is that of the write
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

pub(super) fn load(path: &Path) -> Result<Predictor> {
    let contents = fs::read(path).map_err(Error::io("read", path))?;
    let not_safetensors = |e: safetensors::SafeTensorError| Error::malformed(path, "a safetensors file", e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(&contents).map_err(not_safetensors)?;
    let entries = metadata.metadata().as_ref();
    let Some(head) = entries.and_then(|entries| entries.get(KEY)) else {
        return Err(Error::malformed(path, format!("a predictor (metadata {KEY:?})"), "none"));
    };
    let version: serde_json::Value = serde_json::from_str(head).unwrap_or_default();
    if version["version"] != VERSION {
        return Err(Error::malformed(path, format!("predictor format {VERSION}"), version["version"].to_string()));
    }
    let head: Head =
        serde_json::from_str(head).map_err(|e| Error::malformed(path, format!("JSON of {KEY:?}"), e.to_string()))?;
    let tensors = Tensors { path, tensors: SafeTensors::deserialize(&contents).map_err(not_safetensors)? };
    let model = match head.kind.as_str() {
        "gbm" => Model::Boost(tensors.boost(head.params, head.columns.len())?),
        other => return Err(Error::malformed(path, "a predictor of kind gbm", other)),
    };
    Ok(Predictor { columns: head.columns, info: head.info, model })
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

    fn u32s(&self, name: &str) -> Result<Vec<u32>> {
        self.numbers(name, Dtype::U32, u32::from_le_bytes)
    }
    fn f32s(&self, name: &str) -> Result<Vec<f32>> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }
    fn f64s(&self, name: &str) -> Result<Vec<f64>> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }

    fn boost(&self, params: Params, width: usize) -> Result<Boost> {
        let wrong = |expected: String, got: String| Error::malformed(self.path, expected, got);
        params.check().map_err(|e| wrong("parameters in their ranges".into(), e.to_string()))?;
        if !(1..=Forest::MAX_WIDTH).contains(&width) {
            return Err(wrong(format!("1 to {} columns", Forest::MAX_WIDTH), width.to_string()));
        }
        let base = self.f64s("base")?;
        if base.len() != 1 || !base[0].is_finite() {
            return Err(wrong("one finite base".into(), format!("{base:?}")));
        }
        let (train, val) = (self.f64s("train_rmse")?, self.f64s("val_rmse")?);
        if train.len() != val.len() {
            return Err(wrong(format!("{} values of val_rmse", train.len()), val.len().to_string()));
        }
        let round = |(i, (train_rmse, val)): (usize, (f64, f64))| Round {
            trees: i + 1,
            train_rmse,
            val_rmse: (!val.is_nan()).then_some(val),
        };
        let curve = train.into_iter().zip(val).enumerate().map(round).collect();
        Ok(Boost::new(params, width, base[0], self.trees(width)?, curve))
    }

    fn trees(&self, width: usize) -> Result<Vec<Tree>> {
        let mut nodes = self.nodes()?.into_iter();
        let mut trees = Vec::new();
        for (t, size) in self.u32s("tree_nodes")?.into_iter().enumerate() {
            let tree = Tree { nodes: nodes.by_ref().take(size as usize).collect() };
            if tree.nodes.len() != size as usize || size == 0 {
                let expected = format!("at least one node in tree {t}, all there");
                return Err(Error::malformed(self.path, expected, format!("{} of {size}", tree.nodes.len())));
            }
            tree.check(self.path, t, width)?;
            trees.push(tree);
        }
        match nodes.len() {
            0 => Ok(trees),
            left => Err(Error::malformed(self.path, "as many nodes as tree_nodes adds up to", format!("{left} more"))),
        }
    }

    fn nodes(&self) -> Result<Vec<Node>> {
        let (feature, left, count) = (self.u32s("feature")?, self.u32s("left")?, self.u32s("count")?);
        let (threshold, value, gain) = (self.f32s("threshold")?, self.f32s("value")?, self.f32s("gain")?);
        let missing_left = self.numbers("missing_left", Dtype::U8, |[byte]: [u8; 1]| byte != 0)?;
        let n = feature.len();
        let lengths = [left.len(), count.len(), threshold.len(), value.len(), gain.len(), missing_left.len()];
        if lengths != [n; 6] {
            return Err(Error::malformed(self.path, format!("{n} nodes in every tensor"), format!("{lengths:?}")));
        }
        let node = |i: usize| Node {
            feature: feature[i],
            threshold: threshold[i],
            left: left[i],
            missing_left: missing_left[i],
            value: value[i],
            gain: gain[i],
            count: count[i],
        };
        Ok((0..n).map(node).collect())
    }
}
