//! The gradient of the whole network against finite differences of a plain `f64` network, for every activation, stride and
//! padding, with and without dropout, on every leg.

use zoometry::cnn::{Arch, Conv, Padding, init::Init, layout, plan::Plan};
use zoometry::dataset::Split;
use zoometry::kernels::reference::{activation, conv, loss, pool};
use zoometry::kernels::{Isa, random::DropoutKey, reference};
use zoometry::rng::Stream;
use zoometry::train::cpu::Network;
use zoometry::train::run::{Activation, Choice, Optimizer, Run};

const IMAGES: usize = 15; // a whole tile and a part of one

/// The mean cross-entropy of a batch by definition.
fn mean_loss(arch: &Arch, run: &Run, split: &Split, flat: &[f64]) -> f64 {
    let tensors = layout::tensors(arch);
    let maps = arch.maps();
    let mut x: Vec<f64> = split.images.iter().map(|&pixel| f64::from(pixel)).collect();
    let mut inputs = 1;
    for (index, conv) in arch.convs.iter().enumerate() {
        let ((height, width), (p, q)) = (maps[index], maps[index + 1]);
        let (top, left) = (conv.before(height), conv.before(width));
        let outputs = conv.channels;
        let dims = conv::Dims {
            images: IMAGES,
            height,
            width,
            inputs,
            outputs,
            kernel: 3,
            stride: conv.stride,
            top,
            left,
            p,
            q,
        };
        let (b, w) = (&flat[tensors[2 * index].range()], &flat[tensors[2 * index + 1].range()]);
        let mut y = vec![0.0; IMAGES * p * q * outputs];
        conv::forward(&dims, &x, w, b, &mut y);
        y.iter_mut().for_each(|z| *z = activation::apply(run.activation.kernel(), *z));
        drop_units(run, index, p * q, outputs, &mut y);
        (x, inputs) = (y, outputs);
    }
    let positions = maps[maps.len() - 1].0 * maps[maps.len() - 1].1;
    let mut pooled = vec![0.0; IMAGES * inputs];
    pool::forward(positions, inputs, &x, &mut pooled);
    let dims = conv::Dims {
        images: IMAGES,
        height: 1,
        width: 1,
        inputs,
        outputs: arch.classes,
        kernel: 1,
        stride: 1,
        top: 0,
        left: 0,
        p: 1,
        q: 1,
    };
    let mut logits = vec![0.0; IMAGES * arch.classes];
    let dense = tensors.len() - 2;
    conv::forward(&dims, &pooled, &flat[tensors[dense + 1].range()], &flat[tensors[dense].range()], &mut logits);
    let mut scratch = vec![0.0; arch.classes];
    let losses = logits.chunks(arch.classes).zip(&split.labels);
    losses.map(|(z, &label)| loss::softmax(z, usize::from(label), &mut scratch)).sum::<f64>() / IMAGES as f64
}

/// Inverted dropout by definition, for step 0.
fn drop_units(run: &Run, layer: usize, positions: usize, channels: usize, y: &mut [f64]) {
    let threshold = (f64::from(run.dropout) * 65536.0).round() as u32;
    if threshold == 0 {
        return;
    }
    let key = [run.seed as u32, (run.seed >> 32) as u32];
    let key = DropoutKey { key, counter: [0, u32::from_be_bytes(*b"drp\0") + layer as u32], threshold };
    for (index, y) in y.iter_mut().enumerate() {
        let (c, m, n) = (index % channels, index / channels % positions, index / channels / positions);
        let kept = reference::random::dropout(key, channels.next_multiple_of(16), m, c, n as u32);
        *y *= f64::from(u8::from(kept)) / (1.0 - f64::from(threshold) / 65536.0);
    }
}

fn check(isa: Isa, arch: &Arch, run: &Run) {
    let mut stream = Stream::new(3, 0, 0);
    let split = Split {
        images: (0..IMAGES * arch.height * arch.width).map(|_| stream.normal() as f32).collect(),
        labels: (0..IMAGES).map(|n| (n % arch.classes) as u8).collect(),
        height: arch.height,
        width: arch.width,
    };
    let batch: Vec<u32> = (0..IMAGES as u32).collect();
    let plan = Plan::new(arch);
    let mut network = Network::new(isa, &plan, *run);
    // biases away from zero, so that their gradients are tried too
    let mut flat = vec![0.0f32; arch.parameters()];
    network.store(&mut flat);
    flat.iter_mut().for_each(|w| *w += 0.05 * stream.normal() as f32);
    network.load(&flat);
    let mut gradient = vec![0.0f32; flat.len()];
    let got = network.loss_and_gradient(&split, &batch, &mut gradient);

    let mut point: Vec<f64> = flat.iter().map(|&w| f64::from(w)).collect();
    let expected = mean_loss(arch, run, &split, &point);
    assert!((f64::from(got) - expected).abs() < 1e-5 * expected, "{arch} {run:?}: loss {got}, expected {expected}");
    let scale = gradient.iter().fold(0.0f32, |a, g| a.max(g.abs()));
    let mut tried: Vec<usize> = layout::tensors(arch).iter().flat_map(|t| [t.start_idx, t.end_idx - 1]).collect();
    tried.extend((0..24).map(|_| stream.below(flat.len() as u32) as usize));
    for k in tried {
        let (h, at) = (1e-5, point[k]);
        point[k] = at + h;
        let above = mean_loss(arch, run, &split, &point);
        point[k] = at - h;
        let difference = (above - mean_loss(arch, run, &split, &point)) / (2.0 * h);
        point[k] = at;
        let error = (f64::from(gradient[k]) - difference).abs();
        assert!(
            error < 2e-4 * f64::from(scale),
            "{} {arch} {run:?}: dw[{k}] {}, differences {difference}",
            isa.leg(),
            gradient[k]
        );
    }
}

fn run(activation: Activation, dropout: f32) -> Run {
    Run {
        optimizer: Optimizer::Sgd,
        activation,
        w_init: Init::HeNormal,
        learning_rate: 0.1,
        l2reg: 0.0,
        dropout,
        init_std: 0.1,
        train_fraction: 1.0,
        seed: 0x1234_5678_9abc,
    }
}

#[test]
fn every_activation_stride_and_padding() {
    for isa in Isa::available() {
        eprintln!("leg {} tested", isa.leg());
        for &activation in Activation::ALL {
            for stride in [1, 2] {
                for padding in [Padding::Valid, Padding::Same] {
                    for dropout in [0.0, 0.4] {
                        let conv = Conv { channels: 16, stride, padding };
                        let arch = Arch::new(12, 11, vec![conv; 2], 10).unwrap();
                        check(isa, &arch, &run(activation, dropout));
                    }
                }
            }
        }
    }
}

#[test]
fn every_number_of_layers_channels_and_classes() {
    for isa in Isa::available() {
        for (stack, classes) in
            [("16s2,16s2,16s2", 10), ("5s2", 2), ("8s1same,24s2same,33s2", 17), ("16s2same,3s1,16s1,16s2same", 26)]
        {
            let convs = stack.split(',').map(|conv| conv.parse().unwrap()).collect();
            let arch = Arch::new(15, 15, convs, classes).unwrap();
            for &activation in Activation::ALL {
                check(isa, &arch, &run(activation, 0.25));
            }
        }
    }
}
