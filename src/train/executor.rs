//! The seam between devices, and the CPU's side of it.

use super::network::{Interruption, Network};
use super::run::Run;
use super::{Event, Job};
use crate::cnn::packing::Packing;
use crate::cnn::plan::Plan;
use crate::cnn::{Arch, init};
use crate::par::{self, Stop};
use crate::zoo::{Metrics, Status, Writer};
use crate::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where networks are trained.
pub trait Executor {
    /// Trains networks from their initial weights and writes those of their rows that are not there yet.
    ///
    /// # Errors
    /// The zoo file's, the device's, [`Error::Interrupted`] when `stop` was requested.
    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()>;
}

/// What an executor works for.
pub struct Session<'a> {
    /// What is to be trained.
    pub job: &'a Job<'a>,
    /// Shape of every network.
    pub arch: &'a Arch,
    /// Its plan.
    pub plan: &'a Plan,
    /// The hyperparameters of every network.
    pub runs: &'a [Run],
    pub(super) writer: &'a Writer,
    pub(super) tell: &'a (dyn Fn(Event) + Sync),
}

/// What a row of the zoo is written from.
#[derive(Clone)]
pub(super) struct Checkpoint {
    pub(super) weights: Vec<f32>,
    pub(super) metrics: Metrics,
    pub(super) class_accuracy: Vec<f32>,
}

impl Session<'_> {
    /// What a network holds before anything is measured: its initial weights.
    pub(super) fn untrained(&self, run: &Run) -> Checkpoint {
        let mut weights = vec![0.0; self.plan.parameters()];
        init::fill(self.plan, run.start(), &mut weights);
        Checkpoint { weights, metrics: Metrics::default(), class_accuracy: vec![0.0; self.plan.classes] }
    }

    /// Writes a row unless an earlier session did.
    pub(super) fn write(&self, run: usize, row: usize, checkpoint: &Checkpoint, status: Status) -> Result<()> {
        if self.writer.status(self.writer.row(run, row)) != Status::NotWritten {
            return Ok(());
        }
        let Checkpoint { weights, metrics, class_accuracy } = checkpoint;
        self.writer.write(run, row, weights, metrics, class_accuracy, status)
    }
}

/// The CPU: every network on a thread of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Executor for Cpu {
    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()> {
        let packing = Packing::new(session.arch);
        let next = AtomicUsize::new(0);
        let work = |_: usize| -> Result<()> {
            let mut trainer = Trainer::new(session, &packing);
            while let Some(&run) = networks.get(next.fetch_add(1, Ordering::Relaxed)) {
                trainer.train(run, stop)?;
            }
            Ok(())
        };
        par::workers(session.job.threads.min(networks.len()), stop, &work)
    }
}

/// One worker's arena.
struct Trainer<'a> {
    session: &'a Session<'a>,
    network: Network<'a>,
    checkpoint: Checkpoint,
}

impl<'a> Trainer<'a> {
    fn new(session: &'a Session<'a>, packing: &'a Packing) -> Trainer<'a> {
        let run = session.runs[0];
        Trainer { session, network: Network::new(session.job.isa, packing, run), checkpoint: session.untrained(&run) }
    }

    /// Trains one network from its initial weights and writes those of its rows that are not there yet.
    fn train(&mut self, run: usize, stop: &Stop) -> Result<()> {
        let Session { job, tell, .. } = self.session;
        let hyperparameters = self.session.runs[run];
        let (split, batch) = (&job.dataset.train, job.recipe.batch);
        let images = hyperparameters.train_images(split.len());
        self.network.start(hyperparameters, job.steps(&hyperparameters));
        // a network that diverges before it is measured must not leave another one's row
        self.checkpoint = self.session.untrained(&hyperparameters);
        let mut epoch = 0;
        let mut diverged = false;
        for (row, &checkpoint) in job.checkpoints.iter().enumerate() {
            while epoch < checkpoint && !diverged {
                match self.network.epoch(split, images, batch, epoch, stop) {
                    Ok(()) => tell(Event::Trained { images: (images / batch * batch) as u64 }),
                    Err(Interruption::Diverged) => diverged = true,
                    Err(Interruption::Stopped) => return Err(Error::Interrupted),
                }
                epoch += 1;
            }
            diverged = diverged || !self.measure(images, stop)?;
            let status = if diverged { Status::Diverged } else { Status::Done };
            self.session.write(run, row, &self.checkpoint, status)?;
        }
        tell(Event::Finished { run, accuracy: self.checkpoint.metrics.test_accuracy, diverged });
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
        let dataset = self.session.job.dataset;
        let train = self.network.evaluate(&dataset.train, images);
        let test = self.network.evaluate(&dataset.test, dataset.test.len());
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
}
