//! The whole training step and the whole evaluation, of the reference net and of others that users train.

use super::wide;
use crate::bench::{Case, Cost, Work};
use crate::cnn::packing::Packing;
use crate::cnn::plan::Plan;
use crate::cnn::{Arch, layer};
use crate::dataset::Split;
use crate::kernels::activation::Activation;
use crate::kernels::{Isa, TILE};
use crate::rng::Stream;
use crate::train::network::Network;
use crate::train::reference;
use crate::train::run::{Optimizer, Run};
use std::sync::OnceLock;

/// Images of a training step.
const BATCH: usize = 512;
/// Images that steps choose from, a batch after another: more than a second-level cache holds, as in training.
const IMAGES: usize = 8192;
/// Images of an evaluation.
const EVALUATED: usize = 2048;
/// Images of the comparison with the definition: whole tiles and a part of one.
const FEW: usize = 2 * TILE + 5;

/// Name, side of the image, stack, activation, dropout, optimizer of the training steps that are measured.
const STEPS: [(&str, usize, &str, Activation, f32, Optimizer); 16] = {
    use Activation::{Gelu, Relu, Sigmoid, Tanh};
    use Optimizer::{Adam, Momentum, RmsProp, Sgd};
    const NET: &str = "16s2,16s2,16s2";
    [
        ("28x28_relu", 28, NET, Relu, 0.0, Adam),
        ("28x28_relu_drop", 28, NET, Relu, 0.3, Adam),
        ("28x28_tanh", 28, NET, Tanh, 0.0, Adam),
        ("28x28_tanh_drop", 28, NET, Tanh, 0.3, Adam),
        ("32x32_relu", 32, NET, Relu, 0.0, Adam),
        ("32x32_relu_drop", 32, NET, Relu, 0.3, Adam),
        ("32x32_tanh", 32, NET, Tanh, 0.0, Adam),
        ("28x28_sigmoid", 28, NET, Sigmoid, 0.0, Adam),
        ("28x28_gelu", 28, NET, Gelu, 0.0, Adam),
        ("28x28_relu_sgd", 28, NET, Relu, 0.0, Sgd),
        ("28x28_relu_momentum", 28, NET, Relu, 0.0, Momentum),
        ("28x28_relu_rmsprop", 28, NET, Relu, 0.0, RmsProp),
        ("28x28_relu_8ch", 28, "8s2,8s2,8s2", Relu, 0.0, Adam),
        ("28x28_relu_32ch", 28, "32s2,32s2,32s2", Relu, 0.0, Adam),
        ("28x28_relu_64ch", 28, "64s2,64s2,64s2", Relu, 0.0, Adam),
        ("28x28_relu_same_5l", 28, "16s2same,16s1same,16s2same,16s1same,16s2same", Relu, 0.0, Adam),
    ]
};

/// Evaluations that are measured, as in [`STEPS`].
const EVALUATIONS: [&str; 4] = ["28x28_relu", "28x28_tanh", "32x32_relu", "28x28_relu_64ch"];

pub fn cases() -> Vec<Case> {
    let evaluations = STEPS.iter().filter(|step| EVALUATIONS.contains(&step.0));
    STEPS.iter().map(training).chain(evaluations.map(evaluation)).collect()
}

type Step = (&'static str, usize, &'static str, Activation, f32, Optimizer);

fn arch(&(name, side, stack, ..): &Step) -> Arch {
    match layer::parse(stack).and_then(|layers| Arch::new(side, side, 1, layers, 10)) {
        Ok(arch) => arch,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn run(&(_, _, _, activation, dropout, optimizer): &Step) -> Run {
    Run { optimizer, activation, learning_rate: 1e-4, dropout, ..Run::default() }
}

/// The images that all cases of a side share.
fn images(side: usize) -> &'static Split {
    static SPLITS: [OnceLock<Split>; 2] = [OnceLock::new(), OnceLock::new()];
    let images = SPLITS[usize::from(side > 28)].get_or_init(|| split(side, IMAGES));
    assert_eq!(images.height, side, "images of two sides");
    images
}

fn split(side: usize, images: usize) -> Split {
    let mut stream = Stream::new(1, 0, 0);
    Split {
        images: (0..images * side * side).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..images).map(|n| (n % 10) as u8).collect(),
        height: side,
        width: side,
        channels: 1,
    }
}

