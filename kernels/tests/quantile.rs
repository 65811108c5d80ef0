//! Quartiles against their definition, on every ISA of this machine.

use proptest::prelude::*;
use zoometry_kernels::quantile::{quartiles, scratch_len};
use zoometry_kernels::simd::{LANES, Simd};
use zoometry_kernels::{Isa, Kernel, reference};

/// The quartiles on every ISA, which must agree to the bit.
fn everywhere(x: &[f32]) -> [f32; 3] {
    let mut scratch = vec![f32::NAN; scratch_len(x.len())];
    let mut results = Isa::available().map(|isa| (isa, quartiles(isa, x, &mut scratch)));
    let (first, y) = results.next().expect("the portable ISA");
    for (isa, other) in results {
        assert_eq!(y.map(f32::to_bits), other.map(f32::to_bits), "{} and {}", first.kind(), isa.kind());
    }
    y
}

fn check(x: &[f32]) {
    let (y, want) = (everywhere(x), reference::quantile::quartiles(x));
    for (y, want) in y.into_iter().zip(want) {
        assert!(
            y == want as f32 || (y.is_nan() && want.is_nan()),
            "{y} instead of {want} for {} values {x:?}",
            x.len()
        );
    }
}

/// Numbers without structure, the same in every run.
fn noise(n: usize) -> Vec<f32> {
    let mut state = 1u64;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

#[test]
fn every_length_up_to_700() {
    let isas: Vec<_> = Isa::available().map(|isa| isa.kind().name()).collect();
    println!("ISAs: {}", isas.join(", "));
    let x = noise(700);
    for n in 1..=700 {
        check(&x[..n]);
    }
}

#[test]
fn lengths_of_real_kernels() {
    for n in [1152, 2303, 2304, 4608, 9216] {
        check(&noise(n));
    }
}

#[test]
fn distributions_that_defeat_a_sample() {
    let n = 2304;
    let ramp: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let peak: Vec<f32> = noise(n).iter().map(|x| x.powi(31)).collect();
    let outliers: Vec<f32> = (0..n).map(|i| if i % 35 == 0 { 1e30 } else { i as f32 * 1e-30 }).collect();
    let two: Vec<f32> = (0..n).map(|i| (i % 2) as f32).collect();
    let flipped: Vec<f32> = ramp.iter().map(|x| -x).collect();
    for x in [&ramp, &flipped, &peak, &outliers, &two, &vec![0.25; n]] {
        check(x);
    }
}

#[test]
fn zeros_of_both_signs_give_plus_zero() {
    for n in [3, 70, 600] {
        let x: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { -0.0 } else { 0.0 }).collect();
        assert_eq!(everywhere(&x).map(f32::to_bits), [0; 3]);
    }
}

#[test]
fn nan_and_infinity_are_defined() {
    for n in [1, 5, 16, 100, 600] {
        let mut x = noise(n);
        x[n / 2] = f32::NAN;
        assert!(everywhere(&x).iter().all(|y| y.is_nan()));
        x[n / 2] = f32::INFINITY;
        x[0] = f32::NEG_INFINITY;
        check(&x);
        check(&vec![f32::INFINITY; n]);
    }
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -1.0f32..1.0,
        2 => (-3i8..4).prop_map(f32::from),
        1 => prop::sample::select(vec![0.0, -0.0, f32::MAX, f32::MIN, 1e-45, -1e-45, f32::INFINITY, f32::NEG_INFINITY]),
        1 => prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL,
    ]
}

proptest! {
    #[test]
    fn any_numbers(x in prop::collection::vec(value(), 1..900)) {
        check(&x);
    }

    #[test]
    fn many_ties(x in prop::collection::vec((-2i8..3).prop_map(f32::from), 1..900)) {
        check(&x);
    }
}

/// Compresses 1 … 16 by a mask.
struct Compress(u16);
impl Kernel for Compress {
    type Output = (usize, [f32; LANES]);
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut v = [0.0; LANES];
        for k in 0..LANES {
            v[k] = (k + 1) as f32;
        }
        let mut x = [0.0; LANES];
        let kept = simd.compress(simd.mask(self.0), simd.load_array(&v), &mut x);
        (kept, x)
    }
}

#[test]
fn compress_keeps_the_lanes_of_every_mask_in_order() {
    for isa in Isa::available() {
        for bits in 0..=u16::MAX {
            let want: Vec<f32> = (0..LANES).filter(|k| bits >> k & 1 == 1).map(|k| (k + 1) as f32).collect();
            let (kept, x) = isa.run(Compress(bits));
            assert_eq!(&x[..kept], &want, "{} {bits:016b}", isa.kind());
        }
    }
}
