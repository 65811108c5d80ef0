//! Weight tensors by the names that their columns carry.

use crate::cnn::{Arch, layout};
use std::ops::Range;

/// A weight tensor.
pub(super) struct Tensor {
    /// `conv1.bias`, `conv1.kernel` … `dense.kernel`; layers from 1 as papers count them.
    pub name: String,
    /// Its window in the flat vector.
    pub range: Range<usize>,
}

/// Layers of a shape: its convolutions and the dense one.
pub(super) fn layers(arch: &Arch) -> usize {
    arch.convs.len() + 1
}

/// Bias and kernel of each of the given layers, which count from 0.
pub(super) fn tensors(arch: &Arch, layers: &[usize]) -> Vec<Tensor> {
    let all = layout::tensors(arch);
    let of_layer = |layer: usize| {
        let name = if layer == arch.convs.len() { "dense".into() } else { format!("conv{}", layer + 1) };
        [("bias", &all[2 * layer]), ("kernel", &all[2 * layer + 1])]
            .map(|(kind, tensor)| Tensor { name: format!("{name}.{kind}"), range: tensor.range() })
    };
    layers.iter().flat_map(|&layer| of_layer(layer)).collect()
}
