//! A network by definition: plain `f64` loops over the kernels' reference twins, without tiles, lanes or blocks, and with every
//! unit of every map.
//!
//! Slow and obvious: what [`super::network::Network`] must agree with.

use super::rules;
use super::run::Run;
use crate::cnn::Arch;
use crate::cnn::layer::Pooling;
use crate::cnn::plan::{Op, Plan};
use crate::dataset::Examples;
use crate::kernels::activation::Activation;
use crate::kernels::reference::{activation, conv, loss, pool, random};

/// What the forward pass leaves for the backward pass: the maps, N·H·W·C, and of each step…
struct Trace {
    maps: Vec<Vec<f64>>,
    /// … what comes before its activation, …
    z: Vec<Vec<f64>>,
    /// … of max-pooling which tap was largest, …
    argmax: Vec<Vec<f64>>,
    /// … and what dropout multiplies each unit with.
    factors: Vec<Vec<f64>>,
}

/// Mean cross-entropy over all images of a split, with the dropout of training step `step`.
pub fn mean_loss(arch: &Arch, run: &Run, split: &Examples, step: u32, flat: &[f64]) -> f64 {
    let plan = arch.plan();
    let mut trace = forward(&plan, run, split, step, flat);
    cross_entropy(plan.classes, &split.labels, &mut trace.maps[plan.logits()])
}

/// [`mean_loss`] and its gradient, a flat vector as `flat` is.
pub fn loss_and_gradient(arch: &Arch, run: &Run, split: &Examples, step: u32, flat: &[f64]) -> (f64, Vec<f64>) {
    let (loss, gradient, _) = gradients(arch, run, split, step, flat);
    (loss, gradient)
}

/// The gradient of [`mean_loss`] by the images, in their order.
pub fn image_gradient(arch: &Arch, run: &Run, split: &Examples, step: u32, flat: &[f64]) -> Vec<f64> {
    gradients(arch, run, split, step, flat).2
}

/// The loss, and its gradient by the weights and by the images.
fn gradients(arch: &Arch, run: &Run, split: &Examples, step: u32, flat: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let plan = arch.plan();
    let mut trace = forward(&plan, run, split, step, flat);
    let loss = cross_entropy(plan.classes, &split.labels, &mut trace.maps[plan.logits()]);
    // the gradient of every map; a map that is read twice has two parts
    let mut gradients: Vec<Vec<f64>> = trace.maps.iter().map(|map| vec![0.0; map.len()]).collect();
    gradients[plan.logits()].clone_from(&trace.maps[plan.logits()]);
    let mut gradient = vec![0.0; flat.len()];
    for (index, step) in plan.steps.iter().enumerate().rev() {
        let function = step.epilogue.activation(run.activation);
        let mut dy = std::mem::take(&mut gradients[index + 1]);
        for ((dy, &z), factor) in dy.iter_mut().zip(&trace.z[index]).zip(&trace.factors[index]) {
            *dy *= factor * activation::slope(function, z);
        }
        let x = &trace.maps[step.from];
        let mut dx = vec![0.0; x.len()];
        match step.op {
            Op::Conv { weighted, .. } => {
                let dims = conv_dims(&plan, index, split.len());
                let (bias, kernel) = plan.weights_of(weighted);
                let (db, dw) = gradient[bias.range.start..kernel.range.end].split_at_mut(bias.range.len());
                conv::backward_weight(&dims, x, &dy, dw, db);
                conv::backward_input(&dims, &dy, &flat[kernel.range.clone()], &mut dx);
            }
            Op::Pool { pooling: Pooling::Max, .. } => {
                pool::backward_max(&pool_dims(&plan, index), &dy, &trace.argmax[index], &mut dx);
            }
            Op::Pool { pooling: Pooling::Average, .. } => {
                pool::backward_average(&pool_dims(&plan, index), &dy, &mut dx);
            }
            Op::Add { other } => {
                gradients[other].iter_mut().zip(&dy).for_each(|(sum, dy)| *sum += dy);
                dx = dy;
            }
        }
        gradients[step.from].iter_mut().zip(&dx).for_each(|(sum, dx)| *sum += dx);
    }
    (loss, gradient, gradients.swap_remove(0))
}

