//! A network by definition: plain `f64` loops over the kernels' reference twins, without tiles, lanes or blocks.
//!
//! Slow and obvious: what [`super::cpu::Network`] must agree with.

use super::cpu;
use super::run::Run;
use crate::cnn::{Arch, KERNEL, layout};
use crate::dataset::Split;
use crate::kernels::activation::Activation;
use crate::kernels::random::DropoutKey;
use crate::kernels::reference::{activation, conv, loss, pool, random};

/// What the forward pass of a convolution leaves for the backward pass.
struct Layer {
    dims: conv::Dims,
    /// Input, N·H·W·I.
    x: Vec<f64>,
    /// Before the activation, N·P·Q·O.
    z: Vec<f64>,
    /// What dropout multiplies each unit with.
    factor: Vec<f64>,
}

/// Mean cross-entropy over all images of a split, with the dropout of training step `step`.
pub fn mean_loss(arch: &Arch, run: &Run, split: &Split, step: u32, flat: &[f64]) -> f64 {
    let factors = |layer: usize, units: usize| dropout(arch, run, step, layer, units);
    let (_, _, mut z) = forward(arch, run.activation.kernel(), split, flat, &factors);
    cross_entropy(arch.classes, &split.labels, &mut z)
}

/// [`mean_loss`] and its gradient, a flat vector as `flat` is.
pub fn loss_and_gradient(arch: &Arch, run: &Run, split: &Split, step: u32, flat: &[f64]) -> (f64, Vec<f64>) {
    let activation = run.activation.kernel();
    let factors = |layer: usize, units: usize| dropout(arch, run, step, layer, units);
    let (layers, pooled, mut dy) = forward(arch, activation, split, flat, &factors);
    let loss = cross_entropy(arch.classes, &split.labels, &mut dy);

    let tensors = layout::tensors(arch);
    let mut gradient = vec![0.0; flat.len()];
    let mut backward = |layer: usize, dims: &conv::Dims, x: &[f64], dy: &[f64]| {
        let (bias, kernel) = (tensors[2 * layer].range(), tensors[2 * layer + 1].range());
        let (db, dw) = gradient[bias.start..kernel.end].split_at_mut(bias.len());
        conv::backward_weight(dims, x, dy, dw, db);
        let mut dx = vec![0.0; x.len()];
        conv::backward_input(dims, dy, &flat[kernel], &mut dx);
        dx
    };
    let dense = dense(split.len(), pooled.len() / split.len(), arch.classes);
    let dpooled = backward(layers.len(), &dense, &pooled, &dy);
    let last = &layers[layers.len() - 1];
    dy = vec![0.0; last.z.len()];
    pool::backward(last.dims.p * last.dims.q, last.dims.outputs, &dpooled, &mut dy);
    for (index, layer) in layers.iter().enumerate().rev() {
        for ((dy, &z), factor) in dy.iter_mut().zip(&layer.z).zip(&layer.factor) {
            *dy *= factor * activation::slope(activation, z);
        }
        dy = backward(index, &layer.dims, &layer.x, &dy);
    }
    (loss, gradient)
}

/// The layers, the pooled units N·C and the logits N·classes.
fn forward(
    arch: &Arch,
    activation: Activation,
    split: &Split,
    flat: &[f64],
    factors: &dyn Fn(usize, usize) -> Vec<f64>,
) -> (Vec<Layer>, Vec<f64>, Vec<f64>) {
    let (tensors, maps, images) = (layout::tensors(arch), arch.maps(), split.len());
    let mut x: Vec<f64> = split.images.iter().map(|&pixel| f64::from(pixel)).collect();
    let (mut inputs, mut layers) = (1, Vec::new());
    for (index, layer) in arch.convs.iter().enumerate() {
        let ((height, width), (p, q)) = (maps[index], maps[index + 1]);
        let (top, left, outputs) = (layer.before(height), layer.before(width), layer.channels);
        let dims = conv::Dims {
            images,
            height,
            width,
            inputs,
            outputs,
            kernel: KERNEL,
            stride: layer.stride,
            top,
            left,
            p,
            q,
        };
        let (b, w) = (&flat[tensors[2 * index].range()], &flat[tensors[2 * index + 1].range()]);
        let mut z = vec![0.0; images * p * q * outputs];
        conv::forward(&dims, &x, w, b, &mut z);
        let factor = factors(index, z.len());
        let y = z.iter().zip(&factor).map(|(&z, factor)| factor * activation::apply(activation, z)).collect();
        layers.push(Layer { dims, x: std::mem::replace(&mut x, y), z, factor });
        inputs = outputs;
    }
    let (height, width) = maps[maps.len() - 1];
    let mut pooled = vec![0.0; images * inputs];
    pool::forward(height * width, inputs, &x, &mut pooled);
    let mut logits = vec![0.0; images * arch.classes];
    let (b, w) = (&flat[tensors[tensors.len() - 2].range()], &flat[tensors[tensors.len() - 1].range()]);
    conv::forward(&dense(images, inputs, arch.classes), &pooled, w, b, &mut logits);
    (layers, pooled, logits)
}

/// A dense layer as a convolution.
fn dense(images: usize, inputs: usize, outputs: usize) -> conv::Dims {
    conv::Dims { images, height: 1, width: 1, inputs, outputs, kernel: 1, stride: 1, top: 0, left: 0, p: 1, q: 1 }
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

/// Inverted dropout by definition: 0 or 1 / (share that is kept) for each of a layer's units, N·P·Q·O.
fn dropout(arch: &Arch, run: &Run, step: u32, layer: usize, units: usize) -> Vec<f64> {
    let threshold = cpu::threshold(run);
    if threshold == 0 {
        return vec![1.0; units];
    }
    let channels = arch.convs[layer].channels;
    let (p, q) = arch.maps()[layer + 1];
    let key = [run.seed as u32, (run.seed >> 32) as u32];
    let key = DropoutKey { key, counter: [step, cpu::DROPOUT + layer as u32], threshold };
    let factor = |unit: usize| {
        let (channel, position, image) = (unit % channels, unit / channels % (p * q), unit / channels / (p * q));
        let kept = random::dropout(key, channels.next_multiple_of(16), position, channel, image as u32);
        f64::from(u8::from(kept)) / (1.0 - f64::from(threshold) / 65536.0)
    };
    (0..units).map(factor).collect()
}

/// The smallest |z| of all units before their activation: near 0 a ReLU may fall to either side in single precision.
pub fn smallest_preactivation(arch: &Arch, run: &Run, split: &Split, step: u32, flat: &[f64]) -> f64 {
    let factors = |layer: usize, units: usize| dropout(arch, run, step, layer, units);
    let (layers, _, _) = forward(arch, run.activation.kernel(), split, flat, &factors);
    layers.iter().flat_map(|layer| &layer.z).fold(f64::INFINITY, |least, z| least.min(z.abs()))
}
