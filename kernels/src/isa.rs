//! Instruction sets: detected once, passed by value, dispatched at the door of each kernel.

#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Portable, Simd};
use core::{error::Error, fmt, str::FromStr};

/// The name of a leg: one instruction set that every kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// The crate `wide` on whatever the build target guarantees: SSE2, NEON, wasm simd128 or scalar code.
    Portable,
    /// AVX2 with FMA, 2 × 8 lanes.
    Avx2,
    /// AVX-512 F, BW, DQ and VL, 1 × 16 lanes.
    Avx512,
}

impl Leg {
    /// All legs, slowest first.
    pub const ALL: [Leg; 3] = [Leg::Portable, Leg::Avx2, Leg::Avx512];

    /// The name that the command line and `ZOOMETRY_ISA` take.
    pub fn name(self) -> &'static str {
        match self {
            Leg::Portable => "portable",
            Leg::Avx2 => "avx2",
            Leg::Avx512 => "avx512",
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name given is none of `portable`, `avx2`, `avx512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLeg;

impl fmt::Display for UnknownLeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of portable, avx2, avx512")
    }
}

impl Error for UnknownLeg {}

impl FromStr for Leg {
    type Err = UnknownLeg;
    fn from_str(name: &str) -> Result<Leg, UnknownLeg> {
        Leg::ALL.into_iter().find(|leg| leg.name() == name).ok_or(UnknownLeg)
    }
}

/// Proof that this machine can run a [`Leg`]; a kernel takes it as its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Token);

/// The proof itself: a token is had by detection alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Portable(Portable),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// A computation written over any [`Simd`]; [`Isa::run`] compiles it for each leg and calls the right one, [`Simd::run`] makes
/// a part of a kernel a function of its own.
///
/// `run` must be `#[inline(always)]`, as must everything in it that handles vectors: only then is it compiled inside the
/// function that enables the instructions.
pub trait Kernel {
    /// What the computation returns.
    type Output;
    /// The computation.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl Isa {
    /// The leg, if this machine has it.
    pub fn new(leg: Leg) -> Option<Isa> {
        let token = match leg {
            Leg::Portable => Some(Token::Portable(Portable)),
            #[cfg(target_arch = "x86_64")]
            Leg::Avx2 => Avx2::detect().map(Token::Avx2),
            #[cfg(target_arch = "x86_64")]
            Leg::Avx512 => Avx512::detect().map(Token::Avx512),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        };
        token.map(Isa)
    }

    /// The fastest leg of this machine.
    pub fn detect() -> Isa {
        Isa::available().last().unwrap_or(Isa(Token::Portable(Portable)))
    }

    /// Every leg of this machine, slowest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        Leg::ALL.into_iter().filter_map(Isa::new)
    }

    /// The leg's name.
    pub fn leg(self) -> Leg {
        match self.0 {
            Token::Portable(_) => Leg::Portable,
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => Leg::Avx2,
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => Leg::Avx512,
        }
    }

    /// Runs `kernel` with this leg's instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Token::Portable(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(simd) => simd.run(kernel),
        }
    }
}
