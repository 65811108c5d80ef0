//! AVX2 with FMA and POPCNT: sixteen lanes are two registers.

use super::{LANES, Lanes, Simd};
use crate::isa::Kernel;
use core::arch::x86_64::*;

/// Proof that this machine has AVX2, FMA and POPCNT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, if this machine has the instructions.
    #[inline]
    pub fn detect() -> Option<Avx2> {
        #[cfg(feature = "std")]
        let has = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("popcnt");
        #[cfg(not(feature = "std"))]
        let has = cfg!(all(target_feature = "avx2", target_feature = "fma", target_feature = "popcnt"));
        has.then_some(Avx2(()))
    }
}

/// Wraps intrinsics into a safe method.
macro_rules! op {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            // SAFETY: the token proves the features; the intrinsics used touch no memory but the references given, and
            // `Lanes` has the alignment of 64 bytes that the aligned loads and stores need.
            unsafe { $body }
        }
    )*};
}

/// Wraps an intrinsic that works on each half alone.
macro_rules! halves {
    ($(fn $name:ident($($arg:ident),*): $t:ty => $ret:ty = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            // SAFETY: the token proves the features; the intrinsic touches no memory.
            unsafe { [$intrinsic($($arg[0]),*), $intrinsic($($arg[1]),*)] }
        }
    )*};
}

/// Wraps an intrinsic that works on each quarter of sixteen `f64` alone.
macro_rules! quarters {
    ($(fn $name:ident = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, a: W, b: W) -> W {
            // SAFETY: the token proves the features; the intrinsic touches no memory.
            unsafe { [
                $intrinsic(a[0], b[0]),
                $intrinsic(a[1], b[1]),
                $intrinsic(a[2], b[2]),
                $intrinsic(a[3], b[3]),
            ] }
        }
    )*};
}

type F = [__m256; 2];
type U = [__m256i; 2];
type W = [__m256d; 4];

