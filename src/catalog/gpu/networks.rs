//! Whole networks, many side by side: every path, every variant of the fast one.

use super::{Bench, Work, difference};
use crate::Result;
use crate::bench::Cost;
use crate::cnn::choice::Choice;
use crate::cnn::packing::Packing;
use crate::cnn::{Arch, init};
use crate::dataset::Examples;
use crate::gpu::{Adapter, Checks, Gpu};
use crate::kernels::Isa;
use crate::kernels::activation::Activation;
use crate::rng::Stream;
use crate::train::gpu::fast::{self, Layout, Options, Placement, Sync};
use crate::train::gpu::{Fleet, FleetPlan, Pace, Path, Steps, Subset};
use crate::train::network::Network;
use crate::train::run::{Optimizer, Run};
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
const KINDS: [(&str, Kind); 3] = [("relu", Kind::Relu), ("relu_drop", Kind::Dropout), ("mixed", Kind::Mixed)];

/// Networks at most among which the number is looked for that a GPU trains in the time of one.
const MOST_WIDTH: usize = 512;

/// Answers differ by this much at most: one unit of a ReLU whose z is nearly 0 may fall to the other side.
const TOLERANCE: f64 = 5e-3;

/// Options of the fast path with their names.
pub(super) fn variants(adapter: &Adapter) -> Vec<(&'static str, Path)> {
    let plain = Options::default();
    let mut all = vec![
        ("fast", Path::Automatic(plain)),
        ("fast_round8", Path::Automatic(Options { round: 8, ..plain })),
        ("fast_checked", Path::Automatic(Options { checks: Checks::On, ..plain })),
        ("fast_tile4", Path::Fast(plain, Layout { tile: 4, placement: Placement { second: true, third: false } })),
    ];
    if adapter.has_warps() {
        let subgroup = Options { sync: Sync::Subgroup, ..plain };
        all.insert(1, ("fast_subgroup", Path::Automatic(subgroup)));
        all.insert(2, ("fast_subgroup_round8", Path::Automatic(Options { round: 8, ..subgroup })));
    }
    all.push(("general", Path::General));
    all
}

