//! `Run`: what one network is trained with.

use crate::cnn::init::Init;
use crate::kernels::activation;
use serde::{Deserialize, Serialize};

/// Optimizers, by Keras' names; the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Gradient descent.
    Sgd,
    /// Gradient descent with momentum 0.9.
    Momentum,
    /// RMSprop with ρ = 0.9.
    RmsProp,
    /// Adam with β₁ = 0.9, β₂ = 0.999.
    Adam,
}

/// Activations of the convolutions; the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(z, 0)`
    Relu,
    /// `tanh z`
    Tanh,
    /// `1/(1+e⁻ᶻ)`
    Sigmoid,
    /// `z·Φ(z)`
    Gelu,
}

impl Activation {
    /// The kernels' name of it.
    pub fn kernel(self) -> activation::Activation {
        match self {
            Activation::Relu => activation::Activation::Relu,
            Activation::Tanh => activation::Activation::Tanh,
            Activation::Sigmoid => activation::Activation::Sigmoid,
            Activation::Gelu => activation::Activation::Gelu,
        }
    }
}

/// A set of choices with Keras' names and the codes of a zoo file.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every choice, in the order of the codes.
    const ALL: &'static [Self];
    /// What the choice is called in messages.
    const WHAT: &'static str;
    /// Keras' name.
    fn name(self) -> &'static str;

    /// The names in the order of the codes.
    fn names() -> Vec<String> {
        Self::ALL.iter().map(|choice| choice.name().to_owned()).collect()
    }
    /// The code in a zoo file.
    fn code(self) -> u8 {
        Self::ALL.iter().position(|&choice| choice == self).unwrap_or(0) as u8
    }
    /// The choice of a name.
    fn parse(name: &str) -> crate::Result<Self> {
        let found = Self::ALL.iter().find(|choice| choice.name() == name);
        found.copied().ok_or_else(|| crate::Error::unknown(Self::WHAT, name, Self::names()))
    }
}

/// Implements [`Choice`] from a table of names.
macro_rules! choice {
    ($type:ty, $what:literal, $($choice:path = $name:literal),*) => {
        impl Choice for $type {
            const ALL: &'static [Self] = &[$($choice),*];
            const WHAT: &'static str = $what;
            fn name(self) -> &'static str {
                match self { $($choice => $name),* }
            }
        }
    };
}

choice!(
    Optimizer,
    "optimizer",
    Optimizer::Sgd = "sgd",
    Optimizer::Momentum = "momentum",
    Optimizer::RmsProp = "rmsprop",
    Optimizer::Adam = "adam"
);
choice!(
    Activation,
    "activation",
    Activation::Relu = "relu",
    Activation::Tanh = "tanh",
    Activation::Sigmoid = "sigmoid",
    Activation::Gelu = "gelu"
);
choice!(
    Init,
    "w_init",
    Init::GlorotNormal = "glorot_normal",
    Init::HeNormal = "he_normal",
    Init::Orthogonal = "orthogonal",
    Init::RandomNormal = "RandomNormal",
    Init::TruncatedNormal = "TruncatedNormal"
);

/// The hyperparameters of one network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Rule of the updates.
    pub optimizer: Optimizer,
    /// Activation of the convolutions.
    pub activation: Activation,
    /// Initialiser of the kernels.
    pub w_init: Init,
    /// η
    pub learning_rate: f32,
    /// λ of `λ·Σw²` over all kernels.
    pub l2reg: f32,
    /// Share of units dropped after each convolution, in [0, 1).
    pub dropout: f32,
    /// Standard deviation for `RandomNormal` and `TruncatedNormal`.
    pub init_std: f32,
    /// Share of the training set: its first images.
    pub train_fraction: f32,
    /// Seed of the initial weights, the order of images and dropout.
    pub seed: u64,
}

impl Run {
    /// Images of the network's own training subset.
    pub fn train_images(&self, available: usize) -> usize {
        // an f32 such as 0.1 is a little more than 1/10: the product must not gain or lose an image by that
        let exact = f64::from(self.train_fraction) * available as f64;
        (exact * (1.0 + 1e-6)).floor().min(available as f64) as usize
    }
}
