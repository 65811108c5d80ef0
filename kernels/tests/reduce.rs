//! Moments against their definition, on every ISA of this machine.

use proptest::prelude::*;
use zoometry_kernels::reduce::{Moments, moments};
use zoometry_kernels::{Isa, reference};

fn bits(m: Moments) -> [u64; 4] {
    [(m.min + 0.0).to_bits().into(), (m.max + 0.0).to_bits().into(), m.mean.to_bits(), m.variance.to_bits()]
}

/// Near in relation to `scale`, or both NaN.
fn near(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= 1e-11 * scale || (a.is_nan() && b.is_nan())
}

fn check(x: &[f32]) {
    let want = reference::reduce::moments(x);
    let mut first = None;
    for isa in Isa::available() {
        let got = moments(isa, x);
        let kind = isa.kind();
        assert!(got.min == want.min || (got.min.is_nan() && want.min.is_nan()), "{kind}: {got:?} {want:?}");
        assert!(got.max == want.max || (got.max.is_nan() && want.max.is_nan()), "{kind}: {got:?} {want:?}");
        let largest = x.iter().fold(0.0f64, |largest, &x| largest.max(f64::from(x.abs())));
        assert!(near(got.mean, want.mean, largest), "{kind}: {got:?} {want:?}");
        // the definition subtracts a rounded mean: its own error is (2⁻⁵³ mean)²
        let own = (want.mean * 1e-15).powi(2) * 1e11;
        assert!(near(got.variance, want.variance, want.variance + own), "{kind}: {got:?} {want:?}");
        let first = *first.get_or_insert(bits(got));
        assert_eq!(first, bits(got), "{kind} gives other bits");
    }
}

#[test]
fn short_constant_and_shifted() {
    let isas: Vec<_> = Isa::available().map(|isa| isa.kind().name()).collect();
    println!("ISAs: {}", isas.join(", "));
    for n in (1..70).chain([2304, 36_864]) {
        check(&vec![0.1; n]);
        check(&(0..n).map(|i| 1e6 + i as f32).collect::<Vec<_>>());
        check(&(0..n).map(|i| if i == 0 { 1e6 } else { (i as f32).sin() }).collect::<Vec<_>>());
        check(&(0..n).map(|i| (i as f32).sin() * 1e-42).collect::<Vec<_>>());
        check(&(0..n).map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN }).collect::<Vec<_>>());
    }
    assert_eq!(moments(Isa::detect(), &[0.1; 1000]).variance, 0.0);
}

#[test]
fn nan_and_infinity_are_defined() {
    for n in [1, 4, 16, 100] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, n / 2, n - 1] {
                let mut x = vec![0.5; n];
                x[place] = bad;
                check(&x);
                x[0] = f32::INFINITY;
                check(&x);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_numbers(x in prop::collection::vec(prop_oneof![
        -1.0f32..1.0,
        prop::num::f32::ZERO | prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL,
    ], 1..500)) {
        check(&x);
    }
}