impl Simd for Avx2 {
    type F = F;
    type U = U;
    type W = W;
    type M = F;
    const FUSES: bool = true;
    const ROWS: usize = 6;
    type R = __m256;
    const PARTS: usize = 2;
    const ITEMS: usize = 3;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,popcnt")]
        #[inline(never)]
        fn trampoline<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: a token exists only where `detect` found all of the enabled features.
        unsafe { trampoline(self, kernel) }
    }

    op! {
        fn splat(x: f32) -> F = [_mm256_set1_ps(x); 2];
        fn load(x: &Lanes) -> F = [_mm256_load_ps(x.0.as_ptr()), _mm256_load_ps(x.0.as_ptr().add(8))];
        fn load_array(x: &[f32; LANES]) -> F = [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))];
        fn store(v: F, x: &mut Lanes) -> () = {
            _mm256_store_ps(x.0.as_mut_ptr(), v[0]);
            _mm256_store_ps(x.0.as_mut_ptr().add(8), v[1]);
        };
        fn store_array(v: F, x: &mut [f32; LANES]) -> () = {
            _mm256_storeu_ps(x.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(x.as_mut_ptr().add(8), v[1]);
        };
        fn splat_r(x: f32) -> __m256 = _mm256_set1_ps(x);
        fn load_r(x: &Lanes, part: usize) -> __m256 = _mm256_load_ps(x.0[8 * part..][..8].as_ptr());
        fn store_r(v: __m256, x: &mut Lanes, part: usize) -> () = {
            _mm256_store_ps(x.0[8 * part..][..8].as_mut_ptr(), v)
        };
        fn add_r(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn fma_r(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn mask(bits: u16) -> F = {
            let bits = _mm256_set1_epi32(i32::from(bits));
            let low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let high = _mm256_slli_epi32::<8>(low);
            let set = |lane| _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(bits, lane), lane));
            [set(low), set(high)]
        };
        fn bits(m: F) -> u16 = (_mm256_movemask_ps(m[0]) | _mm256_movemask_ps(m[1]) << 8) as u16;
        fn compress(m: F, v: F, x: &mut [f32; LANES]) -> usize = {
            let (low, high) = (_mm256_movemask_ps(m[0]), _mm256_movemask_ps(m[1]));
            let kept = low.count_ones() as usize;
            _mm256_storeu_ps(x.as_mut_ptr(), compress_half(low, v[0]));
            // `kept` is at most 8: the second half ends inside of `x`
            _mm256_storeu_ps(x.as_mut_ptr().add(kept), compress_half(high, v[1]));
            kept + high.count_ones() as usize
        };
        fn splat_w(x: f64) -> W = [_mm256_set1_pd(x); 4];
        fn widen(v: F) -> W = [
            _mm256_cvtps_pd(_mm256_castps256_ps128(v[0])),
            _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v[0])),
            _mm256_cvtps_pd(_mm256_castps256_ps128(v[1])),
            _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(v[1])),
        ];
        fn store_w(v: W, x: &mut [f64; LANES]) -> () = {
            _mm256_storeu_pd(x.as_mut_ptr(), v[0]);
            _mm256_storeu_pd(x.as_mut_ptr().add(4), v[1]);
            _mm256_storeu_pd(x.as_mut_ptr().add(8), v[2]);
            _mm256_storeu_pd(x.as_mut_ptr().add(12), v[3]);
        };
        fn splat_u(x: u32) -> U = [_mm256_set1_epi32(x as i32); 2];
        fn load_u(x: &[u32; LANES]) -> U = [
            _mm256_loadu_si256(x.as_ptr().cast()),
            _mm256_loadu_si256(x.as_ptr().add(8).cast()),
        ];
        fn store_u(v: U, x: &mut [u32; LANES]) -> () = {
            _mm256_storeu_si256(x.as_mut_ptr().cast(), v[0]);
            _mm256_storeu_si256(x.as_mut_ptr().add(8).cast(), v[1]);
        };
        fn gt_u(a: U, b: U) -> F = [
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(a[0], b[0])),
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(a[1], b[1])),
        ];
    }

    halves! {
        fn add(a, b): F => F = _mm256_add_ps;
        fn sub(a, b): F => F = _mm256_sub_ps;
        fn mul(a, b): F => F = _mm256_mul_ps;
        fn div(a, b): F => F = _mm256_div_ps;
        fn fma(a, b, c): F => F = _mm256_fmadd_ps;
        fn min(a, b): F => F = _mm256_min_ps;
        fn max(a, b): F => F = _mm256_max_ps;
        fn sqrt(a): F => F = _mm256_sqrt_ps;
        fn gt(a, b): F => F = _mm256_cmp_ps::<_CMP_GT_OQ>;
        fn and_mask(m, a): F => F = _mm256_and_ps;
        fn add_u(a, b): U => U = _mm256_add_epi32;
        fn and_u(a, b): U => U = _mm256_and_si256;
        fn or_u(a, b): U => U = _mm256_or_si256;
        fn xor_u(a, b): U => U = _mm256_xor_si256;
        fn to_bits(v): F => U = _mm256_castps_si256;
        fn from_bits(v): U => F = _mm256_castsi256_ps;
    }

    quarters! {
        fn add_w = _mm256_add_pd;
        fn sub_w = _mm256_sub_pd;
        fn mul_w = _mm256_mul_pd;
    }

    #[inline(always)]
    fn beats(self, a: F, b: F) -> F {
        // SAFETY: the token proves the features.
        unsafe { [beats_half(a[0], b[0]), beats_half(a[1], b[1])] }
    }
    #[inline(always)]
    fn within(self, x: F, low: F, high: F) -> F {
        // SAFETY: the token proves the features.
        unsafe { [within_half(x[0], low[0], high[0]), within_half(x[1], low[1], high[1])] }
    }
    #[inline(always)]
    fn count(self, m: F, a: U) -> U {
        // a mask is −1 where it holds
        // SAFETY: the token proves the features.
        unsafe {
            [_mm256_sub_epi32(a[0], _mm256_castps_si256(m[0])), _mm256_sub_epi32(a[1], _mm256_castps_si256(m[1]))]
        }
    }
    #[inline(always)]
    fn select(self, m: F, a: F, b: F) -> F {
        // SAFETY: the token proves the features.
        unsafe { [_mm256_blendv_ps(b[0], a[0], m[0]), _mm256_blendv_ps(b[1], a[1], m[1])] }
    }
    #[inline(always)]
    fn shl_u<const N: i32>(self, a: U) -> U {
        // SAFETY: the token proves the features.
        unsafe { [_mm256_slli_epi32::<N>(a[0]), _mm256_slli_epi32::<N>(a[1])] }
    }
    #[inline(always)]
    fn shr_u<const N: i32>(self, a: U) -> U {
        // SAFETY: the token proves the features.
        unsafe { [_mm256_srli_epi32::<N>(a[0]), _mm256_srli_epi32::<N>(a[1])] }
    }
    #[inline(always)]
    fn store_transposed<const W: usize>(self, v: [F; 4], x: &mut [[f32; W]; LANES], first: usize) {
        assert!(first + 4 <= W, "four places");
        // SAFETY: the token proves the features; the assertion keeps the stores inside of their rows.
        unsafe {
            for half in 0..2 {
                let turned = turn(v[0][half], v[1][half], v[2][half], v[3][half]);
                for k in 0..4 {
                    let low = x[8 * half + k].as_mut_ptr().add(first);
                    _mm_storeu_ps(low, _mm256_castps256_ps128(turned[k]));
                    let high = x[8 * half + 4 + k].as_mut_ptr().add(first);
                    _mm_storeu_ps(high, _mm256_extractf128_ps::<1>(turned[k]));
                }
            }
        }
    }
    #[inline(always)]
    fn mul_wide(self, a: U, b: U) -> (U, U) {
        // SAFETY: the token proves the features.
        unsafe {
            let (h0, l0) = mul_wide_half(a[0], b[0]);
            let (h1, l1) = mul_wide_half(a[1], b[1]);
            ([h0, h1], [l0, l1])
        }
    }
}