/// Values of an image that are read.
fn pixels(plan: &Plan) -> usize {
    plan.maps[0].rows * plan.maps[0].columns * plan.maps[0].channels
}

/// A network, its images and some of them.
struct Operands {
    isa: Isa,
    arch: Arch,
    packing: &'static Packing,
    run: Run,
    network: Network<'static>,
    split: &'static Split,
    few: Split,
    /// All images in some order, and where the next batch begins.
    order: Vec<u32>,
    next: usize,
}

impl Operands {
    fn new(isa: Isa, step: &Step) -> Operands {
        // a network borrows its packing; the few of the catalog live as long as the program
        let packing: &'static Packing = Box::leak(Box::new(Packing::new(&arch(step))));
        let run = run(step);
        Operands {
            isa,
            arch: arch(step),
            packing,
            run,
            network: Network::new(isa, packing, run),
            split: images(step.1),
            few: split(step.1, FEW),
            order: (0..IMAGES as u32).map(|n| n * 1021 % IMAGES as u32).collect(),
            next: 0,
        }
    }

    /// The network before its first step.
    fn untrained(&self) -> (Network<'static>, Vec<f32>) {
        let network = Network::new(self.isa, self.packing, self.run);
        let mut flat = vec![0.0; self.packing.plan.parameters()];
        network.store(&mut flat);
        (network, flat)
    }
}

fn training(step: &'static Step) -> Case {
    let plan = arch(step).plan();
    Case {
        name: "train_step",
        shape: step.0.into(),
        cost: Cost {
            flops: (BATCH as u64 * plan.flops().1.training) as f64,
            bytes: (BATCH * pixels(&plan) * 4 + 5 * plan.parameters() * 4) as f64,
            items: BATCH as f64,
        },
        items: "images",
        tolerance: 2e-5,
        spreads: false,
        make: Box::new(move |isa| Box::new(Training(Operands::new(isa, step)))),
    }
}

struct Training(Operands);

impl Work for Training {
    fn run(&mut self) {
        let Operands { network, split, order, next, .. } = &mut self.0;
        std::hint::black_box(network.step(split, &order[*next..*next + BATCH]));
        *next = (*next + BATCH) % IMAGES;
    }

    /// Loss and gradient of the first step on a few images; what a step does with them is the case `optimizer/step`.
    fn output(&mut self) -> Vec<f64> {
        let (mut network, mut flat) = self.0.untrained();
        let batch: Vec<u32> = (0..FEW as u32).collect();
        let loss = network.loss_and_gradient(&self.0.few, &batch, &mut flat);
        [wide(&flat), vec![f64::from(loss)]].concat()
    }

    fn definition(&mut self) -> Vec<f64> {
        let flat = wide(&self.0.untrained().1);
        let (loss, gradient) = reference::loss_and_gradient(&self.0.arch, &self.0.run, &self.0.few, 0, &flat);
        [gradient, vec![loss]].concat()
    }

    fn share(&self) -> f64 {
        FEW as f64 / BATCH as f64
    }
}

fn evaluation(step: &'static Step) -> Case {
    let plan = arch(step).plan();
    Case {
        name: "evaluate",
        shape: step.0.into(),
        cost: Cost {
            flops: (EVALUATED as u64 * plan.flops().1.forward) as f64,
            bytes: (EVALUATED * pixels(&plan) * 4 + plan.parameters() * 4) as f64,
            items: EVALUATED as f64,
        },
        items: "images",
        tolerance: 1e-5,
        spreads: false,
        make: Box::new(move |isa| Box::new(Evaluation(Operands::new(isa, step)))),
    }
}

struct Evaluation(Operands);

impl Work for Evaluation {
    fn run(&mut self) {
        std::hint::black_box(self.0.network.evaluate(self.0.split, EVALUATED));
    }

    /// The loss on a few images.
    fn output(&mut self) -> Vec<f64> {
        vec![f64::from(self.0.untrained().0.evaluate(&self.0.few, FEW).loss)]
    }

    fn definition(&mut self) -> Vec<f64> {
        vec![reference::mean_loss(&self.0.arch, &self.0.run, &self.0.few, 0, &wide(&self.0.untrained().1))]
    }

    fn share(&self) -> f64 {
        FEW as f64 / EVALUATED as f64
    }
}
