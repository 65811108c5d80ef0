//! Perceptrons with a sigmoid at the end: without hidden layers the reference's logit-linear model, with them its DNN.
//!
//! `y = σ(…relu(relu(x·W₁ + b₁)·W₂ + b₂)…)`, fitted to the mean squared error. Inputs are standardised: the mean of the
//! training rows is taken off and the rest divided by their standard deviation, beyond ±[`FAR`] it is cut off; a missing value
//! counts as the mean, a constant column as nothing.

mod file;
mod fit;
mod kind;
mod params;

pub use fit::{Epoch, fit};
pub use kind::{LINEAR, MLP};
pub use params::{Optimizer, Params};

use crate::kernels::gemm::{Matrix, Update};
use crate::kernels::{Isa, Lanes};
use crate::predictor::product::multiply;

/// Standard deviations beyond which an input is cut off: networks that diverged have weights of any size.
pub const FAR: f32 = 10.0;

/// Rows that are predicted at once.
const ROWS: usize = 512;

/// What is taken off a column and what the rest is multiplied with.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// Means of the training rows.
    pub mean: Vec<f32>,
    /// 1 / standard deviation; 0 for a constant column.
    pub scale: Vec<f32>,
}

impl Standard {
    /// Means and deviations of a row-major table, of the finite values of each column.
    pub(super) fn of(x: &[f32], width: usize) -> Standard {
        let (mut mean, mut scale) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for c in 0..width {
            let finite = || x.iter().skip(c).step_by(width).filter(|x| x.is_finite()).map(|&x| f64::from(x));
            let n = finite().count().max(1) as f64;
            let center = finite().sum::<f64>() / n;
            let variance = finite().map(|x| (x - center) * (x - center)).sum::<f64>() / n;
            mean.push(center as f32);
            // a spread that is no more than rounding is none
            let constant = variance.sqrt() <= 1e-7 * center.abs();
            scale.push(if constant { 0.0 } else { (1.0 / variance.sqrt()) as f32 });
        }
        Standard { mean, scale }
    }

    /// Rows as the first layer sees them.
    pub(super) fn apply(&self, x: &[f32], z: &mut Vec<f32>) {
        z.clear();
        for row in x.chunks_exact(self.mean.len()) {
            z.extend(row.iter().zip(&self.mean).zip(&self.scale).map(|((&x, mean), scale)| match x.is_nan() {
                true => 0.0,
                // the difference of two infinities is cut off too
                false => ((x.clamp(f32::MIN / 4.0, f32::MAX / 4.0) - mean) * scale).clamp(-FAR, FAR),
            }));
        }
    }
}

/// A dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// in×out, filled up with zeros to whole lanes.
    kernel: Vec<Lanes>,
    /// Filled up likewise.
    bias: Vec<Lanes>,
}

impl Dense {
    fn zero(inputs: usize, outputs: usize) -> Dense {
        let lanes = |n: usize| vec![Lanes::ZERO; n.div_ceil(crate::kernels::LANES)];
        Dense { inputs, outputs, kernel: lanes(inputs * outputs), bias: lanes(outputs) }
    }

    /// A layer with these weights, in×out, and biases.
    pub(super) fn new(inputs: usize, outputs: usize, bias: &[f32], kernel: &[f32]) -> Dense {
        let mut layer = Dense::zero(inputs, outputs);
        layer.bias_mut().copy_from_slice(bias);
        layer.kernel_mut().copy_from_slice(kernel);
        layer
    }

    /// Inputs and outputs of each layer over `width` columns.
    pub(super) fn sizes(width: usize, params: &Params) -> Vec<(usize, usize)> {
        let mut sizes = vec![width];
        sizes.resize(1 + params.layers, params.units);
        sizes.push(1);
        sizes.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    /// The weights, in×out.
    pub fn kernel(&self) -> &[f32] {
        &Lanes::flat(&self.kernel)[..self.inputs * self.outputs]
    }

    /// The biases.
    pub fn bias(&self) -> &[f32] {
        &Lanes::flat(&self.bias)[..self.outputs]
    }

    fn kernel_mut(&mut self) -> &mut [f32] {
        &mut Lanes::flat_mut(&mut self.kernel)[..self.inputs * self.outputs]
    }

    fn bias_mut(&mut self) -> &mut [f32] {
        &mut Lanes::flat_mut(&mut self.bias)[..self.outputs]
    }

    fn matrix(&self) -> Matrix<'_> {
        Matrix::new(self.kernel(), self.inputs, self.outputs)
    }

    /// `z = x·W + b` for the rows of `x`.
    fn forward(&self, isa: Isa, x: &[f32], z: &mut Vec<f32>) {
        let rows = x.len() / self.inputs;
        z.clear();
        for _ in 0..rows {
            z.extend_from_slice(self.bias());
        }
        multiply(isa, Matrix::new(x, rows, self.inputs), self.matrix(), Update::Add, z);
    }
}

/// A fitted perceptron.
#[derive(Clone, Debug, PartialEq)]
pub struct Perceptron {
    /// What it was fitted with.
    pub params: Params,
    /// How its inputs are standardised.
    pub standard: Standard,
    /// First to last; the last has one output.
    pub layers: Vec<Dense>,
    /// Every epoch of the fit, those after the best one too.
    pub curve: Vec<Epoch>,
}

impl Perceptron {
    /// Columns of the tables that it takes.
    pub fn width(&self) -> usize {
        self.standard.mean.len()
    }

    /// Predictions for the rows of a row-major table of [`Perceptron::width`] columns.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len() % self.width(), 0, "whole rows of {} columns", self.width());
        let (mut below, mut above, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
        for rows in x.chunks(ROWS * self.width()) {
            self.standard.apply(rows, &mut below);
            for (index, layer) in self.layers.iter().enumerate() {
                layer.forward(isa, &below, &mut above);
                if index + 1 < self.layers.len() {
                    above.iter_mut().for_each(|z| *z = z.max(0.0));
                }
                std::mem::swap(&mut below, &mut above);
            }
            predicted.extend(below.iter().map(|&z| sigmoid(z)));
        }
        predicted
    }
}

/// `1 / (1 + e⁻ᶻ)`
fn sigmoid(z: f32) -> f32 {
    (1.0 / (1.0 + libm::exp(-f64::from(z)))) as f32
}
