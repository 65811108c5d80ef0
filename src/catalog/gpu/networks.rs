//! Whole networks, many side by side.

use super::{Bench, Size, reference};
use crate::Result;
use crate::bench::Cost;
use crate::cnn::init;
use crate::dataset::Split;
use crate::gpu::Gpu;
use crate::rng::Stream;
use crate::train::gpu::fast::Kind as Program;
use crate::train::gpu::{Fleet, Part, Path, Plan, Steps};
use crate::train::run::{Activation, Choice, Optimizer, Run};
use std::time::Instant;

/// What the networks are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Relu,
    Dropout,
    /// Optimizers, activations and dropout side by side, as in a zoo.
    Mixed,
}

/// The kinds with their names.
const KINDS: [(&str, Kind); 3] =
    [("28x28_relu", Kind::Relu), ("28x28_relu_drop", Kind::Dropout), ("28x28_mixed", Kind::Mixed)];

fn shape_of(kind: &str, networks: usize) -> String {
    format!("{kind}/{networks}_networks")
}

impl Bench<'_> {
    /// Training steps and an evaluation of the reference net, many networks side by side.
    pub(super) fn networks(&mut self, gpu: Gpu) -> Result<()> {
        let arch = reference();
        let Size { batch, steps, networks, .. } = self.size;
        let mut shapes = networks.iter().flat_map(|count| KINDS.map(|(kind, _)| shape_of(kind, *count)));
        let last = shape_of(KINDS[0].0, networks[networks.len() - 1]);
        // compiling takes longer than measuring
        if !shapes.any(|shape| self.wants("train_step", &shape)) && !self.wants("evaluate", &last) {
            return Ok(());
        }
        let split = split(batch * steps);
        let slots = networks[networks.len() - 1];
        let kinds: Vec<Program> =
            (0..8).flat_map(|slot| KINDS.map(|(_, kind)| Program::of(&run(slot, kind)))).collect();
        let (train, test, path) = (&split, &split, Path::default());
        let plan = Plan { arch: &arch, train, test, batch, slots, kinds: &kinds, path };
        let engine = plan.engine(&gpu)?;
        let fleet = Fleet::new(gpu, engine, &plan)?;
        let mut flat = vec![0.0; arch.parameters()];
        let order: Vec<u32> = (0..split.len() as u32).collect();
        for slot in 0..slots {
            let run = run(slot, Kind::Relu);
            init::fill(&arch, run.w_init, run.init_std, run.seed, &mut flat);
            fleet.load(slot, &[&flat[..]]);
            fleet.set_order(slot, &order);
        }
        for (name, kind) in KINDS {
            for &count in networks {
                let work: Vec<Steps> = (0..count)
                    .map(|slot| Steps { slot, run: run(slot, kind), first: 0, before: 0, count: steps })
                    .collect();
                let images = count * batch * steps;
                let cost = Cost {
                    flops: (images as u64 * arch.training_flops()) as f64,
                    bytes: (images * 784 * 4 + count * steps * 6 * arch.parameters() * 4) as f64,
                    items: images as f64,
                };
                self.row("train_step", &shape_of(name, count), cost, "images", &mut |times| fleet.time(&work, times))?;
            }
        }
        let work: Vec<(usize, Run, usize)> = (0..slots).map(|slot| (slot, run(0, Kind::Relu), split.len())).collect();
        let images = slots * split.len();
        let cost = Cost {
            flops: (images as u64 * arch.forward_flops()) as f64,
            bytes: (images * 784 * 4) as f64,
            items: images as f64,
        };
        // the host's share is in it: results come back after each call
        self.row("evaluate", &last, cost, "images", &mut |times| {
            let start = Instant::now();
            for _ in 0..times {
                fleet.evaluate(Part::Train, &work)?;
            }
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

/// The hyperparameters of the network in a slot.
fn run(slot: usize, kind: Kind) -> Run {
    let (optimizer, activation) = match kind {
        Kind::Mixed => (Optimizer::ALL[slot % 4], [Activation::Relu, Activation::Tanh][slot / 4 % 2]),
        Kind::Relu | Kind::Dropout => (Optimizer::Adam, Activation::Relu),
    };
    Run {
        optimizer,
        activation,
        w_init: init::Init::HeNormal,
        learning_rate: 1e-4,
        l2reg: 0.0,
        dropout: if kind == Kind::Relu { 0.0 } else { 0.3 },
        init_std: 0.1,
        train_fraction: 1.0,
        seed: slot as u64,
    }
}

fn split(images: usize) -> Split {
    let mut stream = Stream::new(1, 0, 0);
    Split {
        images: (0..images * 784).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..images).map(|n| (n % 10) as u8).collect(),
        height: 28,
        width: 28,
    }
}
