//! The epochs of a fit.

use super::{Dense, Optimizer, Params, Perceptron, Standard, multiply, sigmoid};
use crate::kernels::gemm::{Matrix, Update};
use crate::kernels::optimizer::{self, Rule};
use crate::kernels::{Isa, Lanes};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};
use serde::{Deserialize, Serialize};

/// Purposes of the random numbers used here.
const WEIGHTS: u32 = u32::from_be_bytes(*b"mlpw");
const ORDER: u32 = u32::from_be_bytes(*b"mlps");
const DROPOUT: u32 = u32::from_be_bytes(*b"mlpd");

/// What an epoch ended with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Root mean squared error of the steps' batches, with dropout.
    pub train_rmse: f64,
    /// Root mean squared error on the validation rows after it, if there are any.
    pub val_rmse: Option<f64>,
}

/// Fits a perceptron; with `val` the weights of the epoch with the smallest validation error are kept.
///
/// The same bits for every number of threads.
///
/// # Errors
/// [`Error::Invalid`] for options out of range; [`Error::Unsuitable`] for a table without rows or columns, targets that are not in [0, 1] (a sigmoid
/// gives no others), or validation columns that differ; [`Error::Cancelled`] when a stop is requested.
pub fn fit(context: &Context, train: &Table, val: Option<&Table>, params: &Params) -> Result<Perceptron> {
    params.check()?;
    check(train, "training table")?;
    let val = val.filter(|val| val.rows() > 0);
    if let Some(val) = val {
        check(val, "validation table")?;
        if val.columns != train.columns {
            return Err(Error::unsuitable_table("validation table", "the columns of the training table", "others"));
        }
    }
    Fit::new(context.isa, train, params).run(context, val)
}

fn check(table: &Table, what: &str) -> Result<()> {
    let (rows, width) = (table.rows(), table.width());
    if rows == 0 || width == 0 || table.x.len() != rows * width || table.y.len() != rows {
        let got = format!("{rows} rows, {width} columns, {} values, {} targets", table.x.len(), table.y.len());
        return Err(Error::unsuitable_table(what, "rows and columns, one target a row", got));
    }
    match table.y.iter().position(|y| !(0.0..=1.0).contains(y)) {
        Some(row) => {
            Err(Error::unsuitable_table(what, "targets from 0 to 1", format!("{} in row {row}", table.y[row])))
        }
        None => Ok(()),
    }
}

/// A fit under way: all memory of a step is kept from one to the next.
struct Fit<'a> {
    isa: Isa,
    train: &'a Table,
    model: Perceptron,
    gradients: Vec<Dense>,
    /// First and second moments.
    moments: [Vec<Dense>; 2],
    /// Inputs of each layer, then the last layer's output.
    maps: Vec<Vec<f32>>,
    /// Gradients of a layer's output and of its input.
    dy: Vec<f32>,
    dx: Vec<f32>,
    steps: u32,
}

