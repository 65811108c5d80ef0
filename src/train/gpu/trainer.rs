//! `Trainer`: the host's side of training on a GPU.
//!
//! What a slot does next is decided from what has been submitted, not from what has come back: the GPU works in the order of
//! submission, so that a network at a checkpoint may go on before its weights have been read. What comes back is taken in the
//! same order, and of a network that has diverged by then nothing more is looked at.

use super::evaluate::{Due, Measured, PendingMeasures};
use super::fleet::{Fleet, PendingSteps, Steps};
use super::pace::Pace;
use crate::cnn::plan::Plan;
use crate::train::Event;
use crate::train::executor::{Checkpoint, Session};
use crate::train::rules;
use crate::train::run::Run;
use crate::zoo::{Metrics, Status};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

/// Pieces of work that are under way at a time.
const UNDER_WAY: usize = 2;
/// Networks whose initial weights or orders are in the host's memory at a time.
const TOGETHER: usize = 256;

/// What the thread that writes hears.
pub(super) enum Message {
    /// A row.
    Row(usize, usize, Box<Checkpoint>, Status),
    /// What has happened, after the rows before.
    Event(Event),
}

/// Writes rows until nobody sends any more.
///
/// # Errors
/// The zoo file's.
pub(super) fn write(session: &Session, rows: &Receiver<Message>) -> Result<()> {
    for message in rows {
        match message {
            Message::Row(run, row, checkpoint, status) => session.write(run, row, &checkpoint, status)?,
            Message::Event(event) => (session.on_event)(event),
        }
    }
    Ok(())
}

/// A network in a slot, as far as work has been submitted.
#[derive(Clone, Copy)]
struct Slot {
    run: usize,
    hyperparameters: Run,
    images: usize,
    /// The next row to be measured.
    row: usize,
    epoch: u32,
    /// Steps made in this epoch, and in all.
    position: usize,
    steps: u32,
}

/// A network as far as results have come back.
struct Record {
    hyperparameters: Run,
    /// The next row to be written.
    row: usize,
    checkpoint: Checkpoint,
}

/// Work under way.
enum Work {
    /// Steps, and the networks that make them with the images of an epoch that ends.
    Steps(PendingSteps, Vec<(usize, Option<u64>)>),
    /// Measurements of networks.
    Measures(PendingMeasures, Vec<usize>, usize),
}

/// See the head of the file.
pub(super) struct Trainer<'a> {
    fleet: &'a Fleet,
    session: &'a Session<'a>,
    pace: Pace,
    slots: Vec<Option<Slot>>,
    records: HashMap<usize, Record>,
    under_way: VecDeque<(Work, Instant)>,
    /// When the last piece of work was done.
    done: Instant,
    rows: SyncSender<Message>,
}

