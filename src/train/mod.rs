//! Train a zoo: many networks at once, each checkpoint into the zoo file as soon as it is there.
//!
//! [`Executor`] is the one seam between devices: [`Cpu`] trains a network on each thread, `gpu::Executor` hundreds on a card.

pub mod cpu;
mod executor;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod overrides;
pub mod reference;
pub mod run;
pub mod schedule;
pub mod space;
pub mod workspace;

use crate::cnn::{Arch, init::Init};
use crate::dataset::Dataset;
use crate::kernels::Isa;
use crate::par::Stop;
use crate::zoo::{Config, Schema, Status, Writer};
use crate::{Error, Result};
pub use executor::{Cpu, Executor, Session};
use run::{Activation, Choice, Optimizer, Run};
use space::Recipe;
use std::path::Path;

/// What is to be trained.
pub struct Job<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// The laws of the hyperparameters.
    pub recipe: &'a Recipe,
    /// Number of networks.
    pub models: usize,
    /// Epochs after which a network's weights are kept, ascending; the last one is the length of the training.
    pub checkpoints: Vec<u32>,
    /// Seed of the zoo: its hyperparameters and the networks' own seeds.
    pub seed: u64,
    /// The kernels' leg.
    pub isa: Isa,
    /// Worker threads; 0 stands for one for each core.
    pub threads: usize,
}

/// What has happened to a zoo in training, told to whoever shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The zoo file is open; this many of its networks are there already.
    Found {
        /// Networks finished in earlier sessions.
        kept: usize,
    },
    /// An epoch of one network is over.
    Trained {
        /// Images that went through a training step in it.
        images: u64,
    },
    /// A network is finished; all its rows are written.
    Finished {
        /// Its number.
        run: usize,
        /// Test accuracy of its last row.
        accuracy: f32,
        /// Whether its loss or weights ceased to be finite.
        diverged: bool,
    },
}

/// What a training session did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Networks in the zoo.
    pub models: usize,
    /// Networks finished in this session.
    pub trained: usize,
    /// Networks that were finished already.
    pub kept: usize,
}

impl Job<'_> {
    /// The zoo file's schema.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the architecture does not fit the images, or the training subset is smaller than a batch.
    pub fn schema(&self) -> Result<Schema> {
        let (train, classes) = (&self.dataset.train, self.dataset.classes);
        let arch = Arch::new(train.height, train.width, self.recipe.layers.clone(), classes)?;
        if self.models == 0 || self.models > u32::MAX as usize {
            return Err(Error::invalid("--models", "at least 1", self.models));
        }
        for index in 0..self.models {
            let images = self.run(index).train_images(train.len());
            if images < self.recipe.batch {
                let expected = format!("a training subset of at least one batch of {} images", self.recipe.batch);
                return Err(Error::invalid("train_fraction", expected, format!("{images} images for network {index}")));
            }
        }
        let recipe = serde_json::to_value(self.recipe).expect("a recipe is plain data");
        Ok(Schema {
            arch,
            runs: self.models,
            checkpoints: self.checkpoints.clone(),
            dataset: self.dataset.name.clone(),
            digest: self.dataset.digest.clone(),
            recipe,
            seed: self.seed,
            optimizer: Optimizer::names(),
            activation: Activation::names(),
            w_init: Init::names(),
            program: format!("zoometry {}", env!("CARGO_PKG_VERSION")),
        })
    }

    /// The hyperparameters of a network.
    fn run(&self, index: usize) -> Run {
        self.recipe.draw(self.seed, index as u32)
    }

    fn config(&self, index: usize) -> Config {
        let run = self.run(index);
        Config {
            learning_rate: run.learning_rate,
            l2reg: run.l2reg,
            dropout: run.dropout,
            init_std: run.init_std,
            train_fraction: run.train_fraction,
            optimizer: run.optimizer.code(),
            activation: run.activation.code(),
            w_init: run.w_init.code(),
            seed: run.seed,
        }
    }
}

/// Trains every network that the zoo at `out` does not hold yet on the CPU; creates the zoo if there is none.
///
/// The bytes of the finished file depend on the job alone: not on threads, interruptions or the order of work. `tell` is
/// called from the workers.
///
/// # Errors
/// Whatever the zoo file refuses ([`Error::Mismatch`] for another recipe, [`Error::Locked`], [`Error::Io`]);
/// [`Error::Interrupted`] when `stop` was requested.
pub fn train(job: &Job, out: &Path, tell: &(dyn Fn(Event) + Sync), stop: &Stop) -> Result<Summary> {
    train_on(&Cpu, job, out, tell, stop)
}

/// As [`train`], on any device. Rows that another device wrote stay as they are, so that a zoo may be continued on another
/// one; initial weights, orders of images and dropout are the same on all, sums are rounded as each device does.
///
/// # Errors
/// As [`train`], and [`Error::Device`] where a card fails.
pub fn train_on(
    executor: &dyn Executor,
    job: &Job,
    out: &Path,
    tell: &(dyn Fn(Event) + Sync),
    stop: &Stop,
) -> Result<Summary> {
    let schema = job.schema()?;
    let configs: Vec<Config> = (0..job.models).map(|index| job.config(index)).collect();
    let writer = Writer::create_or_open(out, &schema, &configs, false)?;
    let last = schema.checkpoints.len() - 1;
    let todo: Vec<usize> =
        (0..job.models).filter(|&run| writer.status(writer.row(run, last)) == Status::NotWritten).collect();
    tell(Event::Found { kept: job.models - todo.len() });
    executor.train(&Session { job, arch: &schema.arch, writer: &writer, tell }, &todo, stop)?;
    writer.sync()?;
    Ok(Summary { models: job.models, trained: todo.len(), kept: job.models - todo.len() })
}
