//! What every kernel test shares: the ISAs of this machine, random numbers, tolerances; layers in `layer`.
#![allow(dead_code)]

pub mod layer;
pub mod simd;
pub mod team;

use zoometry_kernels::{Block, Isa, IsaKind, Lanes};

/// Every ISA of this machine; prints which ran and which could not.
///
/// `ZOOMETRY_NEED` names, separated by commas, what must not be skipped.
///
/// # Panics
/// If an ISA that is needed is missing.
pub fn isas() -> Vec<Isa> {
    let need = std::env::var("ZOOMETRY_NEED").unwrap_or_default();
    for kind in IsaKind::ALL {
        let missing = Isa::new(kind).is_none();
        assert!(
            !(missing && need.split(',').any(|name| name == kind.name())),
            "ZOOMETRY_NEED: this machine lacks {kind}"
        );
        eprintln!("ISA {kind}: {}", if missing { "SKIPPED, this machine lacks it" } else { "tested" });
    }
    Isa::available().collect()
}

/// Those of [`isas`] that fuse multiply and add and therefore give the same bits.
pub fn fused() -> Vec<Isa> {
    let fused: Vec<Isa> = isas().into_iter().filter(|isa| isa.fuses()).collect();
    if fused.len() < 2 {
        eprintln!("SKIPPED: this machine has fewer than two fused ISAs to compare");
    }
    fused
}

/// Numbers in [−1, 1) from a seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / (1u64 << 23) as f32 - 1.0
    }
    pub fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
    pub fn lanes(&mut self, n: usize) -> Vec<Lanes> {
        (0..n).map(|_| Lanes(std::array::from_fn(|_| self.next()))).collect()
    }
    pub fn blocks(&mut self, n: usize) -> Vec<Block> {
        (0..n).map(|_| std::array::from_fn(|_| Lanes(std::array::from_fn(|_| self.next())))).collect()
    }
}

/// Asserts that each element of two arrays agrees within `absolute + relative·|expected|`; where NaN is expected, it is NaN.
#[track_caller]
pub fn assert_close(got: &[f64], expected: &[f64], absolute: f64, relative: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    for (k, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let tolerance = absolute + relative * e.abs();
        let same = (g - e).abs() <= tolerance || g == e || (g.is_nan() && e.is_nan());
        assert!(same, "{what}: element {k} is {g}, expected {e} (tolerance {tolerance})");
    }
}

/// Asserts that arrays of sums of `terms` products of numbers in [−1, 1) agree element by element, before or after an
/// activation, or times its slope.
///
/// Such a product has the variance 1/9, so a partial sum of k of them is about √k/3 and its rounding at most ε/2 times that:
/// all roundings together, in random directions, have a standard deviation below ε·terms/20. Activations and slopes err by
/// up to 8 ε of the sum that they take or multiply, which is below √terms but for one in 400 sums (3 deviations) of small
/// slope; the relative part is for the roundings after it.
#[track_caller]
pub fn assert_sums(got: &[f64], expected: &[f64], terms: usize, what: &str) {
    let (epsilon, terms) = (f64::from(f32::EPSILON), terms as f64);
    assert_close(got, expected, epsilon * (terms + 8.0 * terms.sqrt() + 8.0), 8.0 * epsilon, what);
}
