//! Pooling against its definition, on every ISA: windows that overlap, leave gaps, or are the whole map.

mod common;
use common::layer::{ACTIVATIONS, Epilogue, Layer, zeros};
use common::{Numbers, assert_sums, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::{Activation, Below};
use zoometry_kernels::pool::{self, Dims};
use zoometry_kernels::reference::layout::dense;
use zoometry_kernels::{Block, Isa, LANES, TILE, reference};

/// What a window may hold: numbers, or few values so that many are equal, or some that are not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Values {
    Numbers,
    Few,
    Special,
}

fn input(numbers: &mut Numbers, values: Values, len: usize) -> Vec<Block> {
    let mut x = numbers.blocks(len);
    for value in x.iter_mut().flatten().flat_map(|lanes| &mut lanes.0) {
        *value = match values {
            Values::Numbers => *value,
            Values::Few => (2.0 * *value).round(),
            Values::Special => {
                let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, f32::MAX];
                special[((*value + 1.0) * 4.0) as usize]
            }
        };
    }
    x
}

fn dims() -> impl Strategy<Value = Dims> {
    (1usize..9, 1usize..9, 1usize..3, 1usize..5).prop_flat_map(|(height, width, channels, stride)| {
        (1..=height, 1..=width, 0usize..2).prop_map(move |(u, v, left_out)| {
            let positions = |size: usize, window: usize| ((size - window) / stride + 1).saturating_sub(left_out).max(1);
            let (p, q) = (positions(height, u), positions(width, v));
            Dims { height, width, channels, size: [u, v], stride, p, q }
        })
    })
}

fn epilogue() -> impl Strategy<Value = Epilogue> {
    (0..ACTIVATIONS.len(), any::<bool>())
        .prop_map(|(activation, dropout)| Epilogue { activation: ACTIVATIONS[activation], dropout })
}

fn check_forward(isas: &[Isa], d: &Dims, epilogue: Epilogue, values: Values, mut numbers: Numbers) {
    let layer = Layer::new(&mut numbers, epilogue, false, d.y_len(), d.channels);
    let x = input(&mut numbers, values, d.x_len());
    let (x_dense, len) = (dense(&x, d.channels), TILE * d.y_len() * LANES);
    let (mut largest, mut argmax_expected, mut average) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
    reference::pool::forward_max(&d.into(), &x_dense, &mut argmax_expected, &mut largest);
    reference::pool::forward_average(&d.into(), &x_dense, &mut average);
    layer.finish(&mut largest);
    layer.finish(&mut average);
    for &isa in isas {
        let (mut y, mut z, mut argmax) = (zeros(d.y_len()), zeros(d.y_len()), zeros(d.y_len()));
        let (activation, dropout) = (epilogue.activation, layer.dropout());
        pool::forward_max(isa, d, activation, dropout, &x, &mut argmax, &mut z, &mut y);
        assert_eq!(dense(&argmax, d.channels), argmax_expected, "argmax on {}", isa.kind());
        assert_sums(&dense(&y, d.channels), &largest, 1, &format!("forward_max on {}", isa.kind()));
        if values != Values::Special {
            pool::forward_average(isa, d, activation, dropout, &x, &mut z, &mut y);
            let terms = d.size[0] * d.size[1];
            assert_sums(&dense(&y, d.channels), &average, terms, &format!("forward_average on {}", isa.kind()));
        }
    }
}

fn check_backward(isas: &[Isa], d: &Dims, epilogue: Epilogue, residual: bool, mut numbers: Numbers) {
    let layer = Layer::new(&mut numbers, epilogue, residual, d.x_len(), d.channels);
    let dy = numbers.blocks(d.y_len());
    // any tap of the window, as if it had held the largest value
    let mut argmax = numbers.blocks(d.y_len());
    let taps = (d.size[0] * d.size[1]) as f32;
    argmax.iter_mut().flatten().flat_map(|lanes| &mut lanes.0).for_each(|x| *x = ((*x + 1.0) / 2.0 * taps).floor());
    let (dy_dense, len) = (dense(&dy, d.channels), TILE * d.x_len() * LANES);
    let (mut of_max, mut of_average) = (vec![0.0; len], vec![0.0; len]);
    reference::pool::backward_max(&d.into(), &dy_dense, &dense(&argmax, d.channels), &mut of_max);
    reference::pool::backward_average(&d.into(), &dy_dense, &mut of_average);
    layer.backward(&mut of_max);
    layer.backward(&mut of_average);
    for &isa in isas {
        let mut x = layer.output();
        pool::backward_max(isa, d, layer.below(), &dy, &argmax, &mut x);
        let terms = d.size[0] * d.size[1];
        assert_sums(&dense(&x, d.channels), &of_max, terms, &format!("backward_max on {}", isa.kind()));
        let mut x = layer.output();
        pool::backward_average(isa, d, layer.below(), &dy, &mut x);
        assert_sums(&dense(&x, d.channels), &of_average, terms, &format!("backward_average on {}", isa.kind()));
    }
}

