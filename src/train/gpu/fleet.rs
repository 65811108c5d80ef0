//! `Fleet`: many networks on a GPU, each in a slot, trained and evaluated side by side.
//!
//! Work is submitted, and its results are taken later: meanwhile the GPU goes on with what was submitted next.

use super::abi::{self, Binding, Network};
use super::engine::{Engine, Path, Program};
use super::fast::Kind;
use super::iterations::{self, Piece};
use crate::Result;
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::dataset::Examples;
use crate::gpu::{Buffer, Dispatch, Gpu, Pending, Readback};
use crate::train::rules;
use crate::train::run::Run;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// Steps of a network in a dispatch at most.
pub const MOST_STEPS: usize = 64;
/// Images that fit into an entry of the order.
const MOST_IMAGES: usize = 1 << 24;

/// What a fleet is made for.
#[derive(Clone, Copy, Debug)]
pub struct FleetPlan<'a> {
    /// Shape of every network.
    pub arch: &'a Arch,
    /// Images to train on.
    pub train: &'a Examples,
    /// Images to test on.
    pub test: &'a Examples,
    /// Images a step.
    pub batch: usize,
    /// Networks side by side.
    pub slots: usize,
    /// Kinds of networks.
    pub kinds: &'a [Kind],
    /// Which shaders.
    pub path: Path,
}

impl FleetPlan<'_> {
    /// The shaders.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn engine(&self, gpu: &Gpu) -> Result<Engine> {
        Engine::new(gpu, self.arch, self.batch, self.kinds, self.path)
    }

    /// Bytes of a slot and the longest of its pieces, what limits the number of slots.
    pub fn bytes(&self, engine: &Engine) -> (usize, usize) {
        let pieces = [12 * engine.weights, engine.gradients, 4 * self.train.len(), engine.maps];
        (pieces.iter().sum(), pieces.into_iter().max().unwrap_or(0))
    }
}

/// Some steps of one network.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Its slot.
    pub slot: usize,
    /// Its hyperparameters.
    pub run: Run,
    /// The first image among its order.
    pub first: usize,
    /// Steps that it has made before.
    pub before: u32,
    /// Steps to make, at most [`MOST_STEPS`].
    pub count: usize,
    /// Steps of its whole training.
    pub all: u32,
}

/// Images on the GPU.
pub(super) struct Images {
    pub(super) pixels: Buffer,
    /// In their own order, with their labels.
    pub(super) order: Buffer,
    pub(super) labels: Vec<u8>,
    /// What is evaluated, and what comes of it.
    pub(super) segments: Buffer,
    pub(super) results: Buffer,
}

/// Networks on a GPU.
pub struct Fleet {
    pub(super) gpu: Gpu,
    pub(super) engine: Engine,
    pub(super) slots: usize,
    pub(super) batch: usize,
    /// Iterations that a dispatch may make.
    pub(super) limit: Option<usize>,
    pub(super) train: Images,
    pub(super) test: Images,
    /// The networks of a dispatch, for each program.
    networks: Vec<Buffer>,
    pub(super) evaluated: Buffer,
    order: Buffer,
    pub(super) state: Buffer,
    rates: Buffer,
    gradients: Buffer,
    outcomes: Buffer,
    pub(super) maps: Buffer,
    /// Memory for results that nobody uses now.
    readbacks: Mutex<Vec<Readback>>,
}

/// Steps that were submitted.
pub struct PendingSteps {
    work: Vec<Steps>,
    pieces: Vec<Piece>,
    pending: Pending,
}

/// Buffers by their binding.
pub(super) type Bindings<'a> = Vec<(u32, &'a Buffer)>;

