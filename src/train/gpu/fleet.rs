//! `Fleet`: many networks on a card, each in a slot, trained and evaluated side by side.

use super::evaluate::SEGMENT;
use super::iterations::{self, Piece};
use super::shape::{QUAD, Shape};
use crate::Result;
use crate::cnn::Arch;
use crate::cnn::choice::Choice;
use crate::dataset::Split;
use crate::gpu::{Buffer, Dispatch, Gpu, Pipeline, shader};
use crate::train::rules;
use crate::train::run::Run;
use std::ops::{Range, RangeInclusive};

/// Steps of a network in a dispatch at most.
pub const MOST_STEPS: usize = 64;
/// Images that fit into an entry of the order.
const MOST_IMAGES: usize = 1 << 24;

/// What a fleet is made for.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Shape of every network.
    pub arch: &'a Arch,
    /// Images to train on.
    pub train: &'a Split,
    /// Images to test on.
    pub test: &'a Split,
    /// Images a step.
    pub batch: usize,
    /// Networks side by side.
    pub slots: usize,
    /// Whether a network may have GELU, whose gradient needs more memory.
    pub gelu: bool,
}

impl Plan<'_> {
    /// Bytes of a slot and the longest of its pieces, what limits the number of slots.
    pub fn bytes(&self, shape: &Shape) -> (usize, usize) {
        let maps = shape.training_maps(self.gelu) * QUAD;
        let pieces = [3 * shape.weights * QUAD, shape.gradients * QUAD, 4 * self.train.len(), maps];
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

/// Images on the card.
pub(super) struct Images {
    pub(super) pixels: Buffer,
    /// In their own order, with their labels.
    pub(super) order: Buffer,
    pub(super) labels: Vec<u8>,
}

/// Networks on a card.
pub struct Fleet {
    pub(super) gpu: Gpu,
    pub(super) shape: Shape,
    pub(super) slots: usize,
    pub(super) batch: usize,
    /// Images that a workgroup evaluates.
    pub(super) segment: usize,
    /// Iterations that a dispatch may make.
    pub(super) limit: Option<usize>,
    pub(super) train: Images,
    pub(super) test: Images,
    step: Pipeline,
    pub(super) evaluation: Pipeline,
    job: Buffer,
    pub(super) evaluation_job: Buffer,
    pub(super) networks: Buffer,
    order: Buffer,
    pub(super) state: Buffer,
    rates: Buffer,
    gradients: Buffer,
    outcomes: Buffer,
    pub(super) maps: Buffer,
    /// Quads of a slot in `maps`.
    pub(super) map_quads: usize,
    pub(super) results: Buffer,
}

impl Fleet {
    /// Compiles the shaders, reserves all memory and copies the images.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where something does not fit or is refused.
    pub fn new(gpu: Gpu, shape: Shape, plan: &Plan) -> Result<Fleet> {
        let (slots, batch) = (plan.slots, plan.batch);
        let constants = shape.constants();
        let base = [shader::RANDOM, shader::ACTIVATION, shader::NETWORK];
        let step = gpu.pipeline(&[&base[..], &[shader::STEP]].concat(), "train", &constants)?;
        let evaluation = gpu.pipeline(&[&base[..], &[shader::EVALUATE]].concat(), "evaluate", &constants)?;
        let quads = |count: usize| (slots * count * QUAD) as u64;
        let map_quads = shape.training_maps(plan.gelu);
        let limit = gpu.limits().iterations;
        let segment = iterations::segment(&shape, limit).min(SEGMENT);
        let segments = plan.train.len().max(plan.test.len()).div_ceil(segment);
        Ok(Fleet {
            train: images(&gpu, plan.train)?,
            test: images(&gpu, plan.test)?,
            job: gpu.uniform("job", &shape.job(batch, segment, 0))?,
            evaluation_job: gpu.uniform("job", &shape.job(batch, segment, 0))?,
            networks: gpu.zeros("networks", (slots * 64) as u64)?,
            order: gpu.zeros("orders of the images", (slots * plan.train.len() * 4) as u64)?,
            state: gpu.zeros("weights", quads(3 * shape.weights))?,
            rates: gpu.zeros("rates", (slots * MOST_STEPS * 4) as u64)?,
            gradients: gpu.zeros("gradients", quads(shape.gradients))?,
            outcomes: gpu.zeros("losses", (slots * 8) as u64)?,
            maps: gpu.zeros("maps", quads(map_quads))?,
            map_quads,
            results: gpu.zeros("results", (slots * segments * (shape.classes + 2) * 4) as u64)?,
            gpu,
            shape,
            slots,
            batch,
            segment,
            limit,
            step,
            evaluation,
        })
    }

    /// The card.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Networks side by side.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Puts a network with these weights into a slot and forgets the optimizer's state.
    pub fn load(&self, slot: usize, flat: &[f32]) {
        let mut working = self.shape.unpack(flat);
        working.resize(12 * self.shape.weights, 0.0);
        self.gpu.write(&self.state, self.place(slot), &working);
    }

    /// The weights of a slot's network.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn store(&self, slot: usize, flat: &mut [f32]) -> Result<()> {
        let working: Vec<f32> = self.gpu.download(&self.state, self.place(slot), 4 * self.shape.weights)?;
        self.shape.pack(&working, flat);
        Ok(())
    }

    /// Byte of a slot's weights in `state`.
    fn place(&self, slot: usize) -> u64 {
        (slot * 3 * self.shape.weights * QUAD) as u64
    }

    /// Sets the order in which a slot's network sees its training images.
    pub fn set_order(&self, slot: usize, images: &[u32]) {
        let label = |&image: &u32| image | u32::from(self.train.labels[image as usize]) << 24;
        let entries: Vec<u32> = images.iter().map(label).collect();
        self.gpu.write(&self.order, (slot * self.train.labels.len() * 4) as u64, &entries);
    }

    /// Makes steps of some networks side by side and returns the mean cross-entropy of each one's last batch, not finite if a
    /// batch's was not: the network then stopped there. One dispatch, unless its loops may not go round often enough.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here, and a driver that did not do all of it.
    pub fn steps(&self, work: &[Steps]) -> Result<Vec<f32>> {
        let mut losses = vec![0.0; work.len()];
        for piece in self.pieces(work) {
            let running = (0..work.len()).filter(|&index| !f32::is_nan(losses[index]));
            let (indices, now): (Vec<usize>, Vec<Steps>) =
                running.filter_map(|index| Some((index, self.part(&work[index], &piece)?))).unzip();
            if now.is_empty() {
                break;
            }
            self.prepare(&now, &piece);
            self.gpu.submit(&self.dispatch(now.len(), &self.bindings()));
            let outcomes: Vec<[u32; 2]> = self.gpu.download(&self.outcomes, 0, self.slots)?;
            for (index, steps) in indices.into_iter().zip(now) {
                let [loss, seen] = outcomes[steps.slot];
                // the shader's sign for a loss that is not finite
                losses[index] = Some(f32::from_bits(loss)).filter(|&loss| loss < 1e30).unwrap_or(f32::NAN);
                let all = steps.count * piece.images.len();
                self.complete(seen as usize, if losses[index].is_nan() { 1..=all } else { all..=all })?;
            }
        }
        Ok(losses)
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
    fn pieces(&self, work: &[Steps]) -> Vec<Piece> {
        let steps = work.iter().map(|steps| steps.count).max().unwrap_or(0);
        iterations::pieces(&self.shape, self.limit, self.batch, steps)
    }

    /// What a network does in a dispatch, if anything.
    fn part(&self, steps: &Steps, piece: &Piece) -> Option<Steps> {
        let count = steps.count.checked_sub(piece.first).filter(|&left| left > 0)?.min(piece.count);
        let (first, before) = (steps.first + piece.first * self.batch, steps.before + piece.first as u32);
        Some(Steps { first, before, count, ..*steps })
    }

    /// Seconds of [`Fleet::steps`] on the card, repeated.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn time(&self, work: &[Steps], times: usize) -> Result<f64> {
        let mut seconds = 0.0;
        for piece in self.pieces(work) {
            let now: Vec<Steps> = work.iter().filter_map(|steps| self.part(steps, &piece)).collect();
            self.prepare(&now, &piece);
            seconds += self.gpu.time(&self.dispatch(now.len(), &self.bindings()), times)?;
        }
        Ok(seconds)
    }

    fn bindings(&self) -> [(u32, &Buffer); 9] {
        let (train, order) = (&self.train.pixels, &self.order);
        let buffers = [&self.job, train, &self.networks, order, &self.state, &self.rates, &self.gradients];
        let mut bindings = [(0, &self.job); 9];
        for (number, buffer) in buffers.into_iter().chain([&self.outcomes, &self.maps]).enumerate() {
            bindings[number] = (number as u32, buffer);
        }
        bindings
    }

    fn dispatch<'a>(&'a self, networks: usize, bindings: &'a [(u32, &'a Buffer)]) -> Dispatch<'a> {
        Dispatch { pipeline: &self.step, bindings, groups: [networks, 1] }
    }

    /// Writes what the networks are to do.
    fn prepare(&self, work: &[Steps], piece: &Piece) {
        let mut networks = Vec::with_capacity(16 * work.len());
        let mut rates = vec![0.0; MOST_STEPS * work.len()];
        for (index, steps) in work.iter().enumerate() {
            for (t, rate) in rates[index * MOST_STEPS..][..steps.count].iter_mut().enumerate() {
                *rate = rules::rate(&steps.run, steps.before + t as u32 + 1, steps.all);
            }
            let first = steps.slot * self.train.labels.len() + steps.first;
            let rate = (index * MOST_STEPS) as u32;
            networks.extend(self.network(steps, first as u32, piece.images.clone(), rate));
        }
        self.gpu.write(&self.networks, 0, &networks);
        self.gpu.write(&self.rates, 0, &rates);
    }

    /// `Network` of `shaders/network.wgsl`; `order` and `rates` are the places of its next image and rate.
    pub(super) fn network(&self, steps: &Steps, order: u32, images: Range<usize>, rates: u32) -> [u32; 16] {
        let Steps { slot, run, before, count, .. } = steps;
        let threshold = rules::threshold(run);
        [
            u32::from(run.activation.code()),
            u32::from(run.optimizer.code()),
            threshold,
            (1.0 - threshold as f32 / 65536.0).to_bits(),
            run.seed as u32,
            (run.seed >> 32) as u32,
            (slot * 3 * self.shape.weights) as u32,
            order,
            images.end as u32,
            *count as u32,
            *before,
            rates,
            (2.0 * run.l2reg).to_bits(),
            *slot as u32,
            (slot * self.map_quads) as u32,
            images.start as u32,
        ]
    }
}

/// Copies images to the card.
fn images(gpu: &Gpu, split: &Split) -> Result<Images> {
    if split.len() > MOST_IMAGES {
        return Err(gpu.fail(format!("at most {MOST_IMAGES} images are possible")));
    }
    let entries: Vec<u32> = split.labels.iter().zip(0..).map(|(&label, n)| n | u32::from(label) << 24).collect();
    Ok(Images {
        pixels: gpu.upload("images", &split.images)?,
        order: gpu.upload("labels", &entries)?,
        labels: split.labels.clone(),
    })
}
