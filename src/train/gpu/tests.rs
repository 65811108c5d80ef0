//! Steps and evaluations on the first adapter of this machine against the definition and against the CPU.

use super::*;
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::cnn::packing::Packing;
use crate::dataset::Examples;
use crate::gpu::tests::card;
use crate::kernels::Isa;
use crate::kernels::activation::Activation;
use crate::rng::Stream;
use crate::train::network::Network;
use crate::train::reference;
use crate::train::rules;
use crate::train::run::{Optimizer, Run};

pub(super) fn split(side: usize, images: usize, classes: usize) -> Examples {
    let mut stream = Stream::new(7, 0, images as u32);
    Examples {
        images: (0..images * side * side).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..images).map(|n| (n * n % classes) as u8).collect(),
        height: side,
        width: side,
        channels: 1,
    }
}

/// The activations that the shaders know.
pub(super) const KNOWN: [Activation; 4] = [Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Gelu];

pub(super) fn hyperparameters(activation: Activation, optimizer: Optimizer, dropout: f32) -> Run {
    Run { optimizer, activation, learning_rate: 0.01, dropout, seed: 0x0123_4567_89ab_cdef, ..Run::default() }
}

pub(super) fn arch(side: usize, stack: &str, classes: usize) -> Arch {
    Arch::grey(side, side, stack, classes).unwrap()
}

/// Every activation with and without dropout.
pub(super) fn kinds() -> Vec<Kind> {
    let of = |&activation| [false, true].map(|dropout| Kind { activation, dropout });
    KNOWN.iter().flat_map(of).collect()
}

/// A fleet on the general path.
fn fleet(arch: &Arch, train: &Examples, batch: usize, slots: usize) -> Option<Fleet> {
    fleet_on(arch, train, batch, slots, &kinds(), Path::General)
}

/// A fleet of some kinds of networks.
pub(super) fn fleet_on(
    arch: &Arch,
    train: &Examples,
    batch: usize,
    slots: usize,
    kinds: &[Kind],
    path: Path,
) -> Option<Fleet> {
    let gpu = card()?;
    let plan = FleetPlan { arch, train, test: train, batch, slots, kinds, path };
    let engine = plan.engine(&gpu).unwrap();
    Some(Fleet::new(gpu, engine, &plan).unwrap())
}

/// Puts a network into a slot with an order of images.
pub(super) fn place(fleet: &Fleet, slot: usize, flat: &[f32], mut order: Vec<u32>) {
    fleet.load(slot, &[flat]);
    fleet.label(&mut order);
    fleet.set_order(slot, &order);
}

pub(super) fn initial(arch: &Arch, run: &Run) -> Vec<f32> {
    let mut flat = vec![0.0; arch.parameters()];
    crate::cnn::init::fill(&arch.plan(), run.start(), &mut flat);
    flat
}

/// The largest difference, relative to the largest expected value.
pub(super) fn distance(got: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(1e-30, |largest: f64, x| largest.max(x.abs()));
    let distances = got.iter().zip(expected).map(|(&got, expected)| (f64::from(got) - expected).abs());
    distances.fold(0.0, |worst: f64, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) }) / largest
}

/// Side of the image, stack, classes, images of a batch: whole tiles and parts of one.
const SHAPES: [(usize, &str, usize, usize); 6] = [
    (28, "16s2,16s2,16s2", 10, 5),
    (11, "8s2same,5s1same", 3, 7),
    (12, "6s1,20s2same,16s1", 17, 3),
    (9, "3s2", 2, 11),
    (8, "4s1same,4s2,4s1same,4s1same", 5, 2),
    // maps outside workgroup memory
    (20, "32s1,40s1same", 10, 3),
];

