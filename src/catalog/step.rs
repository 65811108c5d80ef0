//! The whole training step and the whole evaluation, of the reference net and of others that users train: of one network, or of
//! a team of sixteen where these are trained so.

use super::wide;
use crate::bench::{Case, Cost, Work};
use crate::cnn::packing::Packing;
use crate::cnn::plan::Plan;
use crate::cnn::{Arch, layer};
use crate::dataset::Examples;
use crate::kernels::activation::Activation;
use crate::kernels::{Isa, LANES, TILE};
use crate::rng::Stream;
use crate::train::network::Network;
use crate::train::reference;
use crate::train::run::{Optimizer, Run};
use crate::train::team::{self, Team};

/// Images of a training step in the reference's recipe, and in that of the Model Zoos.
const BATCH: usize = 512;
const SMALL_BATCH: usize = 10;
/// Images that steps choose from, a batch after another: more than a second-level cache holds, as in training.
const IMAGES: usize = 8192;
/// Images of an evaluation.
const EVALUATED: usize = 2048;
/// Images of the comparison with the definition: whole tiles and a part of one.
const FEW: usize = 2 * TILE + 5;

/// A network that is measured.
#[derive(Clone, Copy)]
struct Step {
    name: &'static str,
    /// Side and channels of an image.
    image: [usize; 2],
    layers: &'static str,
    activation: Activation,
    dropout: f32,
    optimizer: Optimizer,
    batch: usize,
}

const fn step(name: &'static str, side: usize, layers: &'static str, activation: Activation, dropout: f32) -> Step {
    Step { name, image: [side, 1], layers, activation, dropout, optimizer: Optimizer::Adam, batch: BATCH }
}

const fn by(optimizer: Optimizer, step: Step) -> Step {
    Step { optimizer, ..step }
}

const fn small_batch(step: Step) -> Step {
    Step { batch: SMALL_BATCH, ..step }
}

const fn colour(step: Step) -> Step {
    Step { image: [step.image[0], 3], ..step }
}

const NET: &str = "16s2,16s2,16s2";
const SMALL: &str = "8k5,max2,act,drop,6k5,max2,act,drop,4k2,act,flatten,20,act,drop";
const LARGE: &str = "16k3,max2,act,drop,32k3,max2,act,drop,15k3,max2,act,drop,flatten,20,act,drop";

/// The training steps that are measured.
const STEPS: [Step; 22] = {
    use Activation::{Gelu, Relu, Sigmoid, Silu, Tanh};
    use Optimizer::{Momentum, RmsProp, Sgd};
    [
        step("28x28_relu", 28, NET, Relu, 0.0),
        step("28x28_relu_drop", 28, NET, Relu, 0.3),
        step("28x28_tanh", 28, NET, Tanh, 0.0),
        step("28x28_tanh_drop", 28, NET, Tanh, 0.3),
        step("32x32_relu", 32, NET, Relu, 0.0),
        step("32x32_relu_drop", 32, NET, Relu, 0.3),
        step("32x32_tanh", 32, NET, Tanh, 0.0),
        step("28x28_sigmoid", 28, NET, Sigmoid, 0.0),
        step("28x28_gelu", 28, NET, Gelu, 0.0),
        step("28x28_silu", 28, NET, Silu, 0.0),
        by(Sgd, step("28x28_relu_sgd", 28, NET, Relu, 0.0)),
        by(Momentum, step("28x28_relu_momentum", 28, NET, Relu, 0.0)),
        by(RmsProp, step("28x28_relu_rmsprop", 28, NET, Relu, 0.0)),
        step("28x28_relu_8ch", 28, "8s2,8s2,8s2", Relu, 0.0),
        step("28x28_relu_32ch", 28, "32s2,32s2,32s2", Relu, 0.0),
        step("28x28_relu_64ch", 28, "64s2,64s2,64s2", Relu, 0.0),
        step("28x28_relu_same_5l", 28, "16s2same,16s1same,16s2same,16s1same,16s2same", Relu, 0.0),
        step("28x28_relu_residual", 28, "16s2same,act,[16s1same,act,16s1same],act,16s2,act", Relu, 0.0),
        small_batch(step("28x28_model_zoos_small", 28, SMALL, Tanh, 0.0)),
        small_batch(step("28x28_model_zoos_small_drop", 28, SMALL, Tanh, 0.5)),
        colour(small_batch(step("32x32x3_model_zoos_large", 32, LARGE, Tanh, 0.0))),
        step("28x28_mlp", 28, "flatten,10,act,10,act", Relu, 0.0),
    ]
};

/// Evaluations that are measured, as in [`STEPS`].
const EVALUATIONS: [&str; 6] =
    ["28x28_relu", "28x28_tanh", "32x32_relu", "28x28_relu_64ch", "28x28_model_zoos_small", "32x32x3_model_zoos_large"];

