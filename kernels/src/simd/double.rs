//! Eight lanes of 64 bits: exact integer sums and their `f64` arithmetic, for histograms.

#[cfg(target_arch = "aarch64")]
use super::Neon;
use super::Portable;
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::*;

/// Lanes of 64 bits, a cache line of them.
pub const DOUBLES: usize = 8;

/// Operations on eight lanes of `u64` ([`Double::Q`]), `f64` ([`Double::D`]) or truth ([`Double::N`]).
///
/// Arithmetic is IEEE 754 with round to nearest and nothing is fused, so every ISA gives the same bits; integers wrap.
pub trait Double: Copy + Send + Sync + 'static {
    /// Eight `u64`.
    type Q: Copy;
    /// Eight `f64`.
    type D: Copy;
    /// Eight truth values.
    type N: Copy;

    /// `x` in every lane.
    fn splat_q(self, x: u64) -> Self::Q;
    /// Lane `k` is `x[k]`, from any address.
    fn load_q(self, x: &[u64; DOUBLES]) -> Self::Q;
    /// `x[k]` is lane `k`, at any address.
    fn store_q(self, v: Self::Q, x: &mut [u64; DOUBLES]);
    /// `a + b` modulo 2⁶⁴
    fn add_q(self, a: Self::Q, b: Self::Q) -> Self::Q;
    /// `a − b` modulo 2⁶⁴
    fn sub_q(self, a: Self::Q, b: Self::Q) -> Self::Q;
    /// Bitwise and.
    fn and_q(self, a: Self::Q, b: Self::Q) -> Self::Q;
    /// Bitwise or.
    fn or_q(self, a: Self::Q, b: Self::Q) -> Self::Q;
    /// `⌊a / 2ᵇʸ⌋`, `by` < 64.
    fn shr_q(self, a: Self::Q, by: u32) -> Self::Q;
    /// The same bits as `f64`.
    fn from_bits_q(self, v: Self::Q) -> Self::D;
    /// The same bits as `u64`.
    fn to_bits_q(self, v: Self::D) -> Self::Q;
    /// `a` where the mask holds, else `b`.
    fn select_q(self, m: Self::N, a: Self::Q, b: Self::Q) -> Self::Q;

    /// `x` in every lane.
    fn splat_d(self, x: f64) -> Self::D;
    /// `a + b`
    fn add_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a − b`
    fn sub_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a · b`
    fn mul_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a / b`
    fn div_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// The larger; `b` where either is NaN.
    fn max_d(self, a: Self::D, b: Self::D) -> Self::D;
    /// `a > b`; false where either is NaN.
    fn gt_d(self, a: Self::D, b: Self::D) -> Self::N;
    /// Both hold.
    fn and_n(self, a: Self::N, b: Self::N) -> Self::N;
    /// `a` where the mask holds, else `b`.
    fn select_d(self, m: Self::N, a: Self::D, b: Self::D) -> Self::D;

    /// Asks for the cache line of `x[at]`, if there is such an item, before it is needed.
    #[inline(always)]
    fn prefetch<T>(self, x: &[T], at: usize) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch reads nothing that can be seen and faults at no address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(at).cast())
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (x, at);
    }

    /// `|a|`
    #[inline(always)]
    fn abs_d(self, a: Self::D) -> Self::D {
        self.from_bits_q(self.and_q(self.to_bits_q(a), self.splat_q(u64::MAX >> 1)))
    }

    /// Lane by lane the number, for integers below 2⁵²: placed into the mantissa of 2⁵², from which 2⁵² is taken.
    #[inline(always)]
    fn to_f64(self, a: Self::Q) -> Self::D {
        let magic = (1u64 << 52) as f64;
        self.sub_d(self.from_bits_q(self.or_q(a, self.splat_q(magic.to_bits()))), self.splat_d(magic))
    }
}

/// Methods that work on each half alone, by an intrinsic.
#[cfg(target_arch = "x86_64")]
macro_rules! halves {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $intrinsic:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            // SAFETY: the token proves the features; the intrinsic touches no memory.
            unsafe { [$intrinsic($($arg[0]),*), $intrinsic($($arg[1]),*)] }
        }
    )*};
}

/// Methods that are one expression over intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! op {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> $ret {
            // SAFETY: the token proves the features; the intrinsics used touch no memory but the references given.
            unsafe { $body }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
impl Double for Avx2 {
    type Q = [__m256i; 2];
    type D = [__m256d; 2];
    type N = [__m256d; 2];

    op! {
        fn splat_q(x: u64) -> Self::Q = [_mm256_set1_epi64x(x as i64); 2];
        fn load_q(x: &[u64; DOUBLES]) -> Self::Q = [
            _mm256_loadu_si256(x.as_ptr().cast()),
            _mm256_loadu_si256(x.as_ptr().add(4).cast()),
        ];
        fn store_q(v: Self::Q, x: &mut [u64; DOUBLES]) -> () = {
            _mm256_storeu_si256(x.as_mut_ptr().cast(), v[0]);
            _mm256_storeu_si256(x.as_mut_ptr().add(4).cast(), v[1]);
        };
        fn shr_q(a: Self::Q, by: u32) -> Self::Q = {
            let by = _mm_cvtsi32_si128(by as i32);
            [_mm256_srl_epi64(a[0], by), _mm256_srl_epi64(a[1], by)]
        };
        fn select_q(m: Self::N, a: Self::Q, b: Self::Q) -> Self::Q = [
            _mm256_blendv_epi8(b[0], a[0], _mm256_castpd_si256(m[0])),
            _mm256_blendv_epi8(b[1], a[1], _mm256_castpd_si256(m[1])),
        ];
        fn splat_d(x: f64) -> Self::D = [_mm256_set1_pd(x); 2];
        fn select_d(m: Self::N, a: Self::D, b: Self::D) -> Self::D = [
            _mm256_blendv_pd(b[0], a[0], m[0]),
            _mm256_blendv_pd(b[1], a[1], m[1]),
        ];
    }

    halves! {
        fn add_q(a: Self::Q, b: Self::Q) -> Self::Q = _mm256_add_epi64;
        fn sub_q(a: Self::Q, b: Self::Q) -> Self::Q = _mm256_sub_epi64;
        fn and_q(a: Self::Q, b: Self::Q) -> Self::Q = _mm256_and_si256;
        fn or_q(a: Self::Q, b: Self::Q) -> Self::Q = _mm256_or_si256;
        fn from_bits_q(v: Self::Q) -> Self::D = _mm256_castsi256_pd;
        fn to_bits_q(v: Self::D) -> Self::Q = _mm256_castpd_si256;
        fn add_d(a: Self::D, b: Self::D) -> Self::D = _mm256_add_pd;
        fn sub_d(a: Self::D, b: Self::D) -> Self::D = _mm256_sub_pd;
        fn mul_d(a: Self::D, b: Self::D) -> Self::D = _mm256_mul_pd;
        fn div_d(a: Self::D, b: Self::D) -> Self::D = _mm256_div_pd;
        fn max_d(a: Self::D, b: Self::D) -> Self::D = _mm256_max_pd;
        fn gt_d(a: Self::D, b: Self::D) -> Self::N = _mm256_cmp_pd::<_CMP_GT_OQ>;
        fn and_n(a: Self::N, b: Self::N) -> Self::N = _mm256_and_pd;
    }
}

#[cfg(target_arch = "x86_64")]
impl Double for Avx512 {
    type Q = __m512i;
    type D = __m512d;
    type N = __mmask8;

    op! {
        fn splat_q(x: u64) -> __m512i = _mm512_set1_epi64(x as i64);
        fn load_q(x: &[u64; DOUBLES]) -> __m512i = _mm512_loadu_si512(x.as_ptr().cast());
        fn store_q(v: __m512i, x: &mut [u64; DOUBLES]) -> () = _mm512_storeu_si512(x.as_mut_ptr().cast(), v);
        fn add_q(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi64(a, b);
        fn sub_q(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi64(a, b);
        fn and_q(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn or_q(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        fn shr_q(a: __m512i, by: u32) -> __m512i = _mm512_srl_epi64(a, _mm_cvtsi32_si128(by as i32));
        fn from_bits_q(v: __m512i) -> __m512d = _mm512_castsi512_pd(v);
        fn to_bits_q(v: __m512d) -> __m512i = _mm512_castpd_si512(v);
        fn select_q(m: __mmask8, a: __m512i, b: __m512i) -> __m512i = _mm512_mask_blend_epi64(m, b, a);
        fn splat_d(x: f64) -> __m512d = _mm512_set1_pd(x);
        fn add_d(a: __m512d, b: __m512d) -> __m512d = _mm512_add_pd(a, b);
        fn sub_d(a: __m512d, b: __m512d) -> __m512d = _mm512_sub_pd(a, b);
        fn mul_d(a: __m512d, b: __m512d) -> __m512d = _mm512_mul_pd(a, b);
        fn div_d(a: __m512d, b: __m512d) -> __m512d = _mm512_div_pd(a, b);
        fn max_d(a: __m512d, b: __m512d) -> __m512d = _mm512_max_pd(a, b);
        fn gt_d(a: __m512d, b: __m512d) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b);
        fn select_d(m: __mmask8, a: __m512d, b: __m512d) -> __m512d = _mm512_mask_blend_pd(m, b, a);
    }

    #[inline(always)]
    fn and_n(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }
}

/// Methods that work lane by lane on plain arrays, which the compiler turns into what the target has.
macro_rules! lanes {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $ret:ty = $body:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $t),*) -> [$ret; DOUBLES] {
            let mut out = [<$ret>::default(); DOUBLES];
            for k in 0..DOUBLES {
                $(let $arg = $arg[k];)*
                out[k] = $body;
            }
            out
        }
    )*};
}

/// Implements [`Double`] on plain arrays.
macro_rules! plain {
    ($isa:ty) => {
        impl Double for $isa {
            type Q = [u64; DOUBLES];
            type D = [f64; DOUBLES];
            type N = [bool; DOUBLES];

            #[inline(always)]
            fn splat_q(self, x: u64) -> Self::Q {
                [x; DOUBLES]
            }
            #[inline(always)]
            fn load_q(self, x: &[u64; DOUBLES]) -> Self::Q {
                *x
            }
            #[inline(always)]
            fn store_q(self, v: Self::Q, x: &mut [u64; DOUBLES]) {
                *x = v;
            }
            #[inline(always)]
            fn shr_q(self, mut a: Self::Q, by: u32) -> Self::Q {
                for k in 0..DOUBLES {
                    a[k] >>= by;
                }
                a
            }
            #[inline(always)]
            fn splat_d(self, x: f64) -> Self::D {
                [x; DOUBLES]
            }

            lanes! {
                fn add_q(a: Self::Q, b: Self::Q) -> u64 = a.wrapping_add(b);
                fn sub_q(a: Self::Q, b: Self::Q) -> u64 = a.wrapping_sub(b);
                fn and_q(a: Self::Q, b: Self::Q) -> u64 = a & b;
                fn or_q(a: Self::Q, b: Self::Q) -> u64 = a | b;
                fn from_bits_q(v: Self::Q) -> f64 = f64::from_bits(v);
                fn to_bits_q(v: Self::D) -> u64 = v.to_bits();
                fn select_q(m: Self::N, a: Self::Q, b: Self::Q) -> u64 = if m { a } else { b };
                fn add_d(a: Self::D, b: Self::D) -> f64 = a + b;
                fn sub_d(a: Self::D, b: Self::D) -> f64 = a - b;
                fn mul_d(a: Self::D, b: Self::D) -> f64 = a * b;
                fn div_d(a: Self::D, b: Self::D) -> f64 = a / b;
                fn max_d(a: Self::D, b: Self::D) -> f64 = if a > b { a } else { b };
                fn gt_d(a: Self::D, b: Self::D) -> bool = a > b;
                fn and_n(a: Self::N, b: Self::N) -> bool = a & b;
                fn select_d(m: Self::N, a: Self::D, b: Self::D) -> f64 = if m { a } else { b };
            }
        }
    };
}

plain!(Portable);
// registers of two lanes: nothing that the compiler does not find by itself
#[cfg(target_arch = "aarch64")]
plain!(Neon);
