//! Spectra: what the singular values of each kernel say, and how alike its filters are: `conv1.sigma_max` … `dense.bias_ratio`.
//!
//! A kernel is the matrix of its terms (taps × inputs) by its outputs; its filters are the columns. With few exceptions numbers
//! are logarithms or ratios, so that scale and shape stand apart.
//!
//! Sources: Martin and Mahoney, JMLR 22 (2021), for the exponent; Roy and Vetterli, EUSIPCO 2007, for the effective rank.

use super::{Columns, Networks, Worker, tensors};
use std::ops::Range;

/// Numbers of a layer.
pub const NUMBERS: [&str; 11] = [
    "sigma_max",        // ln of the largest singular value, …
    "sigma_q75",        // … of one that a quarter are not below, …
    "sigma_median",     // … half, …
    "sigma_q25",        // … three quarters, …
    "sigma_min",        // … of the least of min(terms, outputs)
    "effective_rank",   // e to the entropy of the singular values' shares of their sum
    "stable_rank",      // Σσ² / σ²max
    "power_law",        // exponent of a power law of the upper half of the σ² (Hill's estimate)
    "correlation_mean", // mean |cosine| of two filters
    "correlation_max",  // the largest
    "bias_ratio",       // ln of the bias' norm over the kernel's
];

/// The least that a logarithm is taken of: layers whose weights decay has worn away are 0.
const FLOOR: f64 = 1e-12;

/// The least that a singular value counts for, of the largest: what is below is rounding.
const ROUNDING: f64 = 1e-6;

/// The least mean of Hill's logarithms: values that are all alike have no power law, and an exponent of 1,001.
const ALIKE: f64 = 1e-3;

/// The spectra of every layer.
pub(super) struct Spectra<'n> {
    networks: &'n Networks<'n>,
    layers: Vec<Layer>,
}

/// Where a layer's weights lie.
struct Layer {
    name: String,
    bias: Range<usize>,
    kernel: Range<usize>,
}

impl<'n> Spectra<'n> {
    pub fn new(networks: &'n Networks<'n>) -> Spectra<'n> {
        let all: Vec<usize> = (0..tensors::layers(networks.arch())).collect();
        let tensors = tensors::tensors(networks.arch(), &all);
        let layer = |pair: &[tensors::Tensor]| Layer {
            name: pair[0].name.trim_end_matches(".bias").to_owned(),
            bias: pair[0].range.clone(),
            kernel: pair[1].range.clone(),
        };
        Spectra { networks, layers: tensors.chunks_exact(2).map(layer).collect() }
    }
}

impl Columns for Spectra<'_> {
    fn columns(&self) -> Vec<String> {
        let of = |layer: &Layer| NUMBERS.map(|number| format!("{}.{number}", layer.name));
        self.layers.iter().flat_map(of).collect()
    }

    fn worker(&self) -> Worker<'_> {
        Box::new(|network, values| {
            let weights = self.networks.weights(network);
            for (values, layer) in values.chunks_exact_mut(NUMBERS.len()).zip(&self.layers) {
                let numbers = numbers(&weights[layer.bias.clone()], &weights[layer.kernel.clone()]);
                values.iter_mut().zip(numbers).for_each(|(value, number)| *value = number as f32);
            }
        })
    }
}

/// The numbers of a layer; NaN of weights that are not finite.
fn numbers(bias: &[f32], kernel: &[f32]) -> [f64; NUMBERS.len()] {
    let outputs = bias.len();
    if !bias.iter().chain(kernel).all(|w| w.is_finite()) {
        return [f64::NAN; NUMBERS.len()];
    }
    let gram = products(kernel, outputs, false);
    let rank = outputs.min(kernel.len() / outputs);
    let mut squares = match rank < outputs {
        true => eigenvalues(products(kernel, outputs, true), rank),
        false => eigenvalues(gram.clone(), outputs),
    };
    let least =
        squares.iter().fold(0.0, |largest: f64, &square| largest.max(square * ROUNDING * ROUNDING)).max(FLOOR * FLOOR);
    squares.iter_mut().for_each(|square| *square = square.max(least));
    squares.sort_unstable_by(|a, b| b.total_cmp(a));
    let sigma: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
    let ln = |x: f64| libm::log(x.max(FLOOR));
    let (sum, norm) = (sigma.iter().sum::<f64>(), squares.iter().sum::<f64>());
    let entropy: f64 = sigma.iter().map(|s| -s / sum * libm::log(s / sum)).sum();
    let at = |quarter: usize| ln(sigma[quarter * (rank - 1) / 4]);
    let [mean, max] = cosines(&gram, outputs);
    let bias = bias.iter().map(|&b| f64::from(b) * f64::from(b)).sum::<f64>();
    [
        at(0),
        at(1),
        at(2),
        at(3),
        at(4),
        libm::exp(entropy),
        norm / squares[0],
        hill(&squares),
        mean,
        max,
        ln(bias.sqrt()) - ln(norm.sqrt()),
    ]
}

