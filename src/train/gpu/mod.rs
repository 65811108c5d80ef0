//! The executor on a card: hundreds of networks side by side, each in a workgroup of its own.
//!
//! A dispatch makes some steps of every network: few enough that it ends before a driver's watchdog, many enough that nobody
//! waits for the next one. Between two dispatches networks that end an epoch get their next order of images, those at a
//! checkpoint are measured, and the slot of a finished one is taken by the next.

mod evaluate;
mod fleet;
mod iterations;
mod layer;
mod shape;
#[cfg(test)]
mod tests;

pub use evaluate::Part;
pub use fleet::{Fleet, MOST_STEPS, Plan, Steps};
pub use shape::Shape;

use super::executor::{Checkpoint, Session};
use super::rules::{self, Evaluation};
use super::run::{Optimizer, Run};
use super::{Event, Job};
use crate::gpu::Gpu;
use crate::kernels::activation::Activation;
use crate::par::Stop;
use crate::zoo::{Metrics, Status};
use crate::{Error, Result};
use rayon::prelude::*;
use std::time::Instant;

/// Memory that all slots together may take.
const MEMORY: usize = 1 << 30;
/// Images of one step of all networks at most: longer steps might meet a watchdog.
const IMAGES: usize = 1 << 20;
/// Orders of images that are shuffled at once.
const ORDERS: usize = 64;
/// Momentum of the shaders' optimizer.
const MOMENTUM: f32 = 0.9;
/// Seconds that a dispatch should last: well below a watchdog's two.
const DISPATCH: std::ops::Range<f64> = 0.1..0.3;

/// A card that trains networks.
pub struct Executor {
    fleet: Fleet,
}

impl Executor {
    /// Makes a card ready for a job: everything that can be refused is refused here.
    ///
    /// # Errors
    /// [`Error::Device`] where the networks or the images do not fit; [`Error::Invalid`] for an impossible job.
    pub fn new(gpu: Gpu, job: &Job) -> Result<Executor> {
        let (train, test) = (&job.dataset.train, &job.dataset.test);
        let arch = job.arch()?;
        let shape = Shape::new(&arch, &gpu)?;
        let runs: Vec<Run> = job.configs().iter().map(Run::from).collect();
        runs.iter().try_for_each(|run| known(run).map_err(|unknown| gpu.fail(unknown)))?;
        let gelu = runs.iter().any(|run| run.activation == Activation::Gelu);
        let mut plan = Plan { arch: &arch, train, test, batch: job.recipe.batch, slots: 1, gelu };
        let (bytes, longest) = plan.bytes(&shape);
        let longest = usize::try_from(gpu.limits().binding_bytes).unwrap_or(usize::MAX) / longest;
        let mut slots = longest.min(MEMORY / bytes).min(IMAGES / plan.batch).min(gpu.limits().groups);
        if gpu.adapter().software {
            slots = slots.min(2 * std::thread::available_parallelism().map_or(1, usize::from));
        }
        plan.slots = slots.clamp(1, job.models);
        Ok(Executor { fleet: Fleet::new(gpu, shape, &plan)? })
    }

    /// Which card it is and how many networks it trains side by side.
    pub fn describe(&self) -> String {
        let adapter = self.fleet.gpu().adapter();
        let software = if adapter.software { " (software)" } else { "" };
        format!("adapter {}, {}{software}, {} networks side by side", adapter.index, adapter.name, self.fleet.slots())
    }
}

impl super::Executor for Executor {
    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()> {
        let slots = (0..self.fleet.slots()).map(|_| None).collect();
        let mut flight = Flight { fleet: &self.fleet, session, slots, chunk: 1 };
        let mut waiting = networks.iter().copied();
        loop {
            flight.board(&mut waiting);
            if stop.requested() {
                return Err(Error::Interrupted);
            }
            if flight.measure()? {
                continue;
            }
            if flight.slots.iter().all(Option::is_none) {
                return Ok(());
            }
            flight.begin_epochs();
            flight.step()?;
        }
    }
}

/// A network in a slot.
struct Trainee {
    run: usize,
    hyperparameters: Run,
    images: usize,
    /// The next row to be written.
    row: usize,
    epoch: u32,
    /// Steps made in this epoch, and in all.
    position: usize,
    steps: u32,
    checkpoint: Checkpoint,
}

/// The networks in training.
struct Flight<'a> {
    fleet: &'a Fleet,
    session: &'a Session<'a>,
    slots: Vec<Option<Trainee>>,
    /// Steps of a dispatch.
    chunk: usize,
}

