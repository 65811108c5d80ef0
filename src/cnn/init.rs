//! Initial weights: the reference's five initialisers, as Keras defines them. Biases are zero.

use super::{Arch, layout};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// Initialisers, by Keras' names; the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Init {
    /// Truncated normal of variance 2 / (fan in + fan out).
    #[serde(rename = "glorot_normal")]
    GlorotNormal,
    /// Truncated normal of variance 2 / fan in.
    #[serde(rename = "he_normal")]
    HeNormal,
    /// Orthonormal columns (or rows) of the kernel as an (H·W·I)×O matrix.
    #[serde(rename = "orthogonal")]
    Orthogonal,
    /// Normal with the run's `init_std`.
    RandomNormal,
    /// Normal with the run's `init_std`, redrawn beyond two of them.
    TruncatedNormal,
}

/// Standard deviation of a standard normal truncated at ±2; Keras divides by it in its variance-scaling initialisers.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// Purpose of the random numbers used here.
const PURPOSE: u32 = u32::from_be_bytes(*b"init");

/// Fills a flat vector with initial weights.
///
/// Tensor `t` draws from its own stream of `seed`, so its values do not depend on the sizes of the others.
pub fn fill(arch: &Arch, init: Init, init_std: f32, seed: u64, flat: &mut [f32]) {
    flat.fill(0.0);
    for (index, tensor) in layout::tensors(arch).iter().enumerate().skip(1).step_by(2) {
        let mut stream = Stream::new(seed, PURPOSE, index as u32);
        let values = &mut flat[tensor.range()];
        let outputs = tensor.shape[tensor.shape.len() - 1];
        let fan_in = values.len() / outputs;
        let taps = fan_in / tensor.shape[tensor.shape.len() - 2];
        let fan_out = outputs * taps;
        match init {
            Init::GlorotNormal => {
                truncated(&mut stream, (2.0 / (fan_in + fan_out) as f64).sqrt() / TRUNCATED_STD, values)
            }
            Init::HeNormal => truncated(&mut stream, (2.0 / fan_in as f64).sqrt() / TRUNCATED_STD, values),
            Init::Orthogonal => orthogonal(&mut stream, fan_in, outputs, values),
            Init::RandomNormal => {
                values.iter_mut().for_each(|w| *w = (f64::from(init_std) * stream.normal()) as f32);
            }
            Init::TruncatedNormal => truncated(&mut stream, f64::from(init_std), values),
        }
    }
}

/// Normal with standard deviation `std` before values beyond ±2 `std` are redrawn.
fn truncated(stream: &mut Stream, std: f64, values: &mut [f32]) {
    for w in values {
        let z = loop {
            let z = stream.normal();
            if z.abs() <= 2.0 {
                break z;
            }
        };
        *w = (std * z) as f32;
    }
}

/// The orthogonal factor of a random normal matrix, uniform over such matrices: columns are orthonormal where the matrix is
/// tall, rows where it is wide. Gram–Schmidt, twice for full precision; its R has a positive diagonal, as Keras makes it.
fn orthogonal(stream: &mut Stream, rows: usize, columns: usize, values: &mut [f32]) {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let normal: Vec<f64> = (0..long * short).map(|_| stream.normal()).collect();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(short);
    for k in 0..short {
        let mut vector: Vec<f64> = (0..long).map(|row| normal[row * short + k]).collect();
        for _ in 0..2 {
            for other in &basis {
                let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|a| *a /= norm);
        basis.push(vector);
    }
    for (index, w) in values.iter_mut().enumerate() {
        let (row, column) = (index / columns, index % columns);
        *w = if rows >= columns { basis[column][row] } else { basis[row][column] } as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    fn kernel(init: Init, init_std: f32) -> (Vec<f32>, Vec<layout::Tensor>) {
        let arch = Arch::reference(28, 28, 10).unwrap();
        let mut flat = vec![f32::NAN; arch.parameters()];
        fill(&arch, init, init_std, 1, &mut flat);
        (flat, layout::tensors(&arch))
    }

    fn std(values: &[f32]) -> f64 {
        (values.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn scales_are_those_of_keras() {
        // 2,304 values of the second kernel: three standard errors of the deviation are 4.5 %
        for (init, init_std, expected, limit) in [
            (Init::GlorotNormal, 9.0, (2.0_f64 / 288.0).sqrt(), 2.0 * (2.0_f64 / 288.0).sqrt() / TRUNCATED_STD),
            (Init::HeNormal, 9.0, (2.0_f64 / 144.0).sqrt(), 2.0 * (2.0_f64 / 144.0).sqrt() / TRUNCATED_STD),
            (Init::RandomNormal, 0.1, 0.1, 1.0),
            (Init::TruncatedNormal, 0.1, 0.1 * TRUNCATED_STD, 0.2),
        ] {
            let (flat, tensors) = kernel(init, init_std);
            let values = &flat[tensors[3].range()];
            assert_relative_eq!(std(values), expected, max_relative = 0.045);
            assert!(values.iter().all(|&w| f64::from(w.abs()) <= limit * 1.000_001), "{init:?}");
            assert!(tensors.iter().step_by(2).all(|bias| flat[bias.range()].iter().all(|&b| b == 0.0)));
        }
    }

    #[test]
    fn orthogonal_kernels_are_orthogonal() {
        let (flat, tensors) = kernel(Init::Orthogonal, 0.0);
        for tensor in tensors.iter().skip(1).step_by(2) {
            let columns = tensor.shape[tensor.shape.len() - 1];
            let w = &flat[tensor.range()];
            let rows = w.len() / columns;
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at =
                |k: usize, e: usize| f64::from(if rows >= columns { w[e * columns + k] } else { w[k * columns + e] });
            for a in 0..count {
                for b in 0..=a {
                    let dot: f64 = (0..length).map(|e| at(a, e) * at(b, e)).sum();
                    assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-6, "{} {a} {b}: {dot}", tensor.varname);
                }
            }
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(kernel(Init::HeNormal, 0.0).0, kernel(Init::HeNormal, 0.0).0);
        let arch = Arch::reference(28, 28, 10).unwrap();
        let mut other = vec![0.0; arch.parameters()];
        fill(&arch, Init::HeNormal, 0.0, 2, &mut other);
        assert_ne!(kernel(Init::HeNormal, 0.0).0, other);
    }
}
