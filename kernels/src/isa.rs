//! Instruction sets: detected once, passed by value, dispatched at the door of each kernel.

#[cfg(target_arch = "aarch64")]
use crate::simd::Neon;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};
use core::{error::Error, fmt, str::FromStr};

/// The name of an ISA: one instruction set that every kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IsaKind {
    /// The crate `wide` on whatever the build target guarantees: SSE2, NEON, wasm simd128 or scalar code.
    Portable,
    /// NEON of 64-bit ARM, 4 × 4 lanes.
    Neon,
    /// AVX2 with FMA, 2 × 8 lanes.
    Avx2,
    /// AVX-512 F, BW, DQ and VL, 1 × 16 lanes.
    Avx512,
}

impl IsaKind {
    /// All ISAs, slowest first.
    pub const ALL: [IsaKind; 4] = [IsaKind::Portable, IsaKind::Neon, IsaKind::Avx2, IsaKind::Avx512];

    /// The name that the command line and `ZOOMETRY_ISA` take.
    pub fn name(self) -> &'static str {
        match self {
            IsaKind::Portable => "portable",
            IsaKind::Neon => "neon",
            IsaKind::Avx2 => "avx2",
            IsaKind::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for IsaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name given is none of `portable`, `neon`, `avx2`, `avx512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownIsa;

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of portable, neon, avx2, avx512")
    }
}

impl Error for UnknownIsa {}

impl FromStr for IsaKind {
    type Err = UnknownIsa;
    fn from_str(name: &str) -> Result<IsaKind, UnknownIsa> {
        IsaKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownIsa)
    }
}

/// Proof that this machine can run a [`IsaKind`]; a kernel takes it as its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Token);

/// The proof itself: a token is had by detection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Portable(Portable),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// A computation written over any [`Simd`]; [`Isa::run`] compiles it for each ISA and calls the right one, [`Simd::run`] makes
/// a part of a kernel a function of its own.
///
/// `run` must be `#[inline(always)]`, as must everything in it that handles vectors: only then is it compiled inside the
/// function that enables the instructions.
///
/// The sum of squares, compiled for every ISA:
///
/// ```
/// use zoometry_kernels::simd::Simd;
/// use zoometry_kernels::{Isa, Kernel, Lanes};
///
/// struct SumOfSquares<'a>(&'a [Lanes]);
///
/// impl Kernel for SumOfSquares<'_> {
///     type Output = f32;
///     #[inline(always)]
///     fn run<S: Simd>(self, s: S) -> f32 {
///         let mut sum = s.splat(0.0);
///         for lanes in self.0 {
///             let x = s.load(lanes);
///             sum = s.fma(x, x, sum);
///         }
///         s.sum(sum)
///     }
/// }
///
/// let data = [Lanes([0.5; 16]); 3];
/// assert_eq!(Isa::detect().run(SumOfSquares(&data)), 12.0);
/// for isa in Isa::available() {
///     assert_eq!(isa.run(SumOfSquares(&data)), 12.0, "{}", isa.kind());
/// }
/// ```
pub trait Kernel {
    /// What the computation returns.
    type Output;
    /// The computation.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// [`Isa::detect`].
impl Default for Isa {
    fn default() -> Isa {
        Isa::detect()
    }
}

impl Isa {
    /// The ISA, if this machine has it.
    pub fn new(kind: IsaKind) -> Option<Isa> {
        let token = match kind {
            IsaKind::Portable => Some(Token::Portable(Portable)),
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => Some(Token::Neon(Neon)),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => Avx2::detect().map(Token::Avx2),
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => Avx512::detect().map(Token::Avx512),
            // an ISA of another architecture
            #[allow(unreachable_patterns)]
            _ => None,
        };
        token.map(Isa)
    }

    /// The fastest ISA of this machine.
    pub fn detect() -> Isa {
        Isa::available().last().unwrap_or(Isa(Token::Portable(Portable)))
    }

    /// Every ISA of this machine, slowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        IsaKind::ALL.into_iter().filter_map(Isa::new)
    }

    /// The ISA's name.
    pub fn kind(self) -> IsaKind {
        match self.0 {
            Token::Portable(_) => IsaKind::Portable,
            #[cfg(target_arch = "aarch64")]
            Token::Neon(_) => IsaKind::Neon,
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => IsaKind::Avx2,
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => IsaKind::Avx512,
        }
    }

    /// Whether `a·b + c` is rounded once ([`Simd::FUSES`]): all ISAs that answer alike give the same bits, on every machine.
    pub fn fuses(self) -> bool {
        struct Fuses;
        impl Kernel for Fuses {
            type Output = bool;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> bool {
                S::FUSES
            }
        }
        self.run(Fuses)
    }

    /// Runs `kernel` with this ISA's instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Token::Portable(simd) => simd.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(simd) => simd.run(kernel),
        }
    }
}
