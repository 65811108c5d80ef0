//! The portable ISA: two values of the crate `wide`, which uses what the build target has.

use super::{LANES, Lanes, Simd};
use crate::isa::Kernel;
use bytemuck::{cast, cast_mut, cast_ref};
use wide::{f32x8, u32x8};

/// The ISA that every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

type F = [f32x8; 2];
type U = [u32x8; 2];
type W = [f64; LANES];

/// A method that works on each half alone.
macro_rules! halves {
    ($(fn $name:ident($($arg:ident),*): $t:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $t {
            [{ $(let $arg = $arg[0];)* $body }, { $(let $arg = $arg[1];)* $body }]
        }
    )*};
}

/// A method on each lane of sixteen `f64`.
macro_rules! lanes_w {
    ($(fn $name:ident($a:ident, $b:ident) = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, mut x: W, y: W) -> W {
            for k in 0..LANES {
                let ($a, $b) = (x[k], y[k]);
                x[k] = $body;
            }
            x
        }
    )*};
}

impl Simd for Portable {
    type F = F;
    type U = U;
    type W = W;
    type M = F;
    // where `wide` has such an instruction
    const FUSES: bool = cfg!(any(target_feature = "fma", all(target_arch = "aarch64", target_feature = "neon")));
    const ROWS: usize = 3;
    type R = f32x8;
    const PARTS: usize = 2;
    const ITEMS: usize = 2;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [f32x8::splat(x); 2]
    }
    #[inline(always)]
    fn load(self, x: &Lanes) -> F {
        cast(x.0)
    }
    #[inline(always)]
    fn load_array(self, x: &[f32; LANES]) -> F {
        cast(*x)
    }
    #[inline(always)]
    fn store(self, v: F, x: &mut Lanes) {
        x.0 = cast(v);
    }
    #[inline(always)]
    fn store_array(self, v: F, x: &mut [f32; LANES]) {
        *x = cast(v);
    }

    #[inline(always)]
    fn splat_r(self, x: f32) -> f32x8 {
        f32x8::splat(x)
    }
    #[inline(always)]
    fn load_r(self, x: &Lanes, part: usize) -> f32x8 {
        let halves: &[[f32; 8]; 2] = cast_ref(&x.0);
        cast(halves[part])
    }
    #[inline(always)]
    fn store_r(self, v: f32x8, x: &mut Lanes, part: usize) {
        let halves: &mut [[f32; 8]; 2] = cast_mut(&mut x.0);
        halves[part] = cast(v);
    }
    #[inline(always)]
    fn add_r(self, a: f32x8, b: f32x8) -> f32x8 {
        a + b
    }
    #[inline(always)]
    fn fma_r(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        a.mul_add(b, c)
    }

    halves! {
        fn add(a, b): F = a + b;
        fn sub(a, b): F = a - b;
        fn mul(a, b): F = a * b;
        fn div(a, b): F = a / b;
        fn fma(a, b, c): F = a.mul_add(b, c);
        fn sqrt(a): F = a.sqrt();
        fn min(a, b): F = b.simd_gt(a).select(a, b);
        fn max(a, b): F = a.simd_gt(b).select(a, b);
        fn gt(a, b): F = a.simd_gt(b);
        fn select(m, a, b): F = m.select(a, b);
        fn and_mask(m, a): F = m & a;
        fn within(x, low, high): F = low.simd_le(x) & x.simd_le(high);
        fn add_u(a, b): U = a + b;
        fn and_u(a, b): U = a & b;
        fn or_u(a, b): U = a | b;
        fn xor_u(a, b): U = a ^ b;
    }

    lanes_w! {
        fn add_w(a, b) = a + b;
        fn sub_w(a, b) = a - b;
        fn mul_w(a, b) = a * b;
    }

    #[inline(always)]
    fn splat_w(self, x: f64) -> W {
        [x; LANES]
    }
    #[inline(always)]
    fn widen(self, v: F) -> W {
        let (v, mut wide): ([f32; LANES], W) = (cast(v), [0.0; LANES]);
        for k in 0..LANES {
            wide[k] = f64::from(v[k]);
        }
        wide
    }
    #[inline(always)]
    fn store_w(self, v: W, x: &mut [f64; LANES]) {
        *x = v;
    }
    #[inline(always)]
    fn beats(self, a: F, b: F) -> F {
        let half = |a: f32x8, b: f32x8| !a.simd_le(b) & b.simd_eq(b);
        [half(a[0], b[0]), half(a[1], b[1])]
    }
    #[inline(always)]
    fn count(self, m: F, a: U) -> U {
        // a mask is −1 where it holds
        let m: U = cast(m);
        [a[0] - m[0], a[1] - m[1]]
    }
    #[inline(always)]
    fn compress(self, m: F, v: F, x: &mut [f32; LANES]) -> usize {
        let (bits, v): (u16, [f32; LANES]) = (self.bits(m), cast(v));
        let mut kept = 0;
        for k in 0..LANES {
            // written in any case: `kept` is at most `k`
            x[kept] = v[k];
            kept += usize::from(bits >> k & 1);
        }
        kept
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> F {
        let mut lanes = [0u32; LANES];
        for k in 0..LANES {
            lanes[k] = ((u32::from(bits) >> k) & 1).wrapping_neg();
        }
        cast(lanes)
    }
    #[inline(always)]
    fn bits(self, m: F) -> u16 {
        let lanes: [u32; LANES] = cast(m);
        let mut bits = 0;
        for k in 0..LANES {
            bits |= ((lanes[k] >> 31) as u16) << k;
        }
        bits
    }
    #[inline(always)]
    fn splat_u(self, x: u32) -> U {
        [u32x8::splat(x); 2]
    }
    #[inline(always)]
    fn load_u(self, x: &[u32; LANES]) -> U {
        cast(*x)
    }
    #[inline(always)]
    fn store_u(self, v: U, x: &mut [u32; LANES]) {
        *x = cast(v);
    }
    #[inline(always)]
    fn shl_u<const N: i32>(self, a: U) -> U {
        [a[0] << N, a[1] << N]
    }
    #[inline(always)]
    fn shr_u<const N: i32>(self, a: U) -> U {
        [a[0] >> N, a[1] >> N]
    }
    #[inline(always)]
    fn mul_wide(self, a: U, b: U) -> (U, U) {
        let (a, b): ([u32; LANES], [u32; LANES]) = (cast(a), cast(b));
        let (mut high, mut low) = ([0; LANES], [0; LANES]);
        for k in 0..LANES {
            let product = u64::from(a[k]) * u64::from(b[k]);
            (high[k], low[k]) = ((product >> 32) as u32, product as u32);
        }
        (cast(high), cast(low))
    }
    #[inline(always)]
    fn gt_u(self, a: U, b: U) -> F {
        let (a, b): ([u32; LANES], [u32; LANES]) = (cast(a), cast(b));
        let mut lanes = [0u32; LANES];
        for k in 0..LANES {
            lanes[k] = u32::from(a[k] > b[k]).wrapping_neg();
        }
        cast(lanes)
    }
    #[inline(always)]
    fn to_bits(self, v: F) -> U {
        cast(v)
    }
    #[inline(always)]
    fn from_bits(self, v: U) -> F {
        cast(v)
    }
}
