//! Boosting and its measures on tables of the size of a zoo's weight statistics: 24,000 rows of 56 columns.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use zoometry::eval::metrics::kendall_tau_b;
use zoometry::kernels::Isa;
use zoometry::par::Stop;
use zoometry::predictor::boost::{Boost, Params, fit};
use zoometry::rng::Stream;
use zoometry::table::Table;

/// Normal columns, and a target that a few of them determine.
fn table(rows: usize, width: usize) -> Table {
    let mut stream = Stream::new(1, 0, rows as u32);
    let x: Vec<f32> = (0..rows * width).map(|_| stream.normal() as f32).collect();
    let target = |row: &[f32]| (1.5 * row[0]).sin() + row[1] * row[2] + (row[3] - row[4]).tanh() + 0.5 * row[5].abs();
    Table {
        columns: (0..width).map(|c| c.to_string()).collect(),
        y: x.chunks_exact(width).map(|row| target(row) + 0.1 * stream.normal() as f32).collect(),
        group: (0..rows as u64).collect(),
        x,
    }
}

fn fitted(train: &Table, params: &Params) -> Boost {
    match fit(Isa::detect(), train, None, params, &mut |_| (), &Stop::new()) {
        Ok(boost) => boost,
        Err(error) => panic!("{error}"),
    }
}

fn boost(c: &mut Criterion) {
    let (train, test) = (table(24_000, 56), table(6_000, 56));
    let params =
        |n_estimators, num_leaves| Params { n_estimators, num_leaves, learning_rate: 0.05, ..Params::default() };
    let mut fits = c.benchmark_group("boost/fit/24000x56");
    fits.sample_size(10);
    fits.bench_function("100_trees_31_leaves", |b| b.iter(|| fitted(&train, &params(100, 31))));
    fits.bench_function("50_trees_255_leaves", |b| b.iter(|| fitted(&train, &params(50, 255))));
    fits.finish();

    let model = fitted(&train, &params(1000, 31));
    let mut predictions = c.benchmark_group("boost/predict/1000_trees_31_leaves");
    for isa in Isa::available() {
        predictions
            .bench_function(format!("6000_rows/{}", isa.leg()), |b| b.iter(|| model.predict(isa, black_box(&test.x))));
    }
    predictions.bench_function("1_row", |b| b.iter(|| model.predict_row(black_box(test.row(0)))));
}

fn tau(c: &mut Criterion) {
    let mut stream = Stream::new(2, 0, 0);
    let x: Vec<f32> = (0..100_000).map(|_| stream.uniform() as f32).collect();
    let y: Vec<f32> = x.iter().map(|x| x + 0.15 * stream.normal() as f32).collect();
    c.bench_function("kendall_tau_b/100000", |b| b.iter(|| kendall_tau_b(black_box(&x), black_box(&y))));
}

criterion_group!(benches, boost, tau);
criterion_main!(benches);
