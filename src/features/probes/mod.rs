//! Probes: run each network on fixed images that are made from formulas, and describe what comes out.
//!
//! No image of the networks' own task is used, so it is still a prediction from weights alone. An image is as large as one
//! unit of the last convolution sees (15×15 for the reference net), never larger than the networks' images: what
//! the average over a larger map would add costs more than more probes do, and networks for images of different sizes see
//! the same probes.
//!
//! The columns are the same for every shape: the first hidden layer, the last, the mean over those between (NaN if there are
//! none), the logits and the softmax; [`mod@crate::kernels::probes`] computes them. A layer is seen behind its activation, where its
//! pooling may be too.

pub mod images;

use super::{Columns, Networks, Worker};
use crate::Result;
use crate::cnn::Arch;
use crate::cnn::arena::Arena;
use crate::cnn::forward::forward;
use crate::cnn::packing::Packing;
use crate::cnn::plan::{Op, Plan, Step};
use crate::kernels::activation::Activation;
use crate::kernels::probes::{NUMBERS, Name, PROBES, Response, numbers, output, response_len, scratch_len};
use crate::kernels::{Isa, LANES, Lanes, TILE};

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

/// The probes that networks of a shape are shown: grey, row-major.
pub fn images_for(arch: &Arch) -> Vec<Vec<f32>> {
    let arch = on_probes(arch);
    images::images(arch.height, arch.width)
}

/// Of each hidden layer with weights the step whose map is looked at, the one that has its activation.
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
    (0..NUMBERS).map(|number| Name(number).to_string()).collect()
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
        let images = images_for(networks.arch());
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
            bench.gathered.iter_mut().for_each(Response::clear);
            for index in 0..self.tiles.len() {
                bench.run(self, self.activations[network], index);
            }
            values.copy_from_slice(&bench.describe(self));
        })
    }
}

/// One thread's memory.
struct Bench {
    weights: Vec<Lanes>,
    arena: Arena,
    /// What is gathered of each hidden layer.
    gathered: Vec<Response<Vec<f64>>>,
    /// `PROBES` × classes.
    answers: Vec<f64>,
    scratch: Vec<f64>,
}

impl Bench {
    fn new(probes: &Probes) -> Bench {
        let plan = &probes.packing.plan;
        let units = |&step: &usize| plan.maps[step + 1].channels;
        let widest = probes.hidden.iter().map(units).max().unwrap_or(0).max(plan.classes);
        let response = |step: &usize| Response::new(vec![0.0; response_len(units(step))]);
        Bench {
            weights: vec![Lanes::ZERO; probes.packing.lanes],
            arena: Arena::new(&probes.packing, false),
            gathered: probes.hidden.iter().map(response).collect(),
            answers: vec![0.0; PROBES * plan.classes],
            scratch: vec![0.0; scratch_len(widest)],
        }
    }

    /// Takes a tile of probes through the network and gathers what comes out.
    fn run(&mut self, probes: &Probes, own: Activation, index: usize) {
        let Bench { weights, arena, gathered, answers, .. } = self;
        let (isa, plan) = (probes.isa, &probes.packing.plan);
        arena.image.copy_from_slice(&probes.tiles[index]);
        forward(isa, &probes.packing, own, weights, None, arena);
        for (&step, gathered) in probes.hidden.iter().zip(gathered) {
            gathered.add_tile(isa, index, &arena.maps[step + 1], plan.steps[step].epilogue.activation(own));
        }
        let (classes, logits) = (plan.classes, arena.logits());
        let images = index * TILE..(index + 1) * TILE;
        for (n, row) in answers[images.start * classes..images.end * classes].chunks_exact_mut(classes).enumerate() {
            for (k, z) in row.iter_mut().enumerate() {
                *z = f64::from(logits[k / LANES][n].0[k % LANES]);
            }
        }
    }

    /// The numbers of all columns.
    fn describe(&mut self, probes: &Probes) -> [f32; NUMBERS] {
        let Bench { gathered, answers, scratch, .. } = self;
        let layers: Vec<_> = gathered.iter().map(|layer| layer.numbers(probes.isa, scratch)).collect();
        numbers(&layers, &output(probes.isa, probes.packing.plan.classes, answers, scratch))
    }
}

#[cfg(test)]
mod tests;
