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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::par::Stop;
    use crate::predictor::boost::fit;
    use crate::table::Table;

    fn example() -> (Predictor, Table) {
        let rows = 400;
        let x = |r: usize, c: usize| {
            if (r * 7 + c).is_multiple_of(11) { f32::NAN } else { ((r * 37 + c * 101) % 97) as f32 }
        };
        let table = Table {
            columns: vec!["a".into(), "b".into(), "c".into()],
            x: (0..rows).flat_map(|r| (0..3).map(move |c| x(r, c))).collect(),
            y: (0..rows).map(|r| ((r * 37) % 97) as f32 / 10.0).collect(),
            group: (0..rows as u64).collect(),
        };
        let params = Params { n_estimators: 5, num_leaves: 6, ..Params::default() };
        let boost = fit(Isa::detect(), &table, Some(&table), &params, &mut |_| (), &Stop::new()).unwrap();
        let info = BTreeMap::from([("input".to_owned(), "zoo.safetensors".to_owned())]);
        (Predictor { columns: table.columns.clone(), info, model: Model::Boost(boost) }, table)
    }

    #[test]
    fn what_is_saved_is_loaded_and_the_bytes_are_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (predictor, table) = example();
        let path = folder.path().join("model.safetensors");
        predictor.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let loaded = Predictor::load(&path).unwrap();
        assert!(loaded == predictor);
        let predict = |p: &Predictor| p.predict(Isa::detect(), &table).unwrap();
        assert_eq!(predict(&loaded), predict(&predictor));
        loaded.save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_save_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (predictor, _) = example();
        // a folder that is not empty cannot be replaced by a file
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("kept"), "kept").unwrap();
        assert!(matches!(predictor.save(&path), Err(Error::Io { .. })));
        assert!(matches!(predictor.save(&folder.path().join("none/model")), Err(Error::Io { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(path.join("kept").exists());
    }

    #[test]
    fn other_columns_are_refused_by_name() {
        let (predictor, table) = example();
        let error = |columns: &[&str]| {
            let columns = columns.iter().map(|name| name.to_string()).collect();
            let table = Table { columns, ..table.clone() };
            predictor.predict(Isa::detect(), &table).unwrap_err().to_string()
        };
        assert_eq!(error(&["a", "b"]), "invalid table: expected the 3 columns of the fit, got 2 columns");
        assert_eq!(error(&["a", "x", "c"]), "invalid table: expected \"b\" as column 1, got \"x\" as column 1");
    }

    /// Saves the example after a change to its tensors and its head, and loads it.
    fn load_changed(change: impl Fn(&mut Vec<Column>, &mut serde_json::Value)) -> Result<Predictor> {
        let (predictor, _) = example();
        let Model::Boost(boost) = &predictor.model;
        let mut columns = boost_columns(boost);
        let head = Head {
            version: VERSION,
            kind: "gbm".into(),
            params: boost.params.clone(),
            columns: predictor.columns.clone(),
            info: BTreeMap::new(),
        };
        let mut head = serde_json::to_value(head).unwrap();
        change(&mut columns, &mut head);
        let views = columns.iter().map(|(name, dtype, bytes)| {
            (*name, TensorView::new(*dtype, vec![bytes.len() * 8 / dtype.bitsize()], bytes).unwrap())
        });
        let metadata = Some(HashMap::from([(KEY.to_owned(), head.to_string())]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(&path, safetensors::serialize(views, metadata).unwrap()).unwrap();
        Predictor::load(&path)
    }

    /// Sets item `i` of the tensor `name`.
    fn set(columns: &mut [Column], name: &str, i: usize, bytes: &[u8]) {
        let (_, _, data) = columns.iter_mut().find(|column| column.0 == name).unwrap();
        data[i * bytes.len()..(i + 1) * bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn no_hostile_tree_gets_in() {
        assert!(load_changed(|_, _| ()).is_ok());
        let u32s = |name: &'static str, i: usize, to: u32| {
            load_changed(move |columns, _| set(columns, name, i, &to.to_le_bytes()))
        };
        let f32s =
            |name: &'static str, to: f32| load_changed(move |columns, _| set(columns, name, 0, &to.to_le_bytes()));
        for (what, result) in [
            ("a cycle", u32s("left", 1, 1)),
            ("the root its own child", u32s("left", 0, 0)),
            ("a child far away", u32s("left", 0, u32::MAX)),
            ("a shared child", u32s("left", 2, 1)),
            ("a column that is not there", u32s("feature", 0, 3)),
            ("a huge tree", u32s("tree_nodes", 0, u32::MAX)),
            ("an empty tree", u32s("tree_nodes", 0, 0)),
            ("a tree too short", u32s("tree_nodes", 0, 1)),
            ("a threshold NaN", f32s("threshold", f32::NAN)),
            ("a value inf", f32s("value", f32::INFINITY)),
            ("a base NaN", load_changed(|columns, _| set(columns, "base", 0, &f64::NAN.to_le_bytes()))),
            ("a tensor missing", load_changed(|columns, _| drop(columns.remove(3)))),
            ("a tensor of another type", load_changed(|columns, _| columns[2].1 = Dtype::F32)),
            ("a tensor too short", load_changed(|columns, _| columns[5].2.truncate(8))),
            ("no columns", load_changed(|_, head| head["columns"] = serde_json::json!([]))),
            ("another version", load_changed(|_, head| head["version"] = 2.into())),
            ("another kind", load_changed(|_, head| head["kind"] = "forest".into())),
            ("parameters out of range", load_changed(|_, head| head["params"]["max_bin"] = 7000.into())),
        ] {
            assert!(matches!(result, Err(Error::Malformed { .. })), "{what}: {result:?}");
        }
    }

    #[test]
    fn no_damaged_file_gets_in_or_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        example().0.save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(41) {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(Predictor::load(&path), Err(Error::Malformed { .. })), "{length} bytes");
        }
        fs::write(&path, [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat()).unwrap();
        assert!(matches!(Predictor::load(&path), Err(Error::Malformed { .. })));
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            // it may be another predictor, but one that works
            if let Ok(predictor) = Predictor::load(&path) {
                let Model::Boost(boost) = &predictor.model;
                boost.predict(Isa::detect(), &vec![1.0; 5 * boost.width]);
            }
        }
        assert!(matches!(Predictor::load(&folder.path().join("none")), Err(Error::Io { .. })));
    }
}
