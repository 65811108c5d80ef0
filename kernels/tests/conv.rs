//! Convolution of maps against its definition, on every ISA, over kernels, strides, paddings, block counts and activations.

mod common;
use common::layer::{ACTIVATIONS, Epilogue, Layer, of_images, zeros};
use common::{Numbers, assert_sums, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::{Activation, Below};
use zoometry_kernels::conv::{self, Dims, Inputs};
use zoometry_kernels::reference::layout::{self, dense, flat, hwio};
use zoometry_kernels::{Isa, LANES, Lanes, TILE, reference};

/// Size, kernel, zeros before and positions of one axis.
type Axis = (usize, usize, usize, usize);

/// An axis whose kernel is 1 to 7 long or the whole map, with zeros around if `same`; some positions at its end left out.
fn axis(stride: usize, same: bool) -> impl Strategy<Value = Axis> {
    let kernel = prop_oneof![3 => (1usize..8).prop_map(Some), 1 => Just(None)];
    (1usize..9, kernel, 0usize..3).prop_filter_map("the kernel must fit", move |(size, kernel, left_out)| {
        let kernel = kernel.unwrap_or(size);
        let fit = if same { size.div_ceil(stride) } else { size.checked_sub(kernel)? / stride + 1 };
        let before = if same { ((fit - 1) * stride + kernel).saturating_sub(size) / 2 } else { 0 };
        Some((size, kernel, before, fit.saturating_sub(left_out).max(1)))
    })
}

fn dims() -> impl Strategy<Value = Dims> {
    (1usize..5, any::<bool>()).prop_flat_map(|(stride, same)| {
        (1..=TILE, axis(stride, same), axis(stride, same), 1usize..3, 1usize..3).prop_map(
            move |(images, rows, columns, inputs, outputs)| {
                let ((height, u, top, p), (width, v, left, q)) = (rows, columns);
                Dims {
                    images,
                    height,
                    width,
                    inputs: Inputs::Map(inputs),
                    outputs,
                    kernel: [u, v],
                    stride,
                    top,
                    left,
                    p,
                    q,
                }
            },
        )
    })
}

fn epilogue() -> impl Strategy<Value = Epilogue> {
    (0..ACTIVATIONS.len(), any::<bool>())
        .prop_map(|(activation, dropout)| Epilogue { activation: ACTIVATIONS[activation], dropout })
}

fn check_forward(isas: &[Isa], d: &Dims, epilogue: Epilogue, mut numbers: Numbers) {
    let layer = Layer::new(&mut numbers, epilogue, false, d.y_len(), d.outputs);
    let (x, w, b) = (numbers.blocks(d.x_len()), numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let inputs = d.inputs.count();
    let mut expected = vec![0.0; TILE * d.y_len() * LANES];
    reference::conv::forward(&layout::dims(d), &dense(&x, inputs), &hwio(d, &w), &flat(&b), &mut expected);
    layer.finish(&mut expected);
    for &isa in isas {
        let (mut y, mut z) = (zeros(d.y_len()), zeros(d.y_len()));
        conv::forward(isa, d, epilogue.activation, layer.dropout(), &x, &w, &b, &mut z, &mut y);
        let (terms, done) = (d.kernel[0] * d.kernel[1] * inputs * LANES, d.images * d.y_len() * LANES);
        assert_sums(&dense(&y, d.outputs)[..done], &expected[..done], terms, &format!("forward on {}", isa.kind()));
    }
}

fn check_backward_weight(isas: &[Isa], d: &Dims, mut numbers: Numbers) {
    let (x, dy) = (numbers.blocks(d.x_len()), of_images(d.images, 0.0, &numbers.blocks(d.y_len())));
    let (before_dw, before_db) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let (mut expected_dw, mut expected_db) = (hwio(d, &before_dw), flat(&before_db));
    let (x_dense, dy_dense) = (dense(&x, d.inputs.count()), dense(&dy, d.outputs));
    reference::conv::backward_weight(&layout::dims(d), &x_dense, &dy_dense, &mut expected_dw, &mut expected_db);
    // whatever the places of missing images hold, nobody reads it
    let (x, dy) = (of_images(d.images, f32::NAN, &x), of_images(d.images, f32::NAN, &dy));
    for &isa in isas {
        let (mut dw, mut db) = (before_dw.clone(), before_db.clone());
        conv::backward_weight(isa, d, &x, &dy, &mut dw, &mut db);
        let terms = TILE * d.p * d.q;
        assert_sums(&hwio(d, &dw), &expected_dw, terms, &format!("backward_weight on {}", isa.kind()));
        assert_sums(&flat(&db), &expected_db, terms, &format!("gradient of the bias on {}", isa.kind()));
    }
}

fn check_backward_input(isas: &[Isa], d: &Dims, epilogue: Epilogue, residual: bool, mut numbers: Numbers) {
    let inputs = d.inputs.count();
    let layer = Layer::new(&mut numbers, epilogue, residual, d.x_len(), inputs);
    let (w, dy) = (numbers.lanes(d.w_len()), numbers.blocks(d.y_len()));
    let mut expected = vec![0.0; TILE * d.x_len() * LANES];
    reference::conv::backward_input(&layout::dims(d), &dense(&dy, d.outputs), &hwio(d, &w), &mut expected);
    layer.backward(&mut expected);
    let mut wt = vec![Lanes::ZERO; d.w_len()];
    conv::transpose(d, &w, &mut wt);
    for &isa in isas {
        let mut x = layer.output();
        conv::backward_input(isa, d, layer.below(), &dy, &wt, &mut x);
        let (terms, done) = (d.kernel[0] * d.kernel[1] * d.outputs * LANES, d.images * d.x_len() * LANES);
        assert_sums(&dense(&x, inputs)[..done], &expected[..done], terms, &format!("backward_input on {}", isa.kind()));
    }
}

#[test]
fn every_shape_agrees_with_the_definition() {
    let isas = isas();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(d in dims(), above in epilogue(), below in epilogue(), residual: bool, seed: u64)| {
        check_forward(&isas, &d, above, Numbers(seed));
        check_backward_weight(&isas, &d, Numbers(seed));
        check_backward_input(&isas, &d, below, residual, Numbers(seed));
    });
}

/// Every activation with and without dropout and residual, in both directions, whatever the property test happens to draw.
#[test]
fn every_epilogue_agrees_with_the_definition() {
    let isas = isas();
    let inputs = Inputs::Map(1);
    let d = Dims {
        images: 12,
        height: 4,
        width: 3,
        inputs,
        outputs: 2,
        kernel: [3, 2],
        stride: 1,
        top: 1,
        left: 0,
        p: 3,
        q: 2,
    };
    for activation in ACTIVATIONS {
        for dropout in [false, true] {
            let epilogue = Epilogue { activation, dropout };
            check_forward(&isas, &d, epilogue, Numbers(11));
            for residual in [false, true] {
                check_backward_input(&isas, &d, epilogue, residual, Numbers(13));
            }
        }
    }
}

#[test]
fn fused_isas_give_the_same_bits() {
    let fused: Vec<Isa> = isas().into_iter().filter(|isa| isa.fuses()).collect();
    if fused.len() < 2 {
        eprintln!("SKIPPED: this machine has fewer than two fused ISAs to compare");
        return;
    }
    let (inputs, kernel) = (Inputs::Map(1), [3, 3]);
    let d =
        Dims { images: 12, height: 13, width: 13, inputs, outputs: 1, kernel, stride: 2, top: 0, left: 0, p: 6, q: 6 };
    let bits = |isa: Isa, activation: Activation| {
        let mut numbers = Numbers(3);
        let (mut x, w, b) = (numbers.blocks(d.x_len()), numbers.lanes(d.w_len()), numbers.lanes(1));
        let (mut y, mut z, mut dw, mut db) = (zeros(36), zeros(36), vec![Lanes::ZERO; d.w_len()], vec![Lanes::ZERO; 1]);
        conv::forward(isa, &d, activation, None, &x, &w, &b, &mut z, &mut y);
        conv::backward_weight(isa, &d, &x, &y, &mut dw, &mut db);
        let z = zeros(d.x_len());
        conv::backward_input(isa, &d, Below { activation, dropout: None, z: &z, residual: None }, &y, &w, &mut x);
        let all = [y.concat(), x.concat(), dw, db].concat();
        Lanes::flat(&all).iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    for activation in ACTIVATIONS {
        assert!(fused.iter().all(|&isa| bits(isa, activation) == bits(fused[0], activation)), "{activation:?}");
    }
}

#[test]
#[should_panic(expected = "a window misses the map")]
fn a_window_outside_of_the_map_panics() {
    let d = Dims { p: 2, ..Dims::dense(1, 1) };
    let (x, w, b) = (zeros(1), vec![Lanes::ZERO; 16], [Lanes::ZERO]);
    conv::forward(Isa::detect(), &d, Activation::Relu, None, &x, &w, &b, &mut [], &mut zeros(2));
}

#[test]
#[should_panic(expected = "shape of the residual gradient")]
fn a_residual_gradient_of_another_shape_panics() {
    let (d, z, residual) = (Dims::dense(1, 1), zeros(1), zeros(2));
    let below = Below { activation: Activation::Relu, dropout: None, z: &z, residual: Some(&residual) };
    conv::backward_input(Isa::detect(), &d, below, &zeros(1), &[Lanes::ZERO; 16], &mut zeros(1));
}
