//! `Fitted`: an input whose dependence on a zoo is settled; it computes the columns of any networks, one at a time if need be.

use super::Columns;
use super::consensus::{Agreement, Consensus, Images};
use super::hyper::Hyper;
use super::input::{Input, Key};
use super::networks::Networks;
use super::norms::Norms;
use super::probes::Probes;
use super::raw::Raw;
use super::spectra::Spectra;
use super::stats::Stats;
use crate::kernels::Isa;
use crate::table::{Origin, Table, origin};
use crate::tensors::{Column, Tensors};
use crate::{Context, Error, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Networks that a thread takes at a time, so that its memory is made for many.
const BATCH: usize = 32;

impl Input {
    /// Fits to networks of a zoo, the training part of a division: what of the input depends on them is found out. Of most keys
    /// there is nothing to find.
    ///
    /// # Errors
    /// Those of [`Consensus::fit`]; [`Error::Invalid`] where weights came alone.
    pub fn fit(&self, context: &Context, networks: &Networks) -> Result<Fitted> {
        self.fit_by(context, networks, None)
    }

    /// [`Input::fit`] to networks whose accuracies are not known: these, such as predicted ones, say which are the best.
    ///
    /// # Errors
    /// Those of [`Input::fit`].
    ///
    /// # Panics
    /// If there is not one accuracy a network.
    pub fn fit_to(&self, context: &Context, networks: &Networks, accuracy: &[f32]) -> Result<Fitted> {
        assert_eq!(accuracy.len(), networks.count(), "one accuracy a network");
        self.fit_by(context, networks, Some(accuracy))
    }

    fn fit_by(&self, context: &Context, networks: &Networks, accuracy: Option<&[f32]>) -> Result<Fitted> {
        let fit = |key: &Key| match key {
            Key::Consensus(images) => {
                let accuracy = match accuracy {
                    Some(accuracy) => accuracy,
                    None => &networks.accuracy(images.key())?,
                };
                Consensus::fit(context, *images, networks, accuracy).map(Some)
            }
            _ => Ok(None),
        };
        let found: Result<Vec<Option<Consensus>>> = self.keys.iter().map(fit).collect();
        Ok(Fitted { input: self.clone(), found: found? })
    }

    /// [`Fitted::table`] of an input that needs no fit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that does; those of [`Fitted::table`].
    pub fn table(&self, context: &Context, networks: &Networks) -> Result<Table> {
        Fitted::without(self)?.table(context, networks)
    }
}

/// An input that was fitted, by [`Input::fit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    pub(super) input: Input,
    /// Of each key what was found; most find nothing.
    pub(super) found: Vec<Option<Consensus>>,
}

impl Fitted {
    /// An input that needs no fit.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that does.
    pub fn without(input: &Input) -> Result<Fitted> {
        match input.needs_fit() {
            true => Err(Error::invalid("input", "one that needs no training networks", input)),
            false => Ok(Fitted { input: input.clone(), found: vec![None; input.keys.len()] }),
        }
    }

    /// An input of whose keys this was found.
    #[cfg(test)]
    pub(crate) fn of(input: Input, found: Vec<Option<Consensus>>) -> Fitted {
        Fitted { input, found }
    }

    /// Which input it is.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// What was found of the keys that depend on a zoo.
    pub fn consensus(&self, of: Images) -> Option<&Consensus> {
        let wanted = |key: &Key| *key == Key::Consensus(of);
        self.input.keys.iter().zip(&self.found).find_map(|(key, found)| found.as_ref().filter(|_| wanted(key)))
    }

    /// The columns of some networks, computed in place on rayon's threads; target: test accuracy where it is known, group:
    /// the run, or the row where there is none.
    ///
    /// The same bits for every number of threads; those of [`super::stats`] also on every ISA.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a layer that the networks do not have, a column that comes twice, or where the networks lack
    /// what the input needs; [`Error::Cancelled`] when a stop was requested.
    pub fn table(&self, context: &Context, networks: &Networks) -> Result<Table> {
        self.assemble(context, &self.blocks(context.isa, networks)?, networks)
    }

