//! Norms of weight tensors, bias and kernel apart: `conv1.bias.l2`, `conv1.kernel.l2` …

use super::{Columns, Networks, Worker, tensors};

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `Σ |w|`
    L1,
    /// `√Σ w²`
    L2,
}

impl Norm {
    /// Its name in keys and columns.
    pub fn name(self) -> &'static str {
        match self {
            Norm::L1 => "l1",
            Norm::L2 => "l2",
        }
    }

    /// The norm of some weights, summed in `f64`.
    pub fn of(self, weights: &[f32]) -> f32 {
        let weights = weights.iter().map(|&w| f64::from(w));
        match self {
            Norm::L1 => weights.map(f64::abs).sum::<f64>() as f32,
            Norm::L2 => weights.map(|w| w * w).sum::<f64>().sqrt() as f32,
        }
    }
}

/// One norm of each tensor of some layers.
pub(super) struct Norms<'n> {
    networks: &'n Networks<'n>,
    tensors: Vec<tensors::Tensor>,
    norm: Norm,
}

impl<'n> Norms<'n> {
    /// The norms of the given layers, which count from 0.
    pub fn new(networks: &'n Networks<'n>, layers: &[usize], norm: Norm) -> Norms<'n> {
        Norms { networks, tensors: tensors::tensors(networks.arch(), layers), norm }
    }
}

impl Columns for Norms<'_> {
    fn columns(&self) -> Vec<String> {
        self.tensors.iter().map(|tensor| format!("{}.{}", tensor.name, self.norm.name())).collect()
    }

    fn worker(&self) -> Worker<'_> {
        Box::new(|network, values| {
            let weights = self.networks.weights(network);
            for (value, tensor) in values.iter_mut().zip(&self.tensors) {
                *value = self.norm.of(&weights[tensor.range.clone()]);
            }
        })
    }
}
