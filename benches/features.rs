//! What is computed from a network of the reference's shape for a predictor, on one thread and every leg of this machine.
//!
//! `cargo bench --bench features`. Throughput is in networks.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zoometry::cnn::Arch;
use zoometry::features::{Input, Networks};
use zoometry::kernels::{Isa, activation::Activation};
use zoometry::par::with_threads;
use zoometry::rng::Stream;

/// Networks a call, 5 MB of weights: as with a zoo, they come from beyond the second-level cache.
const NETWORKS: usize = 256;

fn inputs(criterion: &mut Criterion) {
    let arch = Arch::reference(28, 28, 10).expect("the reference net");
    let mut stream = Stream::new(1, 0, 0);
    let weights: Vec<f32> = (0..NETWORKS * arch.parameters()).map(|_| 0.1 * stream.normal() as f32).collect();
    for key in ["wstats", "probes"] {
        let input: Input = key.parse().expect("a key");
        for (name, activation) in [("relu", Activation::Relu), ("tanh", Activation::Tanh)] {
            if key == "wstats" && name == "tanh" {
                continue;
            }
            let networks = Networks::Loose { arch: &arch, weights: &weights, activation: Some(activation) };
            for isa in Isa::available() {
                let mut group = criterion.benchmark_group(format!("features/{key}_{name}"));
                group.throughput(Throughput::Elements(NETWORKS as u64)).sample_size(20);
                let call = || black_box(input.table(isa, &networks).map(|table| table.x.len()).unwrap_or(0));
                group.bench_function(isa.leg().name(), |b| with_threads(1, || b.iter(call)));
                group.finish();
            }
        }
    }
}

criterion_group!(benches, inputs);
criterion_main!(benches);
