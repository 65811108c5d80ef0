//! Convolution of teams against its definition, lane by lane, on every ISA: shapes, strides, borders, activations, dropout,
//! residuals.

mod common;
use common::team::{self, ACTIVATIONS, Epilogue, assert_near, lane, square};
use common::{Numbers, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::team::conv::{self, Dims};
use zoometry_kernels::team::{Below, Dropout};
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
    let isas = isas();
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), activation in 0..ACTIVATIONS.len(), dropout: bool, residual: bool, seed: u64)| {
        for &isa in &isas {
            check(isa, &d, ACTIVATIONS[activation], dropout, residual, seed);
        }
    });
}

/// Shapes that the random ones leave out: channels and columns beyond one block, many images, the layers of real networks.
#[test]
fn large_shapes_agree_with_the_definition() {
    let d = |images, size: [usize; 2], inputs, outputs, kernel: [usize; 2], stride, border: usize| {
        let positions = |axis: usize| (size[axis] + 2 * border - kernel[axis]) / stride + 1;
        let [height, width] = size;
        let (top, left, p, q) = (border, border, positions(0), positions(1));
        Dims { images, height, width, inputs, outputs, kernel, stride, top, left, p, q }
    };
    let shapes = [
        d(1, [28, 28], 1, 8, [5, 5], 1, 0),
        d(2, [12, 12], 8, 6, [5, 5], 1, 0),
        d(3, [28, 28], 3, 8, [3, 3], 2, 0),
        d(7, [6, 6], 8, 8, [3, 3], 2, 0),
        d(2, [8, 8], 8, 8, [3, 3], 1, 1),
        d(1, [2, 60], 9, 35, [2, 7], 3, 2),
        d(1, [3, 300], 1, 2, [3, 3], 1, 1),
        d(13, [1, 1], 36, 20, [1, 1], 1, 0),
        d(30, [3, 3], 4, 20, [3, 3], 1, 0),
    ];
    for isa in isas() {
        for (k, shape) in shapes.iter().enumerate() {
            check(isa, shape, ACTIVATIONS[k % ACTIVATIONS.len()], k % 2 == 0, k % 3 == 0, k as u64);
        }
    }
}

/// Forward and both gradients with dropout for all that have shape `d`: maps, weights, bias, gradient of the output.
fn both_ways(isa: Isa, d: &Dims, activation: Activation, inputs: &[Vec<Lanes>]) -> team::Outputs {
    let [x, w, b, dy, keep] = inputs else { panic!("five inputs") };
    let kept = vec![0xffff; d.y_len()];
    let (mut z, mut y) = (vec![Lanes::ZERO; d.y_len()], vec![Lanes::ZERO; d.y_len()]);
    conv::forward(isa, d, activation, Some(Dropout { kept: &kept, keep: &keep[0] }), x, w, b, &mut z, &mut y);
    let (mut dw, mut db, mut dx) = (vec![Lanes::ZERO; w.len()], vec![Lanes::ZERO; b.len()], x.clone());
    conv::backward_weight(isa, d, x, dy, &mut dw, &mut db);
    let below = Below { activation, dropout: None, z: x, residual: Some(x) };
    conv::backward_input(isa, d, below, dy, w, &mut dx);
    vec![z, y, dw, db, dx]
}

fn inputs(d: &Dims) -> Vec<Vec<Lanes>> {
    let mut numbers = Numbers(3);
    [d.x_len(), d.w_len(), d.outputs, d.y_len(), 1].map(|n| numbers.lanes(n)).to_vec()
}

const SHAPES: [Dims; 2] = [
    Dims {
        images: 2,
        height: 7,
        width: 8,
        inputs: 3,
        outputs: 5,
        kernel: [3, 2],
        stride: 2,
        top: 1,
        left: 1,
        p: 4,
        q: 4,
    },
    Dims {
        images: 5,
        height: 3,
        width: 3,
        inputs: 2,
        outputs: 9,
        kernel: [3, 3],
        stride: 1,
        top: 0,
        left: 0,
        p: 1,
        q: 1,
    },
];

#[test]
fn a_network_is_alone() {
    for isa in isas() {
        for (d, activation) in SHAPES.iter().flat_map(|d| ACTIVATIONS.map(|activation| (d, activation))) {
            team::assert_alone(&inputs(d), |inputs| both_ways(isa, d, activation, inputs));
        }
    }
}

#[test]
fn fused_isas_give_the_same_bits() {
    for (d, activation) in SHAPES.iter().flat_map(|d| ACTIVATIONS.map(|activation| (d, activation))) {
        team::assert_same_bits(|isa| both_ways(isa, d, activation, &inputs(d)));
    }
}

#[test]
#[should_panic(expected = "shape of x or w")]
fn a_slice_of_another_length_is_refused() {
    let d = &SHAPES[0];
    let [x, w, b, y] = [d.x_len() - 1, d.w_len(), d.outputs, d.y_len()].map(|n| vec![Lanes::ZERO; n]);
    conv::forward(Isa::detect(), d, Activation::Identity, None, &x, &w, &b, &mut [], &mut y.clone());
}