/// High and low words of eight 64-bit products.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn mul_wide_half(a: __m256i, b: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let even = _mm256_mul_epu32(a, b);
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
        let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
        (high, _mm256_blend_epi32::<0xaa>(even, _mm256_slli_epi64::<32>(odd)))
    }
}

/// Turns the 4×4 matrix in each half of four registers.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn turn(a: __m256, b: __m256, c: __m256, d: __m256) -> [__m256; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0x44>(ab, cd),
            _mm256_shuffle_ps::<0xee>(ab, cd),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
        ]
    }
}

/// Eight times `a > b`, or `a` alone is NaN.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn beats_half(a: __m256, b: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(a, b), _mm256_cmp_ps::<_CMP_ORD_Q>(b, b)) }
}

/// Eight times `low ≤ x ≤ high`.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn within_half(x: __m256, low: __m256, high: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(low, x), _mm256_cmp_ps::<_CMP_LE_OQ>(x, high)) }
}

/// For each set of eight lanes, a bit a lane: the lanes' numbers in ascending order, a byte each, lowest byte first.
static ORDER: [u64; 256] = {
    let mut order = [0; 256];
    let mut set = 0;
    while set < 256 {
        let (mut lane, mut kept) = (0, 0);
        while lane < 8 {
            if set >> lane & 1 == 1 {
                order[set] |= lane << (8 * kept);
                kept += 1;
            }
            lane += 1;
        }
        set += 1;
    }
    order
};

/// The lanes of `v` whose bit is set, moved to the front in order.
///
/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn compress_half(bits: i32, v: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(ORDER[(bits & 0xff) as usize] as i64));
        _mm256_permutevar8x32_ps(v, order)
    }
}
