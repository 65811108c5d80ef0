//! Positions of a map that the same taps reach.

use super::Dims;
use super::sums::ITEMS;
use crate::team::parts;

/// Positions `first, first + step, …` of one axis, `count` of them, that the same taps of the kernel connect with the other map
/// (the *source*: what is summed over).
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The first position.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Between one and the next.
    pub step: usize,
    /// The first tap.
    pub tap: usize,
    /// How many taps; the next one is 1 further forward, S further backward.
    pub taps: usize,
    /// Where the first tap meets the source at the first position.
    pub source: usize,
    /// Between there and where it meets it at the next position.
    pub advance: usize,
}

/// One axis of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    size: usize,
    positions: usize,
    kernel: usize,
    stride: usize,
    before: usize,
}

impl Axis {
    /// Rows and columns.
    pub fn of(d: &Dims) -> [Axis; 2] {
        [
            Axis { size: d.height, positions: d.p, kernel: d.kernel[0], stride: d.stride, before: d.top },
            Axis { size: d.width, positions: d.q, kernel: d.kernel[1], stride: d.stride, before: d.left },
        ]
    }

    /// All output positions; the source is the input.
    pub fn forward(self) -> impl Iterator<Item = Span> {
        let Axis { size, positions, kernel, stride, before } = self;
        let reach = move |p: usize| {
            let tap = before.saturating_sub(p * stride);
            reached(tap, kernel.min((size + before).saturating_sub(p * stride)).saturating_sub(tap))
        };
        let mut next = 0;
        core::iter::from_fn(move || {
            let first = next;
            let (tap, taps) = (first < positions).then(|| reach(first))?;
            while next < positions && reach(next) == (tap, taps) {
                next += 1;
            }
            let source = (first * stride + tap).saturating_sub(before);
            Some(Span { first, count: next - first, step: 1, tap, taps, source, advance: stride })
        })
    }

    /// All input positions; the source is the output. Those of one remainder modulo S come together.
    pub fn backward(self) -> impl Iterator<Item = Span> {
        let Axis { size, positions, kernel, stride, before } = self;
        let reach = move |h: usize| {
            let at = h + before;
            let far = at.saturating_sub(stride * (positions - 1));
            let tap = far + (at - far) % stride;
            reached(tap, kernel.min(at + 1).saturating_sub(tap).div_ceil(stride))
        };
        let (mut remainder, mut next) = (0, 0);
        core::iter::from_fn(move || {
            if next >= size {
                remainder += 1;
                next = remainder;
            }
            let first = next;
            let (tap, taps) = (remainder < stride && first < size).then(|| reach(first))?;
            while next < size && reach(next) == (tap, taps) {
                next += stride;
            }
            let source = (first + before).saturating_sub(tap) / stride;
            Some(Span { first, count: (next - first) / stride, step: stride, tap, taps, source, advance: 1 })
        })
    }

    /// The taps whose range of output positions is the same: `(first tap, taps, first position, positions)`.
    pub fn taps(self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let Axis { size, positions, kernel, stride, before } = self;
        let reach = move |u: usize| {
            let first = before.saturating_sub(u).div_ceil(stride);
            (first, positions.min((size + before).saturating_sub(u).div_ceil(stride)).saturating_sub(first))
        };
        let mut next = 0;
        core::iter::from_fn(move || {
            let tap = next;
            let (first, count) = (tap < kernel).then(|| reach(tap))?;
            while next < kernel && reach(next) == (first, count) {
                next += 1;
            }
            Some((tap, next - tap, first, count))
        })
    }
}

/// First tap and number of taps; where there is none, all positions are alike.
fn reached(tap: usize, taps: usize) -> (usize, usize) {
    if taps == 0 { (0, 0) } else { (tap, taps) }
}

/// Places of a few items: in the source, and in the map that is written.
pub(super) struct Group {
    len: usize,
    source: [usize; ITEMS],
    target: [usize; ITEMS],
}

/// A map's shape as places are counted: rows, columns, channels.
pub(super) type Shape = [usize; 3];

impl Group {
    /// Where the items meet the source.
    pub fn source(&self) -> &[usize] {
        &self.source[..self.len]
    }

    /// Where they lie in the map.
    pub fn target(&self) -> &[usize] {
        &self.target[..self.len]
    }
}

/// The items of a rectangle of positions in every image, image by image, row by row.
pub(super) fn groups(
    images: usize,
    [rows, columns]: [Span; 2],
    source: Shape,
    target: Shape,
) -> impl Iterator<Item = Group> {
    let (mut n, mut row, mut column) = (0, 0, 0);
    parts(images * rows.count * columns.count, ITEMS).map(move |(_, len)| {
        let mut group = Group { len, source: [0; ITEMS], target: [0; ITEMS] };
        for k in 0..len {
            let (h, w) = (rows.source + row * rows.advance, columns.source + column * columns.advance);
            group.source[k] = ((n * source[0] + h) * source[1] + w) * source[2];
            let (h, w) = (rows.first + row * rows.step, columns.first + column * columns.step);
            group.target[k] = ((n * target[0] + h) * target[1] + w) * target[2];
            column += 1;
            if column == columns.count {
                (column, row) = (0, row + 1);
            }
            if row == rows.count {
                (row, n) = (0, n + 1);
            }
        }
        group
    })
}
