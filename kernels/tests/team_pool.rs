//! Pooling of teams against its definition, lane by lane, on every ISA: overlaps, gaps, ties, NaN, epilogues.

mod common;
use common::team::{self, ACTIVATIONS, Epilogue, assert_near, lane};
use common::{Numbers, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::reference;
use zoometry_kernels::team::Below;
use zoometry_kernels::team::pool::{self, Dims};
use zoometry_kernels::{Isa, LANES, Lanes};

/// Windows that overlap, touch or leave gaps, and fewer of them than fit.
fn dims() -> impl Strategy<Value = Dims> {
    let axis = || (1usize..5, 1usize..6, 0usize..3);
    (1usize..4, 1usize..5, axis(), axis(), 1usize..11).prop_map(|(images, stride, rows, columns, channels)| {
        let size = |(size, windows, rest): (usize, usize, usize)| (windows - 1) * stride + size + rest;
        let (height, width) = (size(rows), size(columns));
        Dims { images, height, width, channels, size: [rows.0, columns.0], stride, p: rows.1, q: columns.1 }
    })
}

/// Numbers with many ties, or any numbers.
fn map(numbers: &mut Numbers, n: usize, ties: bool) -> Vec<Lanes> {
    let mut x = numbers.lanes(n);
    if ties {
        Lanes::flat_mut(&mut x).iter_mut().for_each(|x| *x = (3.0 * *x).round());
    }
    x
}

fn check(isa: Isa, d: &Dims, activation: Activation, dropout: bool, residual: bool, ties: bool, seed: u64) {
    let mut numbers = Numbers(seed);
    let x = map(&mut numbers, d.x_len(), ties);
    let dy = numbers.lanes(d.y_len());
    let end = Epilogue::new(&mut numbers, d.y_len(), activation, dropout, residual);
    let below = Epilogue::new(&mut numbers, d.x_len(), activation, dropout, residual);

    let (mut argmax, mut z) = (vec![Lanes::ZERO; d.y_len()], [end.empty_z(), end.empty_z()]);
    let mut y = [vec![Lanes::ZERO; d.y_len()], vec![Lanes::ZERO; d.y_len()]];
    let mut dx = [below.output.clone(), below.output.clone()];
    pool::forward_max(isa, d, activation, end.dropout(), &x, &mut argmax, &mut z[0], &mut y[0]);
    pool::forward_average(isa, d, activation, end.dropout(), &x, &mut z[1], &mut y[1]);
    pool::backward_max(isa, d, below.below(), &dy, &argmax, &mut dx[0]);
    pool::backward_average(isa, d, below.below(), &dy, &mut dx[1]);

    for l in 0..LANES {
        for (k, what) in ["max", "average"].into_iter().enumerate() {
            let (mut expected_y, mut expected_dx) = (vec![0.0; d.y_len()], vec![0.0; d.x_len()]);
            let (d, x, dy) = (d.into(), lane(&x, l), lane(&dy, l));
            if what == "max" {
                let mut taps = vec![0.0; expected_y.len()];
                reference::pool::forward_max(&d, &x, &mut taps, &mut expected_y);
                reference::pool::backward_max(&d, &dy, &taps, &mut expected_dx);
            } else {
                reference::pool::forward_average(&d, &x, &mut expected_y);
                reference::pool::backward_average(&d, &dy, &mut expected_dx);
            }
            if !z[k].is_empty() {
                assert_near(&lane(&z[k], l), &expected_y, what);
            }
            end.finish(l, &mut expected_y);
            assert_near(&lane(&y[k], l), &expected_y, what);
            below.unfinish(l, &mut expected_dx);
            assert_near(&lane(&dx[k], l), &expected_dx, what);
        }
    }
}

#[test]
fn both_poolings_agree_with_their_definitions() {
    let isas = isas();
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    let ends = (0..ACTIVATIONS.len(), any::<bool>(), any::<bool>());
    proptest!(config, |(d in dims(), (activation, dropout, residual) in ends, ties: bool, seed: u64)| {
        for &isa in &isas {
            check(isa, &d, ACTIVATIONS[activation], dropout, residual, ties, seed);
        }
    });
}

const PLAIN: Below = Below { activation: Activation::Identity, dropout: None, z: &[], residual: None };

/// One window of four positions: the output and where its gradient goes.
fn one_window(isa: Isa, x: [f32; 4]) -> (f32, [f32; 4]) {
    let d = Dims { images: 1, height: 2, width: 2, channels: 1, size: [2, 2], stride: 2, p: 1, q: 1 };
    let mut map = x.map(|x| Lanes([x; LANES]));
    let (mut argmax, mut y) = ([Lanes::ZERO], [Lanes::ZERO]);
    pool::forward_max(isa, &d, Activation::Identity, None, &map, &mut argmax, &mut [], &mut y);
    pool::backward_max(isa, &d, PLAIN, &[Lanes([2.0; LANES])], &argmax, &mut map);
    assert!(map.iter().chain(&y).all(|x| x.0.map(f32::to_bits) == [x.0[0].to_bits(); LANES]), "all lanes alike");
    (y[0].0[0], map.map(|x| x.0[0]))
}

#[test]
fn ties_go_to_the_first_and_nan_wins() {
    let nan = f32::NAN;
    for isa in isas() {
        assert_eq!(one_window(isa, [1.0, 3.0, 3.0, 2.0]), (3.0, [0.0, 2.0, 0.0, 0.0]));
        assert_eq!(one_window(isa, [-0.0, 0.0, 0.0, -0.0]), (-0.0, [2.0, 0.0, 0.0, 0.0]));
        assert_eq!(one_window(isa, [f32::NEG_INFINITY; 4]), (f32::NEG_INFINITY, [2.0, 0.0, 0.0, 0.0]));
        for (x, first) in [([1.0, nan, f32::INFINITY, nan], 1), ([nan, 1.0, nan, 9.0], 0), ([5.0, 1.0, 2.0, nan], 3)] {
            let (y, dx) = one_window(isa, x);
            let mut expected = [0.0; 4];
            expected[first] = 2.0;
            assert!(y.is_nan());
            assert_eq!(dx, expected, "{x:?} on {}", isa.kind());
        }
    }
}

/// Both poolings, both directions, through tanh.
fn both_ways(isa: Isa, d: &Dims, inputs: &[Vec<Lanes>]) -> team::Outputs {
    let [x, dy] = inputs else { panic!("two inputs") };
    let below = Below { activation: Activation::Tanh, ..PLAIN };
    let (mut argmax, mut y, mut dx) = (dy.clone(), [dy.clone(), dy.clone()], [x.clone(), x.clone()]);
    pool::forward_max(isa, d, Activation::Tanh, None, x, &mut argmax, &mut [], &mut y[0]);
    pool::forward_average(isa, d, Activation::Tanh, None, x, &mut [], &mut y[1]);
    pool::backward_max(isa, d, below, dy, &argmax, &mut dx[0]);
    pool::backward_average(isa, d, below, dy, &mut dx[1]);
    [y, dx].concat()
}

#[test]
fn a_network_is_alone_and_fused_isas_agree() {
    for (stride, p) in [(2, 3), (1, 5), (3, 2)] {
        let d = Dims { images: 2, height: 7, width: 6, channels: 3, size: [3, 2], stride, p, q: (6 - 2) / stride + 1 };
        let mut numbers = Numbers(4);
        let inputs = [numbers.lanes(d.x_len()), numbers.lanes(d.y_len())];
        for isa in isas() {
            team::assert_alone(&inputs, |inputs| both_ways(isa, &d, inputs));
        }
        team::assert_same_bits(|isa| both_ways(isa, &d, &inputs));
    }
}

#[test]
#[should_panic(expected = "a window outside of the map")]
fn a_window_outside_of_the_map_is_refused() {
    let d = Dims { images: 1, height: 4, width: 4, channels: 1, size: [2, 2], stride: 2, p: 2, q: 3 };
    let (x, mut y) = (vec![Lanes::ZERO; d.x_len()], vec![Lanes::ZERO; d.y_len()]);
    pool::forward_average(Isa::detect(), &d, Activation::Identity, None, &x, &mut [], &mut y);
}
