//! Train a zoo: many networks at once, each checkpoint into the zoo file as soon as it is there.
//!
//! [`Executor`] is the one seam between devices: [`Cpu`] trains a network on each thread, `gpu::Executor` hundreds on a GPU.

pub mod checkpoints;
pub mod distribution;
mod executor;
#[cfg(feature = "gpu")]
pub mod gpu;
mod growth;
mod merge;
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
use crate::out::OutPath;
use crate::par::Stop;
use crate::zoo::hyper::{COUNT, HYPERPARAMETERS};
use crate::zoo::{Config, Mixture, Place, Schema, Shard, Value, Writer};
use crate::{Error, Result};
pub use executor::{Cpu, Executor, Session};
pub use merge::merge;
use recipe::Recipe;
use run::Run;
use std::collections::BTreeMap;
use std::path::Path;

/// What is to be trained.
#[derive(Clone)]
#[non_exhaustive]
pub struct Job<'a> {
    /// The images.
    pub dataset: &'a Dataset,
    /// The distributions of the hyperparameters.
    pub recipe: &'a Recipe,
    /// Number of networks of the whole zoo.
    pub models: usize,
    /// Which of them: every N-th.
    pub place: Place,
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
    /// A zoo of fewer networks or checkpoints was there and has grown.
    Grown {
        /// Networks that it had.
        networks: usize,
        /// Checkpoints that it had.
        checkpoints: usize,
        /// Networks with rows that go on from the weights kept last: their rule remembers nothing else, or they have diverged.
        continued: usize,
        /// Networks with rows that are trained again from their initial weights, for the state of their rule is not kept.
        again: usize,
    },
    /// An epoch of one network is over.
    Trained {
        /// Images that went through a training step in it.
        images: u64,
    },
    /// A network is finished; all its rows are written.
    Finished {
        /// Its place in the file.
        run: usize,
        /// Test accuracy of the last row that was missing.
        accuracy: f32,
        /// Whether its loss or weights ceased to be finite.
        diverged: bool,
    },
}

/// What a training session did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Networks in the file.
    pub models: usize,
    /// Networks finished in this session.
    pub trained: usize,
    /// Networks that were finished already.
    pub kept: usize,
}

impl<'a> Job<'a> {
    /// A whole zoo of so many networks with seed 1, on all cores with the fastest ISA.
    pub fn new(dataset: &'a Dataset, recipe: &'a Recipe, models: usize, checkpoints: Vec<u32>) -> Job<'a> {
        Job {
            dataset,
            recipe,
            models,
            place: Place::WHOLE,
            checkpoints,
            seed: 1,
            isa: Isa::default(),
            threads: 0,
            allow_mixed: false,
        }
    }

    /// Shape of every network.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the recipe's layers do not fit the images.
    pub fn arch(&self) -> Result<Arch> {
        let train = &self.dataset.train;
        Arch::new(train.height, train.width, train.channels, self.recipe.layers.clone(), self.dataset.classes)
    }

    /// Which networks of the zoo are trained; nothing for all.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there are none, or too few for all shards.
    pub fn shard(&self) -> Result<Option<Shard>> {
        if self.models == 0 || self.models > u32::MAX as usize {
            return Err(Error::invalid("models", "at least 1", self.models));
        }
        Shard::new(self.place, self.models)
    }

    /// The hyperparameters of every network that is trained.
    pub fn configs(&self) -> Vec<Config> {
        let Place { index, count } = self.place;
        self.recipe.networks(self.seed).take(self.models).skip(index).step_by(count).collect()
    }

    /// Refuses, unless it is allowed, rows of another family of rounding than those that are there.
    fn check_mixture(&self, out: &Path, mixture: Option<&Mixture>) -> Result<()> {
        let Some(mixture) = mixture.filter(|_| !self.allow_mixed) else { return Ok(()) };
        let (field, got) = ("rounding".into(), mixture.found.join("; "));
        let expected = format!("{} (`allow_mixed` adds such rows and marks them)", mixture.wanted);
        Err(Error::Mismatch { path: out.into(), field, expected, got })
    }

    /// Steps of a network's whole training.
    pub fn steps(&self, run: &Run) -> u32 {
        let epochs = self.checkpoints.last().copied().unwrap_or(0);
        self.steps_of(run, epochs)
    }

    /// Steps that a network makes in so many epochs; incomplete batches are left out.
    fn steps_of(&self, run: &Run, epochs: u32) -> u32 {
        let an_epoch = run.train_images(self.dataset.train.len()) / self.recipe.batch_of(run);
        u32::try_from(an_epoch).unwrap_or(u32::MAX).saturating_mul(epochs)
    }

    /// The zoo file's schema, for networks trained on the CPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the architecture does not fit the images, or the training subset is smaller than a batch.
    pub fn schema(&self, configs: &[Config]) -> Result<Schema> {
        let images = &self.dataset.train;
        let arch = self.arch()?;
        let shard = self.shard()?;
        for (index, config) in configs.iter().enumerate() {
            let run = Run::from(config);
            let (images, batch) = (run.train_images(images.len()), self.recipe.batch_of(&run));
            if images < batch {
                let expected = format!("a training subset of at least one batch of {batch} images");
                let network = shard.map_or(index, |shard| shard.number(index));
                return Err(Error::invalid(
                    "train_fraction",
                    expected,
                    format!("{images} images for network {network}"),
                ));
            }
        }
        // a shard's columns and names are those of the whole zoo
        let mut widths = Widths::default();
        match shard {
            None => configs.iter().for_each(|config| widths.add(config)),
            Some(_) => self.recipe.networks(self.seed).take(self.models).for_each(|config| widths.add(&config)),
        }
        Ok(Schema {
            arch,
            runs: configs.len(),
            checkpoints: self.checkpoints.clone(),
            dataset: self.dataset.name.clone(),
            digest: self.dataset.digest.clone(),
            recipe: self.recipe.to_json(),
            seed: self.seed,
            names: widths.names(),
            optional: widths.optional(),
            shard,
            rounding: Schema::begun_with(executor::rounding(self.isa)),
            dataset_notes: self.dataset.notes.clone(),
            program: format!("zoometry {}", env!("CARGO_PKG_VERSION")),
        })
    }
}

