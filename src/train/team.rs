//! A team: up to sixteen networks of one plan in training side by side on a thread, a lane of every vector each.
//!
//! What [`super::network::Network`] is for one network whose channels fill the lanes. Narrow layers leave lanes empty there and
//! a small batch rows; here neither matters, whatever the shape. The networks of a team share activation, batch and number of
//! training images, so that they are at the same step; everything else is each one's own. A network's numbers do not depend on
//! its neighbours, so teams may be made up in any way.

use super::rules::{self, Evaluation};
use super::run::{Optimizer, Run};
use crate::cnn::init;
use crate::cnn::layer::Pooling;
use crate::cnn::plan::{Op, Plan};
use crate::dataset::Examples;
use crate::kernels::random::Grid;
use crate::kernels::team::optimizer::Rule;
use crate::kernels::team::{self, Below, Dropout, conv, loss, pool, residual};
use crate::kernels::{Isa, LANES, Lanes, TILE};
use crate::par::Stop;

/// Bytes of a tile's maps that should stay in a second-level cache beside the weights.
const MAPS: usize = 512 << 10;

/// Images of a tile at most.
const MAX_TILE: usize = 8;

/// The share of lanes that must be filled for channels to take them. With all of them full a step makes some .86 of the machine's
/// peak, with a share f about .86·f, a team some .6 whatever the shape (`benches/NOTES.md`): by that they cross near .7. Doubtful
/// shapes stay with channels, which need no sixteen networks.
const FILLED: f64 = 0.6;

/// Whether networks of a plan are trained faster in teams than with their channels in the lanes.
pub fn pays(plan: &Plan, batch: usize) -> bool {
    let (mut real, mut padded) = (0, 0);
    for (index, step) in plan.steps.iter().enumerate() {
        let Op::Conv { kernel, .. } = step.op else { continue };
        let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
        let products = |inputs: usize, outputs: usize| to.rows * to.columns * kernel[0] * kernel[1] * inputs * outputs;
        let inputs = if step.from == 0 { from.channels } else { from.channels.next_multiple_of(LANES) };
        real += products(from.channels, to.channels);
        padded += products(inputs, to.channels.next_multiple_of(LANES));
    }
    let rows = batch as f64 / batch.next_multiple_of(TILE) as f64;
    rows * (real as f64) < FILLED * padded as f64
}

/// Sixteen places for networks in training on one thread. All memory is allocated when it is made.
pub struct Team<'a> {
    isa: Isa,
    plan: &'a Plan,
    added_to: Vec<Option<usize>>,
    /// One for each lane; lanes without a network do what the first one does.
    runs: [Run; LANES],
    members: usize,
    all_steps: u32,
    steps: u32,
    orders: Vec<Vec<u32>>,
    weights: Vec<Lanes>,
    gradients: Vec<Lanes>,
    first_moment: Vec<Lanes>,
    second_moment: Vec<Lanes>,
    flat: Vec<f32>,
    /// Images of a tile.
    tile: usize,
    maps: Vec<Vec<Lanes>>,
    z: Vec<Vec<Lanes>>,
    argmax: Vec<Vec<Lanes>>,
    dropout_mask: Vec<Vec<u16>>,
}