    /// Names of the columns of networks like these.
    ///
    /// # Errors
    /// Those of [`Fitted::table`].
    pub fn columns(&self, context: &Context, networks: &Networks) -> Result<Vec<String>> {
        self.table(context, &networks.part(0..0)).map(|table| table.columns)
    }

    /// [`Fitted::table`] with the statistics of weights computed on a GPU, everything else on rayon's threads.
    ///
    /// Minima and maxima are the CPU's; quantiles, standard deviations and means differ from its in their rounding.
    ///
    /// # Errors
    /// As [`Fitted::table`]; [`Error::Invalid`] where nothing of the input is for a GPU, [`Error::Device`] where it fails.
    #[cfg(feature = "gpu")]
    pub fn table_on(&self, context: &Context, gpu: &crate::gpu::Gpu, networks: &Networks) -> Result<Table> {
        let mut blocks = self.blocks(context.isa, networks)?;
        let mut there = false;
        for block in &mut blocks {
            if let Some(computed) = block.on_gpu(gpu)? {
                *block = Box::new(computed);
                there = true;
            }
        }
        if !there {
            let expected = "one with statistics of weights whose percentiles are 0,25,50,75,100";
            return Err(Error::invalid("input for a GPU", expected, &self.input));
        }
        self.assemble(context, &blocks, networks)
    }

    /// What computes the columns of each key.
    fn blocks<'n>(&'n self, isa: Isa, networks: &'n Networks<'n>) -> Result<Vec<Box<dyn Columns + 'n>>> {
        let pairs = self.input.keys.iter().zip(&self.found);
        pairs.map(|(key, found)| key.block(isa, networks, found.as_ref())).collect()
    }

    /// The table of some columns.
    fn assemble(&self, context: &Context, blocks: &[Box<dyn Columns + '_>], networks: &Networks) -> Result<Table> {
        let columns: Vec<Vec<String>> = blocks.iter().map(|block| block.columns()).collect();
        let widths: Vec<usize> = columns.iter().map(Vec::len).collect();
        let columns = columns.concat();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(Error::invalid(format!("input {}", self.input), "every column once", format!("{twice} twice")));
        }
        let mut x = vec![0.0; networks.count() * columns.len()];
        x.par_chunks_mut(columns.len()).enumerate().with_min_len(BATCH).try_for_each_init(
            || blocks.iter().map(|block| block.worker()).collect::<Vec<_>>(),
            |workers, (network, mut values)| {
                if context.stop.requested() {
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
        let mut about = BTreeMap::from([(origin::INPUT, self.input.to_string())]);
        if let Networks::Zoo { zoo, rows } = networks {
            about.insert(origin::ZOO, zoo.identity());
            about.insert(origin::ARCHITECTURE, serde_json::to_string(&zoo.schema().arch).unwrap_or_default());
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

    /// What a predictor's file keeps of it beside its text.
    pub fn tensors(&self) -> Vec<Column> {
        let pairs = self.input.keys.iter().zip(&self.found);
        let of = |(key, found): (&Key, &Option<Consensus>)| match (key, found) {
            (Key::Consensus(images), Some(found)) => found.tensors(*images),
            _ => Vec::new(),
        };
        pairs.flat_map(of).collect()
    }

    /// The fitted input of a predictor's file.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the file lacks something or has what no fit finds.
    pub fn load(input: Input, tensors: &Tensors) -> Result<Fitted> {
        let of = |key: &Key| match key {
            Key::Consensus(images) => Consensus::load(*images, tensors).map(Some),
            _ => Ok(None),
        };
        let found: Result<Vec<Option<Consensus>>> = input.keys.iter().map(of).collect();
        Ok(Fitted { found: found?, input })
    }
}

impl Key {
    /// What computes the key's columns.
    fn block<'n>(
        &'n self,
        isa: Isa,
        networks: &'n Networks<'n>,
        found: Option<&'n Consensus>,
    ) -> Result<Box<dyn Columns + 'n>> {
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
            Key::Spectra => Box::new(Spectra::new(networks)),
            Key::Consensus(images) => {
                let unfitted = || Error::invalid(format!("input {}", images.key()), "a fitted one", "none");
                Box::new(Agreement::new(isa, *images, found.ok_or_else(unfitted)?, networks)?)
            }
        })
    }
}
