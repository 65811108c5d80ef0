//! Weight statistics on a GPU.

use super::{Columns, Networks, Worker};
use crate::Result;
use crate::gpu::{Dispatch, Gpu, shader};
use crate::kernels::summary::summary;
use crate::kernels::{Isa, quantile};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of weights that are on the GPU at a time.
const CHUNK: usize = 64 << 20;

/// Iterations of the shader's loops for each 128 numbers of a window: one for each bit of a quantile, and some more.
const ITERATIONS: usize = 40;

/// Columns that are there already, network by network.
pub struct Computed {
    pub columns: Vec<String>,
    pub values: Vec<f32>,
}

impl Columns for Computed {
    fn columns(&self) -> Vec<String> {
        self.columns.clone()
    }

    fn worker(&self) -> Worker<'_> {
        let width = self.columns.len();
        Box::new(move |network, values| values.copy_from_slice(&self.values[network * width..][..width]))
    }
}

/// The seven statistics of each window of each network, network by network. The CPU computes those of networks whose weights are
/// not all finite, as shaders promise nothing about such numbers, and those of windows that are too long for the GPU.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device).
pub fn statistics_of(gpu: &Gpu, isa: Isa, networks: &Networks, windows: &[Range<usize>]) -> Result<Vec<[f32; 7]>> {
    let (count, parameters) = (networks.count(), networks.arch().parameters());
    let limits = gpu.limits();
    let bytes = CHUNK.min(usize::try_from(limits.binding_bytes).unwrap_or(CHUNK));
    let chunk = (bytes / (4 * parameters.max(7 * windows.len()))).min(limits.groups).clamp(1, count.max(1));

    let tensors: Vec<[u32; 2]> = windows.iter().map(|window| [window.start as u32, window.len() as u32]).collect();
    let pipeline = gpu.pipeline(&[shader::STATISTICS], "weight_statistics", &[])?;
    let shape = gpu.uniform("shape", &[tensors.len() as u32, chunk as u32, parameters as u32, 0])?;
    let tensors = gpu.upload("tensors", &tensors)?;
    let weights = gpu.zeros("weights", (4 * chunk * parameters) as u64)?;
    let answers = gpu.zeros("statistics", (28 * chunk * windows.len()) as u64)?;
    let bindings = [(0, &shape), (1, &tensors), (2, &weights), (3, &answers)];

    let mut found = Vec::with_capacity(count * windows.len());
    let mut packed = Vec::with_capacity(chunk * parameters);
    for first in (0..count).step_by(chunk) {
        let now = first..count.min(first + chunk);
        packed.clear();
        now.clone().for_each(|network| packed.extend_from_slice(networks.weights(network)));
        gpu.write(&weights, 0, &packed);
        gpu.submit(&Dispatch { pipeline: &pipeline, bindings: &bindings, groups: [windows.len(), now.len()] });
        found.extend(gpu.download::<[f32; 7]>(&answers, 0, now.len() * windows.len())?);
    }
    let longest = limits.iterations.map_or(usize::MAX, |most| most / ITERATIONS * 128);
    found.par_chunks_mut(windows.len()).enumerate().for_each(|(network, found)| {
        let weights = networks.weights(network);
        let finite = weights.iter().all(|weight| weight.is_finite());
        let mut scratch = Vec::new();
        for (found, window) in found.iter_mut().zip(windows).filter(|(_, window)| !finite || window.len() > longest) {
            scratch.resize(quantile::scratch_len(weights.len()), 0.0);
            *found = summary(isa, &weights[window.clone()], &mut scratch);
        }
    });
    Ok(found)
}
