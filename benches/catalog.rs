//! Every kernel of the catalog on every ISA of this machine, by criterion: `cargo bench -- conv/forward` measures some.
//!
//! `zoometry bench` measures the same list beside the machine's roof.

use criterion::{Criterion, Throughput};
use zoometry::catalog;
use zoometry::kernels::Isa;

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for case in catalog::cases() {
        let mut group = criterion.benchmark_group(case.path());
        if case.cost.flops > 0.0 {
            group.throughput(Throughput::Elements(case.cost.flops as u64));
        } else {
            group.throughput(Throughput::Bytes(case.cost.bytes as u64));
        }
        for isa in Isa::available() {
            let mut work = None;
            group.bench_function(isa.kind().name(), |bencher| {
                // operands are made only for what the filter lets through
                let work = work.get_or_insert_with(|| (case.make)(isa));
                bencher.iter(|| work.run());
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