impl Flight<'_> {
    /// Fills empty slots.
    fn board(&mut self, waiting: &mut impl Iterator<Item = usize>) {
        for (slot, place) in self.slots.iter_mut().enumerate().filter(|(_, place)| place.is_none()) {
            let Some(run) = waiting.next() else { return };
            let hyperparameters = self.session.runs[run];
            let checkpoint = self.session.untrained(&hyperparameters);
            self.fleet.load(slot, &checkpoint.weights);
            let images = hyperparameters.train_images(self.session.job.dataset.train.len());
            *place =
                Some(Trainee { run, hyperparameters, images, row: 0, epoch: 0, position: 0, steps: 0, checkpoint });
        }
    }

    /// Measures the networks that are at a checkpoint and writes their rows; false if there are none.
    fn measure(&mut self) -> Result<bool> {
        let checkpoints = &self.session.job.checkpoints;
        let mut due = Vec::new();
        for (slot, place) in self.slots.iter().enumerate() {
            if let Some(trainee) = place.as_ref().filter(|at| at.position == 0 && at.epoch == checkpoints[at.row]) {
                due.push((slot, trainee.hyperparameters, trainee.images));
            }
        }
        let tests = self.session.job.dataset.test.len();
        let test: Vec<(usize, Run, usize)> = due.iter().map(|&(slot, run, _)| (slot, run, tests)).collect();
        let train = self.fleet.evaluate(Part::Train, &due)?;
        let test = self.fleet.evaluate(Part::Test, &test)?;
        for ((&(slot, ..), train), test) in due.iter().zip(train).zip(test) {
            self.row(slot, train, test)?;
        }
        Ok(!due.is_empty())
    }

    /// Writes the row of a network that was just measured.
    fn row(&mut self, slot: usize, train: Evaluation, test: Evaluation) -> Result<()> {
        let Some(trainee) = &mut self.slots[slot] else { return Ok(()) };
        let mut weights = vec![0.0; trainee.checkpoint.weights.len()];
        self.fleet.store(slot, &mut weights)?;
        let penalty = rules::penalty(self.session.plan, &trainee.hyperparameters, &weights);
        let (train_loss, test_loss) = (with(train.loss, penalty), with(test.loss, penalty));
        if !(train_loss.is_finite() && test_loss.is_finite() && weights.iter().all(|w| w.is_finite())) {
            return self.diverged(slot);
        }
        let metrics = Metrics { test_accuracy: test.accuracy, test_loss, train_accuracy: train.accuracy, train_loss };
        trainee.checkpoint = Checkpoint { weights, metrics, class_accuracy: test.class_accuracy };
        self.session.write(trainee.run, trainee.row, &trainee.checkpoint, Status::Done)?;
        trainee.row += 1;
        if trainee.row == self.session.job.checkpoints.len() {
            let accuracy = test.accuracy;
            (self.session.tell)(Event::Finished { run: trainee.run, accuracy, diverged: false });
            self.slots[slot] = None;
        }
        Ok(())
    }

    /// Writes the remaining rows of a network that diverged and frees its slot.
    fn diverged(&mut self, slot: usize) -> Result<()> {
        let Some(trainee) = self.slots[slot].take() else { return Ok(()) };
        for row in trainee.row..self.session.job.checkpoints.len() {
            self.session.write(trainee.run, row, &trainee.checkpoint, Status::Diverged)?;
        }
        let accuracy = trainee.checkpoint.metrics.test_accuracy;
        (self.session.tell)(Event::Finished { run: trainee.run, accuracy, diverged: true });
        Ok(())
    }

    /// Gives the networks that begin an epoch its order of images.
    fn begin_epochs(&mut self) {
        let beginning = |(slot, place): (usize, &Option<Trainee>)| {
            let trainee = place.as_ref().filter(|trainee| trainee.position == 0)?;
            Some((slot, trainee.hyperparameters, trainee.images, trainee.epoch))
        };
        let due: Vec<_> = self.slots.iter().enumerate().filter_map(beginning).collect();
        // shuffling is the slow part: on all threads, but not all orders in memory at once
        for due in due.chunks(ORDERS) {
            let shuffled = due.par_iter().map(|&(slot, run, images, epoch)| {
                let mut order = Vec::new();
                rules::shuffle(&run, images, epoch, &mut order);
                (slot, order)
            });
            for (slot, order) in shuffled.collect::<Vec<_>>() {
                self.fleet.set_order(slot, &order);
            }
        }
    }

    /// Makes some steps of every network.
    fn step(&mut self) -> Result<()> {
        let batch = self.session.job.recipe.batch;
        let mut work = Vec::new();
        for (slot, place) in self.slots.iter().enumerate() {
            let Some(trainee) = place else { continue };
            let left = trainee.images / batch - trainee.position;
            let all = self.session.job.steps(&trainee.hyperparameters);
            let (first, count) = (trainee.position * batch, left.min(self.chunk));
            work.push(Steps { slot, run: trainee.hyperparameters, first, before: trainee.steps, count, all });
        }
        let start = Instant::now();
        let losses = self.fleet.steps(&work)?;
        self.pace(start.elapsed().as_secs_f64());
        for (steps, loss) in work.iter().zip(losses) {
            if !loss.is_finite() {
                self.diverged(steps.slot)?;
                continue;
            }
            let Some(trainee) = &mut self.slots[steps.slot] else { continue };
            trainee.steps += steps.count as u32;
            trainee.position += steps.count;
            if trainee.position == trainee.images / batch {
                (trainee.epoch, trainee.position) = (trainee.epoch + 1, 0);
                (self.session.tell)(Event::Trained { images: (trainee.images / batch * batch) as u64 });
            }
        }
        Ok(())
    }

    /// Adapts the number of steps to how long a dispatch took.
    fn pace(&mut self, seconds: f64) {
        if seconds < DISPATCH.start {
            self.chunk = (2 * self.chunk).min(MOST_STEPS);
        } else if seconds > DISPATCH.end {
            self.chunk = (self.chunk / 2).max(1);
        }
    }
}

fn with(loss: f32, penalty: f64) -> f32 {
    (f64::from(loss) + penalty) as f32
}

/// What of a network the shaders do not know, if anything.
fn known(run: &Run) -> std::result::Result<(), String> {
    let refused = |what: &str| Err(format!("the shaders know no {what}"));
    match run {
        Run { activation: Activation::LeakyRelu | Activation::Silu, .. } => refused("leaky ReLU or SiLU"),
        Run { weight_decay, .. } if *weight_decay != 0.0 => refused("weight decay"),
        Run { optimizer: Optimizer::Momentum, momentum, .. } if *momentum != MOMENTUM => refused("momentum but 0.9"),
        _ => Ok(()),
    }
}
