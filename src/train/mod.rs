//! Train a zoo: many networks at once, each checkpoint into the zoo file as soon as it is there.
//!
//! [`Executor`] is the one seam between devices: [`Cpu`] trains a network on each thread, `gpu::Executor` hundreds on a GPU.

pub mod checkpoints;
pub mod distribution;
mod executor;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod network;
pub mod overrides;
pub mod recheck;
pub mod recipe;
pub mod reference;
pub mod rules;
pub mod run;
pub mod team;
pub mod workspace;

use crate::cnn::Arch;
use crate::dataset::Dataset;
use crate::kernels::Isa;
use crate::par::Stop;
use crate::zoo::{Config, Schema, Status, Writer};
use crate::{Error, Result};
pub use executor::{Cpu, Executor, Session};
use recipe::Recipe;
use run::Run;
use std::collections::BTreeMap;
use std::path::Path;

/// What is to be trained.
pub struct Job<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// The distributions of the hyperparameters.
    pub recipe: &'a Recipe,
    /// Number of networks.
    pub models: usize,
    /// Epochs after which a network's weights are kept, ascending; the last one is the length of the training.
    pub checkpoints: Vec<u32>,
    /// Seed of the zoo: its hyperparameters and the networks' own seeds.
    pub seed: u64,
    /// The kernels' instruction set.
    pub isa: Isa,
    /// Worker threads; 0 stands for one for each core.
    pub threads: usize,
    /// Whether rows may be added to a zoo whose rows were rounded otherwise: its bytes then depend on who trained which.
    pub allow_mixed: bool,
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
    /// Shape of every network.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the recipe's layers do not fit the images.
    pub fn arch(&self) -> Result<Arch> {
        let train = &self.dataset.train;
        Arch::new(train.height, train.width, train.channels, self.recipe.layers.clone(), self.dataset.classes)
    }

    /// The hyperparameters of every network.
    pub fn configs(&self) -> Vec<Config> {
        self.recipe.draw(self.seed, self.models)
    }

    /// Steps of a network's whole training.
    pub fn steps(&self, run: &Run) -> u32 {
        let epochs = self.checkpoints.last().copied().unwrap_or(0);
        let an_epoch = run.train_images(self.dataset.train.len()) / self.recipe.batch;
        u32::try_from(an_epoch).unwrap_or(u32::MAX).saturating_mul(epochs)
    }

    /// The zoo file's schema, for networks trained on the CPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the architecture does not fit the images, or the training subset is smaller than a batch.
    pub fn schema(&self, configs: &[Config]) -> Result<Schema> {
        let images = &self.dataset.train;
        let arch = self.arch()?;
        if self.models == 0 || self.models > u32::MAX as usize {
            return Err(Error::invalid("--models", "at least 1", self.models));
        }
        for (index, config) in configs.iter().enumerate() {
            let images = Run::from(config).train_images(images.len());
            if images < self.recipe.batch {
                let expected = format!("a training subset of at least one batch of {} images", self.recipe.batch);
                return Err(Error::invalid("train_fraction", expected, format!("{images} images for network {index}")));
            }
        }
        Ok(Schema {
            arch,
            runs: self.models,
            checkpoints: self.checkpoints.clone(),
            dataset: self.dataset.name.clone(),
            digest: self.dataset.digest.clone(),
            recipe: self.recipe.to_json(),
            seed: self.seed,
            names: names(configs),
            optional: Schema::optional(configs),
            rounding: Schema::begun_with(executor::rounding(self.isa.kind())),
            dataset_notes: self.dataset.notes.clone(),
            program: format!("zoometry {}", env!("CARGO_PKG_VERSION")),
        })
    }
}

/// Names of the codes: those of format 1, and new ones as far as a network has them.
fn names(configs: &[Config]) -> BTreeMap<String, Vec<String>> {
    let mut all = run::names_of_format_1();
    for (name, list) in &mut all {
        let highest = configs.iter().map(|config| usize::from(config.code(name)) + 1).max().unwrap_or(1);
        let known = run::names(name);
        list.extend_from_slice(&known[list.len()..highest.max(list.len())]);
    }
    all
}

/// Trains every network that the zoo at `out` does not hold yet on the CPU; creates the zoo if there is none.
///
/// The bytes of the finished file depend on the job alone: not on threads, interruptions or the order of work. `on_event` is
/// called from the workers.
///
/// # Errors
/// Whatever the zoo file refuses ([`Error::Mismatch`] for another recipe or, unless [`Job::allow_mixed`], another family of
/// rounding; [`Error::Locked`], [`Error::Io`]);
/// [`Error::Interrupted`] when `stop` was requested.
pub fn train(job: &Job, out: &Path, on_event: &(dyn Fn(Event) + Sync), stop: &Stop) -> Result<Summary> {
    train_on(&Cpu, job, out, on_event, stop)
}

/// As [`train`], on any device. Rows that another device wrote stay as they are, so that with [`Job::allow_mixed`] a zoo may be
/// continued on another one; initial weights, orders of images and dropout are the same on all, sums are rounded as each device does.
///
/// # Errors
/// As [`train`], and [`Error::Device`] where a GPU fails.
pub fn train_on(
    executor: &dyn Executor,
    job: &Job,
    out: &Path,
    on_event: &(dyn Fn(Event) + Sync),
    stop: &Stop,
) -> Result<Summary> {
    let configs = job.configs();
    let schema = Schema { rounding: Schema::begun_with(executor.rounding(job)), ..job.schema(&configs)? };
    let (plan, runs) = (schema.arch.plan(), configs.iter().map(Run::from).collect::<Vec<Run>>());
    let writer = Writer::create_or_open(out, &schema, &configs, false)?;
    let last = schema.checkpoints.len() - 1;
    let todo: Vec<usize> =
        (0..job.models).filter(|&run| writer.status(writer.row(run, last)) == Status::NotWritten).collect();
    if let Some(mixture) = writer.mixture().filter(|_| !job.allow_mixed && !todo.is_empty()) {
        let (field, got) = ("rounding".into(), mixture.found.join("; "));
        let expected = format!("{} (--allow-mixed adds such rows and marks them)", mixture.wanted);
        return Err(Error::Mismatch { path: out.into(), field, expected, got });
    }
    on_event(Event::Found { kept: job.models - todo.len() });
    executor.train(
        &Session { job, arch: &schema.arch, plan: &plan, runs: &runs, writer: &writer, on_event },
        &todo,
        stop,
    )?;
    writer.sync()?;
    Ok(Summary { models: job.models, trained: todo.len(), kept: job.models - todo.len() })
}
