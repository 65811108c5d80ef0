//! Reductions of a slice to a few numbers: extremes and moments.

use crate::simd::{LANES, Simd};
use crate::{Cost, Isa, Kernel};

/// Extremes and moments of a set of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The smallest.
    pub min: f32,
    /// The largest.
    pub max: f32,
    /// `Σ xᵢ / n`
    pub mean: f64,
    /// The population's, `Σ (xᵢ − mean)² / n`.
    pub variance: f64,
}

/// Of [`moments`] of so many values.
pub fn cost(values: usize) -> Cost {
    Cost { flops: 4, bytes: size_of::<f32>() } * values
}

/// Computes extremes, mean and population variance in one pass.
///
/// `dᵢ = xᵢ − x₀;  mean = x₀ + Σ dᵢ / n;  variance = (Σ dᵢ² − (Σ dᵢ)² / n) / n`
///
/// Shapes.   `x` any length from 1 on.
/// Panics.   if `x` is empty.
/// Cost.     4·n flop and 2·n comparisons; reads x once.
/// Numerics. Sums in `f64`. `x₀` lies within `√(n − 1)` standard deviations of the mean, as every element does, so the
///           difference loses no more than a factor n of 2⁻⁵³: relative error below 1e-9 up to a million elements. Nothing
///           fused, one order of summation: the same bits on every ISA. All four are NaN where an `xᵢ` is NaN; mean and
///           variance are NaN where one is infinite.
/// Source.   [`crate::reference::reduce::moments`]; Chan, Golub, LeVeque, "Algorithms for computing the sample variance",
///           The American Statistician 37(3), 1983 (shifted data).
pub fn moments(isa: Isa, x: &[f32]) -> Moments {
    assert!(!x.is_empty(), "moments of nothing");
    isa.run(MomentsKernel { x })
}

struct MomentsKernel<'a> {
    x: &'a [f32],
}

impl Kernel for MomentsKernel<'_> {
    type Output = Moments;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Moments {
        let (whole, rest) = self.x.as_chunks::<LANES>();
        let first = self.x[0];
        let mut acc = Sums::new(simd, first);
        for x in whole {
            acc.add(simd, simd.load_array(x));
        }
        if !rest.is_empty() {
            // `first` adds nothing to the sums and changes no extreme
            let mut x = [first; LANES];
            x[..rest.len()].copy_from_slice(rest);
            acc.add(simd, simd.load_array(&x));
        }
        acc.finish(simd, self.x)
    }
}

/// Running sums, one a lane.
struct Sums<S: Simd> {
    shift: S::W,
    min: S::F,
    max: S::F,
    d: S::W,
    squares: S::W,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(simd: S, first: f32) -> Sums<S> {
        let (x, zero) = (simd.splat(first), simd.splat_w(0.0));
        Sums { shift: simd.splat_w(f64::from(first)), min: x, max: x, d: zero, squares: zero }
    }

    #[inline(always)]
    fn add(&mut self, simd: S, x: S::F) {
        self.min = simd.min(x, self.min);
        self.max = simd.max(x, self.max);
        let d = simd.sub_w(simd.widen(x), self.shift);
        self.d = simd.add_w(self.d, d);
        self.squares = simd.add_w(self.squares, simd.mul_w(d, d));
    }

    #[inline(always)]
    fn finish(self, simd: S, x: &[f32]) -> Moments {
        let n = x.len() as f64;
        let (d, squares) = (simd.sum_w(self.d), simd.sum_w(self.squares));
        if !d.is_finite() && x.iter().any(|x| x.is_nan()) {
            return Moments { min: f32::NAN, max: f32::NAN, mean: f64::NAN, variance: f64::NAN };
        }
        let (mut lanes, mut min, mut max) = ([0.0; LANES], x[0], x[0]);
        simd.store_array(self.min, &mut lanes);
        for lane in lanes {
            min = if lane < min { lane } else { min };
        }
        simd.store_array(self.max, &mut lanes);
        for lane in lanes {
            max = if lane > max { lane } else { max };
        }
        if !d.is_finite() {
            return Moments { min, max, mean: f64::NAN, variance: f64::NAN };
        }
        Moments { min, max, mean: f64::from(x[0]) + d / n, variance: ((squares - d * d / n) / n).max(0.0) }
    }
}