impl Fleet {
    /// Reserves all memory and copies the images.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where something does not fit or is refused.
    pub fn new(gpu: Gpu, engine: Engine, plan: &FleetPlan) -> Result<Fleet> {
        let (slots, batch) = (plan.slots, plan.batch);
        let bytes = |of_a_slot: usize| (slots * of_a_slot) as u64;
        let networks = || gpu.zeros("networks", bytes(size_of::<Network>()));
        Ok(Fleet {
            train: images(&gpu, &engine, plan.train, slots)?,
            test: images(&gpu, &engine, plan.test, slots)?,
            networks: engine.training.iter().map(|_| networks()).collect::<Result<_>>()?,
            evaluated: networks()?,
            order: gpu.zeros("orders of the images", bytes(4 * plan.train.len()))?,
            state: gpu.zeros("weights", bytes(12 * engine.weights))?,
            rates: gpu.zeros("rates", bytes(4 * MOST_STEPS))?,
            gradients: gpu.zeros("gradients", bytes(engine.gradients))?,
            outcomes: gpu.zeros("losses", bytes(8))?,
            maps: gpu.zeros("maps", bytes(engine.maps))?,
            readbacks: Mutex::default(),
            limit: gpu.limits().iterations,
            gpu,
            engine,
            slots,
            batch,
        })
    }

    /// The GPU.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The shaders.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The GPU and the shaders, without the networks.
    pub fn into_parts(self) -> (Gpu, Engine) {
        (self.gpu, self.engine)
    }

    /// Images a step.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Networks side by side.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Puts networks with these weights into neighbouring slots from `first` on and forgets the optimizers' state.
    pub fn load<W: AsRef<[f32]> + Sync>(&self, first: usize, flat: &[W]) {
        use rayon::prelude::*;
        let stride = 3 * self.engine.weights;
        let mut working = vec![0.0; stride * flat.len()];
        let places = working.par_chunks_exact_mut(stride).zip(flat);
        places.for_each(|(working, flat)| self.engine.unpack(flat.as_ref(), working));
        self.gpu.write(&self.state, self.place(first), &working);
    }

