//! What every kernel test shares: the legs of this machine, random numbers, tiles.
#![allow(dead_code)]

pub mod simd;
pub mod team;

use zoometry_kernels::{Block, Isa, Lanes, Leg};

/// Every leg of this machine; prints which ran and which could not.
///
/// `ZOOMETRY_NEED` names, separated by commas, what must not be skipped.
///
/// # Panics
/// If a leg that is needed is missing.
pub fn legs() -> Vec<Isa> {
    let need = std::env::var("ZOOMETRY_NEED").unwrap_or_default();
    for leg in Leg::ALL {
        let missing = Isa::new(leg).is_none();
        assert!(
            !(missing && need.split(',').any(|name| name == leg.name())),
            "ZOOMETRY_NEED: this machine lacks {leg}"
        );
        eprintln!("leg {leg}: {}", if missing { "SKIPPED, this machine lacks it" } else { "tested" });
    }
    Isa::available().collect()
}

/// Those of [`legs`] that fuse multiply and add and therefore give the same bits.
pub fn fused() -> Vec<Isa> {
    let fused: Vec<Isa> = legs().into_iter().filter(|isa| isa.leg() != Leg::Portable).collect();
    if fused.len() < 2 {
        eprintln!("SKIPPED: this machine has fewer than two fused legs to compare");
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

/// Asserts that two arrays agree within `tolerance` of their largest value.
#[track_caller]
pub fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    let scale = expected.iter().fold(1e-30, |a: f64, b| a.max(b.abs()));
    for (k, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= tolerance * scale, "{what}: element {k} is {g}, expected {e} (scale {scale})");
    }
}
