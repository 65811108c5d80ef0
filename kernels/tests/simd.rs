//! Every vector method against scalar code on every ISA, over NaN, ±0, ±∞, subnormal and ordinary numbers.

mod common;
use common::simd::{assert_bits, assert_bits_w, on, turned};
use common::{Numbers, isas};
use zoometry_kernels::simd::Simd;
use zoometry_kernels::{Isa, Kernel, LANES, Lanes};

type Floats = [f32; LANES];
type Words = [u32; LANES];
type Wide = [f64; LANES];

/// A method of two or three vectors of floats, as arrays.
macro_rules! floats {
    ($isa:expr, $method:ident($($arg:ident),+)) => {
        on!($isa, $($arg: Floats = $arg),+ => Floats, |s| out(s, s.$method($(s.load_array(&$arg)),+)))
    };
}

/// A method of vectors of words, as arrays.
macro_rules! words {
    ($isa:expr, $method:ident($($arg:ident),+)) => {
        on!($isa, $($arg: Words = $arg),+ => Words, |s| out_u(s, s.$method($(s.load_u(&$arg)),+)))
    };
}

/// A comparison of vectors of floats, as bits.
macro_rules! truths {
    ($isa:expr, $method:ident($($arg:ident),+)) => {
        on!($isa, $($arg: Floats = $arg),+ => u16, |s| s.bits(s.$method($(s.load_array(&$arg)),+)))
    };
}

#[inline(always)]
fn out<S: Simd>(s: S, v: S::F) -> Floats {
    let mut x = [0.0; LANES];
    s.store_array(v, &mut x);
    x
}

#[inline(always)]
fn out_u<S: Simd>(s: S, v: S::U) -> Words {
    let mut x = [0; LANES];
    s.store_u(v, &mut x);
    x
}

#[inline(always)]
fn out_w<S: Simd>(s: S, v: S::W) -> Wide {
    let mut x = [0.0; LANES];
    s.store_w(v, &mut x);
    x
}

const TINY: f32 = 1e-40;
const NUMBERS: Floats = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MIN_POSITIVE,
    TINY,
    -TINY,
    f32::MAX,
    f32::MIN,
    1.5,
    -2.25,
    1e-30,
    16_777_215.0,
];
const WORDS: Words = [
    0,
    1,
    2,
    3,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
    0xd251_1f53,
    0xcd9e_8d57,
    0x3f80_0000,
    12345,
    99,
    0x55aa_55aa,
    0xfff0_0000,
];

/// Lanes as one scalar function makes them.
fn each<T>(f: impl FnMut(usize) -> T) -> [T; LANES] {
    std::array::from_fn(f)
}

/// The bits of lanes that hold.
fn holding(f: impl Fn(usize) -> bool) -> u16 {
    (0..LANES).map(|k| u16::from(f(k)) << k).sum()
}

/// Runs a test for every ISA and every pairing of the numbers: `a` and two turns of it.
fn for_all(test: impl Fn(Isa, Floats, Floats, Floats)) {
    for isa in isas() {
        for k in 0..LANES {
            test(isa, NUMBERS, turned(NUMBERS, k), turned(NUMBERS, 3 * k + 5));
        }
    }
}

#[test]
fn loads_and_stores_keep_bits() {
    for_all(|isa, a, _, _| {
        let lanes = on!(isa, a: Floats = a => Lanes, |s| {
            let mut x = Lanes::ZERO;
            s.store(s.load(&Lanes(a)), &mut x);
            x
        });
        assert_bits(&lanes.0, &a, "load, store");
        assert_bits(&on!(isa, a: Floats = a => Floats, |s| out(s, s.load_array(&a))), &a, "load_array, store_array");
        for x in a {
            assert_bits(&on!(isa, x: f32 = x => Floats, |s| out(s, s.splat(x))), &[x; LANES], "splat");
        }
    });
}