/// One step of gradient descent with rate 1 shows the gradient; all activations, with and without dropout, are slots of one
/// dispatch.
#[test]
fn gradients_agree_with_the_definition() {
    for (side, stack, classes, batch) in SHAPES {
        let (arch, images) = (arch(side, stack, classes), split(side, batch, classes));
        let runs: Vec<Run> = KNOWN
            .iter()
            .flat_map(|&activation| [0.0, 0.4].map(|dropout| hyperparameters(activation, Optimizer::Sgd, dropout)))
            .map(|run| Run { learning_rate: 1.0, ..run })
            .collect();
        let Some(fleet) = fleet(&arch, &images, batch, runs.len()) else { return };
        let order: Vec<u32> = (0..batch as u32).collect();
        let mut work = Vec::new();
        for (slot, &run) in runs.iter().enumerate() {
            place(&fleet, slot, &initial(&arch, &run), order.clone());
            // another step number than 0, so that it is seen to be used
            work.push(Steps { slot, run, first: 0, before: 3, count: 1, all: 1 });
        }
        let losses = fleet.steps(&work).unwrap();
        for (slot, (run, loss)) in runs.iter().zip(losses).enumerate() {
            let before = initial(&arch, run);
            let mut after = vec![0.0; before.len()];
            fleet.store(slot, &mut after).unwrap();
            let moved: Vec<f32> = before.iter().zip(&after).map(|(before, after)| before - after).collect();
            let flat: Vec<f64> = before.iter().map(|&w| f64::from(w)).collect();
            let (expected_loss, gradient) = reference::loss_and_gradient(&arch, run, &images, 3, &flat);
            let error = distance(&moved, &gradient);
            let name = format!("{stack} {:?} dropout {}", run.activation, run.dropout);
            assert!((f64::from(loss) - expected_loss).abs() < 1e-5 * expected_loss, "{name}: {loss} {expected_loss}");
            // the difference of two weights is rounded as the weights are
            let rounding = 1e-7 * before.iter().fold(0.0, |most: f64, &w| most.max(f64::from(w.abs())));
            let largest = gradient.iter().fold(1e-30, |most: f64, g| most.max(g.abs()));
            eprintln!("{name}: loss {:.1e}, gradient {error:.1e}", f64::from(loss) - expected_loss);
            assert!(error < 1e-5 + rounding / largest, "{name}: {error:e}");
        }
    }
}

/// Ten steps of every optimizer and activation with dropout and L2, half of them in a second dispatch.
#[test]
fn steps_follow_the_cpu() {
    let (side, batch, steps) = (12, 9, 10);
    let (arch, images) = (arch(side, "8s2,16s1same", 4), split(side, batch * steps, 4));
    let plan = Packing::new(&arch);
    let runs: Vec<Run> = Optimizer::ALL
        .iter()
        .flat_map(|&optimizer| KNOWN.iter().map(move |&activation| (optimizer, activation)))
        .map(|(optimizer, activation)| Run { l2reg: 0.01, ..hyperparameters(activation, optimizer, 0.25) })
        .collect();
    let Some(fleet) = fleet(&arch, &images, batch, runs.len()) else { return };
    let mut order = Vec::new();
    for (slot, run) in runs.iter().enumerate() {
        rules::shuffle(run, images.len(), 0, &mut order);
        place(&fleet, slot, &initial(&arch, run), order.clone());
    }
    let half = |first: usize, count: usize| {
        let of = |(slot, &run)| Steps { slot, run, first: first * batch, before: first as u32, count, all: 1 };
        fleet.steps(&runs.iter().enumerate().map(of).collect::<Vec<_>>()).unwrap()
    };
    half(0, 4);
    let losses = half(4, steps - 4);
    let evaluations =
        fleet.evaluate(Subset::Train, &runs.iter().enumerate().map(|(slot, &run)| (slot, run, 83)).collect::<Vec<_>>());
    for (slot, (run, evaluation)) in runs.iter().zip(evaluations.unwrap()).enumerate() {
        let mut network = Network::new(Isa::detect(), &plan, *run);
        rules::shuffle(run, images.len(), 0, &mut order);
        let mut loss = 0.0;
        order.chunks_exact(batch).for_each(|batch| loss = network.step(&images, batch));
        let (mut got, mut expected) = (vec![0.0; arch.parameters()], vec![0.0; arch.parameters()]);
        fleet.store(slot, &mut got).unwrap();
        network.store(&mut expected);
        let expected: Vec<f64> = expected.iter().map(|&w| f64::from(w)).collect();
        let error = distance(&got, &expected);
        let name = format!("{:?} {:?}", run.optimizer, run.activation);
        let cpu = network.evaluate(&images, 83);
        eprintln!("{name}: weights {error:.1e}, loss {:.1e}", losses[slot] - loss);
        // steps of RMSprop and Adam have the size of the rate whatever the gradient's: a rounding of a tiny one is seen
        let tolerance = if matches!(run.optimizer, Optimizer::Sgd | Optimizer::Momentum) { 1e-5 } else { 1e-4 };
        assert!(error < tolerance, "{name}: {error:e}");
        assert!((losses[slot] - loss).abs() < 1e-4 * loss, "{name}: {} {loss}", losses[slot]);
        let loss = evaluation.loss + rules::penalty(&arch.plan(), run, &got) as f32;
        assert!((loss - cpu.loss).abs() < 1e-4 * cpu.loss, "{name}: {loss} {}", cpu.loss);
        assert!((evaluation.accuracy - cpu.accuracy).abs() < 0.03, "{name}");
    }
}

