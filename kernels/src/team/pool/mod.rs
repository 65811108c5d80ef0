//! Pooling over windows of a map: maximum and average.
//!
//! Letters. `n` image, `p,q` window (of P×Q), `h,w` input position (of H×W), `u,v` position in the window (of U×V), `c` channel,
//! `S` step between windows. Every window lies inside the map; windows may overlap, and what none covers is read by nothing.

/// Runs a body for four channels at a time, so that their latencies overlap, and for the rest: `c` is the first, `C` how many.
macro_rules! channels {
    ($channels:expr, $c:ident, $C:ident => $body:expr) => {
        let mut $c = 0;
        while $c < $channels {
            match $channels - $c {
                1 => {
                    const $C: usize = 1;
                    $body
                }
                2 => {
                    const $C: usize = 2;
                    $body
                }
                3 => {
                    const $C: usize = 3;
                    $body
                }
                _ => {
                    const $C: usize = 4;
                    $body
                }
            }
            $c += 4;
        }
    };
}
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

/// The windows of one axis that cover a position which only moves forward.
#[derive(Clone, Copy)]
struct Cover {
    size: usize,
    stride: usize,
    windows: usize,
    /// The first that covers the position, and the one behind the last.
    range: [usize; 2],
}

impl Cover {
    #[inline(always)]
    fn new(size: usize, stride: usize, windows: usize) -> Cover {
        Cover { size, stride, windows, range: [0; 2] }
    }

    /// Moves to position `at`, at least the one before.
    #[inline(always)]
    fn forward_to(&mut self, at: usize) {
        while self.range[0] * self.stride + self.size <= at {
            self.range[0] += 1;
        }
        while self.range[1] < self.windows && self.range[1] * self.stride <= at {
            self.range[1] += 1;
        }
    }

    /// Windows that cover the position.
    #[inline(always)]
    fn windows(&self) -> core::ops::Range<usize> {
        self.range[0]..self.range[1]
    }
}
