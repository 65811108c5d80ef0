//! `Run`: what one network is trained with.

use crate::cnn::choice::{Choice, choice};
use crate::cnn::init::{Init, Start};
use crate::kernels::activation::Activation;
use crate::zoo::Config;
use crate::zoo::hyper::{HYPERPARAMETERS, Kind};
use std::collections::BTreeMap;

/// Optimizers; the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimizer {
    /// Gradient descent.
    Sgd,
    /// Gradient descent with momentum.
    Momentum,
    /// RMSprop with ρ = 0.9.
    RmsProp,
    /// Adam with β₁ = 0.9, β₂ = 0.999.
    Adam,
}

choice!(
    Optimizer,
    "optimizer",
    Optimizer::Sgd = "sgd",
    Optimizer::Momentum = "momentum",
    Optimizer::RmsProp = "rmsprop",
    Optimizer::Adam = "adam",
);

/// Learning-rate schedules ([`super::rules::rate`] has their formulas); the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// The same rate at every step.
    Constant,
    /// A tenth of the rate from half of the training on, a hundredth from three quarters on.
    Step,
    /// Half a cosine down to 0 (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// Up to the rate over the first three tenths, from 1/25 of it, then down to 0 (Smith and Topin 2018).
    OneCycle,
}

choice!(
    Schedule,
    "schedule",
    Schedule::Constant = "constant",
    Schedule::Step = "step",
    Schedule::Cosine = "cosine",
    Schedule::OneCycle = "one_cycle",
);

/// The names of a hyperparameter that training knows, in the order of their codes; none of one that has numbers.
pub fn names(hyperparameter: &str) -> Vec<String> {
    match hyperparameter {
        "optimizer" => Optimizer::names(),
        "activation" => Activation::names(),
        "w_init" => Init::names(),
        "schedule" => Schedule::names(),
        _ => Vec::new(),
    }
}

/// The names that every zoo lists, those of format 1.
pub fn names_of_format_1() -> BTreeMap<String, Vec<String>> {
    let named = HYPERPARAMETERS.iter().filter_map(|hyper| match hyper.kind {
        Kind::Name { always, .. } => Some((hyper.name, always)),
        Kind::Number { .. } => None,
    });
    named.map(|(name, always)| (name.to_owned(), names(name)[..always].to_vec())).collect()
}

/// The hyperparameters of one network.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// Rule of the updates.
    pub optimizer: Optimizer,
    /// The network's own activation.
    pub activation: Activation,
    /// Initialiser of the kernels.
    pub w_init: Init,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// η
    pub learning_rate: f32,
    /// λ of `λ·Σw²` over all kernels, in the loss.
    pub l2reg: f32,
    /// Factor of every parameter, biases too, that is added to its gradient; not in the loss.
    pub weight_decay: f32,
    /// μ of momentum.
    pub momentum: f32,
    /// Share of units dropped, in [0, 1).
    pub dropout: f32,
    /// Standard deviation for `RandomNormal` and `TruncatedNormal`.
    pub init_std: f32,
    /// Initial value of the biases.
    pub bias_init: f32,
    /// Share of the training set: its first images.
    pub train_fraction: f32,
    /// Images of a step; 0 stands for the recipe's.
    pub batch_size: usize,
    /// Seed of the initial weights, the order of images and dropout.
    pub seed: u64,
}

/// Adam on the whole training set, without regularisation.
impl Default for Run {
    fn default() -> Run {
        Run {
            optimizer: Optimizer::Adam,
            activation: Activation::Relu,
            w_init: Init::HeNormal,
            schedule: Schedule::Constant,
            learning_rate: 1e-3,
            l2reg: 0.0,
            weight_decay: 0.0,
            momentum: 0.9,
            dropout: 0.0,
            init_std: 0.1,
            bias_init: 0.0,
            train_fraction: 1.0,
            batch_size: 0,
            seed: 1,
        }
    }
}

/// The hyperparameters in a zoo whose names are those of [`names`].
impl From<&Config> for Run {
    fn from(config: &Config) -> Run {
        fn choice<C: Choice>(config: &Config) -> C {
            C::ALL[usize::from(config.code(C::WHAT))]
        }
        Run {
            optimizer: choice(config),
            activation: choice(config),
            w_init: choice(config),
            schedule: choice(config),
            learning_rate: config.number("learning_rate"),
            l2reg: config.number("l2reg"),
            weight_decay: config.number("weight_decay"),
            momentum: config.number("momentum"),
            dropout: config.number("dropout"),
            init_std: config.number("init_std"),
            bias_init: config.number("bias_init"),
            train_fraction: config.number("train_fraction"),
            batch_size: config.number("batch_size") as usize,
            seed: config.seed,
        }
    }
}

impl Run {
    /// Images of the network's own training subset.
    pub fn train_images(&self, available: usize) -> usize {
        // an f32 such as 0.1 is a little more than 1/10: the product must not gain or lose an image by that
        let exact = f64::from(self.train_fraction) * available as f64;
        (exact * (1.0 + 1e-6)).floor().min(available as f64) as usize
    }

    /// How it begins.
    pub fn start(&self) -> Start {
        Start { w_init: self.w_init, init_std: self.init_std, bias: self.bias_init, seed: self.seed }
    }
}
