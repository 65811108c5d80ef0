//! The seam between devices, and the CPU's side of it.

use super::network::{Interruption, Network};
use super::rules::Evaluation;
use super::run::{Optimizer, Run};
use super::team::{self, Team};
use super::{Event, Job};
use crate::cnn::choice::Choice;
use crate::cnn::packing::Packing;
use crate::cnn::plan::Plan;
use crate::cnn::{Arch, init};
use crate::kernels::{Isa, LANES};
use crate::par::{self, Stop};
use crate::zoo::{Metrics, Status, Writer};
use crate::{Error, Result};
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where networks are trained.
pub trait Executor {
    /// Trains networks, from their initial weights or from a row that is there, and writes those of their rows that are not.
    ///
    /// # Errors
    /// The zoo file's, the device's, [`Error::Interrupted`] when `stop` was requested.
    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()>;

    /// Name of the family whose sums are rounded as here: rows of one family have the same bits.
    fn rounding(&self, job: &Job) -> String;
}

/// The family of a CPU's kernels: those that fuse each multiplication with its addition sum in one order and give the same bits;
/// what the others do is the build target's.
pub(super) fn rounding(isa: Isa) -> String {
    if isa.fuses() { "fused".into() } else { format!("unfused: {}", std::env::consts::ARCH) }
}

/// What an executor works for.
pub struct Session<'a> {
    /// What is to be trained.
    pub job: &'a Job<'a>,
    /// Shape of every network.
    pub arch: &'a Arch,
    /// Its plan.
    pub plan: &'a Plan,
    /// The hyperparameters of every network in the file.
    pub runs: &'a [Run],
    pub(super) writer: &'a Writer,
    pub(super) on_event: &'a (dyn Fn(Event) + Sync),
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

    /// A network's rows from the first to the last that is not there.
    pub(super) fn missing(&self, run: usize) -> Range<usize> {
        let missing = |row: &usize| self.writer.status(self.writer.row(run, *row)) == Status::NotWritten;
        let mut rows = (0..self.job.checkpoints.len()).filter(missing);
        rows.next().map_or(0..0, |first| first..rows.next_back().unwrap_or(first) + 1)
    }

    /// Whether something of a network is there.
    pub(super) fn has_rows(&self, run: usize) -> bool {
        (0..self.job.checkpoints.len()).any(|row| self.writer.status(self.writer.row(run, row)) != Status::NotWritten)
    }

    /// The row that a network's training goes on from, the one before the first that is missing: where its rule remembers nothing
    /// but the weights, or nothing more is to be trained because it has diverged. Else it begins with its initial weights.
    pub(super) fn resumed(&self, run: usize) -> Option<usize> {
        let row = self.missing(run).start.checked_sub(1)?;
        let diverged = self.writer.status(self.writer.row(run, row)) == Status::Diverged;
        (diverged || self.runs[run].optimizer == Optimizer::Sgd).then_some(row)
    }

    /// Images of a network's training step.
    fn batch(&self, run: usize) -> usize {
        self.job.recipe.batch_of(&self.runs[run])
    }

    /// Steps that a network has made when it reaches a row.
    fn steps_until(&self, run: usize, row: usize) -> u32 {
        self.job.steps_of(&self.runs[run], self.job.checkpoints[row])
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

/// The CPU: every network on a thread of its own, its channels in the lanes; or where layers are too narrow for that sixteen
/// networks at a time, a lane each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Executor for Cpu {
    fn train(&self, session: &Session, networks: &[usize], stop: &Stop) -> Result<()> {
        let in_team = |&&network: &&usize| team::pays(session.plan, session.batch(network));
        let (together, alone): (Vec<usize>, Vec<usize>) = networks.iter().partition(in_team);
        on_threads(session, &teams(session, &together), stop, || TeamTrainer::new(session))?;
        let packing = Packing::new(session.arch);
        on_threads(session, &alone, stop, || Trainer::new(session, &packing))
    }

    fn rounding(&self, job: &Job) -> String {
        rounding(job.isa)
    }
}