#[test]
fn arithmetic_is_that_of_scalars() {
    for_all(|isa, a, b, c| {
        assert_bits(&floats!(isa, add(a, b)), &each(|k| a[k] + b[k]), "add");
        assert_bits(&floats!(isa, sub(a, b)), &each(|k| a[k] - b[k]), "sub");
        assert_bits(&floats!(isa, mul(a, b)), &each(|k| a[k] * b[k]), "mul");
        assert_bits(&floats!(isa, div(a, b)), &each(|k| a[k] / b[k]), "div");
        assert_bits(&floats!(isa, sqrt(a)), &each(|k| a[k].sqrt()), "sqrt");
        assert_bits(&floats!(isa, abs(a)), &each(|k| a[k].abs()), "abs");
        let once = |k: usize| a[k].mul_add(b[k], c[k]);
        let twice = |k: usize| a[k] * b[k] + c[k];
        assert_bits(&floats!(isa, fma(a, b, c)), &if isa.fuses() { each(once) } else { each(twice) }, "fma");
    });
}

#[test]
fn fma_rounds_once_where_it_is_fused() {
    // (1 + 2⁻¹²)² − 1 − 2⁻¹¹ is 2⁻²⁴: lost if the square is rounded
    let x = 1.0 + 2f32.powi(-12);
    for isa in isas() {
        let got =
            on!(isa, x: f32 = x => Floats, |s| out(s, s.fma(s.splat(x), s.splat(x), s.splat(-1.0 - 2f32.powi(-11)))));
        assert_eq!(got, [if isa.fuses() { 2f32.powi(-24) } else { 0.0 }; LANES], "{}", isa.kind());
    }
}

#[test]
fn comparisons_treat_nan_as_documented() {
    for_all(|isa, a, b, c| {
        // the second where either is NaN; of two zeros the second as well
        assert_bits(&floats!(isa, min(a, b)), &each(|k| if a[k] < b[k] { a[k] } else { b[k] }), "min");
        assert_bits(&floats!(isa, max(a, b)), &each(|k| if a[k] > b[k] { a[k] } else { b[k] }), "max");
        assert_eq!(truths!(isa, gt(a, b)), holding(|k| a[k] > b[k]), "gt");
        assert_eq!(truths!(isa, within(a, b, c)), holding(|k| b[k] <= a[k] && a[k] <= c[k]), "within");
        let beats = |k: usize| a[k] > b[k] || (a[k].is_nan() && !b[k].is_nan());
        assert_eq!(truths!(isa, beats(a, b)), holding(beats), "beats");
    });
}

#[test]
fn masks_select_lanes() {
    for_all(|isa, a, b, _| {
        for bits in [0, 1, 0x8000, 0x00ff, 0xa5c3, u16::MAX] {
            let set = |k: usize| bits >> k & 1 == 1;
            assert_eq!(on!(isa, bits: u16 = bits => u16, |s| s.bits(s.mask(bits))), bits, "mask, bits");
            let selected = on!(isa, bits: u16 = bits, a: Floats = a, b: Floats = b => Floats, |s| {
                out(s, s.select(s.mask(bits), s.load_array(&a), s.load_array(&b)))
            });
            assert_bits(&selected, &each(|k| if set(k) { a[k] } else { b[k] }), "select");
            let kept = on!(isa, bits: u16 = bits, a: Floats = a => Floats, |s| out(s, s.and_mask(s.mask(bits), s.load_array(&a))));
            assert_bits(&kept, &each(|k| if set(k) { a[k] } else { 0.0 }), "and_mask");
            let (count, front) = on!(isa, bits: u16 = bits, a: Floats = a => (usize, Floats), |s| {
                let mut x = [0.0; LANES];
                let count = s.compress(s.mask(bits), s.load_array(&a), &mut x);
                (count, x)
            });
            let expected: Vec<f32> = (0..LANES).filter(|&k| set(k)).map(|k| a[k]).collect();
            assert_bits(&front[..count], &expected, "compress");
            let counted = on!(isa, bits: u16 = bits, a: Words = WORDS => Words, |s| out_u(s, s.count(s.mask(bits), s.load_u(&a))));
            assert_eq!(counted, each(|k| WORDS[k].wrapping_add(u32::from(set(k)))), "count");
        }
    });
}

