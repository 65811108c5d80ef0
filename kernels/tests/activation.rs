//! Activations and their slopes against the definitions and against each other, on every ISA.

mod common;
use common::layer::{ACTIVATIONS, zeros};
use common::{assert_close, isas};
use zoometry_kernels::activation::{self as kernel, Activation, Below, needs_input};
use zoometry_kernels::reference::activation;
use zoometry_kernels::{Isa, LANES, Lanes, TILE, residual};

/// `f(z)` of one block's values.
fn apply(isa: Isa, activation: Activation, values: [f32; LANES]) -> [f32; LANES] {
    let (a, mut z, mut y) = ([[Lanes(values); TILE]], zeros(1), zeros(1));
    residual::forward(isa, activation, None, &a, &[[Lanes([-0.0; LANES]); TILE]], &mut z, &mut y);
    y[0][TILE - 1].0
}

/// `f'(z)` from `y` and `z` of one block.
fn slope(isa: Isa, activation: Activation, y: [f32; LANES], z: [f32; LANES]) -> [f32; LANES] {
    let (z, mut x) = ([[Lanes(z); TILE]], [[Lanes(y); TILE]]);
    let below = Below { activation, dropout: None, z: &z, residual: None };
    residual::backward(isa, below, &[[Lanes([1.0; LANES]); TILE]], &mut x);
    x[0][TILE - 1].0
}

fn wide(values: [f32; LANES]) -> Vec<f64> {
    values.map(f64::from).to_vec()
}

#[test]
fn functions_and_slopes_are_the_definitions() {
    for isa in isas() {
        for f in ACTIVATIONS {
            for step in -60i16..60 {
                let z: [f32; LANES] = std::array::from_fn(|lane| f32::from(step) / 4.0 + lane as f32 / 64.0);
                let y = apply(isa, f, z);
                let what = format!("{f:?} on {}", isa.kind());
                let mut alone = [z];
                kernel::apply(isa, f, &mut alone);
                assert_eq!(alone, [y], "{what}: alone");
                // Φ of GELU is good to 4·10⁻⁷, and z reaches 15
                let absolute = 15.0 * 4e-7;
                let (expected_y, expected_slope) =
                    (z.map(|z| activation::apply(f, z.into())), z.map(|z| activation::slope(f, z.into())));
                assert_close(&wide(y), &expected_y, absolute, 1e-6, &what);
                assert_close(&wide(slope(isa, f, y, z)), &expected_slope, absolute, 1e-6, &what);
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_so() {
    for isa in isas() {
        for f in ACTIVATIONS {
            assert!(apply(isa, f, [f32::NAN; LANES]).iter().all(|y| y.is_nan()), "{f:?} on {}", isa.kind());
        }
    }
}

/// At and around the kink the slope is that of the left, as PyTorch and Keras have it.
#[test]
fn kinks_belong_to_the_left() {
    let z = [-1.0, -0.0, 0.0, f32::MIN_POSITIVE, 1.0];
    let padded: [f32; LANES] = std::array::from_fn(|lane| z[lane.min(4)]);
    for isa in isas() {
        for (f, left) in [(Activation::Relu, 0.0), (Activation::LeakyRelu, 0.01)] {
            let slopes = slope(isa, f, apply(isa, f, padded), padded);
            assert_eq!(slopes[..5], [left, left, left, 1.0, 1.0], "{f:?} on {}", isa.kind());
        }
    }
}

#[test]
fn two_activations_need_their_input() {
    let needing: Vec<Activation> = ACTIVATIONS.into_iter().filter(|&f| needs_input(f)).collect();
    assert_eq!(needing, [Activation::Gelu, Activation::Silu]);
}
