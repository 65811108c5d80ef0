//! The register tile: sums over any walk are those of scalar loops, and no walk leaves its arrays.

mod common;
use common::isas;
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use zoometry_kernels::simd::Simd;
use zoometry_kernels::simd::tile::{Products, Walk};
use zoometry_kernels::{Isa, Kernel, LANES, Lanes};

const R: usize = 3;
const C: usize = 2;

/// A walk with its starts and the arrays that just hold it.
#[derive(Clone, Debug)]
struct Case {
    counts: [usize; 3],
    a: [isize; 3],
    w: [usize; 3],
    at: [usize; R],
    step: usize,
    a_len: usize,
    w_len: usize,
}

impl Case {
    /// Offsets of all products in both arrays.
    fn offsets(&self) -> Vec<(isize, usize)> {
        let [n0, n1, n2] = self.counts.map(|count| count as isize);
        let mut offsets = vec![];
        for (u, v, k) in (0..n0).flat_map(|u| (0..n1).flat_map(move |v| (0..n2).map(move |k| (u, v, k)))) {
            let from = u * self.a[0] + v * self.a[1] + k * self.a[2];
            offsets.push((from, u as usize * self.w[0] + v as usize * self.w[1] + k as usize * self.w[2]));
        }
        offsets
    }
}

fn case() -> impl Strategy<Value = Case> {
    let counts = prop::array::uniform3(0usize..4);
    let starts = prop::array::uniform3(0usize..5);
    (counts, prop::array::uniform3(-4isize..5), prop::array::uniform3(0usize..5), starts, 0usize..4).prop_map(
        |(counts, a, w, at, step)| {
            let mut case = Case { counts, a, w, at, step, a_len: 0, w_len: 0 };
            let offsets = case.offsets();
            // the smallest start meets the walk's way back, the greatest its way ahead
            let back = offsets.iter().map(|(from, _)| -from).max().unwrap_or(0);
            let lowest = at.into_iter().min().unwrap_or(0);
            case.at = at.map(|at| at - lowest + back as usize);
            let reach = |at: usize| offsets.iter().map(move |(from, _)| (at as isize + from) as usize + 1);
            case.a_len = case.at.into_iter().flat_map(reach).max().unwrap_or(0);
            case.w_len = offsets.iter().map(|(_, row)| row + (C - 1) * step + 1).max().unwrap_or(0);
            case
        },
    )
}

struct Run<'a>(&'a Case, &'a [Lanes], &'a [Lanes]);

impl Kernel for Run<'_> {
    type Output = [[Lanes; R]; C];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [[Lanes; R]; C] {
        let Run(case, a, w) = self;
        let walk = Walk::new(case.counts, case.a, case.w);
        let products = Products::<R, C>::new(&walk, a, case.at, w, case.step);
        let mut out = [[Lanes::ZERO; R]; C];
        for part in 0..S::PARTS {
            let mut acc = [[s.splat_r(0.0); R]; C];
            products.accumulate(s, part, &mut acc);
            for (c, r) in (0..C).flat_map(|c| (0..R).map(move |r| (c, r))) {
                s.store_r(acc[c][r], &mut out[c][r], part);
            }
        }
        out
    }
}

/// Small integers: all sums are exact.
fn integers(n: usize, salt: usize) -> Vec<Lanes> {
    (0..n).map(|k| Lanes(std::array::from_fn(|l| ((7 * k + 3 * l + salt) % 11) as f32 - 5.0))).collect()
}

fn check(isa: Isa, case: &Case) {
    let (a, w) = (integers(case.a_len, 1), integers(case.w_len, 4));
    let got = isa.run(Run(case, &a, &w));
    for (c, r, l) in (0..C).flat_map(|c| (0..R).flat_map(move |r| (0..LANES).map(move |l| (c, r, l)))) {
        let product =
            |(from, row): (isize, usize)| a[(case.at[r] as isize + from) as usize].0[l] * w[row + c * case.step].0[l];
        assert_eq!(got[c][r].0[l], case.offsets().into_iter().map(product).sum::<f32>(), "{c} {r} {l}");
    }
    if case.offsets().is_empty() {
        return;
    }
    let refused =
        |case: &Case, a: &[Lanes], w: &[Lanes]| catch_unwind(AssertUnwindSafe(|| isa.run(Run(case, a, w)))).is_err();
    assert!(refused(case, &a[..case.a_len - 1], &w), "a walk beyond the first array");
    assert!(refused(case, &a, &w[..case.w_len - 1]), "a walk beyond the second array");
    let mut before = case.clone();
    before.at = case.at.map(|at| at.wrapping_sub(1));
    assert!(refused(&before, &a, &w), "a walk before the first array");
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the program")]
fn sums_are_exact_and_no_walk_leaves_its_arrays() {
    let isas = isas();
    // the refusals are expected
    std::panic::set_hook(Box::new(|_| ()));
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&case(), |case| {
        isas.iter().for_each(|&isa| check(isa, &case));
        Ok(())
    });
    let _ = std::panic::take_hook();
    result.unwrap();
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the program")]
fn offsets_that_do_not_fit_are_refused() {
    for (counts, step) in [([usize::MAX, 1, 1], 2), ([1, usize::MAX / 2, 2], isize::MAX), ([3, 3, 3], isize::MIN)] {
        assert!(catch_unwind(|| Walk::new(counts, [step; 3], [1; 3])).is_err(), "{counts:?} {step}");
    }
    assert!(catch_unwind(|| Walk::new([2, 1, 1], [1; 3], [usize::MAX; 3])).is_err());
}