impl<'a> Fit<'a> {
    fn new(isa: Isa, train: &'a Table, params: &Params) -> Fit<'a> {
        let sizes = Dense::sizes(train.width(), params);
        let zeros = || sizes.iter().map(|&(inputs, outputs)| Dense::zero(inputs, outputs)).collect::<Vec<_>>();
        let mut layers = zeros();
        for (index, layer) in layers.iter_mut().enumerate() {
            // he_normal before a ReLU; before the sigmoid half of it (glorot's with one output)
            let std = ((if index < params.layers { 2.0 } else { 1.0 }) / layer.inputs as f64).sqrt();
            let mut stream = Stream::new(params.seed, WEIGHTS, index as u32);
            layer.kernel_mut().iter_mut().for_each(|w| *w = (std * stream.normal()) as f32);
        }
        // the first guess is the mean
        let mean = train.y.iter().map(|&y| f64::from(y)).sum::<f64>() / train.rows() as f64;
        if let Some(last) = layers.last_mut() {
            let mean = mean.clamp(1e-3, 1.0 - 1e-3);
            last.bias_mut()[0] = libm::log(mean / (1.0 - mean)) as f32;
        }
        let standard = Standard::of(&train.x, train.width());
        Fit {
            isa,
            train,
            gradients: zeros(),
            moments: [zeros(), zeros()],
            maps: vec![Vec::new(); sizes.len() + 1],
            model: Perceptron { params: params.clone(), standard, layers, curve: Vec::new() },
            dy: Vec::new(),
            dx: Vec::new(),
            steps: 0,
        }
    }

    fn run(mut self, context: &Context, val: Option<&Table>) -> Result<Perceptron> {
        let params = self.model.params.clone();
        let mut order: Vec<usize> = (0..self.train.rows()).collect();
        let (mut best, mut best_rmse, mut since) = (None, f64::INFINITY, 0);
        for epoch in 0..params.epochs {
            Stream::at_step(params.seed, ORDER, 0, epoch as u32).shuffle(&mut order);
            let mut squares = 0.0;
            for batch in order.chunks(params.batch_size) {
                squares += self.step(batch);
                if context.stop.requested() {
                    return Err(Error::Cancelled);
                }
            }
            let val_rmse = val.map(|val| rmse(&self.model.predict(self.isa, &val.x), &val.y));
            self.model.curve.push(Epoch { train_rmse: (squares / order.len() as f64).sqrt(), val_rmse });
            let Some(rmse) = val_rmse else { continue };
            since += 1;
            if rmse < best_rmse {
                (best, best_rmse, since) = (Some(self.model.layers.clone()), rmse, 0);
            }
            if since == params.early_stopping_rounds && since > 0 {
                break;
            }
        }
        if let Some(best) = best {
            self.model.layers = best;
        }
        Ok(self.model)
    }

    /// One step; returns the sum of the batch's squared errors before it.
    fn step(&mut self, batch: &[usize]) -> f64 {
        let squares = self.gradient(batch);
        self.steps += 1;
        self.update();
        squares
    }

    /// Leaves the gradient of the batch's mean squared error in `gradients`; returns the sum of its squared errors.
    fn gradient(&mut self, batch: &[usize]) -> f64 {
        let rows: Vec<f32> = batch.iter().flat_map(|&row| self.train.row(row)).copied().collect();
        self.model.standard.apply(&rows, &mut self.maps[0]);
        let hidden = self.model.params.layers;
        for index in 0..=hidden {
            let (below, above) = self.maps.split_at_mut(index + 1);
            self.model.layers[index].forward(self.isa, &below[index], &mut above[0]);
            if index < hidden {
                above[0].iter_mut().for_each(|z| *z = z.max(0.0));
                drop_units(&self.model.params, self.steps, index, &mut above[0]);
            }
        }
        let mut squares = 0.0;
        self.dy.clear();
        for (&row, &z) in batch.iter().zip(&self.maps[hidden + 1]) {
            let p = sigmoid(z);
            let error = p - self.train.y[row];
            squares += f64::from(error) * f64::from(error);
            self.dy.push(2.0 * error * p * (1.0 - p) / batch.len() as f32);
        }
        for index in (0..=hidden).rev() {
            self.backward(index, batch.len());
        }
        squares
    }

    /// The gradient of one layer from that of its output, and that of the output below.
    fn backward(&mut self, index: usize, rows: usize) {
        let (layer, gradient, x) = (&self.model.layers[index], &mut self.gradients[index], &self.maps[index]);
        let dy = Matrix::new(&self.dy, rows, layer.outputs);
        let xt = Matrix::new(x, rows, layer.inputs).transposed();
        multiply(self.isa, xt, dy, Update::Replace, gradient.kernel_mut());
        gradient.bias_mut().fill(0.0);
        for row in self.dy.chunks_exact(layer.outputs) {
            gradient.bias_mut().iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
        }
        if index == 0 {
            return;
        }
        self.dx.resize(rows * layer.inputs, 0.0);
        multiply(self.isa, dy, layer.matrix().transposed(), Update::Replace, &mut self.dx);
        // a unit that was dropped or silent is 0; the others were scaled up
        let scale = (1.0 / (1.0 - self.model.params.dropout)) as f32;
        self.dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = if x > 0.0 { *dx * scale } else { 0.0 });
        std::mem::swap(&mut self.dx, &mut self.dy);
    }

    fn update(&mut self) {
        let params = &self.model.params;
        let rate = params.learning_rate;
        let rule = match params.optimizer {
            Optimizer::Sgd => Rule::Sgd { rate: rate as f32 },
            Optimizer::Adam => {
                let power = |beta: f32| 1.0 - libm::pow(f64::from(beta), f64::from(self.steps));
                let correction = power(optimizer::BETA_2).sqrt() / power(optimizer::BETA_1);
                Rule::Adam { corrected: (rate * correction) as f32 }
            }
        };
        let [m, v] = &mut self.moments;
        for (((layer, gradient), m), v) in self.model.layers.iter_mut().zip(&self.gradients).zip(m).zip(v) {
            let step = |l2: f64, dw: &[Lanes], w: &mut [Lanes], m: &mut [Lanes], v: &mut [Lanes]| {
                optimizer::step(self.isa, rule, l2 as f32, dw, w, m, v);
            };
            step(params.l2, &gradient.kernel, &mut layer.kernel, &mut m.kernel, &mut v.kernel);
            step(0.0, &gradient.bias, &mut layer.bias, &mut m.bias, &mut v.bias);
        }
    }
}

/// Inverted dropout of a hidden layer's output in one step.
fn drop_units(params: &Params, step: u32, layer: usize, y: &mut [f32]) {
    if params.dropout == 0.0 {
        return;
    }
    let threshold = (params.dropout * f64::from(u32::MAX)) as u32;
    let scale = (1.0 / (1.0 - params.dropout)) as f32;
    let mut stream = Stream::at_step(params.seed, DROPOUT, layer as u32, step);
    y.iter_mut().for_each(|y| *y = if stream.next_u32() < threshold { 0.0 } else { *y * scale });
}