fn forward(plan: &Plan, run: &Run, split: &Examples, training_step: u32, flat: &[f64]) -> Trace {
    let image = split.images.iter().map(|&pixel| f64::from(pixel)).collect();
    let mut trace = Trace { maps: vec![image], z: Vec::new(), argmax: Vec::new(), factors: Vec::new() };
    for (index, step) in plan.steps.iter().enumerate() {
        let to = &plan.maps[index + 1];
        let x = &trace.maps[step.from];
        let mut z = vec![0.0; split.len() * to.height * to.width * to.channels];
        let mut argmax = Vec::new();
        match step.op {
            Op::Conv { weighted, .. } => {
                let (bias, kernel) = plan.weights_of(weighted);
                let (b, w) = (&flat[bias.range.clone()], &flat[kernel.range.clone()]);
                conv::forward(&conv_dims(plan, index, split.len()), x, w, b, &mut z);
            }
            Op::Pool { pooling: Pooling::Max, .. } => {
                argmax = vec![0.0; z.len()];
                pool::forward_max(&pool_dims(plan, index), x, &mut argmax, &mut z);
            }
            Op::Pool { pooling: Pooling::Average, .. } => {
                pool::forward_average(&pool_dims(plan, index), x, &mut z);
            }
            Op::Add { other } => {
                z.iter_mut().zip(x.iter().zip(&trace.maps[other])).for_each(|(z, (a, b))| *z = a + b);
            }
        }
        let factors = dropout(plan, run, training_step, index, z.len());
        let function: Activation = step.epilogue.activation(run.activation);
        let y = z.iter().zip(&factors).map(|(&z, factor)| factor * activation::apply(function, z)).collect();
        trace.maps.push(y);
        trace.z.push(z);
        trace.argmax.push(argmax);
        trace.factors.push(factors);
    }
    trace
}

fn conv_dims(plan: &Plan, index: usize, images: usize) -> conv::Dims {
    let step = &plan.steps[index];
    let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
    let Op::Conv { kernel, stride, before: [top, left], .. } = step.op else { unreachable!("a convolution") };
    conv::Dims {
        images,
        height: from.height,
        width: from.width,
        inputs: from.channels,
        outputs: to.channels,
        kernel,
        stride,
        top,
        left,
        p: to.height,
        q: to.width,
    }
}

fn pool_dims(plan: &Plan, index: usize) -> pool::Dims {
    let step = &plan.steps[index];
    let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
    let Op::Pool { size, stride, .. } = step.op else { unreachable!("pooling") };
    let (height, width, channels, p, q) = (from.height, from.width, from.channels, to.height, to.width);
    pool::Dims { height, width, channels, size, stride, p, q }
}

/// Mean cross-entropy; the logits become its gradient.
fn cross_entropy(classes: usize, labels: &[u8], z: &mut [f64]) -> f64 {
    let (scale, mut sum, mut dz) = (1.0 / labels.len() as f64, 0.0, vec![0.0; classes]);
    for (z, &label) in z.chunks_exact_mut(classes).zip(labels) {
        sum += loss::softmax(z, usize::from(label), &mut dz);
        z.iter_mut().zip(&dz).for_each(|(z, dz)| *z = dz * scale);
    }
    sum * scale
}

/// Inverted dropout by definition: 0 or 1 / (share that is kept) for each unit that a step makes, N·H·W·C.
fn dropout(plan: &Plan, run: &Run, training_step: u32, index: usize, units: usize) -> Vec<f64> {
    let threshold = rules::threshold(run);
    let Some(number) = plan.steps[index].epilogue.dropout.filter(|_| threshold > 0) else { return vec![1.0; units] };
    let map = &plan.maps[index + 1];
    let (channels, positions) = (map.channels, map.height * map.width);
    let key = rules::dropout_key(run, training_step, number);
    let factor = |unit: usize| {
        let (channel, position, image) = (unit % channels, unit / channels % positions, unit / channels / positions);
        let kept = random::dropout(key, channels.next_multiple_of(16), position, channel, image as u32);
        f64::from(u8::from(kept)) / (1.0 - f64::from(threshold) / 65536.0)
    };
    (0..units).map(factor).collect()
}

/// The smallest |z| of all units before their activation: near 0 a ReLU may fall to either side in single precision.
pub fn smallest_preactivation(arch: &Arch, run: &Run, split: &Examples, step: u32, flat: &[f64]) -> f64 {
    let plan = arch.plan();
    let trace = forward(&plan, run, split, step, flat);
    let activated = plan.steps.iter().zip(&trace.z).filter(|(step, _)| step.epilogue.function.is_some());
    activated.flat_map(|(_, z)| z).fold(f64::INFINITY, |least, z| least.min(z.abs()))
}
