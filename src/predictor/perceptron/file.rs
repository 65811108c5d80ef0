//! Perceptrons in a file.

use super::{Dense, Epoch, Params, Perceptron, Standard};
use crate::Result;
use crate::tensors::{Column, Tensors, bytes, column};
use safetensors::Dtype;

/// The tensors of a model; `weights` holds bias and kernel (in×out) of each layer.
pub fn tensors(model: &Perceptron) -> Vec<Column> {
    let f32s = |numbers: &[f32]| bytes(numbers.iter().copied(), f32::to_le_bytes);
    let weights = model.layers.iter().flat_map(|layer| layer.bias().iter().chain(layer.kernel())).copied();
    let epochs = |number: fn(&Epoch) -> f64| bytes(model.curve.iter().map(number), f64::to_le_bytes);
    vec![
        column("mean", Dtype::F32, f32s(&model.standard.mean)),
        column("scale", Dtype::F32, f32s(&model.standard.scale)),
        column("weights", Dtype::F32, bytes(weights, f32::to_le_bytes)),
        column("train_rmse", Dtype::F64, epochs(|epoch| epoch.train_rmse)),
        column("val_rmse", Dtype::F64, epochs(|epoch| epoch.val_rmse.unwrap_or(f64::NAN))),
    ]
}

/// A model that passed every check.
///
/// # Errors
/// [`crate::Error::Malformed`].
pub fn load(tensors: &Tensors, params: Params, width: usize) -> Result<Perceptron> {
    let wrong = |expected: String, got: String| tensors.malformed(expected, got);
    params.check().map_err(|e| wrong("parameters in their ranges".into(), e.to_string()))?;
    let (mean, scale, weights) = (tensors.f32s("mean")?, tensors.f32s("scale")?, tensors.f32s("weights")?);
    if width == 0 || mean.len() != width || scale.len() != width {
        let got = format!("{} and {}", mean.len(), scale.len());
        return Err(wrong(format!("a mean and a scale for each of {width} columns, at least one"), got));
    }
    let sizes = Dense::sizes(width, &params);
    let count: usize = sizes.iter().map(|&(inputs, outputs)| (inputs + 1) * outputs).sum();
    if weights.len() != count {
        return Err(wrong(format!("{count} weights"), weights.len().to_string()));
    }
    if let Some(number) = mean.iter().chain(&scale).chain(&weights).find(|number| !number.is_finite()) {
        return Err(wrong("finite numbers".into(), number.to_string()));
    }
    let mut rest = &weights[..];
    let layer = |(inputs, outputs): (usize, usize)| {
        let (layer, others) = rest.split_at((inputs + 1) * outputs);
        rest = others;
        Dense::new(inputs, outputs, &layer[..outputs], &layer[outputs..])
    };
    let layers = sizes.into_iter().map(layer).collect();
    let (train, val) = (tensors.f64s("train_rmse")?, tensors.f64s("val_rmse")?);
    if train.len() != val.len() {
        return Err(wrong(format!("{} values of val_rmse", train.len()), val.len().to_string()));
    }
    let epoch = |(train_rmse, val): (f64, f64)| Epoch { train_rmse, val_rmse: (!val.is_nan()).then_some(val) };
    let curve = train.into_iter().zip(val).map(epoch).collect();
    Ok(Perceptron { params, standard: Standard { mean, scale }, layers, curve })
}
