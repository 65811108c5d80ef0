//! Initial weights: the reference's five initialisers as Keras defines them, and PyTorch's. Biases are a constant.

use super::choice::choice;
use super::plan::{Plan, Role, Tensor};
use crate::rng::Stream;

/// Initialisers; the order is the order of their codes in a zoo file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Truncated normal of variance 2 / (fan in + fan out).
    GlorotNormal,
    /// Truncated normal of variance 2 / fan in.
    HeNormal,
    /// Orthonormal columns (or rows) of the kernel as an (H·W·I)×O matrix.
    Orthogonal,
    /// Normal with the run's `init_std`.
    RandomNormal,
    /// Normal with the run's `init_std`, redrawn beyond two of them.
    TruncatedNormal,
    /// Uniform in [0, 1): PyTorch's `uniform_`.
    Uniform,
    /// Normal of variance 1: PyTorch's `normal_`.
    Normal,
    /// Uniform within ±√(6 / fan in): PyTorch's `kaiming_uniform_`.
    KaimingUniform,
    /// Normal of variance 2 / fan in: PyTorch's `kaiming_normal_`.
    KaimingNormal,
    /// Uniform within ±√(6 / (fan in + fan out)): PyTorch's `xavier_uniform_`.
    XavierUniform,
    /// Normal of variance 2 / (fan in + fan out): PyTorch's `xavier_normal_`.
    XavierNormal,
}

choice!(
    Init,
    "w_init",
    Init::GlorotNormal = "glorot_normal",
    Init::HeNormal = "he_normal",
    Init::Orthogonal = "orthogonal",
    Init::RandomNormal = "RandomNormal",
    Init::TruncatedNormal = "TruncatedNormal",
    Init::Uniform = "uniform",
    Init::Normal = "normal",
    Init::KaimingUniform = "kaiming_uniform",
    Init::KaimingNormal = "kaiming_normal",
    Init::XavierUniform = "xavier_uniform",
    Init::XavierNormal = "xavier_normal",
);

/// How a network begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// Initialiser of the kernels.
    pub w_init: Init,
    /// Standard deviation for `RandomNormal` and `TruncatedNormal`.
    pub init_std: f32,
    /// Value of the biases.
    pub bias: f32,
    /// The network's seed.
    pub seed: u64,
}

/// Standard deviation of a standard normal truncated at ±2; Keras divides by it in its variance-scaling initialisers.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// Purpose of the random numbers used here.
const PURPOSE: u32 = u32::from_be_bytes(*b"init");

/// Fills a flat vector with initial weights.
///
/// Tensor `t` draws from its own stream of the seed, so its values do not depend on the sizes of the others.
pub fn fill(plan: &Plan, start: Start, flat: &mut [f32]) {
    for (index, tensor) in plan.tensors.iter().enumerate() {
        let values = &mut flat[tensor.range.clone()];
        match tensor.role {
            Role::Bias => values.fill(start.bias),
            Role::Kernel => kernel(tensor, start, Stream::new(start.seed, PURPOSE, index as u32), values),
        }
    }
}

fn kernel(tensor: &Tensor, start: Start, mut stream: Stream, values: &mut [f32]) {
    let outputs = tensor.shape[tensor.shape.len() - 1];
    let fan_in = values.len() / outputs;
    let taps = fan_in / tensor.shape[tensor.shape.len() - 2];
    let fans = (fan_in + outputs * taps) as f64;
    let (fan_in_f, std) = (fan_in as f64, f64::from(start.init_std));
    let stream = &mut stream;
    match start.w_init {
        Init::GlorotNormal => truncated(stream, (2.0 / fans).sqrt() / TRUNCATED_STD, values),
        Init::HeNormal => truncated(stream, (2.0 / fan_in_f).sqrt() / TRUNCATED_STD, values),
        Init::Orthogonal => orthogonal(stream, fan_in, outputs, values),
        Init::RandomNormal => normal(stream, std, values),
        Init::TruncatedNormal => truncated(stream, std, values),
        Init::Uniform => uniform(stream, 0.0, 1.0, values),
        Init::Normal => normal(stream, 1.0, values),
        Init::KaimingUniform => symmetric(stream, (6.0 / fan_in_f).sqrt(), values),
        Init::KaimingNormal => normal(stream, (2.0 / fan_in_f).sqrt(), values),
        Init::XavierUniform => symmetric(stream, (6.0 / fans).sqrt(), values),
        Init::XavierNormal => normal(stream, (2.0 / fans).sqrt(), values),
    }
}

