//! Convolution of images against its definition, on every ISA: any kernel, stride and number of channels.

mod common;
use common::layer::{ACTIVATIONS, Epilogue, Layer, of_images, zeros};
use common::{Numbers, assert_sums, isas};
use proptest::prelude::*;
use zoometry_kernels::activation::Activation;
use zoometry_kernels::conv::{self, Dims, Inputs};
use zoometry_kernels::reference::layout::{self, dense, flat, hwio, pixels};
use zoometry_kernels::{Isa, LANES, Lanes, TILE, reference};

fn image(numbers: &mut Numbers, d: &Dims) -> Vec<[f32; TILE]> {
    (0..d.x_len()).map(|_| std::array::from_fn(|_| numbers.next())).collect()
}

/// A convolution with all positions that fit.
fn shape([height, width]: [usize; 2], channels: usize, kernel: [usize; 2], stride: usize, outputs: usize) -> Dims {
    let positions = |size: usize, kernel: usize| (size - kernel) / stride + 1;
    let (p, q) = (positions(height, kernel[0]), positions(width, kernel[1]));
    let images = TILE;
    Dims { images, height, width, inputs: Inputs::Image(channels), outputs, kernel, stride, top: 0, left: 0, p, q }
}

fn check(isas: &[Isa], d: &Dims, epilogue: Epilogue, mut numbers: Numbers) {
    let reference = layout::dims(d);
    let layer = Layer::new(&mut numbers, epilogue, false, d.y_len(), d.outputs);
    let (x, w, b) = (image(&mut numbers, d), numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let mut expected = vec![0.0; TILE * d.y_len() * LANES];
    reference::conv::forward(&reference, &pixels(&x), &hwio(d, &w), &flat(&b), &mut expected);
    layer.finish(&mut expected);

    let dy = of_images(d.images, 0.0, &numbers.blocks(d.y_len()));
    let (before_dw, before_db) = (numbers.lanes(d.w_len()), numbers.lanes(d.outputs));
    let (mut expected_dw, mut expected_db) = (hwio(d, &before_dw), flat(&before_db));
    let dense_dy = dense(&dy, d.outputs);
    reference::conv::backward_weight(&reference, &pixels(&x), &dense_dy, &mut expected_dw, &mut expected_db);

    let before_dx = image(&mut numbers, d);
    let mut dx_sums = vec![0.0; TILE * d.x_len()];
    reference::conv::backward_input(&reference, &dense_dy, &hwio(d, &w), &mut dx_sums);
    let expected_dx: Vec<f64> = dx_sums.iter().zip(pixels(&before_dx)).map(|(sum, before)| sum + before).collect();
    let mut wt = vec![Lanes::ZERO; d.wt_image_len()];
    conv::transpose_image(d, &w, &mut wt);

    // whatever the places of missing images hold, nobody reads it
    let dy = of_images(d.images, f32::NAN, &dy);
    let x: Vec<[f32; TILE]> =
        x.iter().map(|x| std::array::from_fn(|n| if n < d.images { x[n] } else { f32::NAN })).collect();
    for &isa in isas {
        let mut dx = before_dx.clone();
        conv::backward_input_image(isa, d, &dy, &wt, &mut dx);
        let terms = d.kernel[0] * d.kernel[1] * d.outputs * LANES;
        let (done, what) = (d.images * d.x_len(), format!("backward_input_image on {}", isa.kind()));
        assert_sums(&pixels(&dx)[..done], &expected_dx[..done], terms, &what);

        let (mut y, mut z) = (zeros(d.y_len()), zeros(d.y_len()));
        conv::forward_image(isa, d, epilogue.activation, layer.dropout(), &x, &w, &b, &mut z, &mut y);
        let (terms, done) = (d.kernel[0] * d.kernel[1] * d.inputs.count(), d.images * d.y_len() * LANES);
        assert_sums(
            &dense(&y, d.outputs)[..done],
            &expected[..done],
            terms,
            &format!("forward_image on {}", isa.kind()),
        );

        let (mut dw, mut db) = (before_dw.clone(), before_db.clone());
        conv::backward_weight_image(isa, d, &x, &dy, &mut dw, &mut db);
        let terms = TILE * d.p * d.q;
        assert_sums(&hwio(d, &dw), &expected_dw, terms, &format!("backward_weight_image on {}", isa.kind()));
        assert_sums(&flat(&db), &expected_db, terms, &format!("gradient of the bias on {}", isa.kind()));
    }
}

#[test]
fn every_shape_agrees_with_the_definition() {
    let isas = isas();
    let size = || (1usize..8).prop_flat_map(|kernel| (kernel..kernel + 6, Just(kernel)));
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    let epilogue = (0..ACTIVATIONS.len(), any::<bool>());
    proptest!(config, |(
        images in 1..=TILE, (height, u) in size(), (width, v) in size(), channels in 1usize..5, stride in 1usize..5, outputs in 1usize..3,
        (activation, dropout) in epilogue, left_out in 0usize..2, seed: u64,
    )| {
        let mut d = shape([height, width], channels, [u, v], stride, outputs);
        (d.images, d.p) = (images, d.p.saturating_sub(left_out).max(1));
        check(&isas, &d, Epilogue { activation: ACTIVATIONS[activation], dropout }, Numbers(seed));
    });
}

/// The shapes that networks begin with, every activation and dropout among them.
#[test]
fn images_of_the_usual_sizes_agree_with_the_definition() {
    let isas = isas();
    let shapes = [
        shape([28, 28], 1, [3, 3], 2, 1),
        shape([32, 32], 1, [3, 3], 2, 1),
        shape([28, 28], 1, [5, 5], 1, 1),
        shape([32, 32], 3, [3, 3], 1, 1),
        shape([16, 16], 3, [7, 7], 2, 2),
        shape([9, 9], 3, [9, 9], 1, 1),
        shape([5, 9], 1, [3, 3], 1, 3),
        // as many terms in rows as long as those of one channel and 3×3
        shape([5, 9], 3, [3, 1], 2, 1),
    ];
    for (k, d) in shapes.iter().enumerate() {
        check(&isas, d, Epilogue { activation: ACTIVATIONS[k % ACTIVATIONS.len()], dropout: false }, Numbers(7));
    }
    for activation in ACTIVATIONS {
        check(&isas, &shape([6, 7], 2, [3, 2], 1, 2), Epilogue { activation, dropout: true }, Numbers(8));
    }
}

#[test]
#[should_panic(expected = "an image must be padded already")]
fn a_window_beyond_the_image_panics() {
    let d = Dims { p: 2, ..shape([3, 3], 1, [3, 3], 1, 1) };
    let (x, w, b) = ([[0.0; TILE]; 9], [Lanes::ZERO; 9], [Lanes::ZERO]);
    conv::forward_image(Isa::detect(), &d, Activation::Relu, None, &x, &w, &b, &mut [], &mut zeros(2));
}
