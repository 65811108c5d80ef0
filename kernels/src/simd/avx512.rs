//! AVX-512: sixteen lanes are one register.

use super::{LANES, Lanes, Simd};
use crate::isa::Kernel;
use core::arch::x86_64::*;

/// Proof that this machine has AVX-512 F, BW, DQ and VL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(());

impl Avx512 {
    /// The token, if this machine has the instructions.
    #[inline]
    pub fn detect() -> Option<Avx512> {
        #[cfg(feature = "std")]
        let has = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("popcnt");
        #[cfg(not(feature = "std"))]
        let has = cfg!(all(
            target_feature = "avx512f",
            target_feature = "avx512bw",
            target_feature = "avx512dq",
            target_feature = "avx512vl",
            target_feature = "fma",
            target_feature = "popcnt"
        ));
        has.then_some(Avx512(()))
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

impl Simd for Avx512 {
    type F = __m512;
    type U = __m512i;
    type W = [__m512d; 2];
    type M = __mmask16;
    const FUSES: bool = true;
    const ROWS: usize = 12;
    type R = __m512;
    const PARTS: usize = 1;
    const ITEMS: usize = 6;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,popcnt")]
        #[inline(never)]
        fn trampoline<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: a token exists only where `detect` found all of the enabled features.
        unsafe { trampoline(self, kernel) }
    }

    op! {
        fn splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        fn load(x: &Lanes) -> __m512 = _mm512_load_ps(x.0.as_ptr());
        fn load_array(x: &[f32; LANES]) -> __m512 = _mm512_loadu_ps(x.as_ptr());
        fn store(v: __m512, x: &mut Lanes) -> () = _mm512_store_ps(x.0.as_mut_ptr(), v);
        fn store_array(v: __m512, x: &mut [f32; LANES]) -> () = _mm512_storeu_ps(x.as_mut_ptr(), v);
        fn add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        fn max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        fn sqrt(a: __m512) -> __m512 = _mm512_sqrt_ps(a);
        fn splat_r(x: f32) -> __m512 = _mm512_set1_ps(x);
        fn load_r(x: &Lanes, _part: usize) -> __m512 = _mm512_load_ps(x.0.as_ptr());
        fn store_r(v: __m512, x: &mut Lanes, _part: usize) -> () = _mm512_store_ps(x.0.as_mut_ptr(), v);
        fn add_r(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn fma_r(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn gt(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b);
        fn beats(a: __m512, b: __m512) -> __mmask16 = {
            _mm512_mask_cmp_ps_mask::<_CMP_NLE_UQ>(_mm512_cmp_ps_mask::<_CMP_ORD_Q>(b, b), a, b)
        };
        fn within(x: __m512, low: __m512, high: __m512) -> __mmask16 = {
            _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(low, x), x, high)
        };
        fn compress(m: __mmask16, v: __m512, x: &mut [f32; LANES]) -> usize = {
            // compressing within the register and storing all of it is several times faster than a compressing store
            _mm512_storeu_ps(x.as_mut_ptr(), _mm512_maskz_compress_ps(m, v));
            m.count_ones() as usize
        };
        fn count(m: __mmask16, a: __m512i) -> __m512i = _mm512_mask_add_epi32(a, m, a, _mm512_set1_epi32(1));
        fn splat_w(x: f64) -> [__m512d; 2] = [_mm512_set1_pd(x); 2];
        fn widen(v: __m512) -> [__m512d; 2] = [
            _mm512_cvtps_pd(_mm512_castps512_ps256(v)),
            _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(v)),
        ];
        fn store_w(v: [__m512d; 2], x: &mut [f64; LANES]) -> () = {
            _mm512_storeu_pd(x.as_mut_ptr(), v[0]);
            _mm512_storeu_pd(x.as_mut_ptr().add(8), v[1]);
        };
        fn add_w(a: [__m512d; 2], b: [__m512d; 2]) -> [__m512d; 2] = {
            [_mm512_add_pd(a[0], b[0]), _mm512_add_pd(a[1], b[1])]
        };
        fn sub_w(a: [__m512d; 2], b: [__m512d; 2]) -> [__m512d; 2] = {
            [_mm512_sub_pd(a[0], b[0]), _mm512_sub_pd(a[1], b[1])]
        };
        fn mul_w(a: [__m512d; 2], b: [__m512d; 2]) -> [__m512d; 2] = {
            [_mm512_mul_pd(a[0], b[0]), _mm512_mul_pd(a[1], b[1])]
        };
        fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 = _mm512_mask_blend_ps(m, b, a);
        fn and_mask(m: __mmask16, a: __m512) -> __m512 = _mm512_maskz_mov_ps(m, a);
        fn splat_u(x: u32) -> __m512i = _mm512_set1_epi32(x as i32);
        fn load_u(x: &[u32; LANES]) -> __m512i = _mm512_loadu_si512(x.as_ptr().cast());
        fn store_u(v: __m512i, x: &mut [u32; LANES]) -> () = _mm512_storeu_si512(x.as_mut_ptr().cast(), v);
        fn add_u(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        fn and_u(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn or_u(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        fn xor_u(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        fn gt_u(a: __m512i, b: __m512i) -> __mmask16 = _mm512_cmpgt_epi32_mask(a, b);
        fn to_bits(v: __m512) -> __m512i = _mm512_castps_si512(v);
        fn from_bits(v: __m512i) -> __m512 = _mm512_castsi512_ps(v);
        fn mul_wide(a: __m512i, b: __m512i) -> (__m512i, __m512i) = {
            let even = _mm512_mul_epu32(a, b);
            let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(a), _mm512_srli_epi64::<32>(b));
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<32>(even), odd);
            (high, _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64::<32>(odd)))
        };
    }

    #[inline(always)]
    fn store_transposed<const W: usize>(self, v: [__m512; 4], x: &mut [[f32; W]; LANES], first: usize) {
        assert!(first + 4 <= W, "four places");
        let [a, b, c, d] = v;
        // SAFETY: the token proves the features; the assertion keeps the stores inside of their rows.
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            // a 4×4 matrix in each quarter
            let turned = [
                _mm512_shuffle_ps::<0x44>(ab, cd),
                _mm512_shuffle_ps::<0xee>(ab, cd),
                _mm512_shuffle_ps::<0x44>(ab_high, cd_high),
                _mm512_shuffle_ps::<0xee>(ab_high, cd_high),
            ];
            for k in 0..4 {
                _mm_storeu_ps(x[k].as_mut_ptr().add(first), _mm512_castps512_ps128(turned[k]));
                _mm_storeu_ps(x[4 + k].as_mut_ptr().add(first), _mm512_extractf32x4_ps::<1>(turned[k]));
                _mm_storeu_ps(x[8 + k].as_mut_ptr().add(first), _mm512_extractf32x4_ps::<2>(turned[k]));
                _mm_storeu_ps(x[12 + k].as_mut_ptr().add(first), _mm512_extractf32x4_ps::<3>(turned[k]));
            }
        }
    }
    #[inline(always)]
    fn mask(self, bits: u16) -> __mmask16 {
        bits
    }
    #[inline(always)]
    fn bits(self, m: __mmask16) -> u16 {
        m
    }
    #[inline(always)]
    fn shl_u<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves the features.
        unsafe { _mm512_sll_epi32(a, _mm_cvtsi32_si128(N)) }
    }
    #[inline(always)]
    fn shr_u<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves the features.
        unsafe { _mm512_srl_epi32(a, _mm_cvtsi32_si128(N)) }
    }
}
