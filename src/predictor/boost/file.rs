//! Trees in a file.

use super::{Boost, Forest, Node, Params, Round, Tree};
use crate::Result;
use crate::tensors::{Column, Tensors, bytes, column};
use safetensors::Dtype;

/// The tensors of a model.
pub fn tensors(boost: &Boost) -> Vec<Column> {
    let rounds = |number: fn(&Round) -> f64| bytes(boost.curve.iter().map(number), f64::to_le_bytes);
    let mut tensors = of_trees(&boost.trees);
    tensors.extend([
        column("base", Dtype::F64, boost.base.to_le_bytes().into()),
        column("train_rmse", Dtype::F64, rounds(|round| round.train_rmse)),
        column("val_rmse", Dtype::F64, rounds(|round| round.val_rmse.unwrap_or(f64::NAN))),
    ]);
    tensors
}

/// Those of trees.
pub fn of_trees(trees: &[Tree]) -> Vec<Column> {
    let nodes = || trees.iter().flat_map(|tree| &tree.nodes);
    let u32s = |number: fn(&Node) -> u32| bytes(nodes().map(number), u32::to_le_bytes);
    let f32s = |number: fn(&Node) -> f32| bytes(nodes().map(number), f32::to_le_bytes);
    vec![
        column("tree_nodes", Dtype::U32, bytes(trees.iter().map(|tree| tree.nodes.len() as u32), u32::to_le_bytes)),
        column("feature", Dtype::U32, u32s(|node| node.feature)),
        column("left", Dtype::U32, u32s(|node| node.left)),
        column("count", Dtype::U32, u32s(|node| node.count)),
        column("threshold", Dtype::F32, f32s(|node| node.threshold)),
        column("value", Dtype::F32, f32s(|node| node.value)),
        column("gain", Dtype::F32, f32s(|node| node.gain)),
        column("missing_left", Dtype::U8, nodes().map(|node| u8::from(node.missing_left)).collect()),
    ]
}

/// A model that passed every check.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub fn load(tensors: &Tensors, params: Params, width: usize) -> Result<Boost> {
    let wrong = |expected: String, got: String| tensors.malformed(expected, got);
    check(tensors, &params, width)?;
    let base = tensors.f64s("base")?;
    if base.len() != 1 || !base[0].is_finite() {
        return Err(wrong("one finite base".into(), format!("{base:?}")));
    }
    let (train, val) = (tensors.f64s("train_rmse")?, tensors.f64s("val_rmse")?);
    if train.len() != val.len() {
        return Err(wrong(format!("{} values of val_rmse", train.len()), val.len().to_string()));
    }
    let round = |(i, (train_rmse, val)): (usize, (f64, f64))| Round {
        trees: i + 1,
        train_rmse,
        val_rmse: (!val.is_nan()).then_some(val),
    };
    let curve = train.into_iter().zip(val).enumerate().map(round).collect();
    Ok(Boost::new(params, width, base[0], trees(tensors, width)?, curve))
}

/// Checks what every model of trees needs.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub fn check(tensors: &Tensors, params: &Params, width: usize) -> Result<()> {
    params.check().map_err(|e| tensors.malformed("parameters in their ranges", e.to_string()))?;
    if !(1..=Forest::MAX_WIDTH).contains(&width) {
        return Err(tensors.malformed(format!("1 to {} columns", Forest::MAX_WIDTH), width.to_string()));
    }
    Ok(())
}

/// Trees that passed [`Tree::check`].
///
/// # Errors
/// [`crate::Error::Malformed`].
pub fn trees(tensors: &Tensors, width: usize) -> Result<Vec<Tree>> {
    let mut nodes = nodes(tensors)?.into_iter();
    let mut trees = Vec::new();
    for (t, size) in tensors.u32s("tree_nodes")?.into_iter().enumerate() {
        let tree = Tree { nodes: nodes.by_ref().take(size as usize).collect() };
        if tree.nodes.len() != size as usize || size == 0 {
            let expected = format!("at least one node in tree {t}, all there");
            return Err(tensors.malformed(expected, format!("{} of {size}", tree.nodes.len())));
        }
        tree.check(tensors.path, t, width)?;
        trees.push(tree);
    }
    match nodes.len() {
        0 => Ok(trees),
        left => Err(tensors.malformed("as many nodes as tree_nodes adds up to", format!("{left} more"))),
    }
}

fn nodes(tensors: &Tensors) -> Result<Vec<Node>> {
    let (feature, left, count) = (tensors.u32s("feature")?, tensors.u32s("left")?, tensors.u32s("count")?);
    let (threshold, value, gain) = (tensors.f32s("threshold")?, tensors.f32s("value")?, tensors.f32s("gain")?);
    let missing_left = tensors.numbers("missing_left", Dtype::U8, |[byte]: [u8; 1]| byte != 0)?;
    let n = feature.len();
    let lengths = [left.len(), count.len(), threshold.len(), value.len(), gain.len(), missing_left.len()];
    if lengths != [n; 6] {
        return Err(tensors.malformed(format!("{n} nodes in every tensor"), format!("{lengths:?}")));
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
