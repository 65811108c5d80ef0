//! Probes: run each network on fixed images that are made from formulas, and describe what comes out.
//!
//! No image of the networks' own task is used, so it is still a prediction from weights alone. An image is as large as one
//! unit of the last convolution sees (15×15 for the reference net), never larger than the networks' images: what
//! the average over a larger map would add costs more than more probes do, and networks for images of different sizes see
//! the same probes.
//!
//! The columns are the same for every shape: the first hidden layer, the last, the mean over those between (NaN if there are
//! none), the logits and the softmax; see [`numbers`]. A layer is seen behind its activation, where its pooling may be too.

pub mod images;
pub mod numbers;

use super::{Columns, Networks, Worker};
use crate::Result;
use crate::cnn::Arch;
use crate::cnn::arena::Arena;
use crate::cnn::forward::forward;
use crate::cnn::packing::Packing;
use crate::cnn::plan::{Map, Op, Plan, Step};
use crate::kernels::activation::Activation;
use crate::kernels::simd::Simd;
use crate::kernels::{Block, Isa, Kernel, LANES, Lanes, TILE};
use images::PROBES;
use numbers::{LAYER, OUTPUT, Response};

/// The stages that convolutions are gathered in.
const STAGES: [&str; 3] = ["first", "middle", "last"];

/// Height and width of what one unit of the last map before the dense layers sees, at most those of the image; the whole image
/// where a dense layer reads a flattened map.
fn field(plan: &Plan) -> [usize; 2] {
    let image = [plan.maps[0].height, plan.maps[0].width];
    let (mut field, mut step) = (1usize, 1usize);
    for (index, of) in plan.steps.iter().enumerate() {
        let (from, to) = (&plan.maps[of.from], &plan.maps[index + 1]);
        let (span, stride) = match of.op {
            Op::Conv { kernel, stride, .. } | Op::Pool { size: kernel, stride, .. } => (kernel, stride),
            Op::Add { .. } => continue,
        };
        // gap, and what follows it or flatten
        if span == [from.height, from.width] && (to.height, to.width) == (1, 1) {
            let pooled = matches!(of.op, Op::Pool { .. });
            return if pooled { image.map(|side| side.min(field)) } else { image };
        }
        field = field.saturating_add(step.saturating_mul(span[0] - 1));
        step = step.saturating_mul(stride);
    }
    image
}

/// The shape on images that are no larger than needed: probes do not depend on the size of the networks' images.
fn on_probes(arch: &Arch) -> Arch {
    let [height, width] = field(&arch.plan());
    let smaller = Arch { height, width, ..arch.clone() };
    if smaller.check().is_ok() { smaller } else { arch.clone() }
}

/// Of each hidden layer with weights the step whose map is looked at, the one that has its activation, and that map's channels.
fn hidden(plan: &Plan) -> Vec<usize> {
    let weighted = |step: &Step| matches!(step.op, Op::Conv { .. });
    let layers = plan.steps.iter().enumerate().filter(|(index, step)| weighted(step) && index + 1 < plan.steps.len());
    let looked_at = |(index, _): (usize, &Step)| {
        let own = plan.steps[index..].iter().take_while(|step| !weighted(step) || step == &&plan.steps[index]);
        index + own.into_iter().position(|step| step.epilogue.function.is_some()).unwrap_or(0)
    };
    layers.map(looked_at).collect()
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
    packing: Packing,
    /// The steps whose maps are described.
    hidden: Vec<usize>,
    tiles: Vec<Vec<[f32; TILE]>>,
}

impl<'n> Probes<'n> {
    /// Makes the images for networks of this shape.
    ///
    /// # Errors
    /// Where the networks' activation is not known.
    pub fn new(isa: Isa, networks: &'n Networks<'n>) -> Result<Probes<'n>> {
        let arch = on_probes(networks.arch());
        let packing = Packing::new(&arch);
        let images = images::images(arch.height, arch.width);
        let tiles = images.chunks_exact(TILE).map(|images| arrange(isa, &packing, images)).collect();
        let hidden = hidden(&packing.plan);
        Ok(Probes { isa, networks, activations: networks.activations("probes")?, packing, hidden, tiles })
    }
}

/// A tile of grey images as the first layer wants it; of colour every channel is the same.
fn arrange(isa: Isa, packing: &Packing, images: &[Vec<f32>]) -> Vec<[f32; TILE]> {
    let channels = packing.image.channels;
    let of_channels = |image: &Vec<f32>| image.iter().flat_map(|&x| std::iter::repeat_n(x, channels)).collect();
    let images: Vec<Vec<f32>> = images.iter().map(of_channels).collect();
    let mut arena = Arena::new(packing, false);
    arena.gather(isa, packing, std::array::from_fn(|n| images[n].as_slice()));
    arena.image
}