/// What the columns of a zoo must have room for.
#[derive(Default)]
struct Widths {
    /// The highest code of each hyperparameter that has names.
    highest: [u8; COUNT],
    /// Whether some network differs from the default.
    differs: [bool; COUNT],
}

impl Widths {
    fn add(&mut self, config: &Config) {
        for (at, (hyper, value)) in HYPERPARAMETERS.iter().zip(config.values).enumerate() {
            self.differs[at] |= value != hyper.default();
            if let Value::Code(code) = value {
                self.highest[at] = self.highest[at].max(code);
            }
        }
    }

    /// Names of the codes: those of format 1, and new ones as far as a network has them.
    fn names(&self) -> BTreeMap<String, Vec<String>> {
        let mut all = run::names_of_format_1();
        for (hyper, highest) in HYPERPARAMETERS.iter().zip(self.highest) {
            if let Some(list) = all.get_mut(hyper.name) {
                let known = run::names(hyper.name);
                list.extend_from_slice(&known[list.len()..list.len().max(usize::from(highest) + 1)]);
            }
        }
        all
    }

    /// Hyperparameters with a default that some network differs from.
    fn optional(&self) -> Vec<String> {
        let wanted =
            HYPERPARAMETERS.iter().zip(self.differs).filter(|(hyper, differs)| hyper.is_optional() && *differs);
        wanted.map(|(hyper, _)| hyper.name.to_owned()).collect()
    }
}

/// Trains every network that the zoo at `out` does not hold yet on the CPU; creates the zoo if there is none.
///
/// A zoo of fewer networks or checkpoints grows. Its own rows stay; the checkpoints are then those that it had and those of the job.
/// A network that lacks a row goes on from the last checkpoint before it where its rule remembers nothing but the weights
/// (gradient descent without momentum), else it is trained again from its initial weights; either way it stops at the last row that it
/// lacks, and its numbers are those of a training without a break.
///
/// The bytes of the finished file depend on the job alone: not on threads, interruptions or the order of work. `on_event` is
/// called from the workers.
///
/// # Errors
/// [`Error::Invalid`] for fewer networks or epochs than the zoo has, and for more epochs where a schedule made for fewer was followed;
/// whatever the zoo file refuses ([`Error::Mismatch`] for another recipe or, unless [`Job::allow_mixed`], another family of
/// rounding; [`Error::Locked`], [`Error::Io`]);
/// [`Error::Interrupted`] when `stop` was requested.
pub fn train(job: &Job, out: &OutPath, on_event: &(dyn Fn(Event) + Sync), stop: &Stop) -> Result<Summary> {
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
    out: &OutPath,
    on_event: &(dyn Fn(Event) + Sync),
    stop: &Stop,
) -> Result<Summary> {
    let rounding = Schema::begun_with(executor.rounding(job));
    let (job, growth) = growth::on(job, &rounding, out.path())?;
    let configs = job.configs();
    let schema = Schema { rounding, ..job.schema(&configs)? };
    let (plan, runs) = (schema.arch.plan(), configs.iter().map(Run::from).collect::<Vec<Run>>());
    let writer = Writer::create_or_grow(out, &schema, &configs, stop)?;
    let session = Session { job: &job, arch: &schema.arch, plan: &plan, runs: &runs, writer: &writer, on_event };
    let todo: Vec<usize> = (0..schema.runs).filter(|&run| !session.missing(run).is_empty()).collect();
    if let Some(growth) = growth {
        on_event(growth.event(&session, &todo));
    }
    if !todo.is_empty() {
        job.check_mixture(out.path(), writer.mixture())?;
    }
    let kept = schema.runs - todo.len();
    on_event(Event::Found { kept });
    executor.train(&session, &todo, stop)?;
    writer.sync()?;
    Ok(Summary { models: schema.runs, trained: todo.len(), kept })
}