/// Whole batches and many images, more than one dispatch of lavapipe's can hold.
#[test]
fn large_batches_follow_the_cpu() {
    for (side, stack, batch, evaluated) in [(28, "16s2,16s2,16s2", 512, 2000), (12, "64s1,30s2same", 40, 300)] {
        let (arch, images) = (arch(side, stack, 10), split(side, evaluated, 10));
        let plan = Packing::new(&arch);
        let runs = [(Optimizer::Adam, Activation::Relu, 0.4), (Optimizer::Sgd, Activation::Tanh, 0.0)]
            .map(|(optimizer, activation, dropout)| hyperparameters(activation, optimizer, dropout));
        let Some(fleet) = fleet(&arch, &images, batch, runs.len()) else { return };
        let order: Vec<u32> = (0..evaluated as u32).rev().collect();
        for (slot, run) in runs.iter().enumerate() {
            place(&fleet, slot, &initial(&arch, run), order.clone());
        }
        let steps = |(slot, &run)| Steps { slot, run, first: 0, before: 0, count: 2, all: 1 };
        let losses = fleet.steps(&runs.iter().enumerate().map(steps).collect::<Vec<_>>()).unwrap();
        let work: Vec<(usize, Run, usize)> = runs.iter().zip(0..).map(|(&run, slot)| (slot, run, evaluated)).collect();
        let found = fleet.evaluate(Subset::Test, &work).unwrap();
        for (slot, (run, found)) in runs.iter().zip(found).enumerate() {
            let mut network = Network::new(Isa::detect(), &plan, *run);
            network.step(&images, &order[..batch]);
            let loss = network.step(&images, &order[batch..2 * batch]);
            let (mut got, mut expected) = (vec![0.0; arch.parameters()], vec![0.0; arch.parameters()]);
            fleet.store(slot, &mut got).unwrap();
            network.store(&mut expected);
            let expected: Vec<f64> = expected.iter().map(|&w| f64::from(w)).collect();
            let (error, cpu) = (distance(&got, &expected), network.evaluate(&images, evaluated));
            eprintln!("{stack} {:?}: weights {error:.1e}, loss {:.1e}", run.optimizer, losses[slot] - loss);
            assert!(error < 1e-4, "{stack}: {error:e}");
            assert!((losses[slot] - loss).abs() < 1e-4 * loss, "{stack}: {} {loss}", losses[slot]);
            assert!((found.loss - cpu.loss).abs() < 1e-4 * cpu.loss, "{stack}: {} {}", found.loss, cpu.loss);
            assert!((found.accuracy - cpu.accuracy).abs() < 0.005, "{stack}");
        }
    }
}

/// The same bits however few iterations a dispatch may make.
#[test]
fn steps_in_pieces_are_the_same_steps() {
    let (batch, steps) = (11, 3);
    let (arch, images) = (arch(14, "8s2,8s1same", 5), split(14, batch * steps, 5));
    let runs: Vec<Run> =
        Optimizer::ALL.iter().map(|&optimizer| hyperparameters(Activation::Gelu, optimizer, 0.3)).collect();
    let Some(mut fleet) = fleet(&arch, &images, batch, runs.len()) else { return };
    let shape = fleet.engine.shape.as_ref().unwrap();
    let needed = shape.training_iterations() + shape.optimizer_iterations();
    let mut whole: Option<Vec<Vec<u32>>> = None;
    for limit in [None, Some(2 * needed), Some(needed)] {
        fleet.limit = limit;
        let mut work = Vec::new();
        for (slot, &run) in runs.iter().enumerate() {
            place(&fleet, slot, &initial(&arch, &run), (0..(batch * steps) as u32).collect());
            work.push(Steps { slot, run, first: 0, before: 0, count: steps - slot % 2, all: 1 });
        }
        let losses = fleet.steps(&work).unwrap();
        let weights = |slot| {
            let mut flat = vec![0.0; arch.parameters()];
            fleet.store(slot, &mut flat).unwrap();
            flat.iter().map(|w| w.to_bits()).collect()
        };
        let weights: Vec<Vec<u32>> = (0..runs.len()).map(weights).collect();
        assert!(losses.iter().all(|loss| loss.is_finite()));
        assert!(whole.get_or_insert_with(|| weights.clone()) == &weights, "{limit:?}");
    }
}

