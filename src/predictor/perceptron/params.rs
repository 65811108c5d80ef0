//! What a perceptron is fitted with.

use crate::predictor::option::{parse, split};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How the weights are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam.
    Adam,
    /// Gradient descent.
    Sgd,
}

/// The options of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Params {
    /// Hidden layers; 0 is the logit-linear model.
    pub layers: usize,
    /// Units of a hidden layer.
    pub units: usize,
    /// Share of hidden units that are dropped in training.
    pub dropout: f64,
    /// λ of `λ·Σw²` over the kernels.
    pub l2: f64,
    /// How the weights are moved.
    pub optimizer: Optimizer,
    /// Size of a step.
    pub learning_rate: f64,
    /// Rows of a step.
    pub batch_size: usize,
    /// Times that all rows are gone through at most.
    pub epochs: usize,
    /// Stop when the validation error has not fallen for so many epochs; 0: never.
    pub early_stopping_rounds: usize,
    /// Of initial weights, order of the rows and dropout.
    pub seed: u64,
}

impl Params {
    /// The logit-linear model.
    pub fn linear() -> Params {
        Params {
            layers: 0,
            units: 1,
            dropout: 0.0,
            l2: 1e-5,
            optimizer: Optimizer::Adam,
            learning_rate: 1e-2,
            batch_size: 64,
            epochs: 1000,
            early_stopping_rounds: 50,
            seed: 0,
        }
    }

    /// A perceptron with hidden layers.
    pub fn mlp() -> Params {
        Params { layers: 3, units: 256, dropout: 0.1, learning_rate: 1e-3, epochs: 500, ..Params::linear() }
    }

    /// The names that [`Params::set`] takes.
    pub const NAMES: [&str; 10] = [
        "layers",
        "units",
        "dropout",
        "l2",
        "optimizer",
        "learning_rate",
        "batch_size",
        "epochs",
        "early_stopping_rounds",
        "seed",
    ];

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`Params::NAMES`], [`Error::Invalid`] for a value out of range.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) = split(assignment)?;
        let mut changed = self.clone();
        match name {
            "layers" => changed.layers = parse(name, value)?,
            "units" => changed.units = parse(name, value)?,
            "dropout" => changed.dropout = parse(name, value)?,
            "l2" => changed.l2 = parse(name, value)?,
            "optimizer" => {
                changed.optimizer = match value {
                    "adam" => Optimizer::Adam,
                    "sgd" => Optimizer::Sgd,
                    _ => return Err(Error::unknown("optimizer", value, ["adam", "sgd"])),
                }
            }
            "learning_rate" => changed.learning_rate = parse(name, value)?,
            "batch_size" => changed.batch_size = parse(name, value)?,
            "epochs" => changed.epochs = parse(name, value)?,
            "early_stopping_rounds" => changed.early_stopping_rounds = parse(name, value)?,
            "seed" => changed.seed = parse(name, value)?,
            _ => return Err(Error::unknown("parameter", name, Self::NAMES)),
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Checks that every option is in its range.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn check(&self) -> Result<()> {
        let rule = |holds: bool, name: &str, expected: &str, got: &dyn ToString| match holds {
            true => Ok(()),
            false => Err(Error::invalid(name, expected, got.to_string())),
        };
        rule(self.layers <= 64, "layers", "0 to 64", &self.layers)?;
        rule((1..=8192).contains(&self.units), "units", "1 to 8192", &self.units)?;
        rule((0.0..=0.95).contains(&self.dropout), "dropout", "0 to 0.95", &self.dropout)?;
        rule((0.0..=1e3).contains(&self.l2), "l2", "0 to 1000", &self.l2)?;
        let rate = self.learning_rate;
        rule(rate > 0.0 && rate <= 1e3, "learning_rate", "above 0, at most 1000", &rate)?;
        rule((1..=1 << 20).contains(&self.batch_size), "batch_size", "1 to 1048576", &self.batch_size)?;
        rule((1..=1_000_000).contains(&self.epochs), "epochs", "1 to 1000000", &self.epochs)
    }
}
