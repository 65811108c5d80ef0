//! Probes: run each network on fixed images that are made from formulas, and describe what comes out.
//!
//! No image of the networks' own task is used, so it is still a prediction from weights alone. An image is as large as one
//! unit of the last convolution sees ([`field`]; 15×15 for the reference net), never larger than the networks' images: what
//! the average over a larger map would add costs more than more probes do, and networks for images of different sizes see
//! the same probes.
//!
//! The columns are the same for every shape: the first convolution, the last, the mean over those between (NaN if there are
//! none), the logits and the softmax; see [`numbers`].

pub mod images;
pub mod numbers;

use super::{Networks, Part, Worker};
use crate::Result;
use crate::cnn::forward::{Tile, forward};
use crate::cnn::plan::{Layer, Plan};
use crate::cnn::{Arch, KERNEL};
use crate::kernels::activation::Activation;
use crate::kernels::simd::Simd;
use crate::kernels::{Block, Isa, Kernel, LANES, Lanes, TILE};
use images::PROBES;
use numbers::{LAYER, OUTPUT, Response};

/// The stages that convolutions are gathered in.
const STAGES: [&str; 3] = ["first", "middle", "last"];

/// Side of what one unit of the last convolution sees.
pub fn field(arch: &Arch) -> usize {
    let (mut field, mut stride) = (1usize, 1usize);
    for conv in &arch.convs {
        field = field.saturating_add(stride.saturating_mul(KERNEL - 1));
        stride = stride.saturating_mul(conv.stride);
    }
    field
}

/// Names of the columns, the same for every shape.
pub fn columns() -> Vec<String> {
    let layers = STAGES.into_iter().flat_map(|stage| LAYER.map(|number| format!("probes.{stage}.{number}")));
    layers.chain(OUTPUT.map(|number| format!("probes.{number}"))).collect()
}

/// The probes' numbers of each network.
pub(super) struct Probes<'n> {
    isa: Isa,
    networks: &'n Networks<'n>,
    activations: Vec<Activation>,
    plan: Plan,
    tiles: Vec<Vec<[f32; TILE]>>,
}

impl<'n> Probes<'n> {
    /// Makes the images for networks of this shape.
    ///
    /// # Errors
    /// Where the networks' activation is not known.
    pub fn new(isa: Isa, networks: &'n Networks<'n>) -> Result<Probes<'n>> {
        let arch = networks.arch();
        let field = field(arch);
        let (height, width) = (arch.height.min(field), arch.width.min(field));
        let arch = Arch::new(height, width, arch.convs.clone(), arch.classes)?;
        let plan = Plan::new(&arch);
        let tiles = images::images(height, width).chunks_exact(TILE).map(|images| arrange(&plan, images)).collect();
        Ok(Probes { isa, networks, activations: networks.activations("probes")?, plan, tiles })
    }
}

/// A tile of images as the first convolution wants it.
fn arrange(plan: &Plan, images: &[Vec<f32>]) -> Vec<[f32; TILE]> {
    let (dims, (top, left)) = (plan.layers[0].dims, plan.image_border);
    let mut tile = vec![[0.0; TILE]; dims.height * dims.width];
    for (n, image) in images.iter().enumerate() {
        for (row, pixels) in image.chunks_exact(plan.arch.width).enumerate() {
            for (column, &pixel) in pixels.iter().enumerate() {
                tile[(row + top) * dims.width + left + column][n] = pixel;
            }
        }
    }
    tile
}

impl Part for Probes<'_> {
    fn columns(&self) -> Vec<String> {
        columns()
    }

    fn worker(&self) -> Worker<'_> {
        let mut arena = Arena::new(&self.plan);
        Box::new(move |network, values| {
            self.plan.unpack(self.networks.weights(network), &mut arena.weights);
            let activation = self.activations[network];
            arena.clear();
            for (index, tile) in self.tiles.iter().enumerate() {
                arena.run(self.isa, &self.plan, activation, index, tile);
            }
            arena.describe(self.isa, &self.plan, values);
        })
    }
}

/// One thread's memory.
struct Arena {
    weights: Vec<Lanes>,
    maps: Vec<Vec<Block>>,
    inputs: Vec<Vec<Block>>,
    pooled: Vec<Block>,
    logits: Vec<Block>,
    /// What is gathered of each convolution.
    gathered: Vec<Gathered>,
    /// `PROBES` × classes.
    answers: Vec<f64>,
}

/// Of one convolution, over all probes.
struct Gathered {
    /// Mean over the map, `PROBES` × units.
    means: Vec<f64>,
    /// Mean square over the map, summed over probes and units.
    square: f64,
    /// Share of the map where the activation is not flat, summed over probes, of each unit.
    responsive: Vec<f64>,
}

impl Arena {
    fn new(plan: &Plan) -> Arena {
        let blocks = |count: usize| vec![[Lanes::ZERO; TILE]; count];
        let maps = || plan.convs().iter().map(|layer| blocks(layer.dims.y_len())).collect();
        let gathered = |layer: &Layer| Gathered {
            means: vec![0.0; PROBES * layer.channels],
            square: 0.0,
            responsive: vec![0.0; layer.channels],
        };
        Arena {
            weights: vec![Lanes::ZERO; plan.lanes],
            maps: maps(),
            inputs: maps(),
            pooled: blocks(plan.dense().dims.inputs),
            logits: blocks(plan.dense().dims.outputs),
            gathered: plan.convs().iter().map(gathered).collect(),
            answers: vec![0.0; PROBES * plan.arch.classes],
        }
    }