#[test]
fn words_wrap() {
    for isa in isas() {
        for turn in 0..LANES {
            let (a, b) = (WORDS, turned(WORDS, turn));
            assert_eq!(words!(isa, add_u(a, b)), each(|k| a[k].wrapping_add(b[k])), "add_u");
            assert_eq!(words!(isa, and_u(a, b)), each(|k| a[k] & b[k]), "and_u");
            assert_eq!(words!(isa, or_u(a, b)), each(|k| a[k] | b[k]), "or_u");
            assert_eq!(words!(isa, xor_u(a, b)), each(|k| a[k] ^ b[k]), "xor_u");
            let (high, low) = on!(isa, a: Words = a, b: Words = b => (Words, Words), |s| {
                let (high, low) = s.mul_wide(s.load_u(&a), s.load_u(&b));
                (out_u(s, high), out_u(s, low))
            });
            let product = |k: usize| u64::from(a[k]) * u64::from(b[k]);
            assert_eq!((high, low), (each(|k| (product(k) >> 32) as u32), each(|k| product(k) as u32)), "mul_wide");
            // documented for words below 2³¹ alone
            let (a, b) = (a.map(|a| a >> 1), b.map(|b| b >> 1));
            let greater = on!(isa, a: Words = a, b: Words = b => u16, |s| s.bits(s.gt_u(s.load_u(&a), s.load_u(&b))));
            assert_eq!(greater, holding(|k| a[k] > b[k]), "gt_u");
        }
    }
}

#[test]
fn words_shift_and_turn_into_floats() {
    for isa in isas() {
        macro_rules! shifts {
            ($($by:literal)*) => {$(
                let shifted = on!(isa, a: Words = WORDS => Words, |s| out_u(s, s.shl_u::<$by>(s.load_u(&a))));
                assert_eq!(shifted, WORDS.map(|a| a << $by), "shl_u {}", $by);
                let shifted = on!(isa, a: Words = WORDS => Words, |s| out_u(s, s.shr_u::<$by>(s.load_u(&a))));
                assert_eq!(shifted, WORDS.map(|a| a >> $by), "shr_u {}", $by);
            )*};
        }
        shifts!(0 1 16 23 31);
        for x in WORDS {
            assert_eq!(on!(isa, x: u32 = x => Words, |s| out_u(s, s.splat_u(x))), [x; LANES], "splat_u");
        }
        let bits = on!(isa, a: Floats = NUMBERS => Words, |s| out_u(s, s.to_bits(s.load_array(&a))));
        assert_eq!(bits, NUMBERS.map(f32::to_bits), "to_bits");
        let floats = on!(isa, a: Words = WORDS => Floats, |s| out(s, s.from_bits(s.load_u(&a))));
        assert_bits(&floats, &WORDS.map(f32::from_bits), "from_bits");
    }
}

#[test]
fn doubles_of_sixteen_lanes_are_those_of_scalars() {
    for_all(|isa, a, b, _| {
        let wide = on!(isa, a: Floats = a => Wide, |s| out_w(s, s.widen(s.load_array(&a))));
        assert_bits_w(&wide, &a.map(f64::from), "widen, store_w");
        assert_bits_w(&on!(isa, x: f64 = 0.1 => Wide, |s| out_w(s, s.splat_w(x))), &[0.1; LANES], "splat_w");
        let [sum, difference, product] = on!(isa, a: Floats = a, b: Floats = b => [Wide; 3], |s| {
            // a tenth, so that products have more digits than floats
            let (a, b) = (s.mul_w(s.widen(s.load_array(&a)), s.splat_w(0.1)), s.widen(s.load_array(&b)));
            [out_w(s, s.add_w(a, b)), out_w(s, s.sub_w(a, b)), out_w(s, s.mul_w(a, b))]
        });
        let (a, b) = (a.map(|a| f64::from(a) * 0.1), b.map(f64::from));
        assert_bits_w(&sum, &each(|k| a[k] + b[k]), "add_w");
        assert_bits_w(&difference, &each(|k| a[k] - b[k]), "sub_w");
        assert_bits_w(&product, &each(|k| a[k] * b[k]), "mul_w");
    });
}

