//! Weight tensors by the names that their columns carry.

use crate::cnn::Arch;
use crate::cnn::plan::Role;
use std::ops::Range;

/// A weight tensor.
pub(super) struct Tensor {
    /// `conv1.bias`, `conv1.kernel` … `dense.kernel`; layers from 1 as papers count them.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its window in the flat vector.
    pub range: Range<usize>,
}

/// Layers with weights.
pub(super) fn layers(arch: &Arch) -> usize {
    arch.plan().names.len()
}

/// Bias and kernel of each of the given layers with weights, which count from 0.
pub(super) fn tensors(arch: &Arch, layers: &[usize]) -> Vec<Tensor> {
    let plan = arch.plan();
    let of_layer = |&layer: &usize| {
        let (bias, kernel) = plan.weights_of(layer);
        [bias, kernel].map(|tensor| Tensor { name: plan.name(tensor), role: tensor.role, range: tensor.range.clone() })
    };
    layers.iter().flat_map(of_layer).collect()
}