fn normal(stream: &mut Stream, std: f64, values: &mut [f32]) {
    values.iter_mut().for_each(|w| *w = (std * stream.normal()) as f32);
}

fn uniform(stream: &mut Stream, low: f64, high: f64, values: &mut [f32]) {
    values.iter_mut().for_each(|w| *w = stream.range(low, high) as f32);
}

fn symmetric(stream: &mut Stream, bound: f64, values: &mut [f32]) {
    uniform(stream, -bound, bound, values);
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
    use crate::cnn::Arch;
    use approx::assert_relative_eq;

    fn filled(w_init: Init, init_std: f32, seed: u64) -> (Vec<f32>, Plan) {
        let plan = Arch::reference(28, 28, 10).unwrap().plan();
        let mut flat = vec![f32::NAN; plan.parameters()];
        fill(&plan, Start { w_init, init_std, bias: 0.25, seed }, &mut flat);
        (flat, plan)
    }

    fn mean(values: &[f32]) -> f64 {
        values.iter().map(|&w| f64::from(w)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn scales_are_those_of_keras_and_pytorch() {
        let std = |variance: f64| variance.sqrt();
        let uniform = |bound: f64| bound / 3.0_f64.sqrt();
        // fan in 144, fan out 144; 2,304 values of the second kernel: three standard errors of the deviation are 4.5 %
        for (init, init_std, center, expected, limit) in [
            (Init::GlorotNormal, 9.0, 0.0, std(2.0 / 288.0), 2.0 * std(2.0 / 288.0) / TRUNCATED_STD),
            (Init::HeNormal, 9.0, 0.0, std(2.0 / 144.0), 2.0 * std(2.0 / 144.0) / TRUNCATED_STD),
            (Init::RandomNormal, 0.1, 0.0, 0.1, 1.0),
            (Init::TruncatedNormal, 0.1, 0.0, 0.1 * TRUNCATED_STD, 0.2),
            (Init::Uniform, 9.0, 0.5, uniform(0.5), 1.0),
            (Init::Normal, 9.0, 0.0, 1.0, 10.0),
            (Init::KaimingUniform, 9.0, 0.0, uniform(std(6.0 / 144.0)), std(6.0 / 144.0)),
            (Init::KaimingNormal, 9.0, 0.0, std(2.0 / 144.0), 1.0),
            (Init::XavierUniform, 9.0, 0.0, uniform(std(6.0 / 288.0)), std(6.0 / 288.0)),
            (Init::XavierNormal, 9.0, 0.0, std(2.0 / 288.0), 1.0),
        ] {
            let (flat, plan) = filled(init, init_std, 1);
            let values = &flat[plan.tensors[3].range.clone()];
            let deviation = values.iter().map(|&w| (f64::from(w) - center).powi(2)).sum::<f64>() / values.len() as f64;
            assert_relative_eq!(deviation.sqrt(), expected, max_relative = 0.045);
            assert!((mean(values) - center).abs() < 4.0 * expected / 48.0, "{init:?}: mean {}", mean(values));
            assert!(values.iter().all(|&w| f64::from(w.abs()) <= limit * 1.000_001), "{init:?}");
            let biases = plan.tensors.iter().filter(|tensor| tensor.role == Role::Bias);
            assert!(biases.flat_map(|bias| &flat[bias.range.clone()]).all(|&b| b == 0.25));
        }
    }

    #[test]
    fn orthogonal_kernels_are_orthogonal() {
        let (flat, plan) = filled(Init::Orthogonal, 0.0, 1);
        for tensor in plan.tensors.iter().filter(|tensor| tensor.role == Role::Kernel) {
            let columns = tensor.shape[tensor.shape.len() - 1];
            let w = &flat[tensor.range.clone()];
            let rows = w.len() / columns;
            let (count, length) = (rows.min(columns), rows.max(columns));
            let at =
                |k: usize, e: usize| f64::from(if rows >= columns { w[e * columns + k] } else { w[k * columns + e] });
            for a in 0..count {
                for b in 0..=a {
                    let dot: f64 = (0..length).map(|e| at(a, e) * at(b, e)).sum();
                    assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-6, "{tensor:?} {a} {b}: {dot}");
                }
            }
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        assert_eq!(filled(Init::HeNormal, 0.0, 1).0, filled(Init::HeNormal, 0.0, 1).0);
        assert_ne!(filled(Init::HeNormal, 0.0, 1).0, filled(Init::HeNormal, 0.0, 2).0);
    }
}
