//! The weights themselves: `conv1.bias.0` … `dense.kernel.159`, tensors in C order.

use super::{Columns, Networks, Worker, tensors};

/// The weights of some layers.
pub(super) struct Raw<'n> {
    networks: &'n Networks<'n>,
    tensors: Vec<tensors::Tensor>,
}

impl<'n> Raw<'n> {
    /// The weights of the given layers, which count from 0.
    pub fn new(networks: &'n Networks<'n>, layers: &[usize]) -> Raw<'n> {
        Raw { networks, tensors: tensors::tensors(networks.arch(), layers) }
    }
}

impl Columns for Raw<'_> {
    fn columns(&self) -> Vec<String> {
        let of = |tensor: &tensors::Tensor| {
            let name = tensor.name.clone();
            (0..tensor.range.len()).map(move |index| format!("{name}.{index}"))
        };
        self.tensors.iter().flat_map(of).collect()
    }

    fn worker(&self) -> Worker<'_> {
        Box::new(|network, values| {
            let weights = self.networks.weights(network);
            let all = self.tensors.iter().flat_map(|tensor| &weights[tensor.range.clone()]);
            values.iter_mut().zip(all).for_each(|(value, weight)| *value = *weight);
        })
    }
}
