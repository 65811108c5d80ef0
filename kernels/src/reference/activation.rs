//! Activations by their definitions.

use crate::activation::{Activation, LEAK};

/// `f(z)`
pub fn apply(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => z,
        Activation::Relu => z.max(0.0),
        Activation::Tanh => z.tanh(),
        Activation::Sigmoid => sigmoid(z),
        Activation::Gelu => z * normal(z).1,
        Activation::LeakyRelu => z * slope(activation, z),
        Activation::Silu => z * sigmoid(z),
    }
}

/// `f'(z)`
pub fn slope(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(u8::from(z > 0.0)),
        Activation::Tanh => 1.0 - z.tanh().powi(2),
        Activation::Sigmoid => sigmoid(z) * (1.0 - sigmoid(z)),
        Activation::Gelu => normal(z).1 + z * normal(z).0,
        Activation::LeakyRelu => {
            if z > 0.0 {
                1.0
            } else {
                f64::from(LEAK)
            }
        }
        Activation::Silu => sigmoid(z) * (1.0 + z * (1.0 - sigmoid(z))),
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// Density and distribution function of the standard normal: `Φ(x) = ½ + φ(x)·Σ_k x^(2k+1)/(1·3·…·(2k+1))` (Marsaglia 2004),
/// beyond |x| = 9 its limit.
pub fn normal(x: f64) -> (f64, f64) {
    let density = (-0.5 * x * x).exp() / (2.0 * core::f64::consts::PI).sqrt();
    if x.abs() > 9.0 {
        return (density, f64::from(u8::from(x > 0.0)));
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    (density, 0.5 + density * sum)
}
