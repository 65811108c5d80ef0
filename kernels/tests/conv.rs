//! Convolution against its definition, on every leg, over strides, paddings, block counts and activations.

mod common;
use common::{Numbers, assert_close, legs};
use proptest::prelude::*;
use zoometry_kernels::activation::{Activation, Below, Dropout};
use zoometry_kernels::conv::{self, Dims};
use zoometry_kernels::reference::layout::{self, dense, flat, hwio, pixels};
use zoometry_kernels::reference::{self, activation};
use zoometry_kernels::{Block, Isa, LANES, Lanes, TILE};

const TOLERANCE: f64 = 2e-5;
const ACTIVATIONS: [Activation; 5] =
    [Activation::Identity, Activation::Relu, Activation::Tanh, Activation::Sigmoid, Activation::Gelu];

fn zeros(n: usize) -> Vec<Block> {
    vec![[Lanes::ZERO; TILE]; n]
}

/// Random keep-or-drop decisions for `n` blocks.
fn decisions(numbers: &mut Numbers, n: usize) -> Vec<[u16; TILE]> {
    (0..n).map(|_| std::array::from_fn(|_| (numbers.next() * 40_000.0) as i32 as u16)).collect()
}

/// What dropout makes of a dense array.
fn drop(values: &mut [f64], kept: &[[u16; TILE]], blocks: usize, keep: f64) {
    let channels = blocks * LANES;
    let positions = kept.len() / blocks;
    for (index, value) in values.iter_mut().enumerate() {
        let (c, m, n) = (index % channels, index / channels % positions, index / channels / positions);
        let bit = kept[m * blocks + c / LANES][n] >> (c % LANES) & 1;
        *value *= f64::from(bit) / keep;
    }
}

fn dims() -> impl Strategy<Value = Dims> {
    (1usize..9, 1usize..9, 1usize..3, 1usize..3, prop_oneof![Just(1usize), Just(3)], 1usize..3, any::<bool>())
        .prop_filter_map("the kernel must fit", |(height, width, inputs, outputs, kernel, stride, same)| {
            let positions = |size: usize| match same {
                true => Some(size.div_ceil(stride)),
                false => size.checked_sub(kernel).map(|rest| rest / stride + 1),
            };
            let (p, q) = (positions(height)?, positions(width)?);
            let before = |p: usize, size: usize| ((p - 1) * stride + kernel).saturating_sub(size) / 2;
            let (top, left) = if same { (before(p, height), before(q, width)) } else { (0, 0) };
            Some(Dims { height, width, inputs, outputs, kernel, stride, top, left, p, q })
        })
}

/// Forward and both gradients of one shape on one leg.
fn check(isa: Isa, d: &Dims, activation: Activation, with_dropout: bool, seed: u64) {
    let mut numbers = Numbers(seed);
    let reference = layout::dims(d);
    let x = numbers.blocks(d.x_len());
    let (w, b) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let kept = decisions(&mut numbers, d.y_len());
    let dropout = with_dropout.then_some(Dropout { kept: &kept, keep: 0.75 });

    // forward
    let (mut y, mut z) = (zeros(d.y_len()), zeros(d.y_len()));
    conv::forward(isa, d, activation, dropout, &x, &w, &b, &mut z, &mut y);
    let mut expected = vec![0.0; TILE * d.y_len() * LANES];
    reference::conv::forward(&reference, &dense(&x, d.inputs), &hwio(d, &w), &flat(&b), &mut expected);
    expected.iter_mut().for_each(|z| *z = activation::apply(activation, *z));
    if with_dropout {
        drop(&mut expected, &kept, d.outputs, 0.75);
    }
    assert_close(&dense(&y, d.outputs), &expected, TOLERANCE, "forward");

    // gradient of the weights
    let dy = numbers.blocks(d.y_len());
    let (mut dw, mut db) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let (mut expected_dw, mut expected_db) = (hwio(d, &dw), flat(&db));
    conv::backward_weight(isa, d, &x, &dy, &mut dw, &mut db);
    let dense_dy = dense(&dy, d.outputs);
    reference::conv::backward_weight(&reference, &dense(&x, d.inputs), &dense_dy, &mut expected_dw, &mut expected_db);
    assert_close(&hwio(d, &dw), &expected_dw, TOLERANCE, "backward_weight");
    assert_close(&flat(&db), &expected_db, TOLERANCE, "bias");

    // gradient of the input, through the layer below
    let below_z = numbers.blocks(d.x_len());
    let below_kept = decisions(&mut numbers, d.x_len());
    let mut below_y = dense(&below_z, d.inputs);
    let slopes: Vec<f64> = below_y.iter().map(|&z| activation::slope(activation, z)).collect();
    below_y.iter_mut().for_each(|z| *z = activation::apply(activation, *z));
    let mut factor = slopes;
    if with_dropout {
        drop(&mut below_y, &below_kept, d.inputs, 0.75);
        drop(&mut factor, &below_kept, d.inputs, 0.75);
    }
    let mut map = tile(&below_y, d.inputs);
    let mut wt = vec![Lanes::ZERO; d.w_len()];
    conv::transpose(d, &w, &mut wt);
    let dropout = with_dropout.then_some(Dropout { kept: &below_kept, keep: 0.75 });
    conv::backward_input(isa, d, Below { activation, dropout, z: &below_z }, &dy, &wt, &mut map);
    let mut expected = vec![0.0; below_y.len()];
    reference::conv::backward_input(&reference, &dense_dy, &hwio(d, &w), &mut expected);
    expected.iter_mut().zip(&factor).for_each(|(dx, factor)| *dx *= factor);
    assert_close(&dense(&map, d.inputs), &expected, TOLERANCE, "backward_input");
}

