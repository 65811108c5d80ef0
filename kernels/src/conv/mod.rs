//! Convolution of a tile of images: forward, gradient of the input, gradient of the weights.
//!
//! `y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, x zero outside its map.
//!
//! Letters. `n` image of the tile, `p,q` output position (of P×Q), `h,w` input position (of H×W), `u,v` tap (of K×K), `i,o`
//! input and output channel in blocks of 16 (`I`, `O` blocks), `S` stride, `T`, `L` zeros above and to the left.
//!
//! Layouts. Maps are `[position][channel block]` of [`Block`]s; an image has one channel and is `[position][n]`. Weights are
//! `[o block][tap][i block][16 i][16 o]`, for an image `[o block][tap][16 o]`. A dense layer is a 1×1 convolution of a 1×1 map.
//!
//! Lanes are channels, rows of a register tile are images, so that one position is the matrix product
//! (images × 16 i)·(16 i × 16 o) whatever the map's size: no remainders, and a border only means fewer taps. Every sum runs in
//! one order on every leg: over taps, then channels; for weights over positions, then images.

mod forward;
mod input;
mod weight;

pub use forward::{forward, forward_image};
pub use input::{backward_input, transpose};
pub use weight::{backward_weight, backward_weight_image};

use crate::{Block, LANES, Lanes, TILE, simd::Simd};

/// The shape of a convolution; letters as in the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// I, input channels in blocks of 16; 0 stands for an image.
    pub inputs: usize,
    /// O, output channels in blocks of 16.
    pub outputs: usize,
    /// K, side of the kernel.
    pub kernel: usize,
    /// S, step between positions.
    pub stride: usize,
    /// T, zeros above the input.
    pub top: usize,
    /// L, zeros to the left of the input.
    pub left: usize,
    /// P, rows of the output.
    pub p: usize,
    /// Q, columns of the output.
    pub q: usize,
}

impl Dims {
    /// A dense layer of `inputs` and `outputs` blocks.
    pub fn dense(inputs: usize, outputs: usize) -> Dims {
        Dims { height: 1, width: 1, inputs, outputs, kernel: 1, stride: 1, top: 0, left: 0, p: 1, q: 1 }
    }

    /// Blocks of the input map; 0 for an image.
    pub fn x_len(&self) -> usize {
        self.height * self.width * self.inputs
    }

    /// Blocks of the output map.
    pub fn y_len(&self) -> usize {
        self.p * self.q * self.outputs
    }

    /// Lanes of the weights.
    pub fn w_len(&self) -> usize {
        let rows = if self.inputs == 0 { 1 } else { self.inputs * LANES };
        self.outputs * self.kernel * self.kernel * rows
    }
}

/// One position of an input: a block of channels or a pixel, with the weights that belong to it.
trait Input: Sized {
    type Weights;
    /// `acc[n] += Σ_i x[first+n][i] · w[i]`
    fn accumulate<S: Simd, const R: usize>(s: S, x: &Self, first: usize, w: &Self::Weights, acc: &mut [S::F; R]);
}

impl Input for Block {
    type Weights = [Lanes; LANES];
    #[inline(always)]
    fn accumulate<S: Simd, const R: usize>(s: S, x: &Block, first: usize, w: &[Lanes; LANES], acc: &mut [S::F; R]) {
        let Some(x) = x[first..].first_chunk::<R>() else { return };
        for i in 0..LANES {
            let row = s.load(&w[i]);
            for n in 0..R {
                acc[n] = s.fma(s.splat(x[n].0[i]), row, acc[n]);
            }
        }
    }
}

impl Input for [f32; TILE] {
    type Weights = Lanes;
    #[inline(always)]
    fn accumulate<S: Simd, const R: usize>(s: S, x: &[f32; TILE], first: usize, w: &Lanes, acc: &mut [S::F; R]) {
        let Some(x) = x[first..].first_chunk::<R>() else { return };
        let row = s.load(w);
        for n in 0..R {
            acc[n] = s.fma(s.splat(x[n]), row, acc[n]);
        }
    }
}
