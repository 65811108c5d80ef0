//! `Networks`: whose features are computed. Rows of a zoo, or weights that came alone.

use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::kernels::activation::Activation;
use crate::table::Identity;
use crate::zoo::{Config, Schema, Status, Zoo, digest};
use crate::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of weights that a thread has before it at a time: what is asked of them more than once is still in memory then, even of
/// little.
const WEIGHTS: usize = 8 << 20;

/// Bytes of their columns.
const VALUES: usize = 2 << 20;

/// Networks of one shape.
#[derive(Clone, Copy)]
pub enum Networks<'a> {
    /// Rows of a zoo.
    Zoo {
        /// The zoo.
        zoo: &'a Zoo,
        /// Its rows, in the order of the table.
        rows: &'a [usize],
    },
    /// Weights of which nothing else is known.
    Loose {
        /// Their shape.
        arch: &'a Arch,
        /// Whole networks, one after another.
        weights: &'a [f32],
        /// The activation of all of them, if somebody said it.
        activation: Option<Activation>,
    },
}

impl<'a> Networks<'a> {
    /// Their shape.
    pub fn arch(&self) -> &'a Arch {
        match self {
            Networks::Zoo { zoo, .. } => &zoo.schema().arch,
            Networks::Loose { arch, .. } => arch,
        }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        match self {
            Networks::Zoo { rows, .. } => rows.len(),
            Networks::Loose { arch, weights, .. } => weights.len() / arch.parameters(),
        }
    }

    /// Some of them, which count from 0 again.
    ///
    /// # Panics
    /// If there are no such networks.
    pub fn part(&self, networks: Range<usize>) -> Networks<'a> {
        match *self {
            Networks::Zoo { zoo, rows } => Networks::Zoo { zoo, rows: &rows[networks] },
            Networks::Loose { arch, weights, activation } => {
                let parameters = arch.parameters();
                let weights = &weights[networks.start * parameters..networks.end * parameters];
                Networks::Loose { arch, weights, activation }
            }
        }
    }

    /// All of them in blocks, one after another: where each block's table of so many columns is done with before the next, a
    /// machine with little memory does for any number of networks.
    pub fn blocks(&self, columns: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (count, threads) = (self.count(), rayon::current_num_threads());
        let fit = |bytes: usize, numbers: usize| bytes / (size_of::<f32>() * numbers.max(1));
        let each = threads * fit(WEIGHTS, self.arch().parameters()).min(fit(VALUES, columns)).max(1);
        (0..count).step_by(each).map(move |first| first..count.min(first + each))
    }

    /// Flat vector of a network.
    ///
    /// # Panics
    /// If there is no such network.
    pub fn weights(&self, network: usize) -> &'a [f32] {
        match self {
            Networks::Zoo { zoo, rows } => zoo.weights(rows[network]),
            Networks::Loose { arch, weights, .. } => {
                let parameters = arch.parameters();
                &weights[network * parameters..(network + 1) * parameters]
            }
        }
    }

    /// Whether all weights of each network are numbers.
    pub fn finite(&self) -> Vec<bool> {
        let finite = |network| self.weights(network).iter().all(|weight| weight.is_finite());
        (0..self.count()).into_par_iter().map(finite).collect()
    }

    /// What tells each network from others, by its weights.
    pub fn identities(&self) -> Vec<Identity> {
        let own = |network: usize| digest(self.weights(network));
        let identity = |network: usize| match self {
            Networks::Zoo { zoo, rows } => {
                let row = rows[network];
                let checkpoints = zoo.schema().checkpoints.len();
                let run = row / checkpoints * checkpoints;
                let written = |row: &usize| zoo.status()[*row] != Status::NotWritten;
                match (run..run + checkpoints).rev().find(written) {
                    Some(last) if last != row => {
                        let last = digest(zoo.weights(last));
                        [if zoo.epoch()[row] == 0 { last } else { own(network) }, last]
                    }
                    _ => [own(network); 2],
                }
            }
            Networks::Loose { .. } => [own(network); 2],
        };
        (0..self.count()).into_par_iter().map(identity).collect()
    }

    /// Hyperparameters of each network and the names of their codes.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the input that wants them, where weights came alone.
    pub(super) fn configs(&self, input: &str) -> Result<(&'a Schema, impl Iterator<Item = Config> + use<'a>)> {
        match *self {
            Networks::Zoo { zoo, rows } => {
                Ok((zoo.schema(), rows.iter().map(move |&row| zoo.config(zoo.network(row)))))
            }
            Networks::Loose { .. } => {
                let expected = "a zoo, which has every network's hyperparameters";
                Err(Error::invalid(format!("networks for the input {input}"), expected, "weights alone"))
            }
        }
    }

    /// Test accuracy of each network.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the input that wants it, where weights came alone.
    pub(super) fn accuracy(&self, input: &str) -> Result<Vec<f32>> {
        match self {
            Networks::Zoo { zoo, rows } => Ok(rows.iter().map(|&row| zoo.test_accuracy()[row]).collect()),
            Networks::Loose { .. } => {
                let expected = "a zoo, which has every network's accuracy";
                Err(Error::invalid(format!("networks to fit the input {input} to"), expected, "weights alone"))
            }
        }
    }

    /// Activation of each network.
    ///
    /// # Errors
    /// [`Error::Invalid`] where weights came alone and nobody said it, or where a network has another one than these.
    pub(super) fn activations(&self, input: &str) -> Result<Vec<Activation>> {
        match self {
            Networks::Zoo { .. } => {
                let (schema, configs) = self.configs(input)?;
                let names = configs.map(|config| schema.name("activation", &config));
                let wrong = |name: &str| {
                    let known = Activation::names().join(", ");
                    let what = format!("networks for the input {input}");
                    Error::invalid(what, format!("activations that can be computed: {known}"), name)
                };
                names.map(|name| Activation::parse(name).map_err(|_| wrong(name))).collect()
            }
            Networks::Loose { activation: Some(activation), .. } => Ok(vec![*activation; self.count()]),
            Networks::Loose { activation: None, .. } => {
                let known = Activation::names().join(", ");
                let what = format!("networks for the input {input}");
                let expected = format!("their activation, {known} (`activation`), as the file does not have it");
                Err(Error::invalid(what, expected, "none"))
            }
        }
    }
}
