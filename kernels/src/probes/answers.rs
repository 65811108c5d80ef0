//! Answers of units, or of classes, to every probe, and what follows from them.

use super::{PROBES, scratch_len};
use crate::simd::Simd;
use crate::{Isa, Kernel};

/// The least that a logarithm is taken of.
const FLOOR: f64 = 1e-12;

/// A unit is silent if its deviation over probes is at most this share of its layer's scale.
pub(super) const SILENT: f64 = 1e-4;

pub(super) fn ln(x: f64) -> f64 {
    // NaN stays NaN
    libm::log(if x < FLOOR { FLOOR } else { x })
}

pub(super) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

pub(super) fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let centre = mean(values.clone());
    libm::sqrt(mean(values.map(|x| (x - centre) * (x - centre))))
}

/// What follows from the answers of `width` units to every probe, row-major.
pub(super) struct Answers<'a> {
    /// Mean over probes of each unit.
    pub centre: &'a [f64],
    /// Deviation over probes of each unit.
    pub deviation: &'a mut [f64],
    pub rank: f64,
    pub cosine: f64,
}

impl<'a> Answers<'a> {
    /// `scratch`: [`scratch_len`] of the width.
    pub fn new(isa: Isa, width: usize, values: &[f64], scratch: &'a mut [f64]) -> Answers<'a> {
        let scratch = &mut scratch[..scratch_len(width)];
        let (centre, scratch) = scratch.split_at_mut(width);
        let (deviation, sum) = scratch.split_at_mut(width);
        centre.fill(0.0);
        for row in values.chunks_exact(width) {
            centre.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        centre.iter_mut().for_each(|sum| *sum /= PROBES as f64);
        deviation.fill(0.0);
        for row in values.chunks_exact(width) {
            for ((x, centre), variance) in row.iter().zip(&*centre).zip(&mut *deviation) {
                *variance += (x - centre) * (x - centre);
            }
        }
        deviation.iter_mut().for_each(|sum| *sum = libm::sqrt(*sum / PROBES as f64));
        Answers { rank: rank(isa, values, centre), cosine: cosine(values, sum), centre, deviation }
    }

    /// Root mean square over units of the deviation over probes.
    pub fn spread(&self) -> f64 {
        libm::sqrt(mean(self.deviation.iter().map(|x| x * x)))
    }
}

/// Participation ratio `(Σλ)² / Σλ²` of the eigenvalues of `AᵀA`, where A is `values` less their mean row `centre`; 0 where that is
/// no more than rounding leaves.
fn rank(isa: Isa, values: &[f64], centre: &[f64]) -> f64 {
    let mut product = [0.0; PROBES * PROBES];
    // A·Aᵀ has the same ones that are not 0: the smaller of the two
    let width = centre.len().min(PROBES);
    let product = &mut product[..width * width];
    isa.run(Product { values, centre, product });
    let trace: f64 = product.iter().step_by(width + 1).sum();
    let squares: f64 = product.iter().map(|x| x * x).sum();
    let least = SILENT * SILENT * values.iter().map(|x| x * x).sum::<f64>();
    if trace <= least { 0.0 } else { trace * trace / squares }
}

/// `AᵀA` or `A·Aᵀ`.
struct Product<'a> {
    values: &'a [f64],
    centre: &'a [f64],
    product: &'a mut [f64],
}

impl Kernel for Product<'_> {
    type Output = ();
    /// Plain loops, compiled for each ISA.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let width = self.centre.len();
        let mut line = [0.0; PROBES];
        if width <= PROBES {
            let line = &mut line[..width];
            for row in self.values.chunks_exact(width) {
                line.iter_mut().zip(row).zip(self.centre).for_each(|((y, x), centre)| *y = x - centre);
                add_square(line, self.product);
            }
        } else {
            for (column, centre) in self.centre.iter().enumerate() {
                let values = self.values[column..].iter().step_by(width);
                line.iter_mut().zip(values).for_each(|(y, x)| *y = x - centre);
                add_square(&line, self.product);
            }
        }
    }
}

/// Adds `x·xᵀ`.
#[inline(always)]
fn add_square(x: &[f64], product: &mut [f64]) {
    for (factor, sums) in x.iter().zip(product.chunks_exact_mut(x.len())) {
        for (sum, y) in sums.iter_mut().zip(x) {
            *sum += factor * y;
        }
    }
}

/// Mean cosine of pairs of rows, weighted by the product of their lengths: rows that are next to nothing do not matter,
/// whose directions are rounding. 0 if all are 0. `sum` is as long as a row.
fn cosine(values: &[f64], sum: &mut [f64]) -> f64 {
    sum.fill(0.0);
    let (mut lengths, mut squares) = (0.0, 0.0);
    for row in values.chunks_exact(sum.len()) {
        let square = row.iter().map(|x| x * x).sum::<f64>();
        squares += square;
        lengths += libm::sqrt(square);
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    let (dots, weights) = (sum.iter().map(|x| x * x).sum::<f64>() - squares, lengths * lengths - squares);
    if squares == 0.0 { 0.0 } else { dots / weights }
}
