//! `Input`: which columns a predictor sees, by the reference's keys.
//!
//! | key | columns |
//! |---|---|
//! | `weights`, `weights.2` | the flat vector, or one layer of it ([`super::raw`]) |
//! | `wstats` | seven statistics of each tensor ([`super::stats`]); of three convolutions `wstats-layers:0,1,2,3-qts:0,25,50,75,100` |
//! | `wstats-layers:0,3-qts:5,50,95` | given percentiles, standard deviation and mean of each tensor of given layers |
//! | `wstats-glob` | the seven statistics of the whole flat vector |
//! | `wstats-pooled` | of the first layer, the last, and their mean over those between: the same columns for every shape |
//! | `wnorm-layers:0,1,2,3-l2`, `…-l1` | a norm of each tensor ([`super::norms`]) |
//! | `hyper`, `hyper.learning_rate` | the reference's seven hyperparameters, or one ([`super::hyper`]) |
//! | `probes` | what comes out for images that are made ([`super::probes`]): the same columns for every shape |
//! | `spectra` | singular values of each kernel, correlations of its filters ([`super::spectra`]) |
//! | `consensus` | agreement with the best networks of the zoo, at drawn objects ([`super::consensus`]) |
//! | `synthetic` | the same, at images that these networks take for their classes (activation maximisation) |
//!
//! Layers count from 0, the dense one is the last. Keys are joined by `+`: `wstats+probes`, `hyper+hyper.optimizer`.
//!
//! `consensus` and `synthetic` depend on a zoo: [`Input::fit`] fits an input to the training networks of a division, and the
//! [`super::Fitted`] computes the columns of any networks.

use super::consensus::Images;
use super::hyper;
use super::norms::Norm;
use super::stats::PERCENTILES;
use super::tensors;
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::kernels::activation::Activation;
use crate::zoo::Zoo;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::{fmt, str::FromStr};

/// Keys that messages suggest; numbers in them are examples.
pub const EXAMPLES: [&str; 14] = [
    "wstats",
    "wstats-pooled",
    "wstats-glob",
    "wstats-layers:0,3-qts:0,25,50,75,100",
    "wnorm-layers:0,1,2,3-l1",
    "wnorm-layers:0,1,2,3-l2",
    "weights",
    "weights.0",
    "hyper",
    "hyper.learning_rate",
    "probes",
    "spectra",
    "consensus",
    "synthetic",
];

/// What a predictor sees of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub(super) text: String,
    pub(super) keys: Vec<Key>,
}

/// One key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Weights(Layers),
    Stats(Layers, Vec<f64>),
    Global,
    Pooled,
    Norms(Layers, Norm),
    Hyper(Vec<&'static str>),
    Probes,
    Spectra,
    Consensus(Images),
}

/// Which layers; from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layers {
    All,
    These(Vec<usize>),
}

