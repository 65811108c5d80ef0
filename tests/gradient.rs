//! The gradient of the whole network against finite differences of a plain `f64` network, for every activation, stride and
//! padding, with and without dropout, on every leg.

use zoometry::cnn::{Arch, Conv, Padding, init::Init, layout, plan::Plan};
use zoometry::dataset::Split;
use zoometry::kernels::Isa;
use zoometry::rng::Stream;
use zoometry::train::cpu::Network;
use zoometry::train::reference::{loss_and_gradient, mean_loss};
use zoometry::train::run::{Activation, Choice, Optimizer, Run};

const IMAGES: usize = 15; // a whole tile and a part of one

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
    let (expected, slopes) = loss_and_gradient(arch, run, &split, 0, &point);
    assert!((f64::from(got) - expected).abs() < 1e-5 * expected, "{arch} {run:?}: loss {got}, expected {expected}");
    let scale = gradient.iter().fold(0.0f32, |a, g| a.max(g.abs()));
    for (k, (got, expected)) in gradient.iter().zip(&slopes).enumerate() {
        let error = (f64::from(*got) - expected).abs();
        assert!(
            error < 2e-5 * f64::from(scale),
            "{} {arch} {run:?}: dw[{k}] {got}, by definition {expected}",
            isa.leg()
        );
    }
    let mut tried: Vec<usize> = layout::tensors(arch).iter().flat_map(|t| [t.start_idx, t.end_idx - 1]).collect();
    tried.extend((0..24).map(|_| stream.below(flat.len() as u32) as usize));
    for k in tried {
        let (h, at) = (1e-5, point[k]);
        point[k] = at + h;
        let above = mean_loss(arch, run, &split, 0, &point);
        point[k] = at - h;
        let difference = (above - mean_loss(arch, run, &split, 0, &point)) / (2.0 * h);
        point[k] = at;
        let error = (slopes[k] - difference).abs();
        assert!(
            error < 2e-4 * f64::from(scale),
            "{arch} {run:?}: dw[{k}] {} by definition, differences {difference}",
            slopes[k]
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
