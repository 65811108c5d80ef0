//! The executor on the CPU: one network at a time on one thread, a tile of images forward and backward before the next.

use super::run::{Optimizer, Run};
use super::workspace::Workspace;
use crate::cnn::forward::{Tile, forward};
use crate::cnn::{init, plan::Plan};
use crate::dataset::Split;
use crate::kernels::activation::{Activation, Below, Dropout};
use crate::kernels::random::{self, DropoutKey};
use crate::kernels::{Isa, TILE, conv, loss, optimizer, pool};
use crate::par::Stop;
use crate::rng::Stream;

/// Purposes of the random numbers used here; that of a layer's dropout is `DROPOUT + layer`.
const SHUFFLE: u32 = u32::from_be_bytes(*b"shuf");
pub(super) const DROPOUT: u32 = u32::from_be_bytes(*b"drp\0");

/// What a network does on a set of images, dropout off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of images classified rightly.
    pub accuracy: f32,
    /// Mean cross-entropy plus `λ·Σw²`, what Keras reports.
    pub loss: f32,
    /// Share of each class's images classified rightly; NaN for a class without images.
    pub class_accuracy: Vec<f32>,
}

impl Evaluation {
    /// From the loss and each class's images, those that were classified rightly and all.
    pub fn new(loss: f32, right: &[u32], all: &[u32]) -> Evaluation {
        let share = |right: u32, all: u32| (f64::from(right) / f64::from(all)) as f32;
        Evaluation {
            accuracy: share(right.iter().sum(), all.iter().sum()),
            loss,
            class_accuracy: right.iter().zip(all).map(|(&right, &all)| share(right, all)).collect(),
        }
    }
}