impl Default for Input {
    /// `wstats`
    fn default() -> Input {
        Input { text: "wstats".into(), keys: vec![Key::Stats(Layers::All, PERCENTILES.into())] }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Keys joined by `+`; see the module. Fails with [`Error::Unknown`] or [`Error::Invalid`].
impl FromStr for Input {
    type Err = Error;
    fn from_str(text: &str) -> Result<Input> {
        let keys: Result<Vec<Key>> = text.split('+').map(|key| key.trim().parse()).collect();
        Ok(Input { text: text.replace(char::is_whitespace, ""), keys: keys? })
    }
}

impl FromStr for Key {
    type Err = Error;
    fn from_str(key: &str) -> Result<Key> {
        match key {
            "weights" => return Ok(Key::Weights(Layers::All)),
            "wstats" => return Ok(Key::Stats(Layers::All, PERCENTILES.into())),
            "wstats-glob" => return Ok(Key::Global),
            "wstats-pooled" => return Ok(Key::Pooled),
            "hyper" => return Ok(Key::Hyper(hyper::REFERENCE.into())),
            "probes" => return Ok(Key::Probes),
            "spectra" => return Ok(Key::Spectra),
            "consensus" => return Ok(Key::Consensus(Images::Drawn)),
            "synthetic" => return Ok(Key::Consensus(Images::Synthetic)),
            _ => {}
        }
        let wrong = |expected: &str| Error::invalid("input", expected, key);
        if let Some(layer) = key.strip_prefix("weights.") {
            let layer = layer.parse().map_err(|_| wrong("weights.LAYER, layers from 0"))?;
            return Ok(Key::Weights(Layers::These(vec![layer])));
        }
        if let Some(name) = key.strip_prefix("hyper.") {
            return Ok(Key::Hyper(vec![hyper::named(name)?]));
        }
        if let Some(rest) = key.strip_prefix("wstats-layers:") {
            let form = "wstats-layers:LAYERS-qts:PERCENTILES, layers from 0, percentiles from 0 to 100, such as \
                        wstats-layers:0,3-qts:0,25,50,75,100";
            let (layers, percentiles) = rest.split_once("-qts:").ok_or_else(|| wrong(form))?;
            let percentiles = list::<f64>(percentiles).ok_or_else(|| wrong(form))?;
            if !percentiles.iter().all(|percentile| (0.0..=100.0).contains(percentile)) {
                return Err(wrong(form));
            }
            return Ok(Key::Stats(Layers::These(list(layers).ok_or_else(|| wrong(form))?), percentiles));
        }
        if let Some(rest) = key.strip_prefix("wnorm-layers:") {
            let form = "wnorm-layers:LAYERS-l1 or -l2, layers from 0, such as wnorm-layers:0,1,2,3-l2";
            let of =
                |norm: Norm| rest.strip_suffix(norm.name()).and_then(|rest| rest.strip_suffix('-')).map(|l| (l, norm));
            let (layers, norm) = of(Norm::L1).or_else(|| of(Norm::L2)).ok_or_else(|| wrong(form))?;
            return Ok(Key::Norms(Layers::These(list(layers).ok_or_else(|| wrong(form))?), norm));
        }
        Err(Error::unknown("input", key, EXAMPLES))
    }
}

/// Numbers separated by commas.
fn list<T: FromStr>(text: &str) -> Option<Vec<T>> {
    text.split(',').map(|number| number.parse().ok()).collect()
}

impl Layers {
    pub fn of(&self, arch: &Arch) -> Result<Vec<usize>> {
        let count = tensors::layers(arch);
        match self {
            Layers::All => Ok((0..count).collect()),
            Layers::These(layers) => match layers.iter().find(|&&layer| layer >= count) {
                Some(layer) => {
                    Err(Error::invalid("layer of the input", format!("0 to {} for {arch}", count - 1), layer))
                }
                None => Ok(layers.clone()),
            },
        }
    }
}

impl Input {
    /// Whether it must be fitted to networks.
    pub fn needs_fit(&self) -> bool {
        self.keys.iter().any(|key| matches!(key, Key::Consensus(_)))
    }

    /// Those of some rows of a zoo whose networks the input can be computed of, and the activations of the others: probes run
    /// the networks, so they need an activation that is known.
    pub fn computable<'z>(&self, zoo: &'z Zoo, rows: &[usize]) -> (Vec<usize>, BTreeSet<&'z str>) {
        let activation = |row: usize| zoo.schema().name("activation", &zoo.config(zoo.network(row)));
        let known = |row: &usize| !self.runs_networks() || Activation::parse(activation(*row)).is_ok();
        let (computable, others): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| known(row));
        (computable, others.into_iter().map(activation).collect())
    }

    /// Whether the input needs the networks' activations.
    pub fn runs_networks(&self) -> bool {
        self.keys.iter().any(|key| matches!(key, Key::Probes | Key::Consensus(_)))
    }
}
