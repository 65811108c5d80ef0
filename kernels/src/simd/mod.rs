//! Sixteen logical lanes on every instruction set, and the only `unsafe` code of this crate.
//!
//! A [`Simd`] value is a proof token: it can be had only where the machine has the instructions, so its methods are safe.
//! On AVX2 a vector is two registers, on NEON four, on the portable ISA two values of the crate `wide`. AVX2, AVX-512 and NEON
//! round every operation alike and reduce over one fixed tree, so all give the same bits; the portable ISA fuses `a·b + c` only
//! where the build target has such an instruction ([`Simd::FUSES`]), and then gives these bits too.

use crate::isa::Kernel;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
#[allow(unsafe_code)]
mod double;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod neon;
mod portable;
#[allow(unsafe_code)]
pub mod tile;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use double::{DOUBLES, Double};
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;

/// Logical lanes of a vector on every ISA.
pub const LANES: usize = 16;

/// Sixteen `f32` in memory, aligned to a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// All lanes zero.
    pub const ZERO: Lanes = Lanes([0.0; LANES]);

    /// The lanes of a slice one after another.
    pub fn flat(lanes: &[Lanes]) -> &[f32] {
        bytemuck::cast_slice(lanes)
    }

    /// The lanes of a slice one after another, to be written.
    pub fn flat_mut(lanes: &mut [Lanes]) -> &mut [f32] {
        bytemuck::cast_slice_mut(lanes)
    }
}