/// One worker's arena.
trait Work<T> {
    /// Trains what a piece of work stands for and writes those of its rows that are not there yet.
    fn train(&mut self, piece: &T, stop: &Stop) -> Result<()>;
}

/// Does all pieces of work on the session's threads, each with an arena of its own.
fn on_threads<T: Sync, W: Work<T>>(
    session: &Session,
    pieces: &[T],
    stop: &Stop,
    arena: impl Fn() -> W + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = |_: usize| -> Result<()> {
        let mut arena = arena();
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            arena.train(piece, stop)?;
        }
        Ok(())
    };
    par::workers(session.job.threads.min(pieces.len()), stop, &work)
}

/// The networks in teams, those with most images first. In a team all have one activation, batch, number of images and epoch to
/// begin with, so that they are at the same step; those with dropout stand together, since one is enough for all to draw numbers.
fn teams(session: &Session, networks: &[usize]) -> Vec<Vec<usize>> {
    let available = session.job.dataset.train.len();
    let key = |network: usize| {
        let run = &session.runs[network];
        let images = Reverse(run.train_images(available));
        (images, session.batch(network), run.activation.code(), session.resumed(network))
    };
    let mut sorted = networks.to_vec();
    sorted.sort_by_key(|&network| (key(network), session.runs[network].dropout > 0.0));
    let alike = sorted.chunk_by(|&a, &b| key(a) == key(b));
    alike.flat_map(|alike| alike.chunks(LANES)).map(<[usize]>::to_vec).collect()
}

/// A worker for networks one by one.
struct Trainer<'a> {
    session: &'a Session<'a>,
    network: Network<'a>,
}

impl<'a> Trainer<'a> {
    fn new(session: &'a Session<'a>, packing: &'a Packing) -> Trainer<'a> {
        Trainer { session, network: Network::new(session.job.isa, packing, Run::default()) }
    }
}

impl Work<usize> for Trainer<'_> {
    fn train(&mut self, &run: &usize, stop: &Stop) -> Result<()> {
        let Session { job, on_event, .. } = self.session;
        let hyperparameters = self.session.runs[run];
        let (split, batch) = (&job.dataset.train, self.session.batch(run));
        let images = hyperparameters.train_images(split.len());
        self.network.start(hyperparameters, job.steps(&hyperparameters));
        let mut progress = Progress::new(self.session, run);
        let mut epoch = 0;
        if let Some(row) = self.session.resumed(run) {
            self.network.resume(&progress.checkpoint.weights, self.session.steps_until(run, row));
            epoch = job.checkpoints[row];
        }
        for &checkpoint in &job.checkpoints[progress.row..progress.end] {
            while epoch < checkpoint && !progress.diverged {
                match self.network.epoch(split, images, batch, epoch, stop) {
                    Ok(()) => on_event(Event::Trained { images: (images / batch * batch) as u64 }),
                    Err(Interruption::Diverged) => progress.diverged = true,
                    Err(Interruption::Stopped) => return Err(Error::Interrupted),
                }
                epoch += 1;
            }
            if !progress.diverged && self.network.is_finite() {
                stop.check()?;
                let train = self.network.evaluate(&job.dataset.train, images);
                let test = self.network.evaluate(&job.dataset.test, job.dataset.test.len());
                progress.measured(train, test, |weights| self.network.store(weights));
            } else {
                progress.diverged = true;
            }
            progress.write_row()?;
        }
        Ok(())
    }
}

/// A worker for sixteen networks at a time.
struct TeamTrainer<'a> {
    session: &'a Session<'a>,
    team: Team<'a>,
}

impl<'a> TeamTrainer<'a> {
    fn new(session: &'a Session<'a>) -> TeamTrainer<'a> {
        TeamTrainer { session, team: Team::new(session.job.isa, session.plan) }
    }
}

