//! NEON of 64-bit ARM: sixteen lanes are four registers. Every such machine has it, so there is nothing to detect.

use super::{LANES, Lanes, Simd};
use crate::isa::Kernel;
use core::arch::aarch64::*;

/// The ISA that every 64-bit ARM machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neon;

/// Wraps intrinsics into a safe method.
macro_rules! op {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            // SAFETY: the build target has NEON; the intrinsics used touch no memory but the references given.
            unsafe { $body }
        }
    )*};
}

/// Wraps an expression over intrinsics that works on each quarter alone.
macro_rules! quarters {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            let quarter = |k: usize| {
                $(let $arg = $arg[k];)*
                // SAFETY: the build target has NEON; the intrinsics touch no memory.
                unsafe { $body }
            };
            [quarter(0), quarter(1), quarter(2), quarter(3)]
        }
    )*};
}

/// Wraps an intrinsic that works on each eighth of sixteen `f64` alone.
macro_rules! eighths {
    ($(fn $name:ident = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, mut a: W, b: W) -> W {
            for k in 0..8 {
                // SAFETY: the build target has NEON; the intrinsic touches no memory.
                a[k] = unsafe { $intrinsic(a[k], b[k]) };
            }
            a
        }
    )*};
}

type F = [float32x4_t; 4];
type U = [uint32x4_t; 4];
type W = [float64x2_t; 8];

impl Simd for Neon {
    type F = F;
    type U = U;
    type W = W;
    type M = U;
    const FUSES: bool = true;
    const ROWS: usize = 6;
    type R = float32x4_t;
    const PARTS: usize = 4;
    const ITEMS: usize = 6;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    op! {
        fn splat(x: f32) -> F = [vdupq_n_f32(x); 4];
        fn splat_r(x: f32) -> float32x4_t = vdupq_n_f32(x);
        fn load_r(x: &Lanes, part: usize) -> float32x4_t = vld1q_f32(x.0[4 * part..][..4].as_ptr());
        fn store_r(v: float32x4_t, x: &mut Lanes, part: usize) -> () = {
            vst1q_f32(x.0[4 * part..][..4].as_mut_ptr(), v)
        };
        fn add_r(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        fn fma_r(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        fn load_array(x: &[f32; LANES]) -> F = {
            let x = x.as_ptr();
            [vld1q_f32(x), vld1q_f32(x.add(4)), vld1q_f32(x.add(8)), vld1q_f32(x.add(12))]
        };
        fn store_array(v: F, x: &mut [f32; LANES]) -> () = {
            for k in 0..4 {
                vst1q_f32(x.as_mut_ptr().add(4 * k), v[k]);
            }
        };
        fn splat_u(x: u32) -> U = [vdupq_n_u32(x); 4];
        fn load_u(x: &[u32; LANES]) -> U = {
            let x = x.as_ptr();
            [vld1q_u32(x), vld1q_u32(x.add(4)), vld1q_u32(x.add(8)), vld1q_u32(x.add(12))]
        };
        fn store_u(v: U, x: &mut [u32; LANES]) -> () = {
            for k in 0..4 {
                vst1q_u32(x.as_mut_ptr().add(4 * k), v[k]);
            }
        };
        fn splat_w(x: f64) -> W = [vdupq_n_f64(x); 8];
        fn widen(v: F) -> W = {
            let mut wide = [vdupq_n_f64(0.0); 8];
            for k in 0..4 {
                wide[2 * k] = vcvt_f64_f32(vget_low_f32(v[k]));
                wide[2 * k + 1] = vcvt_high_f64_f32(v[k]);
            }
            wide
        };
        fn store_w(v: W, x: &mut [f64; LANES]) -> () = {
            for k in 0..8 {
                vst1q_f64(x.as_mut_ptr().add(2 * k), v[k]);
            }
        };
        fn mask(bits: u16) -> U = {
            let lanes = vld1q_u32([1, 2, 4, 8].as_ptr());
            let bits = vdupq_n_u32(u32::from(bits));
            [
                vtstq_u32(bits, lanes),
                vtstq_u32(bits, vshlq_n_u32::<4>(lanes)),
                vtstq_u32(bits, vshlq_n_u32::<8>(lanes)),
                vtstq_u32(bits, vshlq_n_u32::<12>(lanes)),
            ]
        };
    }

    quarters! {
        fn add(a: F, b: F) -> F = vaddq_f32(a, b);
        fn sub(a: F, b: F) -> F = vsubq_f32(a, b);
        fn mul(a: F, b: F) -> F = vmulq_f32(a, b);
        fn div(a: F, b: F) -> F = vdivq_f32(a, b);
        fn fma(a: F, b: F, c: F) -> F = vfmaq_f32(c, a, b);
        // the instructions of these names would keep a NaN
        fn min(a: F, b: F) -> F = vbslq_f32(vcltq_f32(a, b), a, b);
        fn max(a: F, b: F) -> F = vbslq_f32(vcgtq_f32(a, b), a, b);
        fn sqrt(a: F) -> F = vsqrtq_f32(a);
        fn gt(a: F, b: F) -> U = vcgtq_f32(a, b);
        fn beats(a: F, b: F) -> U = vbicq_u32(vceqq_f32(b, b), vcleq_f32(a, b));
        fn within(x: F, low: F, high: F) -> U = vandq_u32(vcleq_f32(low, x), vcleq_f32(x, high));
        fn select(m: U, a: F, b: F) -> F = vbslq_f32(m, a, b);
        fn and_mask(m: U, a: F) -> F = vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(a)));
        fn add_u(a: U, b: U) -> U = vaddq_u32(a, b);
        fn and_u(a: U, b: U) -> U = vandq_u32(a, b);
        fn or_u(a: U, b: U) -> U = vorrq_u32(a, b);
        fn xor_u(a: U, b: U) -> U = veorq_u32(a, b);
        fn gt_u(a: U, b: U) -> U = vcgtq_u32(a, b);
        // a mask is −1 where it holds
        fn count(m: U, a: U) -> U = vsubq_u32(a, m);
        fn to_bits(v: F) -> U = vreinterpretq_u32_f32(v);
        fn from_bits(v: U) -> F = vreinterpretq_f32_u32(v);
    }

