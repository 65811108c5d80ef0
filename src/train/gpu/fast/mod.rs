//! The fast path: shaders for one family of networks, whose shapes are constants of the text.
//!
//! The family: grey images of 28×28 or 32×32 pixels, three 3×3 convolutions of 16 channels, stride 2, `valid`; global average;
//! a dense layer to at most 16 classes. Any activation, optimizer, dropout and batch. Everything else takes the general shaders.
//!
//! The plan is in `shaders/fast_train.wgsl` and `fast_evaluate.wgsl`; at their lines `//@ name` the unrolled loops of
//! `forward` and `backward` are inserted, each written beside its lane map.

mod backward;
mod design;
mod forward;
mod layout;
mod source;
#[cfg(test)]
mod tests;
mod text;

/// The texts of a training and an evaluation pipeline, the former without Philox.
#[cfg(test)]
pub(super) fn texts(shape: &Shape, layout: Layout, kind: Kind, options: Options) -> [String; 2] {
    [source::training(shape, layout, kind, options), source::evaluation(shape, layout, kind.activation, options)]
}

pub use design::Design;
pub use layout::{Layout, Placement};
pub use text::{Kind, Options, Sync};

use super::shape::convolutions;
use crate::cnn::Arch;

/// What the fast path needs to know of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of each convolution; all are 3×3 with stride 2, `valid`.
    pub channels: Vec<usize>,
    /// Outputs of the dense layer.
    pub classes: usize,
}

impl Shape {
    /// The shape of a network, if it is of the family.
    pub fn of(arch: &Arch) -> Option<Shape> {
        let convs = convolutions(&arch.plan())?;
        // a border of zeros would add positions
        let valid = |size: usize, positions: usize| positions == (size - 3) / 2 + 1;
        let stride_2 = convs.iter().all(|conv| {
            conv.stride == 2 && valid(conv.from.height, conv.to.height) && valid(conv.from.width, conv.to.width)
        });
        let channels = convs.iter().map(|conv| conv.to.channels).collect();
        let shape = Shape { height: arch.height, width: arch.width, channels, classes: arch.classes };
        (stride_2 && shape.is_covered()).then_some(shape)
    }

    fn is_covered(&self) -> bool {
        let side = matches!((self.height, self.width), (28, 28) | (32, 32));
        side && self.channels == [16; 3] && (1..=16).contains(&self.classes)
    }

    /// The numbers that the shaders are written with.
    fn numbers(&self) -> Numbers {
        let full = [1, 2, 3].map(|layer| (0..layer).fold(self.width, |side, _| (side - 3) / 2 + 1));
        let third = full[2];
        let second = 2 * third + 1;
        let needed = [2 * second + 1, second, third];
        let columns = needed[0].div_ceil(2);
        // an odd distance between channels and rows keeps equal places of two of them out of one bank; four more than a map,
        // because the second half of its last row is read as if it were as long as the first
        let [y1_pair, y2_row] = [needed[0] * needed[0] + 4, 8 * second + 1];
        Numbers { side: self.width, full, needed, columns, y1_pair, y2_row, class_pairs: 2 * self.classes.div_ceil(4) }
    }

    /// Multiply-adds counted twice of an image's training step and evaluation that the fast path really makes: units that
    /// nothing reads are left out.
    pub fn executed_flops(&self) -> (u64, u64) {
        let [first, second, third] = self.numbers().needed.map(|side| (side * side) as u64);
        let (image, other, dense) = (9 * 16 * first, 9 * 256 * (second + third), 16 * self.classes as u64);
        (2 * (2 * image + 3 * other + 3 * dense), 2 * (image + other + dense))
    }
}

/// Sides, strides and counts, all of one image or warp. Lengths are in `vec2f` where nothing else is said.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// Pixels of a row.
    side: usize,
    /// Sides of the maps that the convolutions have by definition: what dropout counts by.
    full: [usize; 3],
    /// Sides of their parts that a later layer reads: `need(l) = (need(l+1) − 1)·2 + 3`, the whole of the last.
    needed: [usize; 3],
    /// Columns of the first map that a lane takes: half a row.
    columns: usize,
    /// From a pair of the first map's channels to the next.
    y1_pair: usize,
    /// From a row of the second map to the next.
    y2_row: usize,
    /// Pairs of classes, filled up to quads of classes.
    class_pairs: usize,
}

impl Numbers {
    /// A warp's part of `y1s` in training: a chunk of four channels of the first map; later the sums of halves, the third map,
    /// its gradient, the logits.
    fn y1(&self) -> usize {
        2 * self.y1_pair
    }

    /// An image's part of `y2s`.
    fn y2(&self) -> usize {
        self.needed[1] * self.y2_row
    }

    /// The third map.
    fn y3(&self) -> usize {
        8 * self.needed[2] * self.needed[2]
    }

    /// A warp's part of `y1s` in evaluation, where the second map lies there too and then the third one and the logits.
    fn y1_evaluation(&self) -> usize {
        self.y1().max((self.y2() + self.y3() + self.class_pairs).next_multiple_of(2))
    }

    /// Groups of eight positions that one call of Philox decides, of each layer.
    fn groups(&self) -> [usize; 3] {
        [0, 1, 2].map(|layer| ((self.needed[layer] - 1) * (self.full[layer] + 1) + 1).div_ceil(8))
    }

    /// Lanes of the first convolution: two a row.
    fn image_lanes(&self) -> usize {
        2 * self.needed[0]
    }

    /// Rounds in which the lanes, four positions at a time, go over the third map.
    fn rounds(&self) -> usize {
        (self.needed[2] * self.needed[2]).div_ceil(4)
    }

    /// Positions of the second map that a lane sums: all rows above or below the middle one, and half of that.
    fn slots(&self) -> Vec<Slot> {
        let side = self.needed[1];
        let rows = (0..side / 2).flat_map(|row| (0..side).map(move |column| Slot { middle: false, row, column }));
        rows.chain((0..side.div_ceil(2)).map(|column| Slot { middle: true, row: 0, column })).collect()
    }
}

/// A position of the second map relative to a lane's first one.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Whether it is in the middle row, of which each half of the lanes has a half.
    middle: bool,
    row: usize,
    column: usize,
}
