//! Convolution of teams against its definition, lane by lane, on every ISA: shapes, strides, borders, activations, dropout,
//! residuals.

mod common;
use common::team::{self, ACTIVATIONS, Epilogue, assert_near, lane, square};
use common::{Numbers, legs};
use proptest::prelude::*;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::team::conv::{self, Dims};
use zoometry_kernels::{Isa, LANES, Lanes, reference};

/// Any convolution with few products: maps narrower than the kernel, borders wider than it, fewer positions than fit, kernels of
/// the whole map.
fn dims() -> impl Strategy<Value = Dims> {
    let side = || (1usize..10, 1usize..=7, 0usize..4, 1usize..20, any::<bool>());
    (1usize..4, 1usize..=4, side(), side(), 1usize..6, 1usize..12).prop_map(
        |(images, stride, rows, columns, inputs, outputs)| {
            let axis = |(size, kernel, before, most, whole): (usize, usize, usize, usize, bool)| match whole {
                true => (size, size, 0, 1),
                false => (size, kernel, before, most.min((size + before).div_ceil(stride))),
            };
            let (height, u, top, p) = axis(rows);
            let (width, v, left, q) = axis(columns);
            Dims { images, height, width, inputs, outputs, kernel: [u, v], stride, top, left, p, q }
        },
    )
}

/// Forward and both gradients of one shape on one ISA.
fn check(isa: Isa, d: &Dims, activation: Activation, dropout: bool, residual: bool, seed: u64) {
    let mut numbers = Numbers(seed);
    let x = numbers.lanes(d.x_len());
    let (w, b) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let end = Epilogue::new(&mut numbers, d.y_len(), activation, dropout, residual);
    let (mut z, mut y) = (end.empty_z(), vec![Lanes::ZERO; d.y_len()]);
    conv::forward(isa, d, activation, end.dropout(), &x, &w, &b, &mut z, &mut y);

    let dy = numbers.lanes(d.y_len());
    let (mut dw, mut db) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let before = (dw.clone(), db.clone());
    conv::backward_weight(isa, d, &x, &dy, &mut dw, &mut db);

    let below = Epilogue::new(&mut numbers, d.x_len(), activation, dropout, residual);
    let mut dx = below.output.clone();
    conv::backward_input(isa, d, below.below(), &dy, &w, &mut dx);

    let dense = square(d);
    for l in 0..LANES {
        let (x, w, dy) = (lane(&x, l), team::widened(d, &lane(&w, l)), lane(&dy, l));
        let mut expected = vec![0.0; d.y_len()];
        reference::conv::forward(&dense, &x, &w, &lane(&b, l), &mut expected);
        if !z.is_empty() {
            assert_near(&lane(&z, l), &expected, "z");
        }
        end.finish(l, &mut expected);
        assert_near(&lane(&y, l), &expected, "forward");

        let (mut expected_dw, mut expected_db) = (team::widened(d, &lane(&before.0, l)), lane(&before.1, l));
        reference::conv::backward_weight(&dense, &x, &dy, &mut expected_dw, &mut expected_db);
        assert_near(&lane(&dw, l), &team::narrowed(d, &expected_dw), "backward_weight");
        assert_near(&lane(&db, l), &expected_db, "bias");

        let mut expected = vec![0.0; d.x_len()];
        reference::conv::backward_input(&dense, &dy, &w, &mut expected);
        below.unfinish(l, &mut expected);
        assert_near(&lane(&dx, l), &expected, "backward_input");
    }
}

#[test]
fn every_shape_agrees_with_the_definition() {
    let legs = legs();
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), activation in 0..ACTIVATIONS.len(), dropout: bool, residual: bool, seed: u64)| {
        for &isa in &legs {
            check(isa, &d, ACTIVATIONS[activation], dropout, residual, seed);
        }
    });
}