/// Operations on sixteen lanes of `f32` ([`Simd::F`]), `u32` ([`Simd::U`]), `f64` ([`Simd::W`]) or truth ([`Simd::M`]).
///
/// Arithmetic is IEEE 754 with round to nearest; integers wrap.
pub trait Simd: Double + Copy + Send + Sync + 'static {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `u32`.
    type U: Copy;
    /// Sixteen `f64`, for sums that must not lose digits.
    type W: Copy;
    /// Sixteen truth values.
    type M: Copy;
    /// Whether [`Simd::fma`] rounds once. All ISAs that do give the same bits everywhere, all others too.
    const FUSES: bool;
    /// Rows of sixteen lanes that fit into the registers beside one row of operands: the height of a register tile.
    const ROWS: usize;
    /// One register of a vector: lanes `k·16/PARTS ..` are part `k`. Register tiles are built of these, so that the halves of
    /// sixteen lanes need not fit into the registers at once.
    type R: Copy;
    /// Registers of a vector.
    const PARTS: usize;
    /// Height of a register tile of 4 × `ITEMS` registers that are summed into.
    const ITEMS: usize;

    /// Runs `kernel` as a function of its own that is compiled for these instructions.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// Lane `k` is `x.0[k]`.
    fn load(self, x: &Lanes) -> Self::F;
    /// Lane `k` is `x[k]`, from any address.
    fn load_array(self, x: &[f32; LANES]) -> Self::F;
    /// `x.0[k]` is lane `k`.
    fn store(self, v: Self::F, x: &mut Lanes);
    /// `x[k]` is lane `k`, at any address.
    fn store_array(self, v: Self::F, x: &mut [f32; LANES]);
    /// `x` in every lane of a register.
    fn splat_r(self, x: f32) -> Self::R;
    /// Part `part` of `x`.
    fn load_r(self, x: &Lanes, part: usize) -> Self::R;
    /// Part `part` of `x` is `v`.
    fn store_r(self, v: Self::R, x: &mut Lanes, part: usize);
    /// `a + b`
    fn add_r(self, a: Self::R, b: Self::R) -> Self::R;
    /// `a·b + c`, rounded as [`Simd::fma`] does.
    fn fma_r(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R;
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a − b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a·b + c`, rounded once where the ISA has such an instruction.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `√a`
    fn sqrt(self, a: Self::F) -> Self::F;
    /// `a > b`; false where either is NaN.
    fn gt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` goes before `b` where NaN is the largest: `a > b`, or `a` alone is NaN.
    fn beats(self, a: Self::F, b: Self::F) -> Self::M;
    /// `low ≤ x ≤ high`; false where any is NaN.
    fn within(self, x: Self::F, low: Self::F, high: Self::F) -> Self::M;
    /// `a` where the mask holds, else `b`.
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;
    /// `a` where the mask holds, else +0.
    fn and_mask(self, m: Self::M, a: Self::F) -> Self::F;
    /// Lane `k` holds if bit `k` is set.
    fn mask(self, bits: u16) -> Self::M;
    /// Bit `k` is set if lane `k` holds.
    fn bits(self, m: Self::M) -> u16;
    /// Moves the lanes that the mask holds to the front of `x`, in order, and returns how many; what follows them in `x`
    /// is unspecified.
    fn compress(self, m: Self::M, v: Self::F, x: &mut [f32; LANES]) -> usize;

    /// `x[k][first + n]` is lane `k` of `v[n]`.
    #[inline(always)]
    fn store_transposed<const W: usize>(self, v: [Self::F; 4], x: &mut [[f32; W]; LANES], first: usize) {
        for n in 0..4 {
            let mut lanes = [0.0; LANES];
            self.store_array(v[n], &mut lanes);
            for k in 0..LANES {
                x[k][first + n] = lanes[k];
            }
        }
    }

    /// `x` in every lane.
    fn splat_u(self, x: u32) -> Self::U;
    /// Lane `k` is `x[k]`.
    fn load_u(self, x: &[u32; LANES]) -> Self::U;
    /// `x[k]` is lane `k`.
    fn store_u(self, v: Self::U, x: &mut [u32; LANES]);
    /// `a + b` modulo 2³²
    fn add_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Bitwise and.
    fn and_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Bitwise or.
    fn or_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// Bitwise exclusive or.
    fn xor_u(self, a: Self::U, b: Self::U) -> Self::U;
    /// `a · 2ᴺ` modulo 2³²
    fn shl_u<const N: i32>(self, a: Self::U) -> Self::U;
    /// `⌊a / 2ᴺ⌋`
    fn shr_u<const N: i32>(self, a: Self::U) -> Self::U;
    /// High and low words of the 64-bit products `a · b`.
    fn mul_wide(self, a: Self::U, b: Self::U) -> (Self::U, Self::U);
    /// `a > b`, both below 2³¹.
    fn gt_u(self, a: Self::U, b: Self::U) -> Self::M;

    /// `a + 1` where the mask holds, else `a`.
    fn count(self, m: Self::M, a: Self::U) -> Self::U;

    /// `x` in every lane.
    fn splat_w(self, x: f64) -> Self::W;
    /// The same values as `f64`.
    fn widen(self, v: Self::F) -> Self::W;
    /// `x[k]` is lane `k`.
    fn store_w(self, v: Self::W, x: &mut [f64; LANES]);
    /// `a + b`
    fn add_w(self, a: Self::W, b: Self::W) -> Self::W;
    /// `a − b`
    fn sub_w(self, a: Self::W, b: Self::W) -> Self::W;
    /// `a · b`
    fn mul_w(self, a: Self::W, b: Self::W) -> Self::W;

    /// The same bits as `u32`.
    fn to_bits(self, v: Self::F) -> Self::U;
    /// The same bits as `f32`.
    fn from_bits(self, v: Self::U) -> Self::F;

    /// Sum of all lanes over the fixed tree: k with k+8, then k+4, k+2, k+1.
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let mut a = [0.0; LANES];
        self.store_array(v, &mut a);
        reduce(a, |a, b| a + b)
    }

    /// Sum of all lanes over the tree of [`Simd::sum`].
    #[inline(always)]
    fn sum_w(self, v: Self::W) -> f64 {
        let mut a = [0.0; LANES];
        self.store_w(v, &mut a);
        reduce(a, |a, b| a + b)
    }

    /// Sum of all lanes modulo 2³².
    #[inline(always)]
    fn sum_u(self, v: Self::U) -> u32 {
        let mut a = [0; LANES];
        self.store_u(v, &mut a);
        reduce(a, u32::wrapping_add)
    }

    /// The largest lane: [`Simd::max`] over the tree of [`Simd::sum`].
    #[inline(always)]
    fn largest(self, v: Self::F) -> f32 {
        let mut a = [0.0; LANES];
        self.store_array(v, &mut a);
        reduce(a, |a, b| if a > b { a } else { b })
    }

    /// `|a|`
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        self.from_bits(self.and_u(self.to_bits(a), self.splat_u(0x7fff_ffff)))
    }
}

/// Joins sixteen values over the fixed tree: k with k+8, then k+4, k+2, k+1.
#[inline(always)]
fn reduce<T: Copy>(mut a: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for k in 0..width {
            a[k] = join(a[k], a[k + width]);
        }
        width /= 2;
    }
    a[0]
}
