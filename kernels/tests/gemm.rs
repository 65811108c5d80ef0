//! Matrix products against their definition, on every ISA, over shapes that fill blocks and such that do not.

mod common;
use common::{Numbers, assert_sums, isas};
use proptest::prelude::*;
use zoometry_kernels::gemm::{self, Matrix, Update};
use zoometry_kernels::{Lanes, reference};

/// The product on every ISA; those that fuse must agree bit for bit.
fn check([m, k, n]: [usize; 3], [turn_a, turn_b]: [bool; 2], update: Update, seed: u64) {
    let mut numbers = Numbers(seed);
    let (a, b, before) = (numbers.vec(m * k), numbers.vec(k * n), numbers.vec(m * n));
    let a = if turn_a { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
    let b = if turn_b { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
    let start = |x: &f32| if update == Update::Add { f64::from(*x) } else { 0.0 };
    let mut expected: Vec<f64> = before.iter().map(start).collect();
    reference::gemm::multiply(a, b, &mut expected);
    let mut space = vec![Lanes([f32::NAN; 16]); gemm::SPACE];
    let mut fused: Option<Vec<f32>> = None;
    for isa in isas() {
        let mut c = before.clone();
        gemm::multiply(isa, a, b, update, &mut c, &mut space);
        let got: Vec<f64> = c.iter().map(|&x| f64::from(x)).collect();
        assert_sums(&got, &expected, k, &format!("{m}x{k}x{n} on {}", isa.kind()));
        if isa.fuses() {
            assert_eq!(fused.get_or_insert_with(|| c.clone()), &c, "ISAs differ");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_shape_is_the_definition(
        shape in [1usize..40, 1usize..40, 1usize..40],
        turned in any::<[bool; 2]>(),
        sum in any::<bool>(),
        seed in any::<u64>(),
    ) {
        check(shape, turned, if sum { Update::Add } else { Update::Replace }, seed);
    }
}

#[test]
fn shapes_beyond_every_block() {
    check([200, 300, 530], [false, false], Update::Replace, 1);
    check([193, 257, 513], [true, false], Update::Add, 2);
    check([17, 600, 33], [false, true], Update::Replace, 3);
    check([1, 1, 1], [true, true], Update::Add, 4);
}

#[test]
fn an_empty_sum_is_zero() {
    let (mut c, mut space) = ([1.0; 6], vec![Lanes::ZERO; gemm::SPACE]);
    for isa in isas() {
        gemm::multiply(isa, Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3), Update::Replace, &mut c, &mut space);
        assert_eq!(c, [0.0; 6]);
    }
}

#[test]
#[should_panic(expected = "shape of a, b or c")]
fn a_shape_that_does_not_fit_panics() {
    let isa = zoometry_kernels::Isa::detect();
    let x = [0.0; 6];
    gemm::multiply(isa, Matrix::new(&x, 2, 3), Matrix::new(&x, 2, 3), Update::Replace, &mut [0.0; 4], &mut []);
}