/// A driver that ends loops early is found out.
#[test]
fn what_was_not_done_is_an_error() {
    let (arch, images) = (arch(28, "16s2,16s2,16s2", 10), split(28, 600, 10));
    let Some(mut fleet) = fleet(&arch, &images, 600, 1) else { return };
    let Some(_) = fleet.limit.take() else {
        eprintln!("SKIPPED: {} does not end loops early", fleet.gpu().adapter().name);
        return;
    };
    let run = hyperparameters(Activation::Relu, Optimizer::Sgd, 0.5);
    place(&fleet, 0, &initial(&arch, &run), (0..600).collect());
    let text = fleet.steps(&[Steps { slot: 0, run, first: 0, before: 0, count: 1, all: 1 }]).unwrap_err().to_string();
    assert!(text.contains("0 of 600 images"), "{text}");
    fleet.engine.segment = 600;
    let text = fleet.evaluate(Subset::Train, &[(0, run, 600)]).unwrap_err().to_string();
    assert!(text.contains("0 of 600 images"), "{text}");
}

#[test]
fn evaluations_agree_over_several_segments() {
    // the second one's maps lie outside workgroup memory
    for (side, stack, images) in [(9, "8s2,8s1", 1100), (20, "32s1,40s1same", 25)] {
        let (arch, images) = (arch(side, stack, 10), split(side, images, 10));
        let Some(fleet) = fleet(&arch, &images, 4, 2) else { return };
        let plan = Packing::new(&arch);
        let runs =
            [Activation::Tanh, Activation::Gelu].map(|activation| hyperparameters(activation, Optimizer::Sgd, 0.5));
        runs.iter().enumerate().for_each(|(slot, run)| fleet.load(slot, &[initial(&arch, run)]));
        let work = [(1, runs[1], images.len()), (0, runs[0], images.len() * 2 / 3)];
        for (got, (_, run, count)) in fleet.evaluate(Subset::Test, &work).unwrap().iter().zip(work) {
            let expected = Network::new(Isa::detect(), &plan, run).evaluate(&images, count);
            assert!((got.loss - expected.loss).abs() < 1e-5 * expected.loss, "{} {}", got.loss, expected.loss);
            assert!((got.accuracy - expected.accuracy).abs() < 2.5 / count as f32);
            assert_eq!(got.class_accuracy.len(), expected.class_accuracy.len());
        }
    }
}

#[test]
fn a_network_that_diverges_stops() {
    let (arch, images) = (arch(9, "8s2", 3), split(9, 40, 3));
    let Some(fleet) = fleet(&arch, &images, 10, 2) else { return };
    let calm = hyperparameters(Activation::Relu, Optimizer::Sgd, 0.0);
    let wild = Run { learning_rate: 1e30, ..calm };
    for slot in 0..2 {
        place(&fleet, slot, &initial(&arch, &calm), (0..40).collect());
    }
    let steps = |slot, run| Steps { slot, run, first: 0, before: 0, count: 4, all: 1 };
    let losses = fleet.steps(&[steps(0, calm), steps(1, wild)]).unwrap();
    assert!(losses[0].is_finite() && losses[1].is_nan(), "{losses:?}");
}

#[test]
fn networks_that_do_not_fit_are_refused() {
    let Some(gpu) = card() else { return };
    let large = arch(100, "64s1", 10);
    let text = Shape::new(&large, &gpu).unwrap_err().to_string();
    assert!(text.contains("bytes of workgroup memory") && text.contains(&gpu.adapter().name), "{text}");
}
