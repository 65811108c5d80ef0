//! Pooling over windows of a map: maximum and average.
//!
//! Letters. `n` image, `p,q` window (of P×Q), `h,w` input position (of H×W), `u,v` position in the window (of U×V), `c` channel,
//! `S` step between windows. Every window lies inside the map; windows may overlap, and what none covers is read by nothing.

mod average;
mod max;

pub use average::{backward_average, forward_average};
pub use max::{backward_max, forward_max};

/// The shape of a pooling; letters as in the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// N, images.
    pub images: usize,
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// C, channels.
    pub channels: usize,
    /// U and V, rows and columns of a window.
    pub size: [usize; 2],
    /// S, step between windows.
    pub stride: usize,
    /// P, rows of windows.
    pub p: usize,
    /// Q, columns of windows.
    pub q: usize,
}

impl Dims {
    /// Lanes of the input maps.
    pub fn x_len(&self) -> usize {
        self.images * self.height * self.width * self.channels
    }

    /// Lanes of the output maps.
    pub fn y_len(&self) -> usize {
        self.images * self.p * self.q * self.channels
    }

    /// Asserts that both maps fit and that every window lies inside.
    fn check(&self, x_len: usize, y_len: usize) {
        assert!(x_len == self.x_len() && y_len == self.y_len(), "shape of x or y");
        let inside = |positions: usize, size: usize, whole: usize| {
            positions > 0 && size > 0 && (positions - 1) * self.stride + size <= whole
        };
        assert!(self.stride > 0 && inside(self.p, self.size[0], self.height), "a window outside of the map");
        assert!(inside(self.q, self.size[1], self.width), "a window outside of the map");
    }

    /// First lane of position `(h, w)` of image `n` of the input.
    #[inline(always)]
    fn x_at(&self, n: usize, h: usize, w: usize) -> usize {
        ((n * self.height + h) * self.width + w) * self.channels
    }

    /// First lane of window `(p, q)` of image `n`.
    #[inline(always)]
    fn y_at(&self, n: usize, p: usize, q: usize) -> usize {
        ((n * self.p + p) * self.q + q) * self.channels
    }
}

/// Windows `first..last` of an axis that cover position `at`.
#[inline(always)]
fn covering(at: usize, size: usize, stride: usize, windows: usize) -> (usize, usize) {
    ((at + 1).saturating_sub(size).div_ceil(stride), windows.min(at / stride + 1))
}