/// A network in training on one thread. All memory is allocated when it is made.
pub struct Network<'a> {
    isa: Isa,
    plan: &'a Plan,
    run: Run,
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
    /// An arena for networks of `plan`; [`Network::start`] makes it a network.
    pub fn new(isa: Isa, plan: &'a Plan, run: Run) -> Network<'a> {
        let mut network = Network { isa, plan, run, space: Workspace::new(plan), order: Vec::new(), steps: 0 };
        network.start(run);
        network
    }

    /// Starts afresh with a run's initial weights.
    pub fn start(&mut self, run: Run) {
        self.run = run;
        self.steps = 0;
        self.space.clear();
        let mut flat = vec![0.0; self.plan.arch.parameters()];
        init::fill(&self.plan.arch, run.w_init, run.init_std, run.seed, &mut flat);
        self.load(&flat);
    }

    /// Replaces the weights by a flat vector.
    pub fn load(&mut self, flat: &[f32]) {
        self.plan.unpack(flat, &mut self.space.weights);
    }

    /// Writes the weights as a flat vector.
    pub fn store(&self, flat: &mut [f32]) {
        self.plan.pack(&self.space.weights, flat);
    }

    /// Trains one epoch over the first `images` of a split in an order of its own, the incomplete last batch left out.
    ///
    /// # Errors
    /// An [`Interruption`] as soon as a batch's loss is not finite or a stop is requested.
    pub fn epoch(
        &mut self,
        split: &Split,
        images: usize,
        batch: usize,
        epoch: u32,
        stop: &Stop,
    ) -> Result<(), Interruption> {
        let mut order = std::mem::take(&mut self.order);
        shuffle(&self.run, images, epoch, &mut order);
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
    pub fn loss_and_gradient(&mut self, split: &Split, batch: &[u32], flat: &mut [f32]) -> f32 {
        let loss = self.gradient(split, batch);
        self.plan.pack(&self.space.gradients, flat);
        loss
    }

    /// One training step on a batch, given by its images' indices; returns the batch's mean cross-entropy before the update.
    /// Allocates nothing.
    pub fn step(&mut self, split: &Split, batch: &[u32]) -> f32 {
        let loss = self.gradient(split, batch);
        self.steps += 1;
        self.update();
        loss
    }

    /// Leaves the gradient of a batch's mean cross-entropy, without L2, in the workspace; returns that mean.
    fn gradient(&mut self, split: &Split, batch: &[u32]) -> f32 {
        self.space.gradients.fill(crate::kernels::Lanes::ZERO);
        for layer in &self.plan.layers[1..] {
            let kernel = layer.kernel.clone();
            conv::transpose(&layer.dims, &self.space.weights[kernel.clone()], &mut self.space.transposed[kernel]);
        }
        let scale = 1.0 / batch.len() as f32;
        let mut sum = 0.0;
        for (tile, images) in batch.chunks(TILE).enumerate() {
            self.space.gather(self.isa, self.plan, split, images);
            self.draw_dropout((tile * TILE) as u32);
            self.forward(true);
            let outcome = loss::softmax(
                self.isa,
                self.plan.arch.classes,
                &self.space.labels[..images.len()],
                scale,
                &mut self.space.logits,
            );
            sum += outcome.loss.iter().map(|&loss| f64::from(loss)).sum::<f64>();
            self.backward();
        }
        self.plan.clear_padding(&mut self.space.gradients);
        (sum * f64::from(scale)) as f32
    }

    fn draw_dropout(&mut self, first_image: u32) {
        let threshold = threshold(&self.run);
        if threshold == 0 {
            return;
        }
        let key = [self.run.seed as u32, (self.run.seed >> 32) as u32];
        for (index, layer) in self.plan.convs().iter().enumerate() {
            let key = DropoutKey { key, counter: [self.steps, DROPOUT + index as u32], threshold };
            random::dropout(self.isa, key, first_image, layer.dims.outputs, &mut self.space.kept[index]);
        }
    }

    /// The layers' outputs and the logits of the tile in the workspace.
    fn forward(&mut self, training: bool) {
        let (run, space) = (&self.run, &mut self.space);
        let kept = &space.kept;
        let dropout = |index: usize| if training { dropout(run, &kept[index]) } else { None };
        let tile = Tile {
            image: &space.image,
            maps: &mut space.maps,
            inputs: &mut space.inputs,
            pooled: &mut space.pooled,
            logits: &mut space.logits,
        };
        forward(self.isa, self.plan, run.activation.kernel(), &space.weights, dropout, tile);
    }

    /// Adds the tile's gradient; the workspace holds the logits' gradient and the layers' outputs, which are overwritten by
    /// their gradients from the last to the first.
    fn backward(&mut self) {
        let (isa, plan, space) = (self.isa, self.plan, &mut self.space);
        let activation = self.run.activation.kernel();
        let (run, kept, inputs) = (&self.run, &space.kept, &space.inputs);
        let below = |index: usize| Below { activation, dropout: dropout(run, &kept[index]), z: &inputs[index] };

        let dense = plan.dense();
        let (db, dw) = space.gradients[dense.bias.start..dense.kernel.end].split_at_mut(dense.bias.len());
        conv::backward_weight(isa, &dense.dims, &space.pooled, &space.logits, dw, db);
        let linear = Below { activation: Activation::Identity, dropout: None, z: &[] };
        let wt = &space.transposed[dense.kernel.clone()];
        conv::backward_input(isa, &dense.dims, linear, &space.logits, wt, &mut space.pooled);

        let last = plan.convs().len() - 1;
        pool::backward(isa, below(last), &space.pooled, &mut space.maps[last]);
        for (index, layer) in plan.convs().iter().enumerate().rev() {
            let (db, dw) = space.gradients[layer.bias.start..layer.kernel.end].split_at_mut(layer.bias.len());
            let (lower, upper) = space.maps.split_at_mut(index);
            let dy = &upper[0];
            match lower.last_mut() {
                None => conv::backward_weight_image(isa, &layer.dims, &space.image, dy, dw, db),
                Some(x) => {
                    conv::backward_weight(isa, &layer.dims, x, dy, dw, db);
                    conv::backward_input(
                        isa,
                        &layer.dims,
                        below(index - 1),
                        dy,
                        &space.transposed[layer.kernel.clone()],
                        x,
                    );
                }
            }
        }
    }

    /// Moves the weights against the gradient; L2 acts on kernels alone.
    fn update(&mut self) {
        let rate = rate(&self.run, self.steps);
        let rule = match self.run.optimizer {
            Optimizer::Sgd => optimizer::Rule::Sgd { rate },
            Optimizer::Momentum => optimizer::Rule::Momentum { rate },
            Optimizer::RmsProp => optimizer::Rule::RmsProp { rate },
            Optimizer::Adam => optimizer::Rule::Adam { corrected: rate },
        };
        let space = &mut self.space;
        for layer in &self.plan.layers {
            for (window, l2) in [(layer.bias.clone(), 0.0), (layer.kernel.clone(), self.run.l2reg)] {
                let (w, m, v) = (&mut space.weights, &mut space.first_moment, &mut space.second_moment);
                let (w, m, v) = (&mut w[window.clone()], &mut m[window.clone()], &mut v[window.clone()]);
                optimizer::step(self.isa, rule, l2, &space.gradients[window], w, m, v);
            }
        }
    }

    /// Accuracy and loss on the first `images` of a split, dropout off.
    pub fn evaluate(&mut self, split: &Split, images: usize) -> Evaluation {
        let classes = self.plan.arch.classes;
        let mut right = vec![0u32; classes];
        let mut count = vec![0u32; classes];
        let mut loss = 0.0;
        let indices: Vec<u32> = (0..images as u32).collect();
        for tile in indices.chunks(TILE) {
            self.space.gather(self.isa, self.plan, split, tile);
            self.forward(false);
            let labels = &self.space.labels[..tile.len()];
            let outcome = loss::softmax(self.isa, classes, labels, 1.0, &mut self.space.logits);
            for (n, &label) in labels.iter().enumerate() {
                count[usize::from(label)] += 1;
                right[usize::from(label)] += u32::from(outcome.predicted[n] == u16::from(label));
                loss += f64::from(outcome.loss[n]);
            }
        }
        Evaluation::new((loss / images as f64 + self.penalty()) as f32, &right, &count)
    }

    /// `λ·Σw²` over all kernels.
    fn penalty(&self) -> f64 {
        let mut squares = 0.0;
        for layer in &self.plan.layers {
            let kernel = crate::kernels::Lanes::flat(&self.space.weights[layer.kernel.clone()]);
            squares += kernel.iter().map(|&w| f64::from(w) * f64::from(w)).sum::<f64>();
        }
        f64::from(self.run.l2reg) * squares
    }

    /// Whether every weight is finite.
    pub fn is_finite(&self) -> bool {
        crate::kernels::Lanes::flat(&self.space.weights).iter().all(|w| w.is_finite())
    }
}

/// The learning rate of step `t` = 1, 2, …, for Adam corrected for it.
pub(super) fn rate(run: &Run, t: u32) -> f32 {
    if run.optimizer != Optimizer::Adam {
        return run.learning_rate;
    }
    let power = |beta: f32| 1.0 - libm::pow(f64::from(beta), f64::from(t));
    let correction = power(optimizer::BETA_2).sqrt() / power(optimizer::BETA_1);
    (f64::from(run.learning_rate) * correction) as f32
}

/// The order in which a network sees its `images` training images in an epoch.
pub(super) fn shuffle(run: &Run, images: usize, epoch: u32, order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..images as u32);
    Stream::at_step(run.seed, SHUFFLE, 0, epoch).shuffle(order);
}

/// The 16-bit threshold of a run's dropout; 0 stands for none.
pub(super) fn threshold(run: &Run) -> u32 {
    (f64::from(run.dropout) * 65536.0).round() as u32
}

/// A layer's dropout from its decisions; kept units are scaled by the share that the threshold really keeps.
fn dropout<'k>(run: &Run, kept: &'k [[u16; TILE]]) -> Option<Dropout<'k>> {
    let threshold = threshold(run);
    (threshold > 0).then(|| Dropout { kept, keep: 1.0 - threshold as f32 / 65536.0 })
}