/// `1 + k / Σ ln(λ_i / λ_k)` over the k largest, the upper half of all.
fn hill(squares: &[f64]) -> f64 {
    let k = squares.len().div_ceil(2);
    let sum: f64 = squares[..k].iter().map(|square| libm::log(square / squares[k - 1])).sum();
    1.0 + 1.0 / (sum / k as f64).max(ALIKE)
}

/// Mean and largest |cosine| of pairs of filters, from their products.
fn cosines(gram: &[f64], outputs: usize) -> [f64; 2] {
    let (mut sum, mut largest) = (0.0, 0.0f64);
    for i in 0..outputs {
        for j in 0..i {
            let lengths = (gram[i * outputs + i] * gram[j * outputs + j]).sqrt();
            let cosine = if lengths > 0.0 { gram[i * outputs + j].abs() / lengths } else { 0.0 };
            sum += cosine;
            largest = largest.max(cosine);
        }
    }
    [sum / (outputs * (outputs - 1) / 2).max(1) as f64, largest]
}

/// `AᵀA` of a matrix with `outputs` columns, or `AAᵀ`.
fn products(a: &[f32], outputs: usize, of_rows: bool) -> Vec<f64> {
    let size = if of_rows { a.len() / outputs } else { outputs };
    let mut gram = vec![0.0; size * size];
    for i in 0..size {
        for j in 0..=i {
            let product: f64 = match of_rows {
                true => {
                    let rows = a[i * outputs..(i + 1) * outputs].iter().zip(&a[j * outputs..(j + 1) * outputs]);
                    rows.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
                }
                false => a.chunks_exact(outputs).map(|row| f64::from(row[i]) * f64::from(row[j])).sum(),
            };
            (gram[i * size + j], gram[j * size + i]) = (product, product);
        }
    }
    gram
}

/// Eigenvalues of a symmetric matrix, in any order: Householder's reflections to a tridiagonal one, then implicit QL steps (Golub
/// and Van Loan, *Matrix Computations*, sections 8.3.1 and 8.3.3).
fn eigenvalues(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    let (mut d, mut e) = (vec![0.0; n], vec![0.0; n]);
    for k in 0..n.saturating_sub(2) {
        reflect(&mut a, n, k);
    }
    for k in 0..n {
        d[k] = a[k * n + k];
        e[k] = if k + 1 < n { a[(k + 1) * n + k] } else { 0.0 };
    }
    for first in 0..n {
        // a matrix of finite numbers needs two or three steps an eigenvalue
        for _ in 0..60 {
            let split = (first..n - 1).find(|&k| e[k].abs() <= f64::EPSILON * (d[k].abs() + d[k + 1].abs()));
            let last = split.unwrap_or(n - 1);
            if last == first {
                break;
            }
            ql(&mut d, &mut e, first, last);
        }
    }
    d
}

