//! Softmax cross-entropy against its definition, on every ISA.

mod common;
use common::{Numbers, isas};
use proptest::prelude::*;
use zoometry_kernels::{Block, Isa, LANES, Lanes, TILE, loss, reference};

fn check(isa: Isa, classes: usize, images: usize, scale: f32, seed: u64) {
    let mut numbers = Numbers(seed);
    let mut z: Vec<Block> = numbers.blocks(classes.div_ceil(LANES));
    let labels: Vec<u8> = (0..images).map(|n| ((n * 7 + seed as usize) % classes) as u8).collect();
    z.iter_mut().flatten().for_each(|lanes| lanes.0.iter_mut().for_each(|z| *z *= scale));
    let logits = z.clone();
    let outcome = loss::softmax(isa, classes, &labels, 0.5, &mut z);
    for n in 0..TILE {
        let row: Vec<f64> = (0..classes).map(|k| f64::from(logits[k / LANES][n].0[k % LANES])).collect();
        let mut expected = vec![0.0; classes];
        if n >= images {
            assert!((0..z.len()).all(|k| z[k][n] == Lanes::ZERO) && outcome.loss[n] == 0.0, "image {n} is not there");
            continue;
        }
        let loss = reference::loss::softmax(&row, usize::from(labels[n]), &mut expected);
        assert!((f64::from(outcome.loss[n]) - loss).abs() < 1e-5 * (1.0 + loss), "loss {} {loss}", outcome.loss[n]);
        let first = (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(usize::from(outcome.predicted[n]), first);
        for k in 0..z.len() * LANES {
            let want = if k < classes { 0.5 * expected[k] } else { 0.0 };
            let got = f64::from(z[k / LANES][n].0[k % LANES]);
            assert!((got - want).abs() < 1e-6, "gradient of class {k}: {got}, expected {want}");
        }
    }
}

#[test]
fn loss_prediction_and_gradient_agree() {
    let isas = isas();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(classes in 1usize..50, images in 0usize..=TILE, scale in 0.01f32..50.0, seed: u64)| {
        for &isa in &isas {
            check(isa, classes, images, scale, seed);
        }
    });
}

#[test]
fn a_diverged_network_has_a_loss_that_is_not_finite() {
    for isa in isas() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut z = vec![[Lanes([wrong; LANES]); TILE]];
            let outcome = loss::softmax(isa, 10, &[0; TILE], 1.0, &mut z);
            assert!(outcome.loss.iter().all(|loss| !loss.is_finite()), "{wrong}: {:?}", outcome.loss);
        }
        let mut one = vec![[Lanes::ZERO; TILE]];
        one[0][3].0[4] = f32::NAN;
        let outcome = loss::softmax(isa, 10, &[0; TILE], 1.0, &mut one);
        assert!(!outcome.loss[3].is_finite() && outcome.loss[2].is_finite(), "{:?}", outcome.loss);
    }
}