fn rmse(predicted: &[f32], target: &[f32]) -> f64 {
    let squares = predicted.iter().zip(target).map(|(p, y)| (f64::from(*p) - f64::from(*y)).powi(2));
    (squares.sum::<f64>() / target.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::with_threads;

    fn table(rows: usize, width: usize, seed: u64) -> Table {
        let mut stream = Stream::new(seed, 0, 0);
        let x: Vec<f32> = (0..rows * width).map(|_| (3.0 + 2.0 * stream.normal()) as f32).collect();
        let y = x.chunks(width).map(|row| sigmoid(0.7 * (row[0] - 3.0) - 0.4 * (row[1] - 3.0) * (row[2] - 3.0)));
        Table {
            columns: (0..width).map(|c| c.to_string()).collect(),
            y: y.collect(),
            group: (0..rows as u64).collect(),
            x,
            ..Table::default()
        }
    }

    /// The batch's mean squared error in `f64`, dropout of step 0 included.
    fn loss(model: &Perceptron, layers: &[Vec<f64>], table: &Table) -> f64 {
        let mut z = Vec::new();
        model.standard.apply(&table.x, &mut z);
        let mut x: Vec<f64> = z.iter().map(|&z| f64::from(z)).collect();
        for (index, layer) in model.layers.iter().enumerate() {
            let (bias, kernel) = layers[index].split_at(layer.outputs);
            let rows = x.chunks(layer.inputs).flat_map(|row| {
                (0..layer.outputs).map(move |o| {
                    bias[o] + row.iter().enumerate().map(|(i, x)| x * kernel[i * layer.outputs + o]).sum::<f64>()
                })
            });
            x = rows.collect();
            if index < model.params.layers {
                let mut kept = vec![1.0; x.len()];
                drop_units(&model.params, 0, index, &mut kept);
                x.iter_mut().zip(kept).for_each(|(x, kept)| *x = x.max(0.0) * f64::from(kept));
            }
        }
        let squares = x.iter().zip(&table.y).map(|(z, y)| (1.0 / (1.0 + (-z).exp()) - f64::from(*y)).powi(2));
        squares.sum::<f64>() / table.rows() as f64
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let table = table(23, 5, 1);
        for (layers, dropout) in [(0, 0.0), (1, 0.0), (3, 0.3)] {
            for isa in Isa::available() {
                let params = Params { layers, units: 19, dropout, ..Params::mlp() };
                let mut fit = Fit::new(isa, &table, &params);
                let squares = fit.gradient(&(0..23).collect::<Vec<_>>());
                let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
                let flat = |layer: &Dense| [wide(layer.bias()), wide(layer.kernel())].concat();
                let mut point: Vec<Vec<f64>> = fit.model.layers.iter().map(flat).collect();
                let expected = loss(&fit.model, &point, &table);
                assert!((squares / 23.0 - expected).abs() < 1e-6 * expected);
                for index in 0..=layers {
                    let gradient = flat(&fit.gradients[index]);
                    for k in (0..gradient.len()).step_by(7) {
                        let at = point[index][k];
                        point[index][k] = at + 1e-6;
                        let above = loss(&fit.model, &point, &table);
                        point[index][k] = at - 1e-6;
                        let difference = (above - loss(&fit.model, &point, &table)) / 2e-6;
                        point[index][k] = at;
                        assert!((gradient[k] - difference).abs() < 1e-5, "{} {difference}", gradient[k]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_perceptron_learns_what_a_line_cannot_with_the_same_bits_on_any_threads() {
        let (train, val, test) = (table(600, 6, 1), table(100, 6, 2), table(300, 6, 3));
        let fitted = |params: &Params, threads: usize| {
            with_threads(threads, || fit(&Context::default(), &train, Some(&val), params).unwrap())
        };
        let error = |model: &Perceptron| rmse(&model.predict(Isa::detect(), &test.x), &test.y);
        let (linear, mlp) = (fitted(&Params::linear(), 1), fitted(&Params::mlp(), 1));
        assert!(error(&linear) > 0.15 && error(&mlp) < 0.08, "{} {}", error(&linear), error(&mlp));
        assert_eq!(mlp, fitted(&Params::mlp(), 3));
    }

    #[test]
    fn missing_and_endless_values_are_borne() {
        let mut table = table(50, 3, 1);
        (table.x[4], table.x[7], table.x[8]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        table.x.iter_mut().skip(1).step_by(3).for_each(|x| *x = 7.0);
        let params = Params { epochs: 3, ..Params::linear() };
        let model = fit(&Context::default(), &table, None, &params).unwrap();
        assert_eq!(model.standard.scale[1], 0.0);
        assert!(model.predict(Isa::detect(), &table.x).iter().all(|p| (0.0..=1.0).contains(p)));
        table.y[3] = 1.5;
        let error = fit(&Context::default(), &table, None, &params).unwrap_err().to_string();
        assert!(error.contains("1.5 in row 3"), "{error}");
    }
}
