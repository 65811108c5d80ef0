//! Where everything of a fast network lies: weights in storage, gradients' partial sums, workgroup memory.

use super::{Numbers, Shape};

/// Bytes of a `vec2f`, the unit of all places here.
pub(super) const PAIR: usize = 8;

/// Weights of a 16→16 kernel.
const KERNEL: usize = 9 * 16 * 8;
/// The first layer: four chunks of four channels, nine taps and a bias each.
const FIRST: usize = 4 * 10 * 2;

/// Which of the two large kernels lie in workgroup memory; the others are read from storage, more slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The second convolution's kernel.
    pub second: bool,
    /// The third convolution's kernel.
    pub third: bool,
}

impl Placement {
    /// Lengths of both kernels' arrays in workgroup memory; an array must not be empty.
    pub(super) fn lengths(&self) -> [usize; 2] {
        [if self.second { 8 * SECOND_PAIR } else { 1 }, if self.third { 9 * THIRD_TAP } else { 1 }]
    }
}

const PLACEMENTS: [Placement; 3] = [
    Placement { second: true, third: true },
    Placement { second: true, third: false },
    Placement { second: false, third: false },
];

/// Images of a tile, and where the kernels lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Images of a tile, a warp of 32 invocations each.
    pub tile: usize,
    /// The kernels' places.
    pub placement: Placement,
}

impl Layout {
    /// The best one for training within `bytes` of workgroup memory and `invocations`.
    pub fn training(shape: &Shape, bytes: usize, invocations: usize) -> Option<Layout> {
        // four warps share an image's gradients: a tile is a multiple of four
        let all = [8, 4].into_iter().flat_map(|tile| {
            PLACEMENTS[..if tile == 8 { 1 } else { 3 }].iter().map(move |&placement| Layout { tile, placement })
        });
        all.into_iter().find(|layout| layout.bytes(shape, true) <= bytes && 32 * layout.tile <= invocations)
    }

    /// The best one for evaluation.
    pub fn evaluation(shape: &Shape, bytes: usize, invocations: usize) -> Option<Layout> {
        let all = PLACEMENTS.iter().flat_map(|&placement| (4..=12).rev().map(move |tile| Layout { tile, placement }));
        all.into_iter().find(|layout| layout.bytes(shape, false) <= bytes && 32 * layout.tile <= invocations)
    }

    /// Bytes of workgroup memory.
    pub fn bytes(&self, shape: &Shape, training: bool) -> usize {
        let n = shape.numbers();
        let maps = if training { n.y1() + n.y2() } else { n.y1_evaluation() };
        let kernels: usize = self.placement.lengths().iter().sum();
        // losses, counts of classes, a flag
        FIRST * PAIR + kernels * PAIR + self.tile * maps * PAIR + 4 * self.tile + 64 + 4
    }

    /// Invocations of a workgroup.
    pub fn width(&self) -> usize {
        32 * self.tile
    }
}

/// From a pair of inputs to the next in the second kernel, from a row of taps, and from a tap and a pair in the third, in
/// workgroup memory: odd distances, so that lanes of different pairs meet different banks.
pub(super) const SECOND_PAIR: usize = 147;
pub(super) const SECOND_ROW: usize = 49;
pub(super) const THIRD_TAP: usize = 136;
pub(super) const THIRD_PAIR: usize = 17;

/// Places of a network's tensors among its weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// `[pair of inputs][tap][input of the pair][pair of outputs]`.
    pub(super) second: usize,
    /// `[tap][input][pair of outputs]`.
    pub(super) third: usize,
    /// `[four channels][tap, then bias]`, a quad each.
    pub(super) first: usize,
    pub(super) second_bias: usize,
    pub(super) third_bias: usize,
    /// `[input][pair of classes]`.
    pub(super) dense: usize,
    pub(super) dense_bias: usize,
    /// One past the last: from the weights to the first moments, and on to the second ones.
    pub(super) end: usize,
}

impl Places {
    pub(super) fn new(n: &Numbers) -> Places {
        let (third, first) = (KERNEL, 2 * KERNEL);
        let second_bias = first + FIRST;
        let third_bias = second_bias + 8;
        let dense = third_bias + 8;
        let dense_bias = dense + 16 * n.class_pairs;
        let end = dense_bias + n.class_pairs;
        Places { second: 0, third, first, second_bias, third_bias, dense, dense_bias, end }
    }

    /// `place[k]`: number of the flat vector's parameter `k` among the weights, in `f32`.
    pub(super) fn table(&self, shape: &Shape) -> Vec<usize> {
        let class_pairs = shape.numbers().class_pairs;
        let of_first = |row: usize, channel: usize| self.first + channel / 4 * 20 + row * 2 + channel % 4 / 2;
        let mut table = Vec::new();
        let mut push = |pair: usize, channel: usize| table.push(2 * pair + channel % 2);
        (0..16).for_each(|channel| push(of_first(9, channel), channel));
        (0..9 * 16).for_each(|k| push(of_first(k / 16, k % 16), k));
        (0..16).for_each(|channel| push(self.second_bias + channel / 2, channel));
        for (tap, input) in (0..9).flat_map(|tap| (0..16).map(move |input| (tap, input))) {
            let row = self.second + input / 2 * 144 + tap * 16 + input % 2 * 8;
            (0..16).for_each(|channel| push(row + channel / 2, channel));
        }
        (0..16).for_each(|channel| push(self.third_bias + channel / 2, channel));
        (0..9 * 256).for_each(|k| push(self.third + k / 2, k));
        (0..shape.classes).for_each(|class| push(self.dense_bias + class / 2, class));
        for input in 0..16 {
            (0..shape.classes).for_each(|class| push(self.dense + input * class_pairs + class / 2, class));
        }
        table
    }
}

/// Places of the partial sums that a workgroup leaves at the end of a step, and how many there are of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub(super) second: usize,
    pub(super) third: usize,
    pub(super) second_bias: usize,
    pub(super) third_bias: usize,
    pub(super) first: usize,
    pub(super) dense: usize,
    pub(super) end: usize,
    pub(super) parts: [usize; 3],
}

impl Sums {
    pub(super) fn new(n: &Numbers, tile: usize) -> Sums {
        let parts = [tile / 4 * n.image_lanes(), tile / 4 * 2, tile / 2];
        let third = parts[1] * KERNEL;
        let second_bias = third + parts[2] * KERNEL;
        let third_bias = second_bias + parts[1] * 8;
        let first = third_bias + parts[2] * 8;
        let dense = first + parts[0] * FIRST;
        let end = (dense + tile * 17 * n.class_pairs).next_multiple_of(2);
        Sums { second: 0, third, second_bias, third_bias, first, dense, end, parts }
    }
}
