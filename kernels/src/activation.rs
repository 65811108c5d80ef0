//! Activation functions and inverted dropout: the epilogue of a convolution and its gradient.
//!
//! `y = r·f(z)/keep` with the kept-or-dropped decision `r` of [`crate::random::dropout`]. The gradient needs `y` and, for
//! GELU alone, `z`.

use crate::{Block, TILE, math, simd::Simd};

/// The activation functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `z`: no activation (the dense layer).
    Identity,
    /// `max(z, 0)`
    Relu,
    /// `tanh z`
    Tanh,
    /// `1 / (1 + e⁻ᶻ)`
    Sigmoid,
    /// `z·Φ(z)` with the normal distribution function Φ, not its tanh approximation.
    Gelu,
}

/// An activation as a type, so that a kernel is compiled for each.
pub trait Function: Copy {
    /// Whether [`Function::slope`] needs `z`.
    const NEEDS_INPUT: bool = false;
    /// Whether `y = 0` alone says that the slope is 0, so that dropped units need no mask in the backward pass.
    const ZERO_IS_FLAT: bool = false;
    /// `f(z)`
    fn apply<S: Simd>(s: S, z: S::F) -> S::F;
    /// `f'(z)` from `y = f(z)` and `z`.
    fn slope<S: Simd>(s: S, y: S::F, z: S::F) -> S::F;
}

/// [`Activation::Identity`]
#[derive(Clone, Copy)]
pub struct Identity;
/// [`Activation::Relu`]
#[derive(Clone, Copy)]
pub struct Relu;
/// [`Activation::Tanh`]
#[derive(Clone, Copy)]
pub struct Tanh;
/// [`Activation::Sigmoid`]
#[derive(Clone, Copy)]
pub struct Sigmoid;
/// [`Activation::Gelu`]
#[derive(Clone, Copy)]
pub struct Gelu;

impl Function for Identity {
    #[inline(always)]
    fn apply<S: Simd>(_: S, z: S::F) -> S::F {
        z
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, _: S::F, _: S::F) -> S::F {
        s.splat(1.0)
    }
}

impl Function for Relu {
    const ZERO_IS_FLAT: bool = true;
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        // NaN stays NaN, so that a diverged network is seen
        s.max(s.splat(0.0), z)
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, y: S::F, _: S::F) -> S::F {
        s.and_mask(s.gt(y, s.splat(0.0)), s.splat(1.0))
    }
}

impl Function for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        math::tanh(s, z)
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, y: S::F, _: S::F) -> S::F {
        s.sub(s.splat(1.0), s.mul(y, y))
    }
}

impl Function for Sigmoid {
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        math::sigmoid(s, z)
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, y: S::F, _: S::F) -> S::F {
        s.mul(y, s.sub(s.splat(1.0), y))
    }
}

impl Function for Gelu {
    const NEEDS_INPUT: bool = true;
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        let (_, cdf) = math::normal(s, z);
        s.mul(z, cdf)
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, _: S::F, z: S::F) -> S::F {
        let (density, cdf) = math::normal(s, z);
        s.fma(z, density, cdf)
    }
}

/// Which units of a layer's tile are dropped, and how the kept ones are scaled.
#[derive(Clone, Copy, Debug)]
pub struct Dropout<'a> {
    /// `[position][channel block][image]`: bit `c` is set if channel `c` of the block is kept.
    pub kept: &'a [[u16; TILE]],
    /// The share of units that are kept, `1 − dropout`.
    pub keep: f32,
}

/// What a backward kernel knows of the layer whose gradient it is about to write.
#[derive(Clone, Copy, Debug)]
pub struct Below<'a> {
    /// The layer's activation.
    pub activation: Activation,
    /// Its dropout, if any.
    pub dropout: Option<Dropout<'a>>,
    /// Its `z` where the activation needs it ([`needs_input`]), else empty.
    pub z: &'a [Block],
}

/// Whether an activation's gradient needs `z`.
pub fn needs_input(activation: Activation) -> bool {
    activation == Activation::Gelu
}

/// `y ← f(z)` and dropout for `P` images of one block; `first` is the first of them.
#[inline(always)]
pub(crate) fn finish<S: Simd, A: Function, const P: usize>(
    s: S,
    acc: &[S::F; P],
    dropout: Option<Dropout>,
    index: usize,
    first: usize,
    y: &mut [crate::Lanes; P],
) {
    match dropout {
        None => {
            for n in 0..P {
                s.store(A::apply(s, acc[n]), &mut y[n]);
            }
        }
        Some(dropout) => {
            let scale = s.splat(1.0 / dropout.keep);
            let kept = &dropout.kept[index];
            for n in 0..P {
                let f = s.mul(A::apply(s, acc[n]), scale);
                s.store(s.and_mask(s.mask(kept[first + n]), f), &mut y[n]);
            }
        }
    }
}

/// `dz ← dy · f'(z)` and dropout for `P` images of one block; `y` holds the layer's output and is overwritten by `dz`.
#[inline(always)]
pub(crate) fn unfinish<S: Simd, A: Function, const P: usize>(
    s: S,
    dy: &[S::F; P],
    below: &Below,
    index: usize,
    first: usize,
    y: &mut [crate::Lanes; P],
) {
    let zero = s.splat(0.0);
    match below.dropout {
        None => {
            for n in 0..P {
                let z = if A::NEEDS_INPUT { s.load(&below.z[index][first + n]) } else { zero };
                let slope = A::slope(s, s.load(&y[n]), z);
                s.store(s.mul(dy[n], slope), &mut y[n]);
            }
        }
        Some(dropout) => {
            let (scale, keep) = (s.splat(1.0 / dropout.keep), s.splat(dropout.keep));
            let kept = &dropout.kept[index];
            for n in 0..P {
                let z = if A::NEEDS_INPUT { s.load(&below.z[index][first + n]) } else { zero };
                let slope = A::slope(s, s.mul(s.load(&y[n]), keep), z);
                let dz = s.mul(s.mul(dy[n], scale), slope);
                let dz = if A::ZERO_IS_FLAT { dz } else { s.and_mask(s.mask(kept[first + n]), dz) };
                s.store(dz, &mut y[n]);
            }
        }
    }
}

/// Calls a generic function with the type of an [`Activation`].
macro_rules! with_activation {
    ($activation:expr, $A:ident => $body:expr) => {
        match $activation {
            $crate::activation::Activation::Identity => {
                type $A = $crate::activation::Identity;
                $body
            }
            $crate::activation::Activation::Relu => {
                type $A = $crate::activation::Relu;
                $body
            }
            $crate::activation::Activation::Tanh => {
                type $A = $crate::activation::Tanh;
                $body
            }
            $crate::activation::Activation::Sigmoid => {
                type $A = $crate::activation::Sigmoid;
                $body
            }
            $crate::activation::Activation::Gelu => {
                type $A = $crate::activation::Gelu;
                $body
            }
        }
    };
}
pub(crate) use with_activation;
