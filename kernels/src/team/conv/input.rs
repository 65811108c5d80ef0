//! The gradient of the input.

use super::Dims;
use super::span::{Axis, Span};
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
/// Numerics. sums over v, u, o in this order.
/// Source.   [`crate::reference::conv::backward_input`], lane by lane.
pub fn backward_input(isa: Isa, dims: &Dims, below: Below, dy: &[Lanes], w: &[Lanes], x: &mut [Lanes]) {
    assert!(dy.len() == dims.y_len() && w.len() == dims.w_len() && x.len() == dims.x_len(), "shape of dy, w or x");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    below.check(x.len());
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
        let [vertical, _] = Axis::of(d);
        for rows in vertical.backward() {
            for (column, columns) in parts(d.width, ITEMS) {
                for (line, lines) in parts(d.images * rows.count, ITEMS / columns) {
                    let strips = Strips { rows, line, lines, column, columns };
                    for (i, channels) in parts(d.inputs, BLOCK) {
                        strips.sums(s, d, i, channels, self.dy, self.w, &mut out);
                        strips.finish(s, d, i, channels, &out, &mut end);
                    }
                }
            }
        }
    }
}

/// Columns `column..column + columns` of a few lines that the same rows of the kernel reach; lines are counted over the images.
struct Strips {
    rows: Span,
    line: usize,
    lines: usize,
    column: usize,
    columns: usize,
}

impl Strips {
    /// Image and row of each line, the row counted in the span.
    #[inline(always)]
    fn lines(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.rows.count;
        (self.line..self.line + self.lines).map(move |line| (line / count, line % count))
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
        let weights = [d.stride * d.kernel[1] * tap, 0, 1];
        let walk = Walk::new([rows.taps, 1, d.outputs], [-(across as isize), 0, 1], weights);
        out[..self.lines * columns * channels].fill(Lanes::ZERO);
        for v in 0..d.kernel[1] {
            let from = |column: usize| (column + d.left).saturating_sub(v).div_ceil(d.stride);
            let (first, last) = (from(column), from(column + columns).min(d.q));
            let (mut at, mut to, mut len) = ([0; ITEMS], [0; ITEMS], 0);
            for (k, (n, row)) in self.lines().enumerate() {
                let source = (n * d.p + rows.source + row) * across;
                for q in first..last {
                    at[len] = source + q * d.outputs;
                    to[len] = (k * columns + q * d.stride + v - d.left - column) * channels;
                    len += 1;
                }
            }
            let (at, to, w) = (&at[..len], &to[..len], &w[(rows.tap * d.kernel[1] + v) * tap + i * d.outputs..]);
            s.run(Sums { walk: &walk, a: dy, at, w, step: d.outputs, channels, start: None, to, out });
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
        for ((n, row), out) in self.lines().zip(out.chunks_exact(self.columns * channels)) {
            let place = ((n * d.height + self.rows.first + row * self.rows.step) * d.width + self.column) * d.inputs;
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