impl<'a> Trainer<'a> {
    pub fn new(
        fleet: &'a Fleet,
        session: &'a Session<'a>,
        pace: Pace,
        slots: usize,
        rows: SyncSender<Message>,
    ) -> Trainer<'a> {
        let (records, under_way, done) = (HashMap::new(), VecDeque::new(), Instant::now());
        Trainer { fleet, session, pace, slots: vec![None; slots], records, under_way, done, rows }
    }

    /// Trains networks, the longest first, so that no long one is left alone at the end.
    ///
    /// # Errors
    /// The device's; [`Error::Interrupted`] when a stop was requested or nobody writes rows any more.
    pub fn train(mut self, networks: &[usize]) -> Result<()> {
        let images = self.session.job.dataset.train.len();
        let mut networks = networks.to_vec();
        networks.sort_by_key(|&run| std::cmp::Reverse(self.session.runs[run].train_images(images)));
        let mut waiting = networks.into_iter();
        loop {
            if self.session.job.context.stop.requested() {
                return Err(Error::Interrupted);
            }
            // a slot that is left at a checkpoint is taken by a network that may be at its first one
            self.fill_slots(&mut waiting);
            while self.measure()? {
                self.fill_slots(&mut waiting);
            }
            let training = self.slots.iter().any(Option::is_some);
            if training {
                self.begin_epochs();
                self.step()?;
            } else if self.under_way.is_empty() {
                return Ok(());
            }
            let most = if training { UNDER_WAY } else { 0 };
            while self.under_way.len() > most {
                self.finish_oldest()?;
            }
        }
    }

    /// Fills empty slots.
    fn fill_slots(&mut self, waiting: &mut impl Iterator<Item = usize>) {
        let empty: Vec<usize> = (0..self.slots.len()).filter(|&slot| self.slots[slot].is_none()).collect();
        let arriving: Vec<(usize, usize)> = empty.into_iter().zip(waiting).collect();
        for some in arriving.chunks(TOGETHER) {
            let made = some.par_iter().map(|&(_, run)| {
                let hyperparameters = self.session.runs[run];
                Record { hyperparameters, row: 0, checkpoint: self.session.untrained(&hyperparameters) }
            });
            let made: Vec<Record> = made.collect();
            // neighbouring slots travel together
            let mut first = 0;
            for end in 1..=some.len() {
                if end == some.len() || some[end].0 != some[end - 1].0 + 1 {
                    let weights: Vec<&[f32]> =
                        made[first..end].iter().map(|record| &record.checkpoint.weights[..]).collect();
                    self.fleet.load(some[first].0, &weights);
                    first = end;
                }
            }
            for (&(slot, run), record) in some.iter().zip(made) {
                let hyperparameters = record.hyperparameters;
                let images = hyperparameters.train_images(self.session.job.dataset.train.len());
                self.slots[slot] = Some(Slot { run, hyperparameters, images, row: 0, epoch: 0, position: 0, steps: 0 });
                self.records.insert(run, record);
            }
        }
    }

    /// Whether a network is at a checkpoint.
    fn is_due(&self, slot: &Slot) -> bool {
        slot.position == 0 && self.session.job.checkpoints[slot.row] == slot.epoch
    }

    /// Submits measurements of the networks that are at a checkpoint; those at their last one leave. False if there are none.
    fn measure(&mut self) -> Result<bool> {
        let tests = self.session.job.dataset.test.len();
        let is_due = |&index: &usize| self.slots[index].as_ref().is_some_and(|slot| self.is_due(slot));
        let mut due: VecDeque<usize> = (0..self.slots.len()).filter(is_due).collect();
        let any = !due.is_empty();
        while !due.is_empty() {
            if self.session.job.context.stop.requested() {
                return Err(Error::Interrupted);
            }
            let (mut work, mut runs, mut images) = (Vec::new(), Vec::new(), 0);
            while let Some(index) = due.pop_front_if(|_| images < self.pace.images) {
                let Some(slot) = &mut self.slots[index] else { continue };
                work.push(Due { slot: index, run: slot.hyperparameters, images: slot.images });
                runs.push(slot.run);
                images += slot.images + tests;
                slot.row += 1;
                if slot.row == self.session.job.checkpoints.len() {
                    self.slots[index] = None;
                }
            }
            let pending = self.fleet.submit_measures(work)?;
            self.under_way.push_back((Work::Measures(pending, runs, images), Instant::now()));
            while self.under_way.len() > UNDER_WAY {
                self.finish_oldest()?;
            }
        }
        Ok(any)
    }

    /// Gives the networks that begin an epoch its order of images.
    fn begin_epochs(&mut self) {
        let beginning = |(index, slot): (usize, &Option<Slot>)| {
            let slot = slot.as_ref().filter(|slot| slot.position == 0)?;
            Some((index, slot.hyperparameters, slot.images, slot.epoch))
        };
        let due: Vec<_> = self.slots.iter().enumerate().filter_map(beginning).collect();
        // shuffling is the slow part: on all threads, but not all orders in memory at once
        for due in due.chunks(TOGETHER) {
            let shuffled = due.par_iter().map(|&(index, run, images, epoch)| {
                let mut order = Vec::new();
                rules::shuffle(&run, images, epoch, &mut order);
                self.fleet.label(&mut order);
                (index, order)
            });
            for (index, order) in shuffled.collect::<Vec<_>>() {
                self.fleet.set_order(index, &order);
            }
        }
    }

    /// Submits some steps of every network.
    fn step(&mut self) -> Result<()> {
        let batch = self.session.job.recipe.batch;
        let (mut work, mut runs) = (Vec::new(), Vec::new());
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            let epoch = slot.images / batch;
            let count = (epoch - slot.position).min(self.pace.steps);
            let first = slot.position * batch;
            let all = self.session.job.steps(&slot.hyperparameters);
            work.push(Steps { slot: index, run: slot.hyperparameters, first, before: slot.steps, count, all });
            slot.steps += count as u32;
            slot.position += count;
            let ends = slot.position == epoch;
            if ends {
                (slot.epoch, slot.position) = (slot.epoch + 1, 0);
            }
            runs.push((slot.run, ends.then_some((epoch * batch) as u64)));
        }
        let pending = self.fleet.submit_steps(work)?;
        self.under_way.push_back((Work::Steps(pending, runs), Instant::now()));
        Ok(())
    }

    /// Waits for the oldest work and takes what came of it.
    fn finish_oldest(&mut self) -> Result<()> {
        let Some((work, submitted)) = self.under_way.pop_front() else { return Ok(()) };
        let began = submitted.max(self.done);
        match work {
            Work::Steps(pending, runs) => {
                let (work, losses) = self.fleet.finish_steps(pending)?;
                self.done = Instant::now();
                let steps = work.iter().map(|steps| steps.count).max().unwrap_or(0);
                self.pace.stepped(steps, (self.done - began).as_secs_f64());
                self.take_losses(&runs, &losses)
            }
            Work::Measures(pending, runs, images) => {
                let measured = self.fleet.finish_measures(pending)?;
                self.done = Instant::now();
                self.pace.evaluated(images, (self.done - began).as_secs_f64());
                self.take_measures(&runs, measured)
            }
        }
    }

    fn take_losses(&mut self, runs: &[(usize, Option<u64>)], losses: &[f32]) -> Result<()> {
        for (&(run, epoch), loss) in runs.iter().zip(losses) {
            if !self.records.contains_key(&run) {
                continue;
            }
            if !loss.is_finite() {
                self.diverged(run)?;
            } else if let Some(images) = epoch {
                self.send(Message::Event(Event::Trained { images }))?;
            }
        }
        Ok(())
    }

    /// Writes the rows of networks that were measured.
    fn take_measures(&mut self, runs: &[usize], measured: Vec<Measured>) -> Result<()> {
        let plan = self.session.plan;
        let records = &self.records;
        let of = |(run, measured): (&usize, Measured)| checkpoint(plan, &records.get(run)?.hyperparameters, measured);
        let found: Vec<Option<Checkpoint>> = runs.par_iter().zip(measured).map(of).collect();
        for (&run, found) in runs.iter().zip(found) {
            let Some(record) = self.records.get_mut(&run) else { continue };
            let Some(checkpoint) = found else {
                self.diverged(run)?;
                continue;
            };
            let row = record.row;
            record.row += 1;
            record.checkpoint = checkpoint.clone();
            let accuracy = checkpoint.metrics.test_accuracy;
            self.send(Message::Row(run, row, Box::new(checkpoint), Status::Done))?;
            if row + 1 == self.session.job.checkpoints.len() {
                self.records.remove(&run);
                self.send(Message::Event(Event::Finished { run, accuracy, diverged: false }))?;
            }
        }
        Ok(())
    }

    /// Writes the remaining rows of a network that diverged and frees its slot.
    fn diverged(&mut self, run: usize) -> Result<()> {
        let Some(record) = self.records.remove(&run) else { return Ok(()) };
        let accuracy = record.checkpoint.metrics.test_accuracy;
        for row in record.row..self.session.job.checkpoints.len() {
            self.send(Message::Row(run, row, Box::new(record.checkpoint.clone()), Status::Diverged))?;
        }
        self.send(Message::Event(Event::Finished { run, accuracy, diverged: true }))?;
        let of_this = |slot: &&mut Option<Slot>| slot.as_ref().is_some_and(|slot| slot.run == run);
        if let Some(slot) = self.slots.iter_mut().find(of_this) {
            *slot = None;
        }
        Ok(())
    }

    fn send(&self, message: Message) -> Result<()> {
        // the writer's own error says why it is gone
        self.rows.send(message).map_err(|_| Error::Interrupted)
    }
}

/// A checkpoint from measurements, none if anything is not finite.
fn checkpoint(plan: &Plan, run: &Run, measured: Measured) -> Option<Checkpoint> {
    let Measured { train, test, weights } = measured;
    let penalty = rules::penalty(plan, run, &weights);
    let with = |loss: f32| (f64::from(loss) + penalty) as f32;
    let (train_loss, test_loss) = (with(train.loss), with(test.loss));
    if !(train_loss.is_finite() && test_loss.is_finite() && weights.iter().all(|w| w.is_finite())) {
        return None;
    }
    let metrics = Metrics { test_accuracy: test.accuracy, test_loss, train_accuracy: train.accuracy, train_loss };
    Some(Checkpoint { weights, metrics, class_accuracy: test.class_accuracy })
}