pub fn cases() -> Vec<Case> {
    let evaluations = STEPS.iter().filter(|step| EVALUATIONS.contains(&step.name));
    STEPS.iter().map(training).chain(evaluations.map(evaluation)).collect()
}

impl Step {
    fn arch(&self) -> Arch {
        let [side, channels] = self.image;
        match layer::parse(self.layers).and_then(|layers| Arch::new(side, side, channels, layers, 10)) {
            Ok(arch) => arch,
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn run(&self, seed: u64) -> Run {
        let Step { activation, dropout, optimizer, .. } = *self;
        Run { optimizer, activation, learning_rate: 1e-4, dropout, seed, ..Run::default() }
    }

    /// Networks that are trained side by side.
    fn networks(&self) -> usize {
        if team::pays(&self.arch().plan(), self.batch) { LANES } else { 1 }
    }

    fn split(&self, images: usize) -> Examples {
        let ([side, channels], mut stream) = (self.image, Stream::new(1, 0, 0));
        Examples {
            images: (0..images * side * side * channels).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
            labels: (0..images).map(|n| (n % 10) as u8).collect(),
            height: side,
            width: side,
            channels,
        }
    }
}

/// Values of an image that are read.
fn pixels(plan: &Plan) -> usize {
    plan.maps[0].rows * plan.maps[0].columns * plan.maps[0].channels
}

fn training(step: &'static Step) -> Case {
    let (plan, images) = (step.arch().plan(), step.batch * step.networks());
    Case {
        name: "train_step",
        shape: step.name.into(),
        cost: Cost {
            flops: (images as u64 * plan.flops().1.training) as f64,
            bytes: (images * pixels(&plan) * 4 + 5 * step.networks() * plan.parameters() * 4) as f64,
            items: images as f64,
        },
        items: "images",
        tolerance: 2e-5,
        spreads: false,
        make: Box::new(move |isa| match step.networks() {
            1 => Box::new(Training(Single::new(isa, step))),
            _ => Box::new(TeamTraining(Many::new(isa, step))),
        }),
    }
}

fn evaluation(step: &'static Step) -> Case {
    let (plan, images) = (step.arch().plan(), EVALUATED * step.networks());
    Case {
        name: "evaluate",
        shape: step.name.into(),
        cost: Cost {
            flops: (images as u64 * plan.flops().1.forward) as f64,
            bytes: (EVALUATED * pixels(&plan) * 4 + step.networks() * plan.parameters() * 4) as f64,
            items: images as f64,
        },
        items: "images",
        tolerance: 1e-5,
        spreads: false,
        make: Box::new(move |isa| match step.networks() {
            1 => Box::new(Evaluation(Single::new(isa, step))),
            _ => Box::new(TeamEvaluation(Many::new(isa, step))),
        }),
    }
}

/// All images in some order, and where the next batch begins.
struct Order {
    images: Vec<u32>,
    next: usize,
}

impl Order {
    fn new() -> Order {
        Order { images: (0..IMAGES as u32).map(|n| n * 1021 % IMAGES as u32).collect(), next: 0 }
    }

    /// The place of the next batch.
    fn batch(&mut self, batch: usize) -> usize {
        if self.next + batch > IMAGES {
            self.next = 0;
        }
        self.next += batch;
        self.next - batch
    }
}

/// What is compared of a step: the gradient of each weight on a few images, and the loss.
fn by_definition(step: &Step, run: &Run, few: &Examples, flat: &[f32]) -> Vec<f64> {
    let (loss, gradient) = reference::loss_and_gradient(&step.arch(), run, few, 0, &wide(flat));
    [gradient, vec![loss]].concat()
}

/// One network, its images and some of them.
struct Single {
    isa: Isa,
    step: &'static Step,
    packing: &'static Packing,
    network: Network<'static>,
    split: Examples,
    few: Examples,
    order: Order,
}

impl Single {
    fn new(isa: Isa, step: &'static Step) -> Single {
        // a network borrows its packing; the few of the catalog live as long as the program
        let packing: &'static Packing = Box::leak(Box::new(Packing::new(&step.arch())));
        let network = Network::new(isa, packing, step.run(1));
        Single { isa, step, packing, network, split: step.split(IMAGES), few: step.split(FEW), order: Order::new() }
    }

    /// The network before its first step.
    fn untrained(&self) -> (Network<'static>, Vec<f32>) {
        let network = Network::new(self.isa, self.packing, self.step.run(1));
        let mut flat = vec![0.0; self.packing.plan.parameters()];
        network.store(&mut flat);
        (network, flat)
    }
}

struct Training(Single);

impl Work for Training {
    fn run(&mut self) {
        let Single { network, split, order, step, .. } = &mut self.0;
        let first = order.batch(step.batch);
        std::hint::black_box(network.step(split, &order.images[first..first + step.batch]));
    }

    /// Loss and gradient of the first step on a few images; what a step does with them is the case `optimizer/step`.
    fn output(&mut self) -> Vec<f64> {
        let (mut network, mut flat) = self.0.untrained();
        let batch: Vec<u32> = (0..FEW as u32).collect();
        let loss = network.loss_and_gradient(&self.0.few, &batch, &mut flat);
        [wide(&flat), vec![f64::from(loss)]].concat()
    }

    fn definition(&mut self) -> Vec<f64> {
        by_definition(self.0.step, &self.0.step.run(1), &self.0.few, &self.0.untrained().1)
    }

    fn share(&self) -> f64 {
        FEW as f64 / self.0.step.batch as f64
    }
}

struct Evaluation(Single);

impl Work for Evaluation {
    fn run(&mut self) {
        std::hint::black_box(self.0.network.evaluate(&self.0.split, EVALUATED));
    }

    /// The loss on a few images.
    fn output(&mut self) -> Vec<f64> {
        vec![f64::from(self.0.untrained().0.evaluate(&self.0.few, FEW).loss)]
    }

    fn definition(&mut self) -> Vec<f64> {
        let Single { step, few, .. } = &self.0;
        let run = Run { dropout: 0.0, ..step.run(1) };
        vec![reference::mean_loss(&step.arch(), &run, few, 0, &wide(&self.0.untrained().1))]
    }

    fn share(&self) -> f64 {
        FEW as f64 / EVALUATED as f64
    }
}

/// Sixteen networks side by side.
struct Many {
    isa: Isa,
    step: &'static Step,
    plan: &'static Plan,
    team: Team<'static>,
    split: Examples,
    few: Examples,
    order: Order,
    orders: Vec<Vec<u32>>,
}

impl Many {
    /// The lane whose answers are compared.
    const SEEN: usize = 5;

    fn new(isa: Isa, step: &'static Step) -> Many {
        let plan: &'static Plan = Box::leak(Box::new(step.arch().plan()));
        let (split, few, order) = (step.split(IMAGES), step.split(FEW), Order::new());
        // each network sees the images in an order of its own
        let orders = (0..LANES).map(|lane| {
            let mut images = order.images.clone();
            images.rotate_left(lane * 509);
            images
        });
        Many { isa, step, plan, team: Many::team(isa, step, plan), split, few, orders: orders.collect(), order }
    }

    fn team(isa: Isa, step: &Step, plan: &'static Plan) -> Team<'static> {
        let mut team = Team::new(isa, plan);
        team.start(&std::array::from_fn::<Run, LANES, _>(|lane| step.run(1 + lane as u64)), 1);
        team
    }

    /// The team before its first step, and the weights that are seen.
    fn untrained(&self) -> (Team<'static>, Vec<f32>) {
        let team = Many::team(self.isa, self.step, self.plan);
        let mut flat = vec![0.0; self.plan.parameters()];
        team.store(Many::SEEN, &mut flat);
        (team, flat)
    }
}

struct TeamTraining(Many);

impl Work for TeamTraining {
    fn run(&mut self) {
        let Many { team, split, order, orders, step, .. } = &mut self.0;
        let first = order.batch(step.batch);
        std::hint::black_box(team.step(split, orders, first, step.batch));
    }

    fn output(&mut self) -> Vec<f64> {
        let (mut team, _) = self.0.untrained();
        let orders = vec![(0..FEW as u32).collect(); LANES];
        let (losses, gradients) = team.losses_and_gradients(&self.0.few, &orders, FEW);
        [wide(&gradients[Many::SEEN]), vec![f64::from(losses[Many::SEEN])]].concat()
    }

    fn definition(&mut self) -> Vec<f64> {
        let run = self.0.step.run(1 + Many::SEEN as u64);
        by_definition(self.0.step, &run, &self.0.few, &self.0.untrained().1)
    }

    fn share(&self) -> f64 {
        FEW as f64 / (self.0.step.batch * LANES) as f64
    }
}

struct TeamEvaluation(Many);

impl Work for TeamEvaluation {
    fn run(&mut self) {
        std::hint::black_box(self.0.team.evaluate(&self.0.split, EVALUATED));
    }

    fn output(&mut self) -> Vec<f64> {
        vec![f64::from(self.0.untrained().0.evaluate(&self.0.few, FEW)[Many::SEEN].loss)]
    }

    fn definition(&mut self) -> Vec<f64> {
        let Many { step, few, .. } = &self.0;
        let run = Run { dropout: 0.0, ..step.run(1 + Many::SEEN as u64) };
        vec![reference::mean_loss(&step.arch(), &run, few, 0, &wide(&self.0.untrained().1))]
    }

    fn share(&self) -> f64 {
        FEW as f64 / (EVALUATED * LANES) as f64
    }
}