    fn clear(&mut self) {
        for gathered in &mut self.gathered {
            gathered.square = 0.0;
            gathered.responsive.fill(0.0);
        }
    }

    /// Takes a tile of probes through the network and gathers what comes out.
    fn run(&mut self, isa: Isa, plan: &Plan, activation: Activation, index: usize, image: &[[f32; TILE]]) {
        let Arena { weights, maps, inputs, pooled, logits, gathered, answers } = self;
        forward(isa, plan, activation, weights, |_| None, Tile { image, maps, inputs, pooled, logits });
        let probes = index * TILE..(index + 1) * TILE;
        for ((layer, map), gathered) in plan.convs().iter().zip(maps.iter()).zip(gathered) {
            let means = &mut gathered.means[probes.start * layer.channels..probes.end * layer.channels];
            let (low, high) = sloping(activation);
            for block in 0..layer.dims.outputs {
                let sums = isa.run(Sum { map, block, blocks: layer.dims.outputs, low, high });
                gather(&sums, block, layer, means, &mut gathered.square, &mut gathered.responsive);
            }
        }
        let classes = plan.arch.classes;
        for (n, row) in answers[probes.start * classes..probes.end * classes].chunks_exact_mut(classes).enumerate() {
            for (k, z) in row.iter_mut().enumerate() {
                *z = f64::from(logits[k / LANES][n].0[k % LANES]);
            }
        }
    }

    /// Writes the numbers of all columns.
    fn describe(&self, isa: Isa, plan: &Plan, values: &mut [f32]) {
        let numbers: Vec<[f64; LAYER.len()]> = self.gathered.iter().map(|gathered| gathered.numbers(isa)).collect();
        let (stages, rest) = values.split_at_mut(STAGES.len() * LAYER.len());
        let last = numbers.len() - 1;
        let stage_layers = [0..1, 1..last.max(1), last..last + 1];
        for (values, layers) in stages.chunks_exact_mut(LAYER.len()).zip(stage_layers) {
            let layers = &numbers[layers];
            for (k, value) in values.iter_mut().enumerate() {
                // no layer: 0/0 is NaN, a missing value
                *value = (layers.iter().map(|numbers| numbers[k]).sum::<f64>() / layers.len() as f64) as f32;
            }
        }
        let output = numbers::output(isa, plan.arch.classes, &self.answers);
        rest.iter_mut().zip(output).for_each(|(value, number)| *value = number as f32);
    }
}

impl Gathered {
    fn numbers(&self, isa: Isa) -> [f64; LAYER.len()] {
        numbers::layer(isa, &Response { means: &self.means, square: self.square, responsive: &self.responsive })
    }
}

/// Between which outputs an activation is not flat: its slope is at least about a tenth of its largest.
fn sloping(activation: Activation) -> (f32, f32) {
    match activation {
        Activation::Identity => (f32::NEG_INFINITY, f32::INFINITY),
        Activation::Relu | Activation::Gelu => (0.0, f32::INFINITY),
        Activation::Tanh => (-0.95, 0.95),
        Activation::Sigmoid => (0.025, 0.975),
    }
}

/// Sums over a map's positions for one block of 16 channels.
struct Sum<'a> {
    map: &'a [Block],
    block: usize,
    blocks: usize,
    low: f32,
    high: f32,
}

/// What [`Sum`] gives of each image: sums, sums of squares, and how many outputs lie between two bounds.
struct Sums {
    sum: Block,
    square: Block,
    between: Block,
}

impl Kernel for Sum<'_> {
    type Output = Sums;
    /// Plain loops, compiled for each leg.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Sums {
        let zero = [Lanes::ZERO; TILE];
        let mut sums = Sums { sum: zero, square: zero, between: zero };
        for n in 0..TILE {
            let (mut sum, mut square, mut between) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
            for position in self.map[self.block..].iter().step_by(self.blocks) {
                let y = &position[n].0;
                for c in 0..LANES {
                    sum[c] += y[c];
                    square[c] += y[c] * y[c];
                    between[c] += if y[c] > self.low && y[c] < self.high { 1.0 } else { 0.0 };
                }
            }
            (sums.sum[n].0, sums.square[n].0, sums.between[n].0) = (sum, square, between);
        }
        sums
    }
}

/// Adds a block's sums to what is known of its layer; channels beyond the real ones are left out.
fn gather(sums: &Sums, block: usize, layer: &Layer, means: &mut [f64], square: &mut f64, responsive: &mut [f64]) {
    let share = 1.0 / (layer.dims.p * layer.dims.q) as f64;
    let units = block * LANES..layer.channels.min((block + 1) * LANES);
    for n in 0..TILE {
        let means = &mut means[n * layer.channels..(n + 1) * layer.channels];
        for (c, unit) in units.clone().enumerate() {
            means[unit] = f64::from(sums.sum[n].0[c]) * share;
            *square += f64::from(sums.square[n].0[c]) * share;
            responsive[unit] += f64::from(sums.between[n].0[c]) * share;
        }
    }
}

#[cfg(test)]
mod tests;
