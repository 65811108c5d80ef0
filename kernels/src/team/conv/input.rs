//! The gradient of the input.

use super::Dims;
use super::span::{Axis, Span, groups};
use super::sums::{BLOCK, ITEMS, Sums};
use crate::activation::{Function, with_activation};
use crate::simd::Simd;
use crate::simd::tile::Walk;
use crate::team::epilogue::Unfinish;
use crate::team::{Below, parts};
use crate::{Isa, Kernel, Lanes};
use core::marker::PhantomData;

/// Computes the gradient of a convolution's input and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,i] = r·f'(z) · Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w
///
/// Shapes.   `dy` N·P·Q·O, `w` U·V·I·O lanes; `x` N·H·W·I: the convolution's input on entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape, or P, Q or S is 0.
/// Cost.     2·N·P·Q·U·V·I·O·16 flop (fewer at a border); reads dy and w from cache, reads and writes x once.
/// Numerics. sums over u, v, o or over v, u, o in this order, which of them follows from the shape.
/// Source.   [`crate::reference::conv::backward_input`], lane by lane.
pub fn backward_input(isa: Isa, dims: &Dims, below: Below, dy: &[Lanes], w: &[Lanes], x: &mut [Lanes]) {
    assert!(dy.len() == dims.y_len() && w.len() == dims.w_len() && x.len() == dims.x_len(), "shape of dy, w or x");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    below.check(x.len());
    if x.is_empty() {
        return;
    }
    let dims = dims.flattened();
    with_activation!(below.activation, A => {
        isa.run(BackwardInput::<A> { dims, below, dy, w, x, activation: PhantomData })
    });
}

struct BackwardInput<'a, A> {
    dims: Dims,
    below: Below<'a>,
    dy: &'a [Lanes],
    w: &'a [Lanes],
    x: &'a mut [Lanes],
    activation: PhantomData<A>,
}

impl<A: Function> Kernel for BackwardInput<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = &self.dims;
        let mut end = Unfinish::<S, A>::new(s, self.below, self.x);
        let mut out = [Lanes::ZERO; ITEMS * BLOCK];
        let [vertical, horizontal] = Axis::of(d);
        let kinds = horizontal.backward().count();
        for rows in vertical.backward() {
            // rectangles put no sums aside, but those of a border are narrow; the sides were found by measurement
            if kinds == 1 || 5 * kinds <= 2 * d.width {
                for columns in horizontal.backward() {
                    rectangle(s, d, [rows, columns], self.dy, self.w, &mut out, &mut end);
                }
                continue;
            }
            for (column, columns) in parts(d.width, ITEMS) {
                let most = ITEMS * BLOCK / columns;
                for (line, lines) in parts(d.images * rows.count, (ITEMS / columns).min(most / most.min(d.inputs))) {
                    let strips = Strips::new(d, rows, [line, lines], [column, columns]);
                    for (i, channels) in parts(d.inputs, most) {
                        strips.sums(s, d, i, channels, self.dy, self.w, &mut out);
                        strips.finish(s, d, i, channels, &out, &mut end);
                    }
                }
            }
        }
    }
}

/// All positions that the same taps reach, in every image.
#[inline(always)]
fn rectangle<S: Simd, A: Function>(
    s: S,
    d: &Dims,
    [rows, columns]: [Span; 2],
    dy: &[Lanes],
    w: &[Lanes],
    out: &mut [Lanes; ITEMS * BLOCK],
    end: &mut Unfinish<S, A>,
) {
    let (tap, pixel) = (d.inputs * d.outputs, d.outputs as isize);
    // S taps further is one output position back
    let counts = [rows.taps, columns.taps, d.outputs];
    let weights = [d.stride * d.kernel[1] * tap, d.stride * tap, 1];
    let walk = Walk::new(counts, [-(d.q as isize) * pixel, -pixel, 1], weights);
    let w = &w[(rows.tap * d.kernel[1] + columns.tap) * tap..];
    let (source, target) = ([d.p, d.q, d.outputs], [d.height, d.width, d.inputs]);
    for group in groups(d.images, [rows, columns], source, target) {
        for (i, channels) in parts(d.inputs, BLOCK) {
            let to: [usize; ITEMS] = core::array::from_fn(|item| item * channels);
            let (at, to) = (group.source(), &to[..group.source().len()]);
            let (w, start) = (&w[i * d.outputs..], Some(&[Lanes::ZERO; BLOCK][..]));
            s.run(Sums { walk: &walk, a: dy, at, w, step: d.outputs, channels, start, to, shift: 0, out });
            for (place, out) in group.target().iter().zip(out.chunks_exact(channels)) {
                end.many(s, place + i, out);
            }
        }
    }
}

