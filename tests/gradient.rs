//! The gradient of the whole network against finite differences of a plain `f64` network, for every activation, stride and
//! padding, with and without dropout, on every ISA.

use zoometry::cnn::arena::Arena;
use zoometry::cnn::backward::{Transposed, Wanted, backward};
use zoometry::cnn::choice::Choice;
use zoometry::cnn::forward::forward;
use zoometry::cnn::packing::Packing;
use zoometry::cnn::{Arch, layer};
use zoometry::dataset::Examples;
use zoometry::kernels::activation::Activation;
use zoometry::kernels::{Isa, LANES, Lanes, TILE, loss};
use zoometry::rng::Stream;
use zoometry::train::network::Network;
use zoometry::train::reference::{image_gradient, loss_and_gradient, mean_loss};
use zoometry::train::rules;
use zoometry::train::run::{Optimizer, Run};
use zoometry::train::team::Team;

const IMAGES: usize = 15; // a whole tile and a part of one

fn check(isa: Isa, arch: &Arch, run: &Run) {
    let mut stream = Stream::new(3, 0, 0);
    let split = Examples {
        images: (0..IMAGES * arch.height * arch.width * arch.channels).map(|_| stream.normal() as f32).collect(),
        labels: (0..IMAGES).map(|n| (n % arch.classes) as u8).collect(),
        height: arch.height,
        width: arch.width,
        channels: arch.channels,
    };
    let batch: Vec<u32> = (0..IMAGES as u32).collect();
    let packing = Packing::new(arch);
    let mut network = Network::new(isa, &packing, *run);
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
            isa.kind()
        );
    }
    let mut tried: Vec<usize> = arch.plan().tensors.iter().flat_map(|t| [t.range.start, t.range.end - 1]).collect();
    tried.extend((0..24).map(|_| stream.below(flat.len() as u32) as usize));
    for k in tried {
        let (h, at) = (1e-7, point[k]); // so small that kinks are rarely between
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
    let mut run = Run::default();
    (run.optimizer, run.activation, run.dropout, run.seed) = (Optimizer::Sgd, activation, dropout, 0x1234_5678_9abc);
    run
}