/// A dense N·M·C array as a tile's map.
fn tile(values: &[f64], blocks: usize) -> Vec<Block> {
    let channels = blocks * LANES;
    let positions = values.len() / TILE / channels;
    let mut map = zeros(positions * blocks);
    for (index, &value) in values.iter().enumerate() {
        let (c, m, n) = (index % channels, index / channels % positions, index / channels / positions);
        map[m * blocks + c / LANES][n].0[c % LANES] = value as f32;
    }
    map
}

#[test]
fn every_shape_agrees_with_the_definition() {
    let legs = legs();
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), activation in 0usize..5, dropout: bool, seed: u64)| {
        for &isa in &legs {
            check(isa, &d, ACTIVATIONS[activation], dropout, seed);
        }
    });
}

#[test]
fn images_agree_with_the_definition() {
    for isa in legs() {
        for (height, width, stride, outputs) in
            [(28, 28, 2, 1), (32, 32, 2, 1), (5, 9, 1, 2), (3, 3, 2, 1), (29, 30, 2, 3)]
        {
            let (p, q) = ((height - 3) / stride + 1, (width - 3) / stride + 1);
            let d = Dims { height, width, inputs: 0, outputs, kernel: 3, stride, top: 0, left: 0, p, q };
            let mut numbers = Numbers(7);
            let x: Vec<[f32; TILE]> = (0..height * width).map(|_| std::array::from_fn(|_| numbers.next())).collect();
            let (w, b) = (numbers.lanes(d.w_len()), numbers.lanes(outputs));
            let mut y = zeros(d.y_len());
            conv::forward_image(isa, &d, Activation::Relu, None, &x, &w, &b, &mut [], &mut y);
            let mut expected = vec![0.0; TILE * d.y_len() * LANES];
            reference::conv::forward(&layout::dims(&d), &pixels(&x), &hwio(&d, &w), &flat(&b), &mut expected);
            expected.iter_mut().for_each(|z| *z = z.max(0.0));
            assert_close(&dense(&y, outputs), &expected, TOLERANCE, "forward_image");

            let dy = numbers.blocks(d.y_len());
            let (mut dw, mut db) = (vec![Lanes::ZERO; d.w_len()], vec![Lanes::ZERO; outputs]);
            let (mut expected_dw, mut expected_db) = (vec![0.0; d.w_len() * LANES], vec![0.0; outputs * LANES]);
            conv::backward_weight_image(isa, &d, &x, &dy, &mut dw, &mut db);
            let dy = dense(&dy, outputs);
            reference::conv::backward_weight(&layout::dims(&d), &pixels(&x), &dy, &mut expected_dw, &mut expected_db);
            assert_close(&hwio(&d, &dw), &expected_dw, TOLERANCE, "backward_weight_image");
            assert_close(&flat(&db), &expected_db, TOLERANCE, "bias");
        }
    }
}

#[test]
fn fused_legs_give_the_same_bits() {
    let fused: Vec<Isa> = legs().into_iter().filter(|isa| isa.leg() != zoometry_kernels::Leg::Portable).collect();
    if fused.len() < 2 {
        eprintln!("SKIPPED: this machine has fewer than two fused legs to compare");
        return;
    }
    let d = Dims { height: 13, width: 13, inputs: 1, outputs: 1, kernel: 3, stride: 2, top: 0, left: 0, p: 6, q: 6 };
    let bits = |isa: Isa, activation: Activation| {
        let mut numbers = Numbers(3);
        let (mut x, w, b) = (numbers.blocks(d.x_len()), numbers.lanes(d.w_len()), numbers.lanes(1));
        let (mut y, mut z, mut dw, mut db) = (zeros(36), zeros(36), vec![Lanes::ZERO; d.w_len()], vec![Lanes::ZERO; 1]);
        conv::forward(isa, &d, activation, None, &x, &w, &b, &mut z, &mut y);
        conv::backward_weight(isa, &d, &x, &y, &mut dw, &mut db);
        let below = zeros(d.x_len());
        conv::backward_input(isa, &d, Below { activation, dropout: None, z: &below }, &y, &w, &mut x);
        let all = [y.concat(), x.concat(), dw, db].concat();
        Lanes::flat(&all).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    for activation in ACTIVATIONS {
        assert!(fused.iter().all(|&isa| bits(isa, activation) == bits(fused[0], activation)), "{activation:?}");
    }
}