/// Columns `column..column + columns` of a few lines that the same rows of the kernel reach.
struct Strips {
    rows: Span,
    column: usize,
    columns: usize,
    lines: usize,
    /// Each line's first place in `dy` and `x`.
    source: [usize; ITEMS],
    target: [usize; ITEMS],
}

/// Output positions that one column of the kernel carries to a strip.
struct Items {
    at: [usize; ITEMS],
    /// Places in the strip of the kernel's column 0, modulo 2⁶⁴.
    to: [usize; ITEMS],
    len: usize,
    range: [usize; 2],
}

impl Strips {
    /// Lines are counted over the span's rows of all images.
    #[inline(always)]
    fn new(d: &Dims, rows: Span, [line, lines]: [usize; 2], [column, columns]: [usize; 2]) -> Strips {
        let mut strips = Strips { rows, column, columns, lines, source: [0; ITEMS], target: [0; ITEMS] };
        let (mut n, mut row) = (line / rows.count, line % rows.count);
        for k in 0..lines {
            strips.source[k] = (n * d.p + rows.source + row) * d.q * d.outputs;
            strips.target[k] = ((n * d.height + rows.first + row * rows.step) * d.width + column) * d.inputs;
            row += 1;
            if row == rows.count {
                (row, n) = (0, n + 1);
            }
        }
        strips
    }

    /// `out[line][column][i] = Σ_{v,u,o} dy · w` of input channels `i..i + channels`.
    ///
    /// Columns of the kernel come one after another, each to all columns of the map that it reaches: nothing is summed at a
    /// border that lies outside, and no column of the map has a tile of its own.
    #[inline(always)]
    fn sums<S: Simd>(
        &self,
        s: S,
        d: &Dims,
        i: usize,
        channels: usize,
        dy: &[Lanes],
        w: &[Lanes],
        out: &mut [Lanes; ITEMS * BLOCK],
    ) {
        let Strips { rows, column, columns, .. } = *self;
        let (tap, across) = (d.inputs * d.outputs, d.q * d.outputs);
        // S taps further is one output position back
        let weights = [0, d.stride * d.kernel[1] * tap, 1];
        let walk = Walk::new([1, rows.taps, d.outputs], [0, -(across as isize), 1], weights);
        out[..self.lines * columns * channels].fill(Lanes::ZERO);
        let mut items = Items { at: [0; ITEMS], to: [0; ITEMS], len: 0, range: [0; 2] };
        for v in 0..d.kernel[1] {
            let from = |column: usize| (column + d.left).saturating_sub(v).div_ceil(d.stride);
            self.items(d, channels, [from(column), from(column + columns).min(d.q)], &mut items);
            let (at, to, shift) = (&items.at[..items.len], &items.to[..items.len], v * channels);
            let w = &w[(rows.tap * d.kernel[1] + v) * tap + i * d.outputs..];
            s.run(Sums { walk: &walk, a: dy, at, w, step: d.outputs, channels, start: None, to, shift, out });
        }
    }

    /// The items of output columns `range` of each line, unless they are there already.
    #[inline(always)]
    fn items(&self, d: &Dims, channels: usize, range: [usize; 2], items: &mut Items) {
        if items.range == range {
            return;
        }
        items.range = range;
        items.len = 0;
        for (k, source) in self.source[..self.lines].iter().enumerate() {
            for q in range[0]..range[1] {
                items.at[items.len] = source + q * d.outputs;
                let column = (k * self.columns + q * d.stride).wrapping_sub(d.left + self.column);
                items.to[items.len] = column.wrapping_mul(channels);
                items.len += 1;
            }
        }
    }

    /// Takes the sums through the activation of the layer below.
    #[inline(always)]
    fn finish<S: Simd, A: Function>(
        &self,
        s: S,
        d: &Dims,
        i: usize,
        channels: usize,
        out: &[Lanes; ITEMS * BLOCK],
        end: &mut Unfinish<S, A>,
    ) {
        for (&place, out) in self.target[..self.lines].iter().zip(out.chunks_exact(self.columns * channels)) {
            if channels == d.inputs {
                end.many(s, place, out);
                continue;
            }
            for (k, out) in out.chunks_exact(channels).enumerate() {
                end.many(s, place + k * d.inputs + i, out);
            }
        }
    }
}