impl Work<Vec<usize>> for TeamTrainer<'_> {
    fn train(&mut self, members: &Vec<usize>, stop: &Stop) -> Result<()> {
        let Session { job, on_event, .. } = self.session;
        let runs: Vec<Run> = members.iter().map(|&run| self.session.runs[run]).collect();
        let (split, batch) = (&job.dataset.train, self.session.batch(members[0]));
        let images = runs[0].train_images(split.len());
        self.team.start(&runs, job.steps(&runs[0]));
        let mut all: Vec<Progress> = members.iter().map(|&run| Progress::new(self.session, run)).collect();
        let mut epoch = 0;
        if let Some(row) = self.session.resumed(members[0]) {
            let weights: Vec<&[f32]> = all.iter().map(|progress| &*progress.checkpoint.weights).collect();
            self.team.resume(&weights, self.session.steps_until(members[0], row));
            epoch = job.checkpoints[row];
        }
        let end = all.iter().map(|progress| progress.end).max().unwrap_or(0);
        for &checkpoint in &job.checkpoints[all[0].row..end] {
            while epoch < checkpoint && all.iter().any(|progress| !progress.diverged) {
                let finite = self.team.epoch(split, images, batch, epoch, stop).ok_or(Error::Interrupted)?;
                for (progress, finite) in all.iter_mut().zip(finite) {
                    if !progress.diverged && finite {
                        on_event(Event::Trained { images: (images / batch * batch) as u64 });
                    }
                    progress.diverged |= !finite;
                }
                epoch += 1;
            }
            stop.check()?;
            let (train, test) = match all.iter().any(|progress| !progress.diverged) {
                true => {
                    (self.team.evaluate(split, images), self.team.evaluate(&job.dataset.test, job.dataset.test.len()))
                }
                false => (Vec::new(), Vec::new()),
            };
            let mut evaluations = train.into_iter().zip(test);
            for (lane, progress) in all.iter_mut().enumerate() {
                let found = evaluations.next().filter(|_| !progress.diverged && self.team.is_finite(lane));
                match found {
                    Some((train, test)) => progress.measured(train, test, |weights| self.team.store(lane, weights)),
                    None => progress.diverged = true,
                }
                progress.write_row()?;
            }
        }
        Ok(())
    }
}

/// How far a network is.
struct Progress<'a> {
    session: &'a Session<'a>,
    run: usize,
    /// The next row to be written.
    row: usize,
    /// The row after the last that is missing.
    end: usize,
    diverged: bool,
    /// What was measured last: a network that diverges keeps it.
    checkpoint: Checkpoint,
}

impl<'a> Progress<'a> {
    fn new(session: &'a Session<'a>, run: usize) -> Progress<'a> {
        let end = session.missing(run).end;
        let Some(row) = session.resumed(run) else {
            let checkpoint = session.untrained(&session.runs[run]);
            return Progress { session, run, row: 0, end, diverged: false, checkpoint };
        };
        let there = session.writer.row(run, row);
        let (weights, metrics, class_accuracy) = session.writer.read(there);
        let checkpoint = Checkpoint { weights: weights.to_vec(), metrics, class_accuracy: class_accuracy.to_vec() };
        let diverged = session.writer.status(there) == Status::Diverged;
        Progress { session, run, row: row + 1, end, diverged, checkpoint }
    }

    /// Takes the network's weights and metrics as the current checkpoint; if a loss is not finite, the last one stays and the
    /// network has diverged.
    fn measured(&mut self, train: Evaluation, test: Evaluation, store: impl FnOnce(&mut [f32])) {
        if !train.loss.is_finite() || !test.loss.is_finite() {
            self.diverged = true;
            return;
        }
        store(&mut self.checkpoint.weights);
        self.checkpoint.metrics = Metrics {
            test_accuracy: test.accuracy,
            test_loss: test.loss,
            train_accuracy: train.accuracy,
            train_loss: train.loss,
        };
        self.checkpoint.class_accuracy = test.class_accuracy;
    }

    fn write_row(&mut self) -> Result<()> {
        let status = if self.diverged { Status::Diverged } else { Status::Done };
        self.session.write(self.run, self.row, &self.checkpoint, status)?;
        self.row += 1;
        if self.row == self.end {
            let accuracy = self.checkpoint.metrics.test_accuracy;
            (self.session.on_event)(Event::Finished { run: self.run, accuracy, diverged: self.diverged });
        }
        Ok(())
    }
}
