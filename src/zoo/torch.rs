//! One network as PyTorch keeps it: `conv1.weight` OIHW, `conv1.bias` … `dense.weight` out×in, `dense.bias`.
//!
//! What other people's files do not tell is the caller's to know: strides, padding and activation.

use super::joined::Zoo;
use crate::cnn::Arch;
use crate::cnn::plan::{Op, Plan, Role, Tensor};
use crate::dataset::Preparation;
use crate::out::{OutPath, replace};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// A tensor of the flat vector and what it is in PyTorch.
struct Twin {
    weighted: usize,
    role: Role,
    shape: Vec<usize>,
    /// Of each of its elements in C order the index in the flat vector.
    from: Vec<usize>,
}

/// The tensors of a network in the order of the flat vector.
fn twins(plan: &Plan) -> Vec<Twin> {
    plan.tensors.iter().map(|tensor| twin(plan, tensor)).collect()
}

fn twin(plan: &Plan, tensor: &Tensor) -> Twin {
    let start = tensor.range.start;
    let (shape, from) = match *tensor.shape.as_slice() {
        // HWIO to OIHW
        [h, w, i, o] => {
            let place = |k: usize| {
                let (output, input, u, v) = (k / (i * h * w), k / (h * w) % i, k / w % h, k % w);
                start + ((u * w + v) * i + input) * o + output
            };
            (vec![o, i, h, w], (0..h * w * i * o).map(place).collect())
        }
        // in×out to out×in; the units of a flattened map are in the order row, column, channel here, channel, row, column there
        [i, o] => {
            let channels = i / positions(plan, tensor.weighted);
            let place = |k: usize| {
                let (output, input) = (k / i, k % i);
                let (channel, position) = (input / (i / channels), input % (i / channels));
                start + (position * channels + channel) * o + output
            };
            (vec![o, i], (0..i * o).map(place).collect())
        }
        _ => (tensor.shape.clone(), tensor.range.clone().collect()),
    };
    Twin { weighted: tensor.weighted, role: tensor.role, shape, from }
}

/// Positions of the map that a dense layer reads.
fn positions(plan: &Plan, dense: usize) -> usize {
    let kernel = plan.steps.iter().find_map(|step| match step.op {
        Op::Conv { kernel, weighted, .. } if weighted == dense => Some(kernel[0] * kernel[1]),
        _ => None,
    });
    kernel.unwrap_or(1)
}

/// Ending of a tensor's name.
fn ending(role: Role) -> &'static str {
    if role == Role::Bias { "bias" } else { "weight" }
}

/// What PyTorch calls a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TorchTensor {
    /// Number of its layer: convolutions first, dense layers last.
    pub layer: usize,
    /// Name of its layer.
    pub name: String,
    /// `weight` or `bias`.
    pub ending: &'static str,
    /// OIHW, out×in or out.
    pub shape: Vec<usize>,
    /// Positions of the map that a dense layer reads, each with all its channels; 1 of any other tensor.
    pub positions: usize,
}

/// The tensors of a network in the order of the flat vector.
pub fn tensors(plan: &Plan) -> Vec<TorchTensor> {
    let tensor = |twin: Twin| TorchTensor {
        layer: twin.weighted,
        name: plan.names[twin.weighted].to_string(),
        ending: ending(twin.role),
        positions: if twin.shape.len() == 2 { positions(plan, twin.weighted) } else { 1 },
        shape: twin.shape,
    };
    twins(plan).into_iter().map(tensor).collect()
}

/// Writes the network in `row` of a zoo; the metadata `network` says in JSON what the tensors do not: shape, activation and
/// that the images' pixels x, 0 to 255, are `(x/255 − mean) / std`.
///
/// # Errors
/// Those of [`replace`].
///
/// # Panics
/// If there is no such row.
pub fn write(zoo: &Zoo, row: usize, out: &OutPath) -> Result<()> {
    let (schema, weights) = (zoo.schema(), zoo.weights(row));
    let (arch, run) = (&schema.arch, zoo.run()[row]);
    let plan = arch.plan();
    let tensors: Vec<(String, Vec<usize>, Vec<f32>)> = twins(&plan)
        .into_iter()
        .map(|twin| {
            let name = format!("{}.{}", plan.names[twin.weighted], ending(twin.role));
            (name, twin.shape, twin.from.iter().map(|&index| weights[index]).collect())
        })
        .collect();
    // a zoo that does not say how its images were prepared has the default
    let preparation = schema.recipe.get("preparation").and_then(|name| name.as_str()?.parse().ok());
    let preparation: Preparation = preparation.unwrap_or_default();
    let figures = preparation.figures(&schema.dataset);
    let network = serde_json::json!({
        "architecture": arch,
        "activation": schema.name("activation", &zoo.config(zoo.network(row))),
        "dataset": schema.dataset,
        "preparation": preparation.name(),
        "mean": figures.map(|[mean, _]| mean),
        "std": figures.map(|[_, std]| std),
        "run": run,
        "epoch": zoo.epoch()[row],
        "test_accuracy": zoo.test_accuracy()[row],
    });
    // one entry only: the crate keeps metadata in a hash map, whose order differs from run to run
    let metadata = HashMap::from([("network".to_string(), network.to_string())]);
    replace(out, |file| {
        let views: std::result::Result<Vec<_>, _> = tensors
            .iter()
            .map(|(name, shape, data)| {
                Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(data))?))
            })
            .collect();
        let whole = views.and_then(|views| safetensors::serialize(views, Some(metadata))).map_err(io::Error::other)?;
        io::Write::write_all(file, &whole)
    })
}

