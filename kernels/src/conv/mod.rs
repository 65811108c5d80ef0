//! Convolution of a tile of images: forward, gradient of the input, gradient of the weights.
//!
//! `y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, x zero outside its map.
//!
//! Letters. `n` image of the tile, `p,q` output position (of P×Q), `h,w` input position (of H×W), `u,v` tap (of U×V), `i,o`
//! input and output channel in blocks of 16 (`I`, `O` blocks; an image has `C` single channels), `S` stride, `T`, `L` zeros
//! above and to the left.
//!
//! Layouts. Maps are `[position][channel block]` of [`Block`]s, images `[position][channel][n]`. Weights are
//! `[o block][tap][i block][16 i][16 o]`, for images `[o block][tap][channel][16 o]`. A dense layer is a convolution whose
//! kernel is as large as its map, so that there is one position.
//!
//! Lanes are channels, rows of a register tile are images, so that one position is the matrix product
//! (images × 16 i)·(16 i × 16 o) whatever the map's size: no remainders, and a border only means fewer taps. Every sum runs in
//! one order on every ISA: over taps, then channels; for weights over positions, then images.

mod forward;
mod input;
mod input_image;
mod weight;
mod weight_image;

pub use forward::{forward, forward_image};
pub use input::{backward_input, transpose};
pub use input_image::{backward_input_image, transpose_image};
pub use weight::backward_weight;
pub use weight_image::backward_weight_image;

use crate::{Block, Cost, LANES, Lanes, TILE, simd::Simd};

/// What a convolution reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// An image of this many channels: `[position][channel][n]`.
    Image(usize),
    /// A map of this many blocks of 16 channels.
    Map(usize),
}

impl Inputs {
    /// Channels of an image, blocks of a map.
    pub fn count(self) -> usize {
        match self {
            Inputs::Image(count) | Inputs::Map(count) => count,
        }
    }
}

/// The shape of a convolution; letters as in the module's head.
///
/// Every window must meet the input. Fewer positions than fit are allowed: input rows and columns that no window reads have
/// the gradient 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// N, images of the tile, at most [`TILE`]; what the maps hold of the others is not read, and not specified afterwards.
    pub images: usize,
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// C, channels of an image, or I, channels of a map in blocks of 16.
    pub inputs: Inputs,
    /// O, output channels in blocks of 16.
    pub outputs: usize,
    /// U and V, rows and columns of the kernel.
    pub kernel: [usize; 2],
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
        let inputs = Inputs::Map(inputs);
        Dims {
            images: TILE,
            height: 1,
            width: 1,
            inputs,
            outputs,
            kernel: [1, 1],
            stride: 1,
            top: 0,
            left: 0,
            p: 1,
            q: 1,
        }
    }

    /// Blocks of the input map; for an image the number of `[f32; TILE]`.
    pub fn x_len(&self) -> usize {
        self.height * self.width * self.inputs.count()
    }

    /// Blocks of the output map.
    pub fn y_len(&self) -> usize {
        self.p * self.q * self.outputs
    }

    /// Lanes of the weights.
    pub fn w_len(&self) -> usize {
        self.outputs * self.kernel[0] * self.kernel[1] * self.channels()
    }

    /// Single input channels.
    pub fn channels(&self) -> usize {
        match self.inputs {
            Inputs::Image(channels) => channels,
            Inputs::Map(blocks) => blocks * LANES,
        }
    }

    /// Of the forward pass, of the gradient of the input and of that of the weights alike, borders not subtracted.
    pub fn cost(&self) -> Cost {
        let of_input = match self.inputs {
            Inputs::Image(_) => size_of::<[f32; TILE]>(),
            Inputs::Map(_) => size_of::<Block>(),
        };
        let terms = self.kernel[0] * self.kernel[1] * self.channels();
        let maps = self.x_len() * of_input + self.y_len() * size_of::<Block>();
        Cost { flops: 2 * self.images * self.y_len() * LANES * terms, bytes: maps + self.w_len() * size_of::<Lanes>() }
    }

    fn check_images(&self) {
        assert!((1..=TILE).contains(&self.images), "images of a tile");
    }

    /// Lanes of the weights of a convolution of images as [`transpose_image`] gives them.
    pub fn wt_image_len(&self) -> usize {
        (self.w_len() / self.outputs).div_ceil(LANES) * self.outputs * LANES
    }

    /// Asserts that the input is a map and that every window meets it.
    fn check_map(&self) {
        self.check_images();
        assert!(matches!(self.inputs, Inputs::Map(_)), "an image is not a map");
        let meets = |size: usize, kernel: usize, before: usize, positions: usize| {
            positions > 0 && before < kernel && (positions - 1) * self.stride < size + before
        };
        let rows = meets(self.height, self.kernel[0], self.top, self.p);
        let columns = meets(self.width, self.kernel[1], self.left, self.q);
        assert!(self.stride > 0 && rows && columns, "a window misses the map");
    }

    /// Asserts that the input is an image that every window lies inside of.
    fn check_image(&self) {
        self.check_images();
        assert!(matches!(self.inputs, Inputs::Image(_)), "a map is not an image");
        let inside = |size: usize, kernel: usize, positions: usize| {
            positions > 0 && kernel > 0 && (positions - 1) * self.stride + kernel <= size
        };
        let inside = inside(self.height, self.kernel[0], self.p) && inside(self.width, self.kernel[1], self.q);
        assert!(self.stride > 0 && self.top == 0 && self.left == 0 && inside, "an image must be padded already");
    }
}

/// What one position of an input holds: blocks of channels or single channels, with the weights that belong to each.
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
