//! Train a zoo: every network on a thread of its own, each checkpoint into the zoo file as soon as it is there.

pub mod cpu;
pub mod reference;
pub mod run;
pub mod schedule;
pub mod space;
pub mod workspace;

use crate::cnn::{Arch, init::Init, plan::Plan};
use crate::dataset::Dataset;
use crate::kernels::Isa;
use crate::par::{self, Stop};
use crate::zoo::{Config, Metrics, Schema, Status, Writer};
use crate::{Error, Result};
use cpu::{Interruption, Network};
use run::{Activation, Choice, Optimizer, Run};
use space::Recipe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// Trains every network that the zoo at `out` does not hold yet; creates the zoo if there is none.
///
/// The bytes of the finished file depend on the job alone: not on threads, interruptions or the order of work. `tell` is
/// called from the workers.
///
/// # Errors
/// Whatever the zoo file refuses ([`Error::Mismatch`] for another recipe, [`Error::Locked`], [`Error::Io`]);
/// [`Error::Interrupted`] when `stop` was requested.
pub fn train(job: &Job, out: &Path, tell: &(dyn Fn(Event) + Sync), stop: &Stop) -> Result<Summary> {
    let schema = job.schema()?;
    let configs: Vec<Config> = (0..job.models).map(|index| job.config(index)).collect();
    let writer = Writer::create_or_open(out, &schema, &configs, false)?;
    let last = schema.checkpoints.len() - 1;
    let todo: Vec<usize> =
        (0..job.models).filter(|&run| writer.status(writer.row(run, last)) == Status::NotWritten).collect();
    tell(Event::Found { kept: job.models - todo.len() });
    let plan = Plan::new(&schema.arch);
    let next = AtomicUsize::new(0);
    let work = |_: usize| -> Result<()> {
        let mut trainer = Trainer::new(job, &plan, &writer, tell);
        while let Some(&run) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            trainer.train(run, stop)?;
        }
        Ok(())
    };
    par::workers(job.threads.min(todo.len()), stop, &work)?;
    writer.sync()?;
    Ok(Summary { models: job.models, trained: todo.len(), kept: job.models - todo.len() })
}

/// One worker's arena.
struct Trainer<'a> {
    job: &'a Job<'a>,
    writer: &'a Writer,
    tell: &'a (dyn Fn(Event) + Sync),
    network: Network<'a>,
    checkpoint: Checkpoint,
}

/// What a row of the zoo is written from.
#[derive(Clone)]
struct Checkpoint {
    weights: Vec<f32>,
    metrics: Metrics,
    class_accuracy: Vec<f32>,
}

impl<'a> Trainer<'a> {
    fn new(job: &'a Job<'a>, plan: &'a Plan, writer: &'a Writer, tell: &'a (dyn Fn(Event) + Sync)) -> Trainer<'a> {
        let checkpoint = Checkpoint {
            weights: vec![0.0; plan.arch.parameters()],
            metrics: Metrics::default(),
            class_accuracy: vec![0.0; plan.arch.classes],
        };
        Trainer { job, writer, tell, network: Network::new(job.isa, plan, job.run(0)), checkpoint }
    }

    /// Trains one network from its initial weights and writes those of its rows that are not there yet.
    fn train(&mut self, run: usize, stop: &Stop) -> Result<()> {
        let hyperparameters = self.job.run(run);
        let (split, batch) = (&self.job.dataset.train, self.job.recipe.batch);
        let images = hyperparameters.train_images(split.len());
        self.network.start(hyperparameters);
        let mut epoch = 0;
        let mut diverged = false;
        for (row, &checkpoint) in self.job.checkpoints.iter().enumerate() {
            while epoch < checkpoint && !diverged {
                match self.network.epoch(split, images, batch, epoch, stop) {
                    Ok(()) => (self.tell)(Event::Trained { images: (images / batch * batch) as u64 }),
                    Err(Interruption::Diverged) => diverged = true,
                    Err(Interruption::Stopped) => return Err(Error::Interrupted),
                }
                epoch += 1;
            }
            diverged = diverged || !self.measure(images, stop)?;
            self.write(run, row, if diverged { Status::Diverged } else { Status::Done })?;
        }
        (self.tell)(Event::Finished { run, accuracy: self.checkpoint.metrics.test_accuracy, diverged });
        Ok(())
    }

    /// Takes the network's weights and metrics as the current checkpoint; false, and the last one stays, if any of them is
    /// not finite.
    fn measure(&mut self, images: usize, stop: &Stop) -> Result<bool> {
        if !self.network.is_finite() {
            return Ok(false);
        }
        if stop.requested() {
            return Err(Error::Interrupted);
        }
        let train = self.network.evaluate(&self.job.dataset.train, images);
        let test = self.network.evaluate(&self.job.dataset.test, self.job.dataset.test.len());
        if !train.loss.is_finite() || !test.loss.is_finite() {
            return Ok(false);
        }
        self.network.store(&mut self.checkpoint.weights);
        self.checkpoint.metrics = Metrics {
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            train_accuracy: train.accuracy,
            train_loss: train.loss,
        };
        self.checkpoint.class_accuracy = test.class_accuracy;
        Ok(true)
    }

    /// Writes a row unless an earlier session did: its bytes would be the same.
    fn write(&self, run: usize, row: usize, status: Status) -> Result<()> {
        if self.writer.status(self.writer.row(run, row)) != Status::NotWritten {
            return Ok(());
        }
        let Checkpoint { weights, metrics, class_accuracy } = &self.checkpoint;
        self.writer.write(run, row, weights, metrics, class_accuracy, status)
    }
}