/// The flat vector of the network in a file with the header `header` and the data `data`.
///
/// Layers may have any names: those with four-dimensional weights are the convolutions, in the order of their names with
/// numbers in them compared as numbers; the two-dimensional ones are the dense layers, likewise.
///
/// # Errors
/// [`Error::Malformed`] where the tensors are not those of `arch`.
pub(super) fn flat(path: &Path, header: &Metadata, data: &[u8], arch: &Arch) -> Result<Vec<f32>> {
    let tensors: HashMap<String, &TensorInfo> = header.tensors();
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort_by_cached_key(|name| natural(name));
    let of_dimensions = |dimensions: usize| {
        let weights = names.iter().filter(|name| tensors[**name].shape.len() == dimensions);
        weights.filter_map(|name| name.strip_suffix(".weight")).collect::<Vec<&str>>()
    };
    let layers = [of_dimensions(4), of_dimensions(2)].concat();
    let plan = arch.plan();
    let twins = twins(&plan);
    let wrong = || {
        let want = |twin: &Twin| format!("{}.{} {:?}", plan.names[twin.weighted], ending(twin.role), twin.shape);
        let found = |name: &&String| format!("{name} {} {:?}", tensors[*name].dtype, tensors[*name].shape);
        let expected: Vec<String> = twins.iter().map(want).collect();
        let got: Vec<String> = names.iter().take(16).map(found).collect();
        let expected = format!("the F32 tensors of a network {arch} ({}) or a tensor weights", expected.join(", "));
        Error::malformed(path, expected, if got.is_empty() { "none".into() } else { got.join(", ") })
    };
    if layers.len() != plan.names.len() || tensors.len() != twins.len() {
        return Err(wrong());
    }
    let mut weights = vec![0.0; plan.parameters()];
    for twin in &twins {
        let info = tensors.get(&format!("{}.{}", layers[twin.weighted], ending(twin.role))).ok_or_else(wrong)?;
        if info.dtype != Dtype::F32 || info.shape != twin.shape {
            return Err(wrong());
        }
        let bytes = &data[info.data_offsets.0..info.data_offsets.1];
        for (&index, four) in twin.from.iter().zip(bytes.as_chunks().0) {
            weights[index] = f32::from_le_bytes(*four);
        }
    }
    Ok(weights)
}

/// A key that orders `conv10` after `conv2`: every number in it has twenty digits.
fn natural(name: &str) -> String {
    let mut key = String::new();
    let mut rest = name;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        key += &format!("{}{:0>20}", &rest[..start], &rest[start..end]);
        rest = &rest[end..];
    }
    key + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_one_place() {
        let arch = Arch::reference(28, 28, 10).unwrap();
        let twins = twins(&arch.plan());
        let mut all: Vec<usize> = twins.iter().flat_map(|twin| twin.from.iter().copied()).collect();
        assert_eq!(all[..17], (0..17).collect::<Vec<_>>()[..], "the first bias, then weight [0, 0, 0, 0]");
        // conv2.weight[3, 5, 2, 1] is kernel[2, 1, 5, 3]
        assert_eq!(twins[3].from[((3 * 16 + 5) * 3 + 2) * 3 + 1], 176 + ((2 * 3 + 1) * 16 + 5) * 16 + 3);
        // dense.weight[7, 4] is kernel[4, 7]
        assert_eq!((twins[7].from[7 * 16 + 4], &twins[7].shape), (4810 + 4 * 10 + 7, &vec![10, 16]));
        all.sort_unstable();
        assert_eq!(all, (0..4970).collect::<Vec<_>>());
    }

    #[test]
    fn a_flattened_map_is_in_pytorchs_order() {
        let twins = twins(&Arch::grey(6, 6, "8s2,flatten", 10).unwrap().plan());
        // 2×2×8: dense.weight[3, channel 5, row 1, column 0] is kernel[(row 1, column 0, channel 5), 3]
        assert_eq!(twins[3].from[3 * 32 + 5 * 4 + 2], 80 + 10 + (2 * 8 + 5) * 10 + 3);
    }

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["features.10.weight", "features.2.weight", "b", "features.2.bias"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["b", "features.2.bias", "features.2.weight", "features.10.weight"]);
    }
}