    /// The weights of a slot's network.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn store(&self, slot: usize, flat: &mut [f32]) -> Result<()> {
        let working: Vec<f32> = self.gpu.download(&self.state, self.place(slot), self.engine.weights)?;
        self.engine.pack(&working, flat);
        Ok(())
    }

    /// Byte of a slot's weights in `state`.
    pub(super) fn place(&self, slot: usize) -> u64 {
        (slot * 12 * self.engine.weights) as u64
    }

    /// Adds the labels to an order of training images.
    pub fn label(&self, images: &mut [u32]) {
        images.iter_mut().for_each(|image| *image |= u32::from(self.train.labels[*image as usize]) << 24);
    }

    /// Sets the order in which a slot's network sees its training images, which [`Fleet::label`] has labelled.
    pub fn set_order(&self, slot: usize, labelled: &[u32]) {
        self.gpu.write(&self.order, (slot * self.train.labels.len() * 4) as u64, labelled);
    }

    /// Makes steps of some networks side by side and returns the mean cross-entropy of each one's last batch, not finite if a
    /// batch's was not: the network then stopped there.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here, and a driver that did not do all of it.
    pub fn steps(&self, work: &[Steps]) -> Result<Vec<f32>> {
        let pending = self.submit_steps(work.to_vec())?;
        Ok(self.finish_steps(pending)?.1)
    }

    /// Submits what [`Fleet::steps`] does: one dispatch for each program, unless loops may not go round often enough.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn submit_steps(&self, work: Vec<Steps>) -> Result<PendingSteps> {
        let pieces = self.pieces(&work);
        let bytes = (self.slots * 8) as u64;
        let mut readback = self.readback(bytes * pieces.len() as u64);
        for (number, piece) in pieces.iter().enumerate() {
            let counts = self.prepare(&work, piece);
            let bindings = self.bindings();
            let mut recorder = self.gpu.recorder();
            self.dispatches(&counts, &bindings).iter().for_each(|dispatch| recorder.dispatch(dispatch));
            recorder.read(&self.outcomes, 0, bytes, &mut readback);
            if number + 1 == pieces.len() {
                return Ok(PendingSteps { pending: recorder.submit(readback), work, pieces });
            }
            recorder.send();
        }
        Err(self.gpu.fail("no steps were asked for"))
    }

    /// Waits for steps and returns them with the losses that [`Fleet::steps`] explains.
    ///
    /// # Errors
    /// As [`Fleet::steps`].
    pub fn finish_steps(&self, steps: PendingSteps) -> Result<(Vec<Steps>, Vec<f32>)> {
        let PendingSteps { work, pieces, pending } = steps;
        let (outcomes, readback) = pending.finish(&self.gpu, bytemuck::pod_collect_to_vec::<u8, [u32; 2]>)?;
        self.give_back(readback);
        let mut losses = vec![0.0f32; work.len()];
        for (piece, outcomes) in pieces.iter().zip(outcomes.chunks_exact(self.slots)) {
            for (steps, found) in work.iter().zip(&mut losses) {
                let Some(part) = self.part(steps, piece) else { continue };
                let [loss, seen] = outcomes[steps.slot];
                let loss = abi::finite(f32::from_bits(loss));
                *found = if found.is_nan() { *found } else { loss };
                let all = part.count * piece.images.len();
                self.complete(seen as usize, if found.is_nan() { 1..=all } else { all..=all })?;
            }
        }
        Ok((work, losses))
    }

    /// Refuses a dispatch that looked at fewer images than it was to.
    pub(super) fn complete(&self, seen: usize, expected: RangeInclusive<usize>) -> Result<()> {
        match expected.contains(&seen) {
            true => Ok(()),
            false => Err(self.gpu.fail(format!(
                "the driver ended a shader's loops early: {seen} of {} images were looked at",
                expected.end()
            ))),
        }
    }

    /// The dispatches that make all steps.
    pub(super) fn pieces(&self, work: &[Steps]) -> Vec<Piece> {
        let steps = work.iter().map(|steps| steps.count).max().unwrap_or(0);
        match &self.engine.shape {
            Some(shape) => iterations::pieces(shape, self.limit, self.batch, steps),
            None => iterations::whole_steps(self.engine.step_iterations, self.limit, self.batch, steps),
        }
    }

    /// What a network does in a dispatch, if anything.
    fn part(&self, steps: &Steps, piece: &Piece) -> Option<Steps> {
        let count = steps.count.checked_sub(piece.first).filter(|&left| left > 0)?.min(piece.count);
        let (first, before) = (steps.first + piece.first * self.batch, steps.before + piece.first as u32);
        Some(Steps { first, before, count, ..*steps })
    }

    /// Seconds of [`Fleet::steps`] on the GPU, repeated.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn time(&self, work: &[Steps], times: usize) -> Result<f64> {
        let mut seconds = 0.0;
        for piece in self.pieces(work) {
            let counts = self.prepare(work, &piece);
            seconds += self.gpu.time(&self.dispatches(&counts, &self.bindings()), times)?;
        }
        Ok(seconds)
    }

    /// What each program is bound to.
    pub(super) fn bindings(&self) -> Vec<Bindings<'_>> {
        let bind = |(program, networks): (&Program, _)| {
            let common = [
                (Binding::Pixels, &self.train.pixels),
                (Binding::Networks, networks),
                (Binding::Order, &self.order),
                (Binding::State, &self.state),
                (Binding::RatesOrSegments, &self.rates),
                (Binding::GradientsOrResults, &self.gradients),
                (Binding::Outcomes, &self.outcomes),
            ];
            self.bound(program, &common)
        };
        self.engine.training.iter().zip(&self.networks).map(bind).collect()
    }

    /// Bindings with those that a program has besides.
    pub(super) fn bound<'a>(&'a self, program: &Program, common: &[(Binding, &'a Buffer)]) -> Bindings<'a> {
        let job = self.engine.job.iter().filter(|_| program.has_job).map(|job| (Binding::Job, job));
        let maps = program.has_maps.then_some((Binding::Maps, &self.maps));
        let all = job.chain(common.iter().copied()).chain(maps);
        all.map(|(binding, buffer)| (binding as u32, buffer)).collect()
    }

    /// The dispatches of the programs that have networks.
    fn dispatches<'a>(&'a self, counts: &[usize], bindings: &'a [Bindings<'a>]) -> Vec<Dispatch<'a>> {
        let programs = self.engine.training.iter().zip(counts).zip(bindings);
        let some = programs.filter(|((_, count), _)| **count > 0);
        some.map(|((program, &count), bindings)| Dispatch { pipeline: &program.pipeline, bindings, groups: [count, 1] })
            .collect()
    }

    /// Writes what the networks are to do; returns how many each program has.
    pub(super) fn prepare(&self, work: &[Steps], piece: &Piece) -> Vec<usize> {
        let mut networks = vec![Vec::new(); self.engine.training.len()];
        let mut rates = Vec::with_capacity(work.len() * piece.count);
        let mut parts: Vec<Steps> = work.iter().filter_map(|steps| self.part(steps, piece)).collect();
        // the longest first: what is left at the end of a dispatch is short
        parts.sort_by_key(|steps| std::cmp::Reverse(steps.count));
        for steps in parts {
            let first = steps.slot * self.train.labels.len() + steps.first;
            let place = rates.len();
            rates.extend((1..=steps.count as u32).map(|t| rules::rate(&steps.run, steps.before + t, steps.all)));
            let network = Network {
                order: first as u32,
                end: piece.images.end as u32,
                begin: piece.images.start as u32,
                steps: steps.count as u32,
                step: steps.before,
                rates: place as u32,
                maps: (steps.slot * self.engine.maps / super::shape::QUAD) as u32,
                ..self.network(steps.slot, &steps.run)
            };
            networks[self.engine.trains(&steps.run)].push(network);
        }
        for (buffer, networks) in self.networks.iter().zip(&networks) {
            self.gpu.write(buffer, 0, networks);
        }
        self.gpu.write(&self.rates, 0, &rates);
        networks.iter().map(Vec::len).collect()
    }

    /// What is the same in training and evaluation.
    pub(super) fn network(&self, slot: usize, run: &Run) -> Network {
        let threshold = rules::threshold(run);
        Network {
            activation: u32::from(run.activation.code()),
            optimizer: u32::from(run.optimizer.code()),
            threshold,
            keep: 1.0 - threshold as f32 / 65536.0,
            key: [run.seed as u32, (run.seed >> 32) as u32],
            state: (slot * 3 * self.engine.weights / self.engine.element) as u32,
            l2: 2.0 * run.l2reg,
            slot: slot as u32,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// Memory for at least `bytes` of results.
    pub(super) fn readback(&self, bytes: u64) -> Readback {
        let mut free = self.readbacks.lock().unwrap_or_else(PoisonError::into_inner);
        match free.iter().position(|readback| readback.size() >= bytes) {
            Some(index) => free.swap_remove(index),
            None => self.gpu.readback(bytes.next_power_of_two()),
        }
    }

    /// Keeps memory for the next results.
    pub(super) fn give_back(&self, readback: Readback) {
        self.readbacks.lock().unwrap_or_else(PoisonError::into_inner).push(readback);
    }
}

/// Copies images to the GPU.
fn images(gpu: &Gpu, engine: &Engine, split: &Examples, slots: usize) -> Result<Images> {
    if split.len() > MOST_IMAGES {
        return Err(gpu.fail(format!("at most {MOST_IMAGES} images are possible")));
    }
    let entries: Vec<u32> = split.labels.iter().zip(0..).map(|(&label, n)| n | u32::from(label) << 24).collect();
    let segments = super::engine::most_segments(slots, split.len(), engine.segment, gpu.limits().groups);
    Ok(Images {
        pixels: gpu.upload("images", &split.images)?,
        order: gpu.upload("labels", &entries)?,
        labels: split.labels.clone(),
        segments: gpu.zeros("segments", (segments * size_of::<super::abi::Segment>()) as u64)?,
        results: gpu.zeros("results", (segments * (engine.classes + 2) * 4) as u64)?,
    })
}
