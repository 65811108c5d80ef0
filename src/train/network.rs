//! A network in training on the CPU, its channels in the lanes: a tile of images forward and backward before the next.

use super::rules::{self, Evaluation};
use super::run::{Optimizer, Run};
use super::workspace::Workspace;
use crate::cnn::backward::{Wanted, backward};
use crate::cnn::forward::forward;
use crate::cnn::init;
use crate::cnn::packing::{Packing, Work};
use crate::cnn::plan::Role;
use crate::dataset::Examples;
use crate::kernels::{Isa, LANES, Lanes, TILE, loss, optimizer, random};
use crate::par::Stop;

/// A network in training on one thread. All memory is allocated when it is made.
pub struct Network<'a> {
    isa: Isa,
    packing: &'a Packing,
    run: Run,
    /// Training steps that the learning-rate schedule is made for.
    all_steps: u32,
    space: Workspace,
    order: Vec<u32>,
    steps: u32,
}

/// Why an epoch was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The network's loss is no longer finite.
    Diverged,
    /// Somebody asked to stop.
    Stopped,
}

impl<'a> Network<'a> {
    /// An arena for networks of a packing; [`Network::start`] makes it a network.
    pub fn new(isa: Isa, packing: &'a Packing, run: Run) -> Network<'a> {
        let space = Workspace::new(packing);
        let mut network = Network { isa, packing, run, all_steps: 1, space, order: Vec::new(), steps: 0 };
        network.start(run, 1);
        network
    }

    /// Starts afresh with a run's initial weights; its learning-rate schedule is for `all_steps` training steps.
    pub fn start(&mut self, run: Run, all_steps: u32) {
        (self.run, self.all_steps, self.steps) = (run, all_steps, 0);
        self.space.clear();
        init::fill(&self.packing.plan, run.start(), &mut self.space.flat);
        self.packing.unpack(&self.space.flat, &mut self.space.weights);
    }

    /// After [`Network::start`]: goes on with these weights as after so many steps; for rules that remember nothing else.
    pub fn resume(&mut self, flat: &[f32], steps: u32) {
        self.load(flat);
        self.steps = steps;
    }

    /// Replaces the weights by a flat vector.
    pub fn load(&mut self, flat: &[f32]) {
        self.packing.unpack(flat, &mut self.space.weights);
    }

    /// Writes the weights as a flat vector.
    pub fn store(&self, flat: &mut [f32]) {
        self.packing.pack(&self.space.weights, flat);
    }

    /// Trains one epoch over the first `images` of a split in an order of its own, the incomplete last batch left out.
    ///
    /// # Errors
    /// An [`Interruption`] as soon as a batch's loss is not finite or a stop is requested.
    pub fn epoch(
        &mut self,
        split: &Examples,
        images: usize,
        batch: usize,
        epoch: u32,
        stop: &Stop,
    ) -> Result<(), Interruption> {
        let mut order = std::mem::take(&mut self.order);
        rules::shuffle(&self.run, images, epoch, &mut order);
        let outcome = order.chunks_exact(batch).try_for_each(|batch| {
            let loss = self.step(split, batch);
            match stop.requested() {
                true => Err(Interruption::Stopped),
                false if loss.is_finite() => Ok(()),
                false => Err(Interruption::Diverged),
            }
        });
        self.order = order;
        outcome
    }

    /// The gradient of a batch's mean cross-entropy, without L2, as a flat vector; returns that mean. Dropout is that of the
    /// next step.
    pub fn loss_and_gradient(&mut self, split: &Examples, batch: &[u32], flat: &mut [f32]) -> f32 {
        let loss = self.gradient(split, batch);
        self.packing.pack(&self.space.gradients, flat);
        loss
    }

    /// One training step on a batch, given by its images' indices; returns the batch's mean cross-entropy before the update.
    /// Allocates nothing.
    pub fn step(&mut self, split: &Examples, batch: &[u32]) -> f32 {
        let loss = self.gradient(split, batch);
        self.steps += 1;
        self.update();
        loss
    }

    /// Leaves the gradient of a batch's mean cross-entropy, without L2, in the workspace; returns that mean.
    fn gradient(&mut self, split: &Examples, batch: &[u32]) -> f32 {
        self.space.gradients.fill(Lanes::ZERO);
        self.space.transposed.fill(self.packing, &self.space.weights);
        let scale = 1.0 / batch.len() as f32;
        let mut sum = 0.0;
        for (tile, images) in batch.chunks(TILE).enumerate() {
            self.space.gather(self.isa, self.packing, split, images);
            self.draw_dropout((tile * TILE) as u32);
            let keep = self.keep();
            self.forward(keep);
            let outcome = self.softmax(images.len(), scale);
            sum += outcome.loss.iter().map(|&loss| f64::from(loss)).sum::<f64>();
            self.backward();
        }
        self.packing.clear_padding(&mut self.space.gradients);
        (sum * f64::from(scale)) as f32
    }

    /// Losses and predictions of the tile's first `images`; the logits become their gradient.
    fn softmax(&mut self, images: usize, scale: f32) -> loss::Outcome {
        let (logits, labels) = (self.packing.plan.logits(), &self.space.labels[..images]);
        let logits = &mut self.space.arena.maps[logits];
        loss::softmax(self.isa, self.packing.plan.classes, labels, scale, logits)
    }

    /// The share of units that dropout keeps, if there is any.
    fn keep(&self) -> Option<f32> {
        let threshold = rules::threshold(&self.run);
        (threshold > 0).then(|| rules::keep(threshold))
    }

    fn draw_dropout(&mut self, first_image: u32) {
        if self.keep().is_none() {
            return;
        }
        for (index, step) in self.packing.plan.steps.iter().enumerate() {
            let Some(number) = step.epilogue.dropout else { continue };
            let key = rules::dropout_key(&self.run, self.steps, number);
            let blocks = self.packing.plan.maps[index + 1].channels.div_ceil(LANES);
            let mask = &mut self.space.arena.dropout_mask[index];
            random::dropout(self.isa, key, first_image, blocks, self.packing.grid(index + 1), mask);
        }
    }

    fn forward(&mut self, keep: Option<f32>) {
        let space = &mut self.space;
        forward(self.isa, self.packing, self.run.activation, &space.weights, keep, &mut space.arena);
    }

    /// Adds the tile's gradient.
    fn backward(&mut self) {
        let keep = self.keep();
        let Workspace { arena, gradients, transposed, .. } = &mut self.space;
        backward(self.isa, self.packing, self.run.activation, transposed, keep, arena, Wanted::Weights(gradients));
    }

    /// Moves the weights against the gradient.
    fn update(&mut self) {
        let rate = rules::rate(&self.run, self.steps, self.all_steps);
        let rule = match self.run.optimizer {
            Optimizer::Sgd => optimizer::Rule::Sgd { rate },
            Optimizer::Momentum => optimizer::Rule::Momentum { rate, momentum: self.run.momentum },
            Optimizer::RmsProp => optimizer::Rule::RmsProp { rate },
            Optimizer::Adam => optimizer::Rule::Adam { corrected: rate },
        };
        let space = &mut self.space;
        for work in &self.packing.work {
            let Work::Conv { bias, kernel, .. } = work else { continue };
            for (window, role) in [(bias, Role::Bias), (kernel, Role::Kernel)] {
                let decay = rules::decay(&self.run, role);
                let (w, m, v) = (&mut space.weights, &mut space.first_moment, &mut space.second_moment);
                let (w, m, v) = (&mut w[window.clone()], &mut m[window.clone()], &mut v[window.clone()]);
                optimizer::step(self.isa, rule, decay, &space.gradients[window.clone()], w, m, v);
            }
        }
    }

    /// Accuracy and loss on the first `images` of a split, dropout off.
    pub fn evaluate(&mut self, split: &Examples, images: usize) -> Evaluation {
        let classes = self.packing.plan.classes;
        let mut right = vec![0u32; classes];
        let mut count = vec![0u32; classes];
        let mut loss = 0.0;
        let indices: Vec<u32> = (0..images as u32).collect();
        for tile in indices.chunks(TILE) {
            self.space.gather(self.isa, self.packing, split, tile);
            self.forward(None);
            let outcome = self.softmax(tile.len(), 1.0);
            for (n, &label) in self.space.labels[..tile.len()].iter().enumerate() {
                count[usize::from(label)] += 1;
                right[usize::from(label)] += u32::from(outcome.predicted[n] == u16::from(label));
                loss += f64::from(outcome.loss[n]);
            }
        }
        self.packing.pack(&self.space.weights, &mut self.space.flat);
        let penalty = rules::penalty(&self.packing.plan, &self.run, &self.space.flat);
        Evaluation::new((loss / images as f64 + penalty) as f32, &right, &count)
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        Lanes::flat(&self.space.weights).iter().all(|w| w.is_finite())
    }
}