/// Clears column `k` below its subdiagonal, and the row likewise.
fn reflect(a: &mut [f64], n: usize, k: usize) {
    let below: f64 = (k + 2..n).map(|i| a[i * n + k] * a[i * n + k]).sum();
    if below == 0.0 {
        return;
    }
    let head = a[(k + 1) * n + k];
    let alpha = -(head * head + below).sqrt().copysign(head);
    let mut v: Vec<f64> = (k + 1..n).map(|i| a[i * n + k]).collect();
    v[0] -= alpha;
    let square: f64 = v.iter().map(|x| x * x).sum();
    // A ← A − v·wᵀ − w·vᵀ with w = p − v·(pᵀv)/‖v‖², p = 2·A·v/‖v‖²
    let row = |i: usize| &a[(k + 1 + i) * n + k + 1..(k + 2 + i) * n];
    let mut w: Vec<f64> =
        (0..v.len()).map(|i| 2.0 / square * row(i).iter().zip(&v).map(|(a, v)| a * v).sum::<f64>()).collect();
    let along = w.iter().zip(&v).map(|(p, v)| p * v).sum::<f64>() / square;
    w.iter_mut().zip(&v).for_each(|(p, v)| *p -= along * v);
    for i in 0..v.len() {
        for j in 0..v.len() {
            a[(k + 1 + i) * n + k + 1 + j] -= v[i] * w[j] + w[i] * v[j];
        }
    }
    a[(k + 1) * n + k] = alpha;
}

/// One implicit QL step with Wilkinson's shift on the block `first..=last` of a tridiagonal matrix with diagonal `d` and
/// subdiagonal `e`.
fn ql(d: &mut [f64], e: &mut [f64], first: usize, last: usize) {
    let half = (d[first + 1] - d[first]) / (2.0 * e[first]);
    let root = half.hypot(1.0);
    let mut g = d[last] - d[first] + e[first] / (half + root.copysign(half));
    let (mut sin, mut cos, mut moved) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let (f, b) = (sin * e[i], cos * e[i]);
        let length = f.hypot(g);
        e[i + 1] = length;
        if length == 0.0 {
            d[i + 1] -= moved;
            e[last] = 0.0;
            return;
        }
        (sin, cos) = (f / length, g / length);
        g = d[i + 1] - moved;
        let r = (d[i] - g) * sin + 2.0 * cos * b;
        moved = sin * r;
        d[i + 1] = g + moved;
        g = cos * r - b;
    }
    d[first] -= moved;
    e[first] = g;
    e[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvalues_of_known_matrices() {
        // the second difference: 2 − 2·cos(kπ/(n+1)), turned by a reflection so that it is full
        for n in [1usize, 2, 3, 10, 16, 33] {
            let v: Vec<f64> = (0..n).map(|i| 1.0 + (i * i % 7) as f64).collect();
            let square: f64 = v.iter().map(|x| x * x).sum();
            let h = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / square;
            let t = |i: usize, j: usize| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)];
            let entry = |i: usize, j: usize| -> f64 {
                (0..n).map(|k| (0..n).map(|l| h(i, k) * t(k, l) * h(l, j)).sum::<f64>()).sum()
            };
            let a = (0..n * n).map(|at| entry(at / n, at % n)).collect();
            let mut got = eigenvalues(a, n);
            got.sort_unstable_by(f64::total_cmp);
            for (k, got) in got.iter().enumerate() {
                let angle = (k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64;
                assert!((got - (2.0 - 2.0 * angle.cos())).abs() < 1e-12, "{n}: {got}");
            }
        }
        let mut got = eigenvalues(vec![0.0, 0.0, 0.0, 3.0], 2);
        got.sort_unstable_by(f64::total_cmp);
        assert_eq!(got, [0.0, 3.0]);
        assert_eq!(eigenvalues(vec![0.0; 9], 3), [0.0; 3]);
    }

    #[test]
    fn a_layer_of_known_spectrum() {
        // two orthogonal filters of lengths 3 and 4 and none that is alike
        let got = numbers(&[0.5, 0.0], &[3.0, 0.0, 0.0, 4.0, 0.0, 0.0]);
        let close = |name: &str, want: f64| {
            let at = NUMBERS.iter().position(|number| *number == name).unwrap();
            assert!((got[at] - want).abs() < 1e-12, "{name}: {} {want}", got[at]);
        };
        close("sigma_max", 4f64.ln());
        close("sigma_min", 3f64.ln());
        close("stable_rank", 25.0 / 16.0);
        let share = |x: f64| -x / 7.0 * (x / 7.0).ln();
        close("effective_rank", (share(3.0) + share(4.0)).exp());
        close("correlation_mean", 0.0);
        close("bias_ratio", (0.5f64 / 5.0).ln());
        assert!(numbers(&[f32::NAN], &[1.0]).iter().all(|x| x.is_nan()));
    }
}
