//! Activation functions and inverted dropout: the epilogue of a convolution and its gradient.
//!
//! `y = r·f(z)/keep` with the kept-or-dropped decision `r` of [`crate::random::dropout`]. The gradient needs `y` and, for
//! some activations ([`needs_input`]), `z`.

use crate::{Block, Isa, Kernel, LANES, TILE, math, simd::Simd};
use core::marker::PhantomData;

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
    /// `z` where it is positive, else [`LEAK`]`·z`
    LeakyRelu,
    /// `z·σ(z)` with the logistic function σ, also called swish.
    Silu,
}

/// Slope of [`Activation::LeakyRelu`] where z is not positive.
pub const LEAK: f32 = 0.01;

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
/// [`Activation::LeakyRelu`]
#[derive(Clone, Copy)]
pub struct LeakyRelu;
/// [`Activation::Silu`]
#[derive(Clone, Copy)]
pub struct Silu;

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

impl Function for LeakyRelu {
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        // the larger of the two, NaN where z is NaN
        s.max(s.mul(s.splat(LEAK), z), z)
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, y: S::F, _: S::F) -> S::F {
        s.select(s.gt(y, s.splat(0.0)), s.splat(1.0), s.splat(LEAK))
    }
}

impl Function for Silu {
    const NEEDS_INPUT: bool = true;
    #[inline(always)]
    fn apply<S: Simd>(s: S, z: S::F) -> S::F {
        s.mul(z, math::sigmoid(s, z))
    }
    #[inline(always)]
    fn slope<S: Simd>(s: S, _: S::F, z: S::F) -> S::F {
        let sigmoid = math::sigmoid(s, z);
        s.fma(s.mul(z, sigmoid), s.sub(s.splat(1.0), sigmoid), sigmoid)
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
    /// A gradient of the same output that comes another way (a residual addition): it is added to that of the kernel before
    /// the activation's slope and dropout.
    pub residual: Option<&'a [Block]>,
}

impl Below<'_> {
    /// Asserts that all of it belongs to a map of `blocks` blocks.
    pub(crate) fn check(&self, blocks: usize) {
        assert!(self.z.len() == blocks || !needs_input(self.activation), "shape of z below");
        assert!(self.residual.is_none_or(|residual| residual.len() == blocks), "shape of the residual gradient");
        check_dropout(self.dropout, blocks);
    }
}

/// Asserts that an epilogue has what it needs for a map of `blocks` blocks.
pub(crate) fn check_epilogue(activation: Activation, dropout: Option<Dropout>, z: &[Block], blocks: usize) {
    assert!(z.len() == blocks || !needs_input(activation), "shape of z");
    check_dropout(dropout, blocks);
}

fn check_dropout(dropout: Option<Dropout>, blocks: usize) {
    assert!(dropout.is_none_or(|dropout| dropout.kept.len() == blocks), "shape of the dropout decisions");
}

/// Whether an activation's gradient needs `z`.
pub fn needs_input(activation: Activation) -> bool {
    with_activation!(activation, A => A::NEEDS_INPUT)
}

/// `y ← f(y)`: the bits that a layer's own epilogue gives.
pub fn apply(isa: Isa, activation: Activation, y: &mut [[f32; LANES]]) {
    with_activation!(activation, A => isa.run(Apply::<A> { y, activation: PhantomData }));
}

struct Apply<'a, A> {
    y: &'a mut [[f32; LANES]],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for Apply<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for y in self.y {
            let f = A::apply(s, s.load_array(y));
            s.store_array(f, y);
        }
    }
}

/// `z ← z` where the gradient needs it, `y ← f(z)` and dropout for images `first..first + P` of block `index`.
#[inline(always)]
pub(crate) fn epilogue<S: Simd, A: Function, const P: usize>(
    s: S,
    acc: &[S::F; P],
    dropout: Option<Dropout>,
    (index, first): (usize, usize),
    z: &mut [Block],
    y: &mut [Block],
) {
    if A::NEEDS_INPUT {
        for n in 0..P {
            s.store(acc[n], &mut z[index][first + n]);
        }
    }
    let Some(y) = y[index][first..].first_chunk_mut::<P>() else { return };
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

/// `dz ← (dy + residual) · f'(z)` and dropout for images `first..first + P` of block `index`; `y` holds the layer's output
/// and is overwritten by `dz`.
#[inline(always)]
pub(crate) fn epilogue_backward<S: Simd, A: Function, const P: usize>(
    s: S,
    dy: &[S::F; P],
    below: &Below,
    (index, first): (usize, usize),
    y: &mut [Block],
) {
    let Some(y) = y[index][first..].first_chunk_mut::<P>() else { return };
    let mut dy = *dy;
    if let Some(residual) = below.residual {
        for n in 0..P {
            dy[n] = s.add(dy[n], s.load(&residual[index][first + n]));
        }
    }
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

/// Runs a piece of code with the type of an [`Activation`].
macro_rules! with_activation {
    ($activation:expr, $A:ident => $body:expr) => {
        $crate::activation::with_activation!(
            $activation, $A => $body, Identity Relu Tanh Sigmoid Gelu LeakyRelu Silu
        )
    };
    ($activation:expr, $A:ident => $body:expr, $($name:ident)*) => {
        match $activation {
            $($crate::activation::Activation::$name => {
                type $A = $crate::activation::$name;
                $body
            })*
        }
    };
}
pub(crate) use with_activation;