impl<'a> Team<'a> {
    /// Memory for teams of a plan; [`Team::start`] makes it one.
    pub fn new(isa: Isa, plan: &'a Plan) -> Team<'a> {
        let units = |map: usize| plan.maps[map].rows * plan.maps[map].columns * plan.maps[map].channels;
        let all: usize = (0..plan.maps.len()).map(units).sum();
        let tile = (MAPS / (all * size_of::<Lanes>())).clamp(1, MAX_TILE);
        let lanes = |count: usize| vec![Lanes::ZERO; count];
        let of_steps = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..plan.steps.len()).map(|step| if wanted(step) { tile * units(step + 1) } else { 0 }).collect()
        };
        let z = of_steps(&|step| plan.steps[step].epilogue.function.is_some());
        let argmax = of_steps(&|step| matches!(plan.steps[step].op, Op::Pool { pooling: Pooling::Max, .. }));
        let masks = of_steps(&|step| plan.steps[step].epilogue.dropout.is_some());
        Team {
            isa,
            plan,
            added_to: (0..plan.maps.len()).map(|map| plan.added_to(map)).collect(),
            runs: [Run::default(); LANES],
            members: 0,
            all_steps: 1,
            steps: 0,
            orders: vec![Vec::new(); LANES],
            weights: lanes(plan.parameters()),
            gradients: lanes(plan.parameters()),
            first_moment: lanes(plan.parameters()),
            second_moment: lanes(plan.parameters()),
            flat: vec![0.0; plan.parameters()],
            tile,
            maps: (0..plan.maps.len()).map(|map| lanes(tile * units(map))).collect(),
            z: z.into_iter().map(lanes).collect(),
            argmax: argmax.into_iter().map(lanes).collect(),
            dropout_mask: masks.into_iter().map(|count| vec![0; count]).collect(),
        }
    }

    /// Starts afresh with the initial weights of up to sixteen runs of one activation; their learning-rate schedules are for
    /// `all_steps` training steps.
    pub fn start(&mut self, runs: &[Run], all_steps: u32) {
        (self.members, self.all_steps, self.steps) = (runs.len(), all_steps, 0);
        self.runs = std::array::from_fn(|lane| runs[if lane < runs.len() { lane } else { 0 }]);
        self.first_moment.fill(Lanes::ZERO);
        self.second_moment.fill(Lanes::ZERO);
        for lane in 0..LANES {
            init::fill(self.plan, self.runs[lane].start(), &mut self.flat);
            self.weights.iter_mut().zip(&self.flat).for_each(|(w, &flat)| w.0[lane] = flat);
        }
    }

    /// After [`Team::start`]: goes on with the weights of each run as after so many steps; for rules that remember nothing else.
    pub fn resume(&mut self, weights: &[&[f32]], steps: u32) {
        (0..LANES).for_each(|lane| self.load(lane, weights.get(lane).unwrap_or(&weights[0])));
        self.steps = steps;
    }

    /// Replaces the weights of a lane by a flat vector.
    pub fn load(&mut self, lane: usize, flat: &[f32]) {
        self.weights.iter_mut().zip(flat).for_each(|(w, &flat)| w.0[lane] = flat);
    }

    /// Writes the weights of a lane as a flat vector.
    pub fn store(&self, lane: usize, flat: &mut [f32]) {
        flat.iter_mut().zip(&self.weights).for_each(|(flat, w)| *flat = w.0[lane]);
    }

    /// Trains one epoch over the first `images` of a split, each network in an order of its own, the incomplete last batch left
    /// out; returns for each lane whether every batch's loss was finite. None, if a stop is requested.
    pub fn epoch(
        &mut self,
        split: &Examples,
        images: usize,
        batch: usize,
        epoch: u32,
        stop: &Stop,
    ) -> Option<[bool; LANES]> {
        let mut orders = std::mem::take(&mut self.orders);
        for (order, run) in orders.iter_mut().zip(&self.runs) {
            rules::shuffle(run, images, epoch, order);
        }
        let mut finite = [true; LANES];
        let mut stopped = false;
        for first in (0..images / batch).map(|step| step * batch) {
            let losses = self.step(split, &orders, first, batch);
            finite.iter_mut().zip(losses).for_each(|(finite, loss)| *finite &= loss.is_finite());
            stopped = stop.requested();
            if stopped || finite[..self.members].iter().all(|finite| !finite) {
                break;
            }
        }
        self.orders = orders;
        (!stopped).then_some(finite)
    }

    /// The gradients of each lane's mean cross-entropy on a batch, without decay, as flat vectors; returns these means. Dropout
    /// is that of the next step.
    pub fn losses_and_gradients(
        &mut self,
        split: &Examples,
        orders: &[Vec<u32>],
        batch: usize,
    ) -> ([f32; LANES], Vec<Vec<f32>>) {
        let losses = self.gradient(split, orders, 0, batch);
        let of_lane = |lane: usize| self.gradients.iter().map(|gradient| gradient.0[lane]).collect();
        (losses, (0..LANES).map(of_lane).collect())
    }

    /// One training step on the images `first..first + batch` of each lane's order; returns each batch's mean cross-entropy
    /// before the update. Allocates nothing.
    pub fn step(&mut self, split: &Examples, orders: &[Vec<u32>], first: usize, batch: usize) -> [f32; LANES] {
        let losses = self.gradient(split, orders, first, batch);
        self.steps += 1;
        self.update();
        losses
    }

    fn gradient(&mut self, split: &Examples, orders: &[Vec<u32>], first: usize, batch: usize) -> [f32; LANES] {
        self.gradients.fill(Lanes::ZERO);
        let scale = 1.0 / batch as f32;
        let mut sums = [0.0f64; LANES];
        for begin in (0..batch).step_by(self.tile) {
            let images = self.tile.min(batch - begin);
            for n in 0..images {
                let of_lane = |lane: usize| orders[lane][first + begin + n] as usize;
                self.gather(n, std::array::from_fn(|lane| split.image(of_lane(lane))));
            }
            let keep = self.draw_dropout(begin, images);
            self.forward(images, keep.as_ref());
            for n in 0..images {
                let labels = std::array::from_fn(|lane| split.labels[orders[lane][first + begin + n] as usize]);
                let outcome = self.softmax(n, &labels, scale);
                sums.iter_mut().zip(outcome.loss.0).for_each(|(sum, loss)| *sum += f64::from(loss));
            }
            self.backward(images, keep.as_ref());
        }
        sums.map(|sum| (sum * f64::from(scale)) as f32)
    }

    /// Puts image `n` of the tile of each lane in.
    fn gather(&mut self, n: usize, images: [&[f32]; LANES]) {
        let of = &self.plan.maps[0];
        let (row, across) = (of.columns * of.channels, of.width * of.channels);
        let to = &mut self.maps[0][n * of.rows * row..(n + 1) * of.rows * row];
        for (k, to) in to.chunks_exact_mut(row).enumerate() {
            team::gather(self.isa, images.map(|image| &image[k * across..k * across + row]), to);
        }
    }

    fn softmax(&mut self, n: usize, labels: &[u8; LANES], scale: f32) -> loss::Outcome {
        let classes = self.plan.classes;
        let logits = &mut self.maps[self.plan.logits()][n * classes..(n + 1) * classes];
        loss::softmax(self.isa, labels, scale, logits)
    }

    /// Decides what is kept of the tile's images, which are the batch's from `begin` on; the shares, if any network drops.
    fn draw_dropout(&mut self, begin: usize, images: usize) -> Option<Lanes> {
        let thresholds = self.runs.map(|run| rules::threshold(&run));
        if thresholds == [0; LANES] {
            return None;
        }
        for (index, step) in self.plan.steps.iter().enumerate() {
            let Some(number) = step.epilogue.dropout else { continue };
            let keys = self.runs.map(|run| rules::dropout_key(&run, self.steps, number));
            let map = &self.plan.maps[index + 1];
            let grid = Grid { rows: map.rows, columns: map.columns, across: map.width };
            let units = map.rows * map.columns * map.channels;
            for (n, mask) in self.dropout_mask[index].chunks_exact_mut(units).take(images).enumerate() {
                let (keys, counter, image) = (keys.map(|key| key.key), keys[0].counter, (begin + n) as u32);
                team::random::dropout(self.isa, &keys, counter, &thresholds, image, map.channels, grid, mask);
            }
        }
        Some(Lanes(thresholds.map(rules::keep)))
    }

    /// Values of a map of the first `images` of a tile.
    fn length(&self, map: usize, images: usize) -> usize {
        let of = &self.plan.maps[map];
        images * of.rows * of.columns * of.channels
    }

    fn forward(&mut self, images: usize, keep: Option<&Lanes>) {
        let (isa, plan, own) = (self.isa, self.plan, self.runs[0].activation);
        for (index, step) in plan.steps.iter().enumerate() {
            let (from, to) = (self.length(step.from, images), self.length(index + 1, images));
            let (below, above) = self.maps.split_at_mut(index + 1);
            let (x, y) = (&below[step.from][..from], &mut above[0][..to]);
            let activation = step.epilogue.activation(own);
            let dropout = step.epilogue.dropout.and(keep);
            let dropout = dropout.map(|keep| Dropout { kept: &self.dropout_mask[index][..to], keep });
            let z = &mut self.z[index];
            let z = if z.is_empty() { &mut z[..] } else { &mut z[..to] };
            match step.op {
                Op::Conv { weighted, .. } => {
                    let (bias, kernel) = plan.weights_of(weighted);
                    let (b, w) = (&self.weights[bias.range.clone()], &self.weights[kernel.range.clone()]);
                    let dims = conv_dims(plan, index, images);
                    conv::forward(isa, &dims, activation, dropout, x, w, b, z, y);
                }
                Op::Pool { pooling: Pooling::Max, .. } => {
                    let dims = pool_dims(plan, index, images);
                    pool::forward_max(isa, &dims, activation, dropout, x, &mut self.argmax[index][..to], z, y);
                }
                Op::Pool { pooling: Pooling::Average, .. } => {
                    let dims = pool_dims(plan, index, images);
                    pool::forward_average(isa, &dims, activation, dropout, x, z, y);
                }
                Op::Add { other } => residual::forward(isa, activation, dropout, x, &below[other][..to], z, y),
            }
        }
    }

    /// Adds the tile's gradients; the maps are overwritten by their gradients from the last to the first.
    fn backward(&mut self, images: usize, keep: Option<&Lanes>) {
        let (isa, plan, own) = (self.isa, self.plan, self.runs[0].activation);
        for (index, step) in plan.steps.iter().enumerate().rev() {
            let (from, to) = (self.length(step.from, images), self.length(index + 1, images));
            let (lower, upper) = self.maps.split_at_mut(step.from + 1);
            let above = |map: usize| &upper[map - step.from - 1];
            let (x, dy) = (&mut lower[step.from][..from], &above(index + 1)[..to]);
            let below = step.from.checked_sub(1).map(|made_by| {
                let (epilogue, z) = (&plan.steps[made_by].epilogue, &self.z[made_by]);
                let dropout = epilogue.dropout.and(keep);
                Below {
                    activation: epilogue.activation(own),
                    dropout: dropout.map(|keep| Dropout { kept: &self.dropout_mask[made_by][..from], keep }),
                    z: if z.is_empty() { z } else { &z[..from] },
                    residual: self.added_to[step.from].map(|sum| &above(sum)[..from]),
                }
            });
            match (&step.op, below) {
                (Op::Conv { weighted, .. }, below) => {
                    let dims = conv_dims(plan, index, images);
                    let (bias, kernel) = plan.weights_of(*weighted);
                    let gradients = &mut self.gradients[bias.range.start..kernel.range.end];
                    let (db, dw) = gradients.split_at_mut(bias.range.len());
                    conv::backward_weight(isa, &dims, x, dy, dw, db);
                    if let Some(below) = below {
                        conv::backward_input(isa, &dims, below, dy, &self.weights[kernel.range.clone()], x);
                    }
                }
                (Op::Pool { pooling: Pooling::Max, .. }, Some(below)) => {
                    let dims = pool_dims(plan, index, images);
                    pool::backward_max(isa, &dims, below, dy, &self.argmax[index][..to], x);
                }
                (Op::Pool { pooling: Pooling::Average, .. }, Some(below)) => {
                    pool::backward_average(isa, &pool_dims(plan, index, images), below, dy, x);
                }
                (Op::Add { .. }, Some(below)) => residual::backward(isa, below, dy, x),
                (_, None) => unreachable!("only layers with weights read the image"),
            }
        }
    }

    /// Moves the weights against the gradients, the networks of each optimizer together.
    fn update(&mut self) {
        let rates = Lanes(self.runs.map(|run| rules::rate(&run, self.steps, self.all_steps)));
        let momentum = Lanes(self.runs.map(|run| run.momentum));
        let optimizers = [Optimizer::Sgd, Optimizer::Momentum, Optimizer::RmsProp, Optimizer::Adam];
        for optimizer in optimizers {
            let of = |mask: u16, lane: usize| mask | u16::from(self.runs[lane].optimizer == optimizer) << lane;
            let lanes = (0..LANES).fold(0, of);
            if lanes == 0 {
                continue;
            }
            let rule = match optimizer {
                Optimizer::Sgd => Rule::Sgd { rate: &rates },
                Optimizer::Momentum => Rule::Momentum { rate: &rates, momentum: &momentum },
                Optimizer::RmsProp => Rule::RmsProp { rate: &rates },
                Optimizer::Adam => Rule::Adam { corrected: &rates },
            };
            for tensor in &self.plan.tensors {
                let decay = Lanes(self.runs.map(|run| rules::decay(&run, tensor.role)));
                let window = tensor.range.clone();
                let (w, m, v) = (&mut self.weights, &mut self.first_moment, &mut self.second_moment);
                let (w, m, v) = (&mut w[window.clone()], &mut m[window.clone()], &mut v[window.clone()]);
                team::optimizer::step(self.isa, rule, lanes, &decay, &self.gradients[window], w, m, v);
            }
        }
    }

    /// Accuracy and loss of each member on the first `images` of a split, dropout off.
    pub fn evaluate(&mut self, split: &Examples, images: usize) -> Vec<Evaluation> {
        let classes = self.plan.classes;
        let mut right = vec![[0u32; LANES]; classes];
        let mut count = vec![0u32; classes];
        let mut loss = [0.0f64; LANES];
        for begin in (0..images).step_by(self.tile) {
            let tile = self.tile.min(images - begin);
            for n in 0..tile {
                self.gather(n, [split.image(begin + n); LANES]);
            }
            self.forward(tile, None);
            for n in 0..tile {
                let label = split.labels[begin + n];
                let outcome = self.softmax(n, &[label; LANES], 1.0);
                count[usize::from(label)] += 1;
                for lane in 0..LANES {
                    right[usize::from(label)][lane] += u32::from(outcome.predicted[lane] == u16::from(label));
                    loss[lane] += f64::from(outcome.loss.0[lane]);
                }
            }
        }
        let evaluation = |lane: usize| {
            let mut flat = vec![0.0; self.plan.parameters()];
            self.store(lane, &mut flat);
            let penalty = rules::penalty(self.plan, &self.runs[lane], &flat);
            let right: Vec<u32> = right.iter().map(|right| right[lane]).collect();
            Evaluation::new((loss[lane] / images as f64 + penalty) as f32, &right, &count)
        };
        (0..self.members).map(evaluation).collect()
    }

    /// Whether every weight of a lane is finite.
    pub fn is_finite(&self, lane: usize) -> bool {
        self.weights.iter().all(|w| w.0[lane].is_finite())
    }
}

fn conv_dims(plan: &Plan, index: usize, images: usize) -> conv::Dims {
    let step = &plan.steps[index];
    let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
    let Op::Conv { kernel, stride, before: [top, left], .. } = step.op else { unreachable!("a convolution") };
    conv::Dims {
        images,
        height: from.rows,
        width: from.columns,
        inputs: from.channels,
        outputs: to.channels,
        kernel,
        stride,
        top,
        left,
        p: to.rows,
        q: to.columns,
    }
}

fn pool_dims(plan: &Plan, index: usize, images: usize) -> pool::Dims {
    let step = &plan.steps[index];
    let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
    let Op::Pool { size, stride, .. } = step.op else { unreachable!("pooling") };
    let (height, width, channels, p, q) = (from.rows, from.columns, from.channels, to.rows, to.columns);
    pool::Dims { images, height, width, channels, size, stride, p, q }
}