/// The documented tree: k with k+8, then k+4, k+2, k+1.
fn tree<T: Copy>(mut a: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    for width in [8, 4, 2, 1] {
        for k in 0..width {
            a[k] = join(a[k], a[k + width]);
        }
    }
    a[0]
}

#[test]
fn reductions_follow_the_tree() {
    for isa in isas() {
        let mut numbers = Numbers(6);
        for case in 0..50 {
            // numbers of very different sizes, so that another order gives other bits
            let mut a = each(|k| numbers.next() * [1e-3, 1.0, 1e4, 1e6][(k + case) % 4]);
            if case > 40 {
                a[case % LANES] = NUMBERS[case % LANES];
            }
            let sum = on!(isa, a: Floats = a => f32, |s| s.sum(s.load_array(&a)));
            assert_bits(&[sum], &[tree(a, |a, b| a + b)], "sum");
            let sum = on!(isa, a: Floats = a => f64, |s| s.sum_w(s.mul_w(s.widen(s.load_array(&a)), s.splat_w(0.1))));
            assert_bits_w(&[sum], &[tree(a.map(|a| f64::from(a) * 0.1), |a, b| a + b)], "sum_w");
            let largest = on!(isa, a: Floats = a => f32, |s| s.largest(s.load_array(&a)));
            assert_bits(&[largest], &[tree(a, |a, b| if a > b { a } else { b })], "largest");
        }
        let sum = on!(isa, a: Words = WORDS => u32, |s| s.sum_u(s.load_u(&a)));
        assert_eq!(sum, WORDS.into_iter().fold(0, u32::wrapping_add), "sum_u");
    }
}

#[test]
fn registers_are_the_parts_of_a_vector() {
    for_all(|isa, a, b, c| {
        let [copy, sum, fused, splat] = on!(isa, a: Floats = a, b: Floats = b, c: Floats = c => [Lanes; 4], |s| {
            let (a, b, c, mut x) = (Lanes(a), Lanes(b), Lanes(c), [Lanes::ZERO; 4]);
            for part in 0..S::PARTS {
                let (a, b, c) = (s.load_r(&a, part), s.load_r(&b, part), s.load_r(&c, part));
                let results = [a, s.add_r(a, b), s.fma_r(a, b, c), s.splat_r(0.1)];
                for (result, x) in results.into_iter().zip(&mut x) {
                    s.store_r(result, x, part);
                }
            }
            x
        });
        assert_bits(&copy.0, &a, "load_r, store_r");
        assert_bits(&sum.0, &floats!(isa, add(a, b)), "add_r");
        assert_bits(&fused.0, &floats!(isa, fma(a, b, c)), "fma_r");
        assert_bits(&splat.0, &[0.1; LANES], "splat_r");
    });
}

#[test]
fn four_vectors_are_stored_transposed() {
    for isa in isas() {
        let rows = [0, 3, 6, 9].map(|k| turned(NUMBERS, k));
        for first in 0..=2 {
            let columns = on!(isa, rows: [Floats; 4] = rows, first: usize = first => [[f32; 6]; LANES], |s| {
                let mut x = [[7.0; 6]; LANES];
                let rows = [s.load_array(&rows[0]), s.load_array(&rows[1]), s.load_array(&rows[2]), s.load_array(&rows[3])];
                s.store_transposed(rows, &mut x, first);
                x
            });
            for (k, column) in columns.iter().enumerate() {
                let mut expected = [7.0; 6];
                (0..4).for_each(|n| expected[first + n] = rows[n][k]);
                assert_bits(column, &expected, "store_transposed");
            }
        }
    }
}

#[test]
fn a_part_of_a_kernel_runs_with_the_same_instructions() {
    struct Inner(Floats);
    impl Kernel for Inner {
        type Output = Floats;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Floats {
            out(s, s.fma(s.load_array(&self.0), s.splat(2.0), s.splat(1.0)))
        }
    }
    for isa in isas() {
        let got = on!(isa, a: Floats = NUMBERS => Floats, |s| s.run(Inner(a)));
        assert_bits(&got, &NUMBERS.map(|a| a * 2.0 + 1.0), "run");
    }
}