    eighths! {
        fn add_w = vaddq_f64;
        fn sub_w = vsubq_f64;
        fn mul_w = vmulq_f64;
    }

    #[inline(always)]
    fn load(self, x: &Lanes) -> F {
        self.load_array(&x.0)
    }
    #[inline(always)]
    fn store(self, v: F, x: &mut Lanes) {
        self.store_array(v, &mut x.0);
    }
    #[inline(always)]
    fn shl_u<const N: i32>(self, a: U) -> U {
        // SAFETY: the build target has NEON.
        a.map(|a| unsafe { vshlq_n_u32::<N>(a) })
    }
    #[inline(always)]
    fn shr_u<const N: i32>(self, a: U) -> U {
        // by a vector of shifts: the instruction with a constant knows no shift by 0
        // SAFETY: the build target has NEON.
        a.map(|a| unsafe { vshlq_u32(a, vdupq_n_s32(-N)) })
    }
    #[inline(always)]
    fn bits(self, m: U) -> u16 {
        let mut bits = 0;
        for k in 0..4 {
            bits |= (quarter_bits(m[k]) as u16) << (4 * k);
        }
        bits
    }
    #[inline(always)]
    fn compress(self, m: U, v: F, x: &mut [f32; LANES]) -> usize {
        let mut kept = 0;
        for k in 0..4 {
            let bits = quarter_bits(m[k]);
            // SAFETY: the build target has NEON; `kept` is at most 4·k, so that four numbers end inside of `x`.
            unsafe {
                let order = vld1q_u8(ORDER[bits as usize & 15].as_ptr());
                let front = vqtbl1q_u8(vreinterpretq_u8_f32(v[k]), order);
                vst1q_f32(x.as_mut_ptr().add(kept), vreinterpretq_f32_u8(front));
            }
            kept += bits.count_ones() as usize;
        }
        kept
    }
    #[inline(always)]
    fn mul_wide(self, a: U, b: U) -> (U, U) {
        let (mut high, mut low) = (a, a);
        for k in 0..4 {
            // SAFETY: the build target has NEON.
            unsafe {
                let front = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a[k]), vget_low_u32(b[k])));
                let back = vreinterpretq_u32_u64(vmull_high_u32(a[k], b[k]));
                (high[k], low[k]) = (vuzp2q_u32(front, back), vuzp1q_u32(front, back));
            }
        }
        (high, low)
    }
    #[inline(always)]
    fn store_transposed<const W: usize>(self, v: [F; 4], x: &mut [[f32; W]; LANES], first: usize) {
        assert!(first + 4 <= W, "four places");
        for quarter in 0..4 {
            let turned = turn(v.map(|v| v[quarter]));
            for k in 0..4 {
                // SAFETY: the build target has NEON; the assertion keeps the store inside of its row.
                unsafe { vst1q_f32(x[4 * quarter + k].as_mut_ptr().add(first), turned[k]) };
            }
        }
    }
}

/// Bit k is set if lane k of a mask holds.
#[inline(always)]
fn quarter_bits(m: uint32x4_t) -> u32 {
    // SAFETY: the build target has NEON; four numbers are read.
    unsafe { vaddvq_u32(vandq_u32(m, vld1q_u32([1, 2, 4, 8].as_ptr()))) }
}

/// Turns a 4×4 matrix.
#[inline(always)]
fn turn([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    // SAFETY: the build target has NEON.
    unsafe {
        let pairs = |x, y| (vreinterpretq_f64_f32(vtrn1q_f32(x, y)), vreinterpretq_f64_f32(vtrn2q_f32(x, y)));
        let ((ab, ab_odd), (cd, cd_odd)) = (pairs(a, b), pairs(c, d));
        [vtrn1q_f64(ab, cd), vtrn1q_f64(ab_odd, cd_odd), vtrn2q_f64(ab, cd), vtrn2q_f64(ab_odd, cd_odd)]
            .map(|row| vreinterpretq_f32_f64(row))
    }
}

/// For each set of four lanes, a bit a lane: the bytes of its lanes in ascending order.
static ORDER: [[u8; 16]; 16] = {
    let mut order = [[0; 16]; 16];
    let mut set = 0;
    while set < 16 {
        let (mut byte, mut kept) = (0, 0);
        while byte < 16 {
            if set >> (byte / 4) & 1 == 1 {
                order[set][kept] = byte;
                kept += 1;
            }
            byte += 1;
        }
        set += 1;
    }
    order
};
