//! Elementary functions on lanes: exp, ln, tanh, sigmoid, and the normal distribution for GELU.
//!
//! The same operations in the same order on every ISA. Error bounds are stated with each function and tested against the
//! `f64` functions in `tests/math.rs`. Over all floats the largest errors are (26 November 2026, that file's ignored test):
//!
//! | ULP | exp | ln | sigmoid | tanh |
//! |---|---|---|---|---|
//! | AVX2, AVX-512 | 0.94 | 1.97 | 2.48 | 5.41 |
//! | portable | 1.22 | 1.97 | 2.48 | 6.12 |
//!
//! and 3.4·10⁻⁷ for the normal distribution function.

use crate::simd::Simd;

/// Floating-point operations of [`exp`].
pub const EXP: usize = 12;
/// Floating-point operations of [`ln`].
pub const LN: usize = 15;
/// Floating-point operations of [`sigmoid`].
pub const SIGMOID: usize = 15;
/// Floating-point operations of [`tanh`].
pub const TANH: usize = 13;

/// 1.5·2²³: adding it to `|x| < 2²²` leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;

/// Evaluates a polynomial by Horner's rule, coefficients from the highest power down.
#[inline(always)]
fn horner<S: Simd, const N: usize>(s: S, x: S::F, coefficients: [f32; N]) -> S::F {
    let mut y = s.splat(coefficients[0]);
    for k in 1..N {
        y = s.fma(y, x, s.splat(coefficients[k]));
    }
    y
}

/// `eˣ` to 2 ULP; 0 below −104, ∞ above 88.8, subnormal results included; NaN stays NaN.
///
/// Source. x = n·ln 2 + r, |r| ≤ ½ ln 2, with ln 2 in two parts (Cody and Waite); the Taylor polynomial of degree 7 in r is
/// closer to eʳ than half a rounding; 2ⁿ is applied in two halves so that subnormal results round once.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // the operand order keeps NaN
    let x = s.min(s.splat(89.0), s.max(s.splat(-104.5), x));
    let shifted = s.fma(x, s.splat(core::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(shifted, s.splat(ROUND));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let series = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let power = horner(s, r, series);
    // n + 256 in 106..=385, split into two exponents that are both normal
    let sum = s.and_u(s.add_u(s.to_bits(shifted), s.splat_u(256)), s.splat_u(0x1ff));
    let half = s.shr_u::<1>(sum);
    let rest = s.add_u(sum, s.xor_u(half, s.splat_u(u32::MAX)));
    let low = s.from_bits(s.shl_u::<23>(s.add_u(half, s.splat_u(u32::MAX))));
    let high = s.from_bits(s.shl_u::<23>(rest));
    s.mul(s.mul(power, low), high)
}

/// `ln x` to 2 ULP for normal `x > 0`; other arguments are the caller's bug and give some number.
///
/// Source. x = 2ᵉ·m with m in [√½, √2); ln m = 2 artanh(f), f = (m−1)/(m+1), as a series in f².
#[inline(always)]
pub fn ln<S: Simd>(s: S, x: S::F) -> S::F {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let offset = s.add_u(s.to_bits(x), s.splat_u(0x3f80_0000_u32.wrapping_sub(SQRT_HALF)));
    // exponent + 127, then as a float by the same trick as in `exp`, in reverse
    let biased = s.or_u(s.shr_u::<23>(offset), s.splat_u(ROUND.to_bits()));
    let e = s.sub(s.from_bits(biased), s.splat(ROUND + 127.0));
    let mantissa = s.add_u(s.and_u(offset, s.splat_u(0x007f_ffff)), s.splat_u(SQRT_HALF));
    let m = s.sub(s.from_bits(mantissa), s.splat(1.0));
    let f = s.div(m, s.add(m, s.splat(2.0)));
    let z = s.mul(f, f);
    let tail = horner(s, z, [2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0]);
    let small = s.fma(s.mul(f, z), tail, s.add(f, f));
    let low = s.fma(e, s.splat(-2.121_944_4e-4), small);
    s.fma(e, s.splat(0.693_359_4), low)
}

/// `1 / (1 + e⁻ˣ)` to 3 ULP down to the smallest normal result.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// `tanh x` to 6 ULP, 7 where the ISA does not fuse, never beyond ±1.
///
/// Source. A rational function x·P(x²)/Q(x²), both of degree 4, fitted for the least relative error on [0, 9] (2⁻²⁵); one
/// division and no exponential, so that it costs a third of 1 − 2/(e²ˣ + 1). From 9 on tanh rounds to 1.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.splat(9.0), s.max(s.splat(-9.0), x));
    let z = s.mul(x, x);
    let p = horner(s, z, [1.335_353_3e-8, 2.060_826_8e-5, 3.495_539_3e-3, 0.133_809_85, 1.0]);
    let q = horner(s, z, [7.776_095e-7, 3.285_554e-4, 0.025_876_798, 0.467_143, 1.0]);
    let y = s.div(s.mul(x, p), q);
    s.min(s.splat(1.0), s.max(s.splat(-1.0), y))
}

/// Density and distribution function of the standard normal at `x`: `(φ(x), Φ(x))`, absolute error of Φ below 4·10⁻⁷.
///
/// Source. Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
#[inline(always)]
pub fn normal<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let one = s.splat(1.0);
    let a = s.mul(s.abs(x), s.splat(core::f32::consts::FRAC_1_SQRT_2));
    let t = s.div(one, s.fma(a, s.splat(0.327_591_1), one));
    let series = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let e = exp(s, s.sub(s.splat(0.0), s.mul(a, a)));
    let tail = s.mul(s.mul(s.mul(horner(s, t, series), t), e), s.splat(0.5));
    let cdf = s.select(s.gt(x, s.splat(0.0)), s.sub(one, tail), tail);
    (s.mul(e, s.splat(0.398_942_3)), cdf)
}