#[test]
fn every_activation_stride_and_padding() {
    for isa in Isa::available() {
        eprintln!("ISA {} tested", isa.kind());
        for &activation in Activation::ALL {
            for conv in ["16s1", "16s2", "16s1same", "16s2same"] {
                for dropout in [0.0, 0.4] {
                    let arch = Arch::grey(12, 11, &format!("{conv},{conv}"), 10).unwrap();
                    check(isa, &arch, &run(activation, dropout));
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
            let arch = Arch::grey(15, 15, stack, classes).unwrap();
            for &activation in Activation::ALL {
                check(isa, &arch, &run(activation, 0.25));
            }
        }
    }
}

/// The gradient of the images, of as many as a tile holds.
fn check_image(isa: Isa, arch: &Arch, run: &Run) {
    let mut stream = Stream::new(5, 0, 0);
    let length = arch.height * arch.width * arch.channels;
    let mut split = Examples {
        images: (0..TILE * length).map(|_| stream.normal() as f32).collect(),
        labels: (0..TILE).map(|n| (n % arch.classes) as u8).collect(),
        height: arch.height,
        width: arch.width,
        channels: arch.channels,
    };
    let flat: Vec<f32> = (0..arch.parameters()).map(|_| 0.3 * stream.normal() as f32).collect();
    let wide: Vec<f64> = flat.iter().map(|&w| f64::from(w)).collect();
    let expected = image_gradient(arch, run, &split, 0, &wide);

    let packing = Packing::new(arch);
    let (mut weights, mut arena) = (vec![Lanes::ZERO; packing.lanes], Arena::new(&packing, false));
    packing.unpack(&flat, &mut weights);
    let mut transposed = Transposed::new(&packing, true);
    transposed.fill(&packing, &weights);
    arena.gather(isa, &packing, std::array::from_fn(|n| split.image(n)));
    forward(isa, &packing, run.activation, &weights, None, &mut arena);
    let logits = &mut arena.maps[packing.plan.logits()];
    loss::softmax(isa, arch.classes, &split.labels, 1.0 / TILE as f32, logits);
    let mut padded = vec![[0.0; TILE]; arena.image.len()];
    backward(isa, &packing, run.activation, &transposed, None, &mut arena, Wanted::Image(&mut padded));

    let image = packing.image;
    let place = |row: usize, column: usize| (row + image.border[0]) * image.padded[1] + column + image.border[1];
    let got = |n: usize, k: usize| {
        let (row, column) = (k / arch.channels / arch.width, k / arch.channels % arch.width);
        let read = row < image.read[0] && column < image.read[1];
        if read { padded[place(row, column) * arch.channels + k % arch.channels][n] } else { 0.0 }
    };
    let scale = expected.iter().fold(0.0f64, |a, g| a.max(g.abs()));
    for (at, expected) in expected.iter().enumerate() {
        let got = got(at / length, at % length);
        let error = (f64::from(got) - expected).abs();
        assert!(error < 2e-5 * scale, "{} {arch} {run:?}: dx[{at}] {got}, by definition {expected}", isa.kind());
    }
    for _ in 0..12 {
        // a step that single precision holds, so short that kinks are rarely between
        let at = stream.below(split.images.len() as u32) as usize;
        let (h, x) = (2f32.powi(-17), split.images[at]);
        let mut loss = |x: f32| {
            split.images[at] = x;
            (mean_loss(arch, run, &split, 0, &wide), f64::from(x))
        };
        let ((above, high), (below, low)) = (loss(x + h), loss(x - h));
        loss(x);
        let difference = (above - below) / (high - low);
        let error = (expected[at] - difference).abs();
        assert!(
            error < 2e-3 * scale,
            "{arch} {run:?}: dx[{at}] {} by definition, differences {difference}",
            expected[at]
        );
    }
}

#[test]
fn the_gradient_of_images_of_every_element() {
    for isa in Isa::available() {
        for (layers, &activation) in ELEMENTS.into_iter().zip(Activation::ALL.iter().cycle()) {
            for channels in [1, 3] {
                let arch = Arch::new(15, 16, channels, layer::parse(layers).unwrap(), 10).unwrap();
                check_image(isa, &arch, &run(activation, 0.0));
            }
        }
        for &activation in Activation::ALL {
            check_image(isa, &Arch::reference(28, 28, 10).unwrap(), &run(activation, 0.0));
        }
    }
}

/// A team's losses and gradients are those of the definition, each lane's with its own dropout and images, whoever stands beside
/// it.
fn check_team(isa: Isa, arch: &Arch, activation: Activation) {
    let mut stream = Stream::new(4, 0, 0);
    let images = 40;
    let split = Examples {
        images: (0..images * arch.height * arch.width * arch.channels).map(|_| stream.normal() as f32).collect(),
        labels: (0..images).map(|n| (n % arch.classes) as u8).collect(),
        height: arch.height,
        width: arch.width,
        channels: arch.channels,
    };
    let plan = arch.plan();
    let runs: Vec<Run> = (0..LANES as u64)
        .map(|lane| {
            let mut run = run(activation, [0.0, 0.3][lane as usize % 2]);
            run.seed = 77 + lane;
            run
        })
        .collect();
    let mut orders = vec![Vec::new(); LANES];
    orders.iter_mut().zip(&runs).for_each(|(order, run)| rules::shuffle(run, images, 0, order));
    let mut team = Team::new(isa, &plan);
    team.start(&runs, 1);
    let (losses, gradients) = team.losses_and_gradients(&split, &orders, 11);
    for lane in [0, 5, LANES - 1] {
        let mut flat = vec![0.0f32; plan.parameters()];
        team.store(lane, &mut flat);
        let point: Vec<f64> = flat.iter().map(|&w| f64::from(w)).collect();
        let of_batch = |n: &u32| split.image(*n as usize).to_vec();
        let seen = Examples {
            images: orders[lane][..11].iter().flat_map(of_batch).collect(),
            labels: orders[lane][..11].iter().map(|&n| split.labels[n as usize]).collect(),
            ..split.clone()
        };
        let (expected, slopes) = loss_and_gradient(arch, &runs[lane], &seen, 0, &point);
        assert!((f64::from(losses[lane]) - expected).abs() < 1e-5 * expected, "{arch}: {} {expected}", losses[lane]);
        let scale = slopes.iter().fold(0.0f64, |a, g| a.max(g.abs()));
        for (k, (got, expected)) in gradients[lane].iter().zip(&slopes).enumerate() {
            let error = (f64::from(*got) - expected).abs();
            assert!(
                error < 2e-5 * scale,
                "{} {arch} {activation:?}: dw[{k}] {got}, by definition {expected}",
                isa.kind()
            );
        }
    }
    // fewer networks, other neighbours: the same bits
    team.start(&runs[5..6], 1);
    let alone = team.losses_and_gradients(&split, &vec![orders[5].clone(); LANES], 11);
    assert!(alone.0[0] == losses[5] && alone.1[0] == gradients[5], "{arch}: a lane depends on its neighbours");
}

#[test]
fn a_team_is_its_networks() {
    for isa in Isa::available() {
        for (layers, activation) in ELEMENTS.into_iter().zip(Activation::ALL.iter().cycle()) {
            for channels in [1, 3] {
                check_team(isa, &Arch::new(15, 16, channels, layer::parse(layers).unwrap(), 10).unwrap(), *activation);
            }
        }
    }
}

/// Networks that have every element between them.
const ELEMENTS: [&str; 15] = [
    "8k5,max2,act,drop,6k3,act,flatten,20,act,drop",
    "4k2,avg2,act,drop,5k1,tanh",
    "6k3s3same,max3s2,act",
    "5k7,max3s1,leaky_relu,avg2s1,act,drop",
    "3k4s2,silu,flatten",
    "flatten",
    "flatten,12,act,drop,7,act",
    "8k3same,[act,8k3same,act,drop,8k3same],act",
    "16s1same,act,[16s1same],act,max2",
    "6k3,[6k1,act,[6k3same,act]],drop,max2s3,gap,9,gelu",
    "8k6same,act,act,drop,drop,max2,act",
    "20k3,max2,drop,20k2same,sigmoid",
    "4s2,gap,10,act,[10,act],act",
    "5k3s4,act,[avg1,act,5k3same,5k2same,max1],gap",
    "8k2s2,act,[max1,act],flatten,17",
];

#[test]
fn every_element_in_grey_and_colour() {
    for isa in Isa::available() {
        for layers in ELEMENTS {
            for (channels, activation, dropout) in
                [(1, Activation::Tanh, 0.0), (3, Activation::Gelu, 0.3), (3, Activation::LeakyRelu, 0.2)]
            {
                match Arch::new(15, 16, channels, layer::parse(layers).unwrap(), 10) {
                    Ok(arch) => check(isa, &arch, &run(activation, dropout)),
                    Err(error) => panic!("{layers}: {error}"),
                }
            }
        }
    }
}