impl Columns for Probes<'_> {
    fn columns(&self) -> Vec<String> {
        columns()
    }

    fn worker(&self) -> Worker<'_> {
        let mut bench = Bench::new(self);
        Box::new(move |network, values| {
            self.packing.unpack(self.networks.weights(network), &mut bench.weights);
            bench.clear();
            for index in 0..self.tiles.len() {
                bench.run(self, self.activations[network], index);
            }
            bench.describe(self, values);
        })
    }
}

/// One thread's memory.
struct Bench {
    weights: Vec<Lanes>,
    arena: Arena,
    /// What is gathered of each hidden layer.
    gathered: Vec<Gathered>,
    /// `PROBES` × classes.
    answers: Vec<f64>,
}

/// Of one layer, over all probes.
struct Gathered {
    /// Mean over the map, `PROBES` × units.
    means: Vec<f64>,
    /// Mean square over the map, summed over probes and units.
    square: f64,
    /// Share of the map where the activation is not flat, summed over probes, of each unit.
    responsive: Vec<f64>,
}

impl Bench {
    fn new(probes: &Probes) -> Bench {
        let plan = &probes.packing.plan;
        let gathered = |&step: &usize| {
            let channels = plan.maps[step + 1].channels;
            Gathered { means: vec![0.0; PROBES * channels], square: 0.0, responsive: vec![0.0; channels] }
        };
        Bench {
            weights: vec![Lanes::ZERO; probes.packing.lanes],
            arena: Arena::new(&probes.packing, false),
            gathered: probes.hidden.iter().map(gathered).collect(),
            answers: vec![0.0; PROBES * plan.classes],
        }
    }

    fn clear(&mut self) {
        for gathered in &mut self.gathered {
            gathered.square = 0.0;
            gathered.responsive.fill(0.0);
        }
    }

    /// Takes a tile of probes through the network and gathers what comes out.
    fn run(&mut self, probes: &Probes, own: Activation, index: usize) {
        let Bench { weights, arena, gathered, answers } = self;
        let (isa, plan) = (probes.isa, &probes.packing.plan);
        arena.image.copy_from_slice(&probes.tiles[index]);
        forward(isa, &probes.packing, own, weights, None, arena);
        let images = index * TILE..(index + 1) * TILE;
        for (&step, gathered) in probes.hidden.iter().zip(gathered) {
            let shape = &plan.maps[step + 1];
            let means = &mut gathered.means[images.start * shape.channels..images.end * shape.channels];
            let (low, high) = sloping(plan.steps[step].epilogue.activation(own));
            let blocks = shape.channels.div_ceil(LANES);
            for block in 0..blocks {
                let sums = isa.run(Sum { map: &arena.maps[step + 1], block, blocks, low, high });
                gather(&sums, block, shape, means, &mut gathered.square, &mut gathered.responsive);
            }
        }
        let (classes, logits) = (plan.classes, arena.logits());
        for (n, row) in answers[images.start * classes..images.end * classes].chunks_exact_mut(classes).enumerate() {
            for (k, z) in row.iter_mut().enumerate() {
                *z = f64::from(logits[k / LANES][n].0[k % LANES]);
            }
        }
    }

    /// Writes the numbers of all columns.
    fn describe(&self, probes: &Probes, values: &mut [f32]) {
        let isa = probes.isa;
        let numbers: Vec<[f64; LAYER.len()]> = self.gathered.iter().map(|gathered| gathered.numbers(isa)).collect();
        let (stages, rest) = values.split_at_mut(STAGES.len() * LAYER.len());
        let (count, last) = (numbers.len(), numbers.len().saturating_sub(1));
        let stage_layers = [0..count.min(1), count.min(1)..last.max(count.min(1)), last..count];
        for (values, layers) in stages.chunks_exact_mut(LAYER.len()).zip(stage_layers) {
            let layers = &numbers[layers];
            for (k, value) in values.iter_mut().enumerate() {
                // no layer: 0/0 is NaN, a missing value
                *value = (layers.iter().map(|numbers| numbers[k]).sum::<f64>() / layers.len() as f64) as f32;
            }
        }
        let output = numbers::output(isa, probes.packing.plan.classes, &self.answers);
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
        Activation::Relu | Activation::LeakyRelu | Activation::Gelu | Activation::Silu => (0.0, f32::INFINITY),
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
    /// Plain loops, compiled for each ISA.
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
fn gather(sums: &Sums, block: usize, map: &Map, means: &mut [f64], square: &mut f64, responsive: &mut [f64]) {
    let share = 1.0 / (map.rows * map.columns) as f64;
    let units = block * LANES..map.channels.min((block + 1) * LANES);
    for n in 0..TILE {
        let means = &mut means[n * map.channels..(n + 1) * map.channels];
        for (c, unit) in units.clone().enumerate() {
            means[unit] = f64::from(sums.sum[n].0[c]) * share;
            *square += f64::from(sums.square[n].0[c]) * share;
            responsive[unit] += f64::from(sums.between[n].0[c]) * share;
        }
    }
}

#[cfg(test)]
mod tests;
