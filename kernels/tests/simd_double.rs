//! Every method of eight lanes of 64 bits against scalar code on every ISA, over NaN, ±0, ±∞, subnormal and ordinary numbers.

mod common;
use common::isas;
use common::simd::{assert_bits_w, on, turned};
use zoometry_kernels::Kernel;
use zoometry_kernels::simd::{DOUBLES, Simd};

type Longs = [u64; DOUBLES];
type Reals = [f64; DOUBLES];

const LONGS: Longs = [0, 1, u64::MAX, 1 << 63, (1 << 52) - 1, 0x0123_4567_89ab_cdef, 12345, 1 << 51];
const REALS: Reals = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-310, -2.5, f64::MAX];

/// A method of vectors of eight words or numbers, as arrays of words.
macro_rules! eight {
    ($isa:expr, |$s:ident, $a:ident, $b:ident| $body:expr; $first:expr, $second:expr) => {
        on!($isa, first: Longs = $first, second: Longs = $second => Longs, |$s| {
            let mut x = [0; DOUBLES];
            let ($a, $b) = ($s.load_q(&first), $s.load_q(&second));
            $s.store_q($body, &mut x);
            x
        })
    };
}

#[test]
fn eight_words_are_those_of_scalars() {
    for isa in isas() {
        for turn in 0..DOUBLES {
            let (a, b) = (LONGS, turned(LONGS, turn));
            let expected = |f: fn(u64, u64) -> u64| -> Longs { std::array::from_fn(|k| f(a[k], b[k])) };
            assert_eq!(eight!(isa, |s, a, _b| a; a, b), a, "load_q, store_q");
            assert_eq!(eight!(isa, |s, a, b| s.add_q(a, b); a, b), expected(u64::wrapping_add), "add_q");
            assert_eq!(eight!(isa, |s, a, b| s.sub_q(a, b); a, b), expected(u64::wrapping_sub), "sub_q");
            assert_eq!(eight!(isa, |s, a, b| s.and_q(a, b); a, b), expected(|a, b| a & b), "and_q");
            assert_eq!(eight!(isa, |s, a, b| s.or_q(a, b); a, b), expected(|a, b| a | b), "or_q");
        }
        for by in [0, 1, 31, 32, 63] {
            let shifted = on!(isa, a: Longs = LONGS, by: u32 = by => Longs, |s| {
                let mut x = [0; DOUBLES];
                s.store_q(s.shr_q(s.load_q(&a), by), &mut x);
                x
            });
            assert_eq!(shifted, LONGS.map(|a| a >> by), "shr_q {by}");
        }
        assert_eq!(eight!(isa, |s, _a, _b| s.splat_q(u64::MAX - 5); LONGS, LONGS), [u64::MAX - 5; DOUBLES], "splat_q");
        // integers below 2⁵²
        let small = LONGS.map(|a| a >> 12);
        let numbers = eight!(isa, |s, a, _b| s.to_bits_q(s.to_f64(a)); small, small);
        assert_bits_w(&numbers.map(f64::from_bits), &small.map(|a| a as f64), "to_f64");
    }
}

#[test]
fn eight_numbers_are_those_of_scalars() {
    for isa in isas() {
        for turn in 0..DOUBLES {
            let (a, b) = (REALS, turned(REALS, turn));
            let (first, second) = (a.map(f64::to_bits), b.map(f64::to_bits));
            macro_rules! number {
                (|$s:ident, $a:ident, $b:ident| $body:expr) => {
                    eight!(isa, |$s, a, b| {
                        let ($a, $b) = ($s.from_bits_q(a), $s.from_bits_q(b));
                        $s.to_bits_q($body)
                    }; first, second)
                    .map(f64::from_bits)
                };
            }
            let expected = |f: fn(f64, f64) -> f64| -> Reals { std::array::from_fn(|k| f(a[k], b[k])) };
            assert_bits_w(&number!(|s, a, _b| a), &a, "from_bits_q, to_bits_q");
            assert_bits_w(&number!(|s, _a, _b| s.splat_d(0.1)), &[0.1; DOUBLES], "splat_d");
            assert_bits_w(&number!(|s, a, b| s.add_d(a, b)), &expected(|a, b| a + b), "add_d");
            assert_bits_w(&number!(|s, a, b| s.sub_d(a, b)), &expected(|a, b| a - b), "sub_d");
            assert_bits_w(&number!(|s, a, b| s.mul_d(a, b)), &expected(|a, b| a * b), "mul_d");
            assert_bits_w(&number!(|s, a, b| s.div_d(a, b)), &expected(|a, b| a / b), "div_d");
            assert_bits_w(&number!(|s, a, b| s.max_d(a, b)), &expected(|a, b| if a > b { a } else { b }), "max_d");
            assert_bits_w(&number!(|s, a, _b| s.abs_d(a)), &expected(|a, _| a.abs()), "abs_d");
            let larger = number!(|s, a, b| s.select_d(s.gt_d(a, b), a, b));
            assert_bits_w(&larger, &expected(|a, b| if a > b { a } else { b }), "gt_d, select_d");
            let between = number!(|s, a, b| {
                let both = s.and_n(s.gt_d(a, b), s.gt_d(s.splat_d(1.0), a));
                s.from_bits_q(s.select_q(both, s.to_bits_q(a), s.to_bits_q(b)))
            });
            assert_bits_w(&between, &expected(|a, b| if a > b && 1.0 > a { a } else { b }), "and_n, select_q");
        }
    }
}

#[test]
fn a_prefetch_beyond_the_end_does_nothing() {
    for isa in isas() {
        let x = [1.0f32, 2.0];
        on!(isa, x: [f32; 2] = x => (), |s| {
            s.prefetch(&x, 1);
            s.prefetch(&x, usize::MAX);
        });
        assert_eq!(x, [1.0, 2.0]);
    }
}
