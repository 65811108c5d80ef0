//! One training step and one evaluation of the reference net at its real shapes, on every leg of this machine.
//!
//! `cargo bench -- train_step/28x28_relu/` measures one shape. Throughput is in images; the cost of one is
//! `Arch::training_flops` (651,264 at 28×28) or `Arch::forward_flops`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zoometry::cnn::{Arch, init::Init, plan::Plan};
use zoometry::dataset::Split;
use zoometry::kernels::Isa;
use zoometry::rng::Stream;
use zoometry::train::cpu::Network;
use zoometry::train::run::{Activation, Optimizer, Run};

const BATCH: usize = 512;

/// Name, side of the image, activation, dropout.
const SHAPES: [(&str, usize, Activation, f32); 5] = [
    ("28x28_relu", 28, Activation::Relu, 0.0),
    ("28x28_relu_drop", 28, Activation::Relu, 0.3),
    ("28x28_tanh", 28, Activation::Tanh, 0.0),
    ("32x32_relu", 32, Activation::Relu, 0.0),
    ("32x32_relu_drop", 32, Activation::Relu, 0.3),
];

fn noise(side: usize) -> Split {
    let mut stream = Stream::new(1, 0, 0);
    Split {
        images: (0..4 * BATCH * side * side).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..4 * BATCH).map(|n| (n % 10) as u8).collect(),
        height: side,
        width: side,
    }
}

fn steps(criterion: &mut Criterion) {
    for (name, side, activation, dropout) in SHAPES {
        let split = noise(side);
        let plan = Plan::new(&Arch::reference(side, side, 10).expect("the reference net"));
        let batch: Vec<u32> = (0..BATCH as u32).map(|n| 3 * n).collect();
        let run = Run {
            optimizer: Optimizer::Adam,
            activation,
            w_init: Init::HeNormal,
            learning_rate: 1e-3,
            l2reg: 1e-4,
            dropout,
            init_std: 0.1,
            train_fraction: 1.0,
            seed: 1,
        };
        for isa in Isa::available() {
            let mut network = Network::new(isa, &plan, run);
            let mut group = criterion.benchmark_group(format!("train_step/{name}"));
            group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
            group.bench_function(isa.leg().name(), |b| b.iter(|| black_box(network.step(&split, &batch))));
            group.finish();
            let mut group = criterion.benchmark_group(format!("evaluate/{name}"));
            group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
            group.bench_function(isa.leg().name(), |b| b.iter(|| black_box(network.evaluate(&split, BATCH).accuracy)));
            group.finish();
        }
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
