//! Convolution of sixteen networks: forward, gradient of the input, gradient of the weights.
//!
//! `y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, x zero outside its map.
//!
//! Letters. `n` image, `p,q` output position (of P×Q), `h,w` input position (of H×W), `u,v` tap (of U×V), `i,o` input and output
//! channel, `S` stride, `T`, `L` zeros above and to the left. A dense layer is a convolution with P = Q = 1 and a kernel of the
//! whole map.
//!
//! A register tile is a few *items* × a few channels. For forward and gradient of the input an item is a position of an image,
//! and positions that the same taps reach (`span::Span`) are tiled together whatever rows and images they lie in: a border
//! only means fewer taps, and where P = Q = 1 images take the place of positions. For the gradient of the weights an item is a
//! pair of tap and input channel, and positions are summed over. The order of a sum never depends on the tile.

mod forward;
mod input;
mod span;
mod sums;
mod weight;

pub use forward::forward;
pub use input::backward_input;
pub use weight::backward_weight;

/// The shape of a convolution; letters as in the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// N, images.
    pub images: usize,
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// I, input channels.
    pub inputs: usize,
    /// O, output channels.
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
    /// Lanes of the input maps.
    pub fn x_len(&self) -> usize {
        self.images * self.height * self.width * self.inputs
    }

    /// Lanes of the output maps.
    pub fn y_len(&self) -> usize {
        self.images * self.p * self.q * self.outputs
    }

    /// Lanes of the weights.
    pub fn w_len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.inputs * self.outputs
    }

    /// The same computation with the fewest taps: a kernel of the whole map is one tap of a map of one position.
    fn flattened(self) -> Dims {
        let whole = self.kernel == [self.height, self.width] && (self.top, self.left) == (0, 0);
        if !(whole && self.p == 1 && self.q == 1) {
            return self;
        }
        let inputs = self.height * self.width * self.inputs;
        Dims { height: 1, width: 1, inputs, kernel: [1, 1], stride: 1, ..self }
    }
}