#[test]
fn every_shape_agrees_with_the_definition() {
    let isas = isas();
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), above in epilogue(), below in epilogue(), residual: bool, few: bool, seed: u64)| {
        check_forward(&isas, &d, above, if few { Values::Few } else { Values::Numbers }, Numbers(seed));
        check_backward(&isas, &d, below, residual, Numbers(seed));
    });
}

/// NaN is the largest of all, the first of them the one; infinities and zeros of both signs are ordinary values.
#[test]
fn special_values_agree_with_the_definition() {
    let isas = isas();
    let plain = Epilogue { activation: Activation::Identity, dropout: false };
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), seed: u64)| {
        check_forward(&isas, &d, plain, Values::Special, Numbers(seed));
    });
}

/// A window of one position with step 1 changes nothing but applies the epilogue: an activation as a layer of its own.
#[test]
fn an_average_of_one_position_is_an_activation_layer() {
    let isas = isas();
    let d = Dims { height: 3, width: 4, channels: 2, size: [1, 1], stride: 1, p: 3, q: 4 };
    for activation in ACTIVATIONS {
        for dropout in [false, true] {
            check_forward(&isas, &d, Epilogue { activation, dropout }, Values::Numbers, Numbers(4));
            check_backward(&isas, &d, Epilogue { activation, dropout }, false, Numbers(5));
        }
    }
}

/// The sum over positions in order, then one product, both ways: the bits that networks with a global average have.
#[test]
fn a_global_average_is_a_sum_in_order_times_the_reciprocal() {
    let mut numbers = Numbers(6);
    let d = Dims::global(7, 5, 2);
    let (x, dy) = (numbers.blocks(d.x_len()), numbers.blocks(d.y_len()));
    let share = 1.0 / 35.0f32;
    for isa in isas() {
        let mut y = zeros(2);
        pool::forward_average(isa, &d, Activation::Identity, None, &x, &mut [], &mut y);
        let mut dx = x.clone();
        let below = Below { activation: Activation::Identity, dropout: None, z: &[], residual: None };
        pool::backward_average(isa, &d, below, &dy, &mut dx);
        for (n, lane) in (0..TILE).flat_map(|n| (0..LANES).map(move |lane| (n, lane))) {
            for c in 0..2 {
                let sum = x[c..].iter().step_by(2).fold(0.0, |sum, x| sum + x[n].0[lane]);
                assert_eq!(y[c][n].0[lane].to_bits(), (sum * share).to_bits(), "forward on {}", isa.kind());
                let spread = (dy[c][n].0[lane] * share).to_bits();
                assert!(
                    dx[c..].iter().step_by(2).all(|dx| dx[n].0[lane].to_bits() == spread),
                    "backward on {}",
                    isa.kind()
                );
            }
        }
    }
}

#[test]
fn windows_cover_their_map_or_less() {
    let d = Dims { height: 9, width: 9, channels: 1, size: [3, 2], stride: 2, p: 4, q: 3 };
    assert_eq!((d.covers(), Dims::global(4, 6, 1).covers()), ([9, 6], [4, 6]));
}

#[test]
#[should_panic(expected = "a window leaves the map")]
fn a_window_beyond_the_map_panics() {
    let d = Dims { p: 2, ..Dims::global(2, 2, 1) };
    pool::forward_average(Isa::detect(), &d, Activation::Identity, None, &zeros(4), &mut [], &mut zeros(2));
}