impl Bench<'_> {
    /// Training steps and an evaluation of the reference net, many networks side by side.
    pub(super) fn networks(&mut self, mut gpu: Gpu) -> Result<Gpu> {
        for side in [28, 32] {
            for (variant, path) in variants(gpu.adapter()) {
                // variants are compared on small images
                let seldom = variant.contains("round8") || variant.contains("checked") || variant.contains("tile4");
                if side == 28 || !seldom {
                    gpu = self.variant(gpu, side, variant, path)?;
                }
            }
        }
        Ok(gpu)
    }

    /// The rows of one path.
    fn variant(&mut self, gpu: Gpu, side: usize, variant: &str, path: Path) -> Result<Gpu> {
        let all = variant == "fast" || variant == "general";
        let kinds: Vec<(&str, Kind)> = KINDS.into_iter().filter(|(_, kind)| all || *kind != Kind::Mixed).collect();
        let shape = |kind: &str| format!("{side}x{side}_{kind}_{variant}");
        let mut wanted = false;
        for (kind, _) in &kinds {
            wanted |= self.wants("train_step", &(shape(kind) + "/"));
        }
        wanted |= self.wants("evaluate", &(shape("relu") + "/"));
        // compiling takes longer than measuring
        if !wanted {
            return Ok(gpu);
        }
        let arch = Arch::reference(side, side, 10)?;
        let (batch, steps) = (self.size.batch, self.size.steps);
        let split = split(side, batch * steps);
        let programs: Vec<fast::Kind> =
            (0..8).flat_map(|slot| kinds.iter().map(move |&(_, kind)| fast::Kind::of(&run(slot, kind)))).collect();
        let (train, test) = (&split, &split);
        let slots = if gpu.adapter().software { 2 } else { MOST_WIDTH };
        let mut plan = FleetPlan { arch: &arch, train, test, batch, slots, kinds: &programs, path };
        let engine = plan.engine(&gpu)?;
        let fleet = Fleet::new(gpu, engine, &plan)?;
        let width = if slots == 2 { 2 } else { Pace::widths(&fleet, &run(0, Kind::Relu))? };
        let (gpu, engine) = fleet.into_parts();
        plan.slots = self.size.widths * width;
        let fleet = Fleet::new(gpu, engine, &plan)?;
        self.load(&fleet, &arch);
        for (kind, what) in kinds {
            let counts = if all && what == Kind::Relu { vec![1, width, fleet.slots()] } else { vec![fleet.slots()] };
            for count in counts {
                self.train_row(&fleet, &arch, &split, &shape(kind), what, count)?;
            }
        }
        self.evaluate_row(&fleet, &arch, &split, &shape("relu"))?;
        Ok(fleet.into_parts().0)
    }

    /// Initial weights and the order of images for every slot.
    fn load(&self, fleet: &Fleet, arch: &Arch) {
        let flats: Vec<Vec<f32>> = (0..fleet.slots()).map(|slot| initial(arch, &run(slot, Kind::Relu))).collect();
        fleet.load(0, &flats);
        let mut order: Vec<u32> = (0..(self.size.batch * self.size.steps) as u32).collect();
        fleet.label(&mut order);
        (0..fleet.slots()).for_each(|slot| fleet.set_order(slot, &order));
    }

    fn train_row(
        &mut self,
        fleet: &Fleet,
        arch: &Arch,
        split: &Examples,
        shape: &str,
        kind: Kind,
        count: usize,
    ) -> Result<()> {
        let images = count * split.len();
        let work: Vec<Steps> = (0..count)
            .map(|slot| Steps { slot, run: run(slot, kind), first: 0, before: 0, count: self.size.steps, all: 1 })
            .collect();
        let pixels = arch.height * arch.width;
        let cost = Cost {
            flops: (images as u64 * arch.plan().flops().0.training) as f64,
            bytes: (images * pixels * 4 + count * self.size.steps * 6 * arch.parameters() * 4) as f64,
            items: images as f64,
        };
        let executed =
            executed(fleet, arch).map_or(1.0, |flops| flops.0 as f64 / arch.plan().flops().0.training as f64);
        let shape = format!("{shape}/{count}_networks");
        let row = Work { name: "train_step", shape: &shape, cost, items: "images", executed, tolerance: TOLERANCE };
        self.row(&row, &mut || gradient_error(fleet, arch, split, kind), &mut |times| fleet.time(&work, times))?;
        // the check and the steps have moved the weights
        self.load(fleet, arch);
        Ok(())
    }

    fn evaluate_row(&mut self, fleet: &Fleet, arch: &Arch, split: &Examples, shape: &str) -> Result<()> {
        let count = fleet.slots();
        let work: Vec<(usize, Run, usize)> =
            (0..count).map(|slot| (slot, run(slot, Kind::Relu), split.len())).collect();
        let images = count * split.len();
        let cost = Cost {
            flops: (images as u64 * arch.plan().flops().0.forward) as f64,
            bytes: (images * arch.height * arch.width * 4) as f64,
            items: images as f64,
        };
        let executed = executed(fleet, arch).map_or(1.0, |flops| flops.1 as f64 / arch.plan().flops().0.forward as f64);
        let shape = format!("{shape}/{count}_networks");
        let row = Work { name: "evaluate", shape: &shape, cost, items: "images", executed, tolerance: 1e-4 };
        let mut check = || {
            let plan = Packing::new(arch);
            let run = run(0, Kind::Relu);
            let mut network = Network::new(Isa::detect(), &plan, run);
            network.load(&initial(arch, &run));
            let expected = network.evaluate(split, split.len());
            let found = &fleet.evaluate(Subset::Train, &work[..1])?[0];
            Ok(f64::from((found.loss - expected.loss).abs() / expected.loss))
        };
        // the host's share is in it: results come back after each call
        self.row(&row, &mut check, &mut |times| {
            let start = Instant::now();
            for _ in 0..times {
                fleet.evaluate(Subset::Train, &work)?;
            }
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

/// Operations of an image's step and evaluation where units are left out.
fn executed(fleet: &Fleet, arch: &Arch) -> Option<(u64, u64)> {
    fast::Shape::of(arch).filter(|_| fleet.engine().is_fast()).map(|shape| shape.executed_flops())
}

/// How far a step of momentum with rate 1 moves the first network's weights, against the CPU's gradient.
fn gradient_error(fleet: &Fleet, arch: &Arch, split: &Examples, kind: Kind) -> Result<f64> {
    let run = Run { optimizer: Optimizer::Momentum, learning_rate: 1.0, ..run(0, kind) };
    let before = initial(arch, &run);
    fleet.load(0, &[&before[..]]);
    fleet.steps(&[Steps { slot: 0, run, first: 0, before: 0, count: 1, all: 1 }])?;
    let mut after = vec![0.0; before.len()];
    fleet.store(0, &mut after)?;
    let moved: Vec<f32> = before.iter().zip(&after).map(|(before, after)| before - after).collect();
    let plan = Packing::new(arch);
    let mut network = Network::new(Isa::detect(), &plan, run);
    network.load(&before);
    let batch: Vec<u32> = (0..fleet.batch() as u32).collect();
    let mut expected = vec![0.0; before.len()];
    network.loss_and_gradient(split, &batch, &mut expected);
    fleet.load(0, &[&before[..]]);
    Ok(difference(&moved, &expected.iter().map(|&g| f64::from(g)).collect::<Vec<_>>()))
}

fn initial(arch: &Arch, run: &Run) -> Vec<f32> {
    let mut flat = vec![0.0; arch.parameters()];
    init::fill(&arch.plan(), run.start(), &mut flat);
    flat
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
        learning_rate: 1e-4,
        dropout: if kind == Kind::Relu { 0.0 } else { 0.3 },
        seed: slot as u64,
        ..Run::default()
    }
}

pub(super) fn split(side: usize, images: usize) -> Examples {
    let mut stream = Stream::new(1, 0, 0);
    Examples {
        images: (0..images * side * side).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..images).map(|n| (n % 10) as u8).collect(),
        height: side,
        width: side,
        channels: 1,
    }
}
