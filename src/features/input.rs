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
//!
//! Layers count from 0, the dense one is the last. Keys are joined by `+`: `wstats+probes`, `hyper+hyper.optimizer`.

use super::hyper::{self, Hyper};
use super::networks::Networks;
use super::norms::{Norm, Norms};
use super::probes::Probes;
use super::raw::Raw;
use super::stats::{PERCENTILES, Stats};
use super::{Columns, tensors};
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::kernels::Isa;
use crate::kernels::activation::Activation;
use crate::par::Stop;
use crate::table::{Origin, Table, origin};
use crate::zoo::Zoo;
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::{fmt, str::FromStr};

/// Keys that messages suggest; numbers in them are examples.
pub const EXAMPLES: [&str; 11] = [
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
];

/// Networks that a thread takes at a time, so that its memory is made for many.
const BATCH: usize = 32;

/// What a predictor sees of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    text: String,
    keys: Vec<Key>,
}

/// One key.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    Weights(Layers),
    Stats(Layers, Vec<f64>),
    Global,
    Pooled,
    Norms(Layers, Norm),
    Hyper(Vec<&'static str>),
    Probes,
}

/// Which layers; from 0.
#[derive(Clone, Debug, PartialEq)]
enum Layers {
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
    fn of(&self, arch: &Arch) -> Result<Vec<usize>> {
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

impl Key {
    /// What computes the key's columns.
    fn block<'n>(&'n self, isa: Isa, networks: &'n Networks<'n>) -> Result<Box<dyn Columns + 'n>> {
        let arch = networks.arch();
        Ok(match self {
            Key::Weights(layers) => Box::new(Raw::new(networks, &layers.of(arch)?)),
            Key::Stats(layers, percentiles) => {
                Box::new(Stats::of_layers(isa, networks, &layers.of(arch)?, percentiles))
            }
            Key::Global => Box::new(Stats::global(isa, networks)),
            Key::Pooled => Box::new(Stats::pooled(isa, networks)),
            Key::Norms(layers, norm) => Box::new(Norms::new(networks, &layers.of(arch)?, *norm)),
            Key::Hyper(names) => Box::new(Hyper::new(networks, names)?),
            Key::Probes => Box::new(Probes::new(isa, networks)?),
        })
    }
}

impl Input {
    /// The columns of some networks, computed in place on rayon's threads; target: test accuracy where it is known, group:
    /// the run, or the row where there is none.
    ///
    /// The same bits for every number of threads; those of [`super::stats`] also on every ISA.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a layer that the networks do not have, a column that comes twice, or where the networks lack
    /// what the input needs.
    pub fn table(&self, isa: Isa, networks: &Networks) -> Result<Table> {
        self.table_unless(isa, networks, &Stop::new())
    }

    /// [`Input::table`] that can be stopped.
    ///
    /// # Errors
    /// As [`Input::table`]; [`Error::Cancelled`] when `stop` was requested.
    pub fn table_unless(&self, isa: Isa, networks: &Networks, stop: &Stop) -> Result<Table> {
        self.assemble(&self.blocks(isa, networks)?, networks, stop)
    }

    /// Those of some rows of a zoo whose networks the input can be computed of, and the activations of the others: probes run
    /// the networks, so they need an activation that is known.
    pub fn computable<'z>(&self, zoo: &'z Zoo, rows: &[usize]) -> (Vec<usize>, BTreeSet<&'z str>) {
        let activation = |row: usize| zoo.schema().name("activation", &zoo.config(zoo.run()[row] as usize));
        let known = |row: &usize| !self.runs_networks() || Activation::parse(activation(*row)).is_ok();
        let (computable, others): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| known(row));
        (computable, others.into_iter().map(activation).collect())
    }

    /// Whether the input needs the networks' activations.
    pub fn runs_networks(&self) -> bool {
        self.keys.contains(&Key::Probes)
    }

    /// [`Input::table`] with the statistics of weights computed on a GPU, everything else on rayon's threads.
    ///
    /// Minima and maxima are the CPU's; quantiles, standard deviations and means differ from its in their rounding.
    ///
    /// # Errors
    /// As [`Input::table`]; [`Error::Invalid`] where nothing of the input is for a GPU, [`Error::Device`] where it fails.
    #[cfg(feature = "gpu")]
    pub fn table_on(&self, gpu: &crate::gpu::Gpu, isa: Isa, networks: &Networks) -> Result<Table> {
        let mut blocks = self.blocks(isa, networks)?;
        let mut there = false;
        for block in &mut blocks {
            if let Some(computed) = block.on_gpu(gpu)? {
                *block = Box::new(computed);
                there = true;
            }
        }
        if !there {
            let expected = "one with statistics of weights whose percentiles are 0,25,50,75,100";
            return Err(Error::invalid("input for a GPU", expected, self));
        }
        self.assemble(&blocks, networks, &Stop::new())
    }

    /// What computes the columns of each key.
    fn blocks<'n>(&'n self, isa: Isa, networks: &'n Networks<'n>) -> Result<Vec<Box<dyn Columns + 'n>>> {
        self.keys.iter().map(|key| key.block(isa, networks)).collect()
    }

    /// The table of some columns.
    fn assemble(&self, blocks: &[Box<dyn Columns + '_>], networks: &Networks, stop: &Stop) -> Result<Table> {
        let columns: Vec<Vec<String>> = blocks.iter().map(|block| block.columns()).collect();
        let widths: Vec<usize> = columns.iter().map(Vec::len).collect();
        let columns = columns.concat();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(Error::invalid(format!("input {self}"), "every column once", format!("{twice} twice")));
        }
        let mut x = vec![0.0; networks.count() * columns.len()];
        x.par_chunks_mut(columns.len()).enumerate().with_min_len(BATCH).try_for_each_init(
            || blocks.iter().map(|block| block.worker()).collect::<Vec<_>>(),
            |workers, (network, mut values)| {
                if stop.requested() {
                    return Err(Error::Cancelled);
                }
                for (worker, &width) in workers.iter_mut().zip(&widths) {
                    let (own, rest) = values.split_at_mut(width);
                    worker(network, own);
                    values = rest;
                }
                Ok(())
            },
        )?;
        let (y, group) = match networks {
            Networks::Zoo { zoo, rows } => (
                rows.iter().map(|&row| zoo.test_accuracy()[row]).collect(),
                rows.iter().map(|&row| u64::from(zoo.run()[row])).collect(),
            ),
            Networks::Loose { .. } => (Vec::new(), (0..networks.count() as u64).collect()),
        };
        Ok(Table { columns, x, y, group, origin: self.origin(networks) })
    }

    /// Where the rows came from, for the file of a predictor that is fitted to them.
    fn origin(&self, networks: &Networks) -> Origin {
        let mut about = BTreeMap::from([(origin::INPUT, self.to_string())]);
        if let Networks::Zoo { zoo, rows } = networks {
            let schema = zoo.schema();
            about.insert(origin::ZOO, schema.identity());
            about.insert(origin::ARCHITECTURE, serde_json::to_string(&schema.arch).unwrap_or_default());
            let epoch = rows.first().map(|&row| zoo.epoch()[row]);
            if let Some(epoch) = epoch.filter(|&epoch| rows.iter().all(|&row| zoo.epoch()[row] == epoch)) {
                about.insert(origin::EPOCH, epoch.to_string());
            }
            let caveats = zoo.caveats().join("; ");
            about.extend(Some((origin::CAVEATS, caveats)).filter(|(_, caveats)| !caveats.is_empty()));
        }
        let about = about.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Origin { networks: networks.identities(), about }
    }
}
