//! Pooling of a tile: the largest or the average value of each window of a map, channel by channel.
//!
//! Letters. `n` image of the tile, `p,q` output position (of P×Q), `h,w` input position (of H×W), `u,v` position in the window
//! (of U×V), its *tap* number is `u·V + v`; `c` channel in blocks of 16 (`C` blocks), `S` stride.
//!
//! Maps are `[position][channel block]` of [`crate::Block`]s. Windows lie inside the map; they may overlap (S < U) or leave
//! gaps (S > U). An average over windows of one position is a layer that only applies its activation.

mod average;
mod max;

pub use average::{backward_average, forward_average};
pub use max::{backward_max, forward_max};

use crate::{Block, Cost, LANES, TILE};
use core::ops::Range;

/// The shape of a pooling; letters as in the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// C, channels in blocks of 16.
    pub channels: usize,
    /// U and V, rows and columns of a window.
    pub size: [usize; 2],
    /// S, step between windows.
    pub stride: usize,
    /// P, rows of the output.
    pub p: usize,
    /// Q, columns of the output.
    pub q: usize,
}

/// Images whose windows are in registers together.
const ROWS: usize = 3;

impl Dims {
    /// One window as large as the map.
    pub fn global(height: usize, width: usize, channels: usize) -> Dims {
        Dims { height, width, channels, size: [height, width], stride: 1, p: 1, q: 1 }
    }

    /// Blocks of the input map.
    pub fn x_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Blocks of the output map.
    pub fn y_len(&self) -> usize {
        self.p * self.q * self.channels
    }

    /// Of the forward pass, the activation's left out.
    pub fn cost(&self) -> Cost {
        let flops = TILE * LANES * self.y_len() * self.size[0] * self.size[1];
        Cost { flops, bytes: (self.x_len() + self.y_len()) * size_of::<Block>() }
    }

    /// Rows and columns of the map up to the end of the last window: what lies beyond is in none.
    pub fn covers(&self) -> [usize; 2] {
        let end = |positions: usize, size: usize| positions.saturating_sub(1) * self.stride + size;
        [end(self.p, self.size[0]), end(self.q, self.size[1])]
    }

    /// Asserts that there are windows and that they lie inside the map.
    fn check(&self) {
        let [rows, columns] = self.covers();
        let some = self.p * self.q * self.size[0] * self.size[1] * self.stride * self.channels > 0;
        assert!(some && rows <= self.height && columns <= self.width, "a window leaves the map");
    }
}

/// Windows of an axis that hold position `at`.
#[inline(always)]
fn windows(at: usize, size: usize, stride: usize, positions: usize) -> Range<usize> {
    (at + 1).saturating_sub(size).div_ceil(stride)..positions.min(at / stride + 1)
}
