//! Convolution of a tile of images: forward, gradient of the input, gradient of the weights.
//!
//! `y[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, x zero outside its map.
//!
//! Letters. `n` image of the tile, `p,q` output position (of P×Q), `h,w` input position (of H×W), `u,v` tap (of K×K), `i,o`
//! input and output channel in blocks of 16 (`I`, `O` blocks), `S` stride, `T`, `L` zeros above and to the left.
//!
//! Layouts. Maps are `[position][channel block]` of [`Block`]s; an image has one channel and is `[position][n]`. Weights are
//! `[o block][tap][i block][16 i][16 o]`, for an image `[o block][tap][16 o]`. A dense layer is a 1×1 convolution of a 1×1 map.
//!
//! Lanes are channels, rows of a register tile are images, so that one position is the matrix product
//! (images × 16 i)·(16 i × 16 o) whatever the map's size: no remainders, and a border only means fewer taps. Every sum runs in
//! one order on every leg: over taps, then channels; for weights over positions, then images.

use crate::activation::{Activation, Below, Dropout, Function, finish, unfinish, with_activation};
use crate::{Block, Isa, Kernel, LANES, Lanes, TILE, simd::Simd};

/// The shape of a convolution; letters as in the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// I, input channels in blocks of 16; 0 stands for an image.
    pub inputs: usize,
    /// O, output channels in blocks of 16.
    pub outputs: usize,
    /// K, side of the kernel.
    pub kernel: usize,
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
        Dims { height: 1, width: 1, inputs, outputs, kernel: 1, stride: 1, top: 0, left: 0, p: 1, q: 1 }
    }

    /// Blocks of the input map; 0 for an image.
    pub fn x_len(&self) -> usize {
        self.height * self.width * self.inputs
    }

    /// Blocks of the output map.
    pub fn y_len(&self) -> usize {
        self.p * self.q * self.outputs
    }

    /// Lanes of the weights.
    pub fn w_len(&self) -> usize {
        let rows = if self.inputs == 0 { 1 } else { self.inputs * LANES };
        self.outputs * self.kernel * self.kernel * rows
    }
}

/// Taps `first..last` of an axis that meet the input at output position `p`.
#[inline(always)]
fn taps(p: usize, stride: usize, before: usize, size: usize, kernel: usize) -> (usize, usize) {
    let start = p * stride;
    (before.saturating_sub(start), kernel.min((size + before).saturating_sub(start)))
}

/// Taps `first, first + stride, … < last` of an axis that carry input position `at` (counted with the zeros before it) to an
/// output position, and that of the first.
#[inline(always)]
fn reach(at: usize, stride: usize, positions: usize, kernel: usize) -> (usize, usize, usize) {
    let far = at.saturating_sub(stride * (positions - 1));
    let first = far + (at - far) % stride;
    (first, kernel.min(at + 1), (at.saturating_sub(first)) / stride)
}

/// One position of an input: a block of channels or a pixel, with the weights that belong to it.
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

/// Convolves a tile and applies activation and dropout.
///
/// `z[n,p,q,o] = b[o] + Σ_{u,v,i} x[n, S·p+u−T, S·q+v−L, i] · w[u,v,i,o]`, `y = dropout(f(z))`
///
/// Shapes.   `x` H·W·I blocks, `w` O·K²·I·16 lanes, `b` O lanes, `y` P·Q·O blocks; `z` like `y` if the activation's gradient
///           needs it, else empty.
/// Panics.   if a slice length differs from its shape.
/// Cost.     2·N·P·Q·K²·I·O·256 flop (fewer at a border); reads x, w, b once from cache, writes y once.
/// Numerics. sums over u, v, i in this order, one rounding for each product where the leg fuses.
/// Source.   [`crate::reference::conv::forward`].
pub fn forward(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[Block],
    w: &[Lanes],
    b: &[Lanes],
    z: &mut [Block],
    y: &mut [Block],
) {
    assert!(dims.inputs > 0 && x.len() == dims.x_len() && w.len() == dims.w_len(), "shape of x or w");
    let w = w.as_chunks::<LANES>().0;
    forward_any(isa, dims, activation, Forward { dims, dropout, x, w, b, z, y });
}

/// Convolves a tile of one-channel images; as [`forward`], with `x` of H·W pixels and `w` of O·K² lanes.
///
/// The image is padded by whoever fills it: T and L must be 0 and every tap must lie inside.
pub fn forward_image(
    isa: Isa,
    dims: &Dims,
    activation: Activation,
    dropout: Option<Dropout>,
    x: &[[f32; TILE]],
    w: &[Lanes],
    b: &[Lanes],
    z: &mut [Block],
    y: &mut [Block],
) {
    assert!(dims.inputs == 0 && x.len() == dims.height * dims.width && w.len() == dims.w_len(), "shape of x or w");
    forward_any(isa, dims, activation, Forward { dims, dropout, x, w, b, z, y });
}

fn forward_any<X: Input>(isa: Isa, dims: &Dims, activation: Activation, job: Forward<X>) {
    assert!(job.b.len() == dims.outputs && job.y.len() == dims.y_len(), "shape of b or y");
    assert!(job.z.len() == job.y.len() || !crate::activation::needs_input(activation), "shape of z");
    with_activation!(activation, A => isa.run(ForwardAs::<X, A>(job, core::marker::PhantomData)));
}

struct Forward<'a, X: Input> {
    dims: &'a Dims,
    dropout: Option<Dropout<'a>>,
    x: &'a [X],
    w: &'a [X::Weights],
    b: &'a [Lanes],
    z: &'a mut [Block],
    y: &'a mut [Block],
}

struct ForwardAs<'a, X: Input, A>(Forward<'a, X>, core::marker::PhantomData<A>);

impl<X: Input, A: Function> Kernel for ForwardAs<'_, X, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::ROWS {
            12 => self.0.rows::<S, A, 12>(s),
            6 => self.0.rows::<S, A, 6>(s),
            _ => self.0.rows::<S, A, 3>(s),
        }
    }
}

impl<X: Input> Forward<'_, X> {
    #[inline(always)]
    fn rows<S: Simd, A: Function, const R: usize>(self, s: S) {
        let Dims { height, width, outputs, kernel, stride, top, left, .. } = *self.dims;
        let inputs = self.dims.inputs.max(1);
        for p in 0..self.dims.p {
            let (u0, u1) = taps(p, stride, top, height, kernel);
            for q in 0..self.dims.q {
                let (v0, v1) = taps(q, stride, left, width, kernel);
                for o in 0..outputs {
                    let index = (p * self.dims.q + q) * outputs + o;
                    for first in (0..TILE).step_by(R) {
                        let mut acc = [s.load(&self.b[o]); R];
                        for u in u0..u1 {
                            let start = (p * stride + u - top) * width + q * stride + v0 - left;
                            let tap = (o * kernel + u) * kernel;
                            let x = &self.x[start * inputs..(start + v1 - v0) * inputs];
                            let w = &self.w[(tap + v0) * inputs..(tap + v1) * inputs];
                            for (x, w) in x.iter().zip(w) {
                                X::accumulate(s, x, first, w, &mut acc);
                            }
                        }
                        if A::NEEDS_INPUT {
                            for n in 0..R {
                                s.store(acc[n], &mut self.z[index][first + n]);
                            }
                        }
                        if let Some(y) = self.y[index][first..].first_chunk_mut::<R>() {
                            finish::<S, A, R>(s, &acc, self.dropout, index, first, y);
                        }
                    }
                }
            }
        }
    }
}

/// Computes the gradient of a convolution's input and takes it through the activation and dropout of the layer below.
///
/// `dz[n,h,w,i] = r·f'(z) · Σ_{u,v,o} dy[n,p,q,o] · w[u,v,i,o]` over the taps with S·p+u−T = h and S·q+v−L = w
///
/// Shapes.   `dy` P·Q·O blocks; `wt` the weights as [`transpose`] gives them; `x` H·W·I blocks: the convolution's input on
///           entry, `dz` on exit.
/// Panics.   if a slice length differs from its shape.
/// Cost.     2·N·P·Q·K²·I·O·256 flop; reads dy and wt, reads and writes x once.
/// Numerics. sums over u, v, o in this order.
/// Source.   [`crate::reference::conv::backward_input`].
pub fn backward_input(isa: Isa, dims: &Dims, below: Below, dy: &[Block], wt: &[Lanes], x: &mut [Block]) {
    assert!(dy.len() == dims.y_len() && wt.len() == dims.w_len() && x.len() == dims.x_len(), "shape of dy, wt or x");
    let wt = wt.as_chunks::<LANES>().0;
    with_activation!(below.activation, A => {
        isa.run(BackwardInput::<A> { dims, below, dy, wt, x, activation: core::marker::PhantomData })
    });
}

struct BackwardInput<'a, A> {
    dims: &'a Dims,
    below: Below<'a>,
    dy: &'a [Block],
    wt: &'a [[Lanes; LANES]],
    x: &'a mut [Block],
    activation: core::marker::PhantomData<A>,
}

impl<A: Function> Kernel for BackwardInput<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match S::ROWS {
            12 => self.rows::<S, 12>(s),
            6 => self.rows::<S, 6>(s),
            _ => self.rows::<S, 3>(s),
        }
    }
}

impl<A: Function> BackwardInput<'_, A> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, s: S) {
        let Dims { height, width, inputs, outputs, kernel, stride, top, left, p: rows, q: columns } = *self.dims;
        for h in 0..height {
            let (u0, u1, p0) = reach(h + top, stride, rows, kernel);
            for w in 0..width {
                let (v0, v1, q0) = reach(w + left, stride, columns, kernel);
                for i in 0..inputs {
                    let index = (h * width + w) * inputs + i;
                    for first in (0..TILE).step_by(R) {
                        let mut acc = [s.splat(0.0); R];
                        let (mut u, mut p) = (u0, p0);
                        while u < u1 {
                            let (mut v, mut q) = (v0, q0);
                            while v < v1 {
                                let dy = &self.dy[(p * columns + q) * outputs..][..outputs];
                                let wt = &self.wt[((i * kernel + u) * kernel + v) * outputs..][..outputs];
                                for (dy, wt) in dy.iter().zip(wt) {
                                    <Block as Input>::accumulate(s, dy, first, wt, &mut acc);
                                }
                                (v, q) = (v + stride, q.wrapping_sub(1));
                            }
                            (u, p) = (u + stride, p.wrapping_sub(1));
                        }
                        if let Some(x) = self.x[index][first..].first_chunk_mut::<R>() {
                            unfinish::<S, A, R>(s, &acc, &self.below, index, first, x);
                        }
                    }
                }
            }
        }
    }
}

/// Rearranges a convolution's weights for [`backward_input`].
///
/// `wt[i block][tap][o block][o][i] = w[o block][tap][i block][i][o]`
///
/// Shapes.   both O·K²·I·16 lanes.
/// Panics.   if a slice length differs from its shape.
/// Cost.     none; reads w, writes wt.
/// Numerics. exact.
/// Source.   none.
pub fn transpose(dims: &Dims, w: &[Lanes], wt: &mut [Lanes]) {
    assert!(w.len() == dims.w_len() && wt.len() == dims.w_len(), "shape of w or wt");
    let taps = dims.kernel * dims.kernel;
    let w = w.as_chunks::<LANES>().0;
    let wt = wt.as_chunks_mut::<LANES>().0;
    for o in 0..dims.outputs {
        for tap in 0..taps {
            for i in 0..dims.inputs {
                let from = &w[(o * taps + tap) * dims.inputs + i];
                let to = &mut wt[(i * taps + tap) * dims.outputs + o];
                for (a, to) in to.iter_mut().enumerate() {
                    for (b, from) in from.iter().enumerate() {
                        to.0[b] = from.0[a];
                    }
                }
            }
        }
    }
}

/// Adds a tile's gradient of the weights and of the bias.
///
/// `dw[u,v,i,o] += Σ_{p,q,n} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] += Σ_{p,q,n} dy[n,p,q,o]`
///
/// Shapes.   `x` H·W·I blocks, `dy` P·Q·O blocks, `dw` O·K²·I·16 lanes, `db` O lanes.
/// Panics.   if a slice length differs from its shape.
/// Cost.     2·N·P·Q·K²·I·O·256 flop; reads x and dy K² times from cache, reads and writes dw once.
/// Numerics. the tile's sum over p, q, n in this order, then one addition to dw: a batch is summed in two levels.
/// Source.   [`crate::reference::conv::backward_weight`].
pub fn backward_weight(isa: Isa, dims: &Dims, x: &[Block], dy: &[Block], dw: &mut [Lanes], db: &mut [Lanes]) {
    assert!(dims.inputs > 0 && x.len() == dims.x_len() && dy.len() == dims.y_len(), "shape of x or dy");
    assert!(dw.len() == dims.w_len() && db.len() == dims.outputs, "shape of dw or db");
    let dw = dw.as_chunks_mut::<LANES>().0;
    isa.run(BackwardWeight { dims, x, dy, dw, db });
}

struct BackwardWeight<'a> {
    dims: &'a Dims,
    x: &'a [Block],
    dy: &'a [Block],
    dw: &'a mut [[Lanes; LANES]],
    db: &'a mut [Lanes],
}

impl Kernel for BackwardWeight<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        bias(s, self.dims, self.dy, self.db);
        let Dims { inputs, outputs, kernel, .. } = *self.dims;
        for o in 0..outputs {
            for u in 0..kernel {
                for v in 0..kernel {
                    for i in 0..inputs {
                        match S::ROWS {
                            12 => self.channels::<S, 16>(s, o, u, v, i, 0),
                            6 => {
                                self.channels::<S, 6>(s, o, u, v, i, 0);
                                self.channels::<S, 5>(s, o, u, v, i, 6);
                                self.channels::<S, 5>(s, o, u, v, i, 11);
                            }
                            _ => {
                                for part in 0..8 {
                                    self.channels::<S, 2>(s, o, u, v, i, 2 * part);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl BackwardWeight<'_> {
    /// `G` rows of one tap's 16×16 block: the gradient of input channels `from..from + G`.
    #[inline(always)]
    fn channels<S: Simd, const G: usize>(&mut self, s: S, o: usize, u: usize, v: usize, i: usize, from: usize) {
        let Dims { height, width, inputs, outputs, kernel, stride, top, left, p: rows, q: columns, .. } = *self.dims;
        let (p0, p1) = positions(u, stride, top, height, rows);
        let (q0, q1) = positions(v, stride, left, width, columns);
        let mut acc = [s.splat(0.0); G];
        for p in p0..p1 {
            for q in q0..q1 {
                let x = &self.x[((p * stride + u - top) * width + q * stride + v - left) * inputs + i];
                let dy = &self.dy[(p * columns + q) * outputs + o];
                for n in 0..TILE {
                    let row = s.load(&dy[n]);
                    let Some(x) = x[n].0[from..].first_chunk::<G>() else { return };
                    for g in 0..G {
                        acc[g] = s.fma(s.splat(x[g]), row, acc[g]);
                    }
                }
            }
        }
        let dw = &mut self.dw[((o * kernel + u) * kernel + v) * inputs + i];
        for g in 0..G {
            let sum = s.add(s.load(&dw[from + g]), acc[g]);
            s.store(sum, &mut dw[from + g]);
        }
    }
}

/// Output positions `first..last` of an axis whose tap `u` meets the input.
#[inline(always)]
fn positions(u: usize, stride: usize, before: usize, size: usize, positions: usize) -> (usize, usize) {
    (before.saturating_sub(u).div_ceil(stride), positions.min((size + before - u).div_ceil(stride)))
}

/// `db[o] += Σ_{p,q,n} dy[n,p,q,o]`, each image's sum apart from the others until the end.
#[inline(always)]
fn bias<S: Simd>(s: S, dims: &Dims, dy: &[Block], db: &mut [Lanes]) {
    for o in 0..dims.outputs {
        let mut acc = [s.splat(0.0); 4];
        for position in 0..dims.p * dims.q {
            let dy = &dy[position * dims.outputs + o];
            for n in 0..TILE / 4 {
                for k in 0..4 {
                    acc[k] = s.add(acc[k], s.load(&dy[4 * n + k]));
                }
            }
        }
        let sum = s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3]));
        s.store(s.add(s.load(&db[o]), sum), &mut db[o]);
    }
}

/// Adds a tile's gradient of the weights of a convolution of images; as [`backward_weight`], with `x` of H·W pixels and `dw`
/// of O·K² lanes. T and L must be 0 and every tap must lie inside.
pub fn backward_weight_image(
    isa: Isa,
    dims: &Dims,
    x: &[[f32; TILE]],
    dy: &[Block],
    dw: &mut [Lanes],
    db: &mut [Lanes],
) {
    assert!(dims.inputs == 0 && dims.kernel == 3 && dims.top == 0 && dims.left == 0, "an image must be padded already");
    assert!(x.len() == dims.height * dims.width && dy.len() == dims.y_len(), "shape of x or dy");
    assert!(dw.len() == dims.w_len() && db.len() == dims.outputs, "shape of dw or db");
    isa.run(BackwardWeightImage { dims, x, dy, dw, db });
}

struct BackwardWeightImage<'a> {
    dims: &'a Dims,
    x: &'a [[f32; TILE]],
    dy: &'a [Block],
    dw: &'a mut [Lanes],
    db: &'a mut [Lanes],
}

impl Kernel for BackwardWeightImage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        bias(s, self.dims, self.dy, self.db);
        for o in 0..self.dims.outputs {
            match S::ROWS {
                12 => self.taps::<S, 9>(s, o, 0),
                6 => {
                    self.taps::<S, 5>(s, o, 0);
                    self.taps::<S, 4>(s, o, 5);
                }
                _ => {
                    self.taps::<S, 3>(s, o, 0);
                    self.taps::<S, 3>(s, o, 3);
                    self.taps::<S, 3>(s, o, 6);
                }
            }
        }
    }
}

impl BackwardWeightImage<'_> {
    /// The gradient of taps `from..from + G` of the 3×3.
    #[inline(always)]
    fn taps<S: Simd, const G: usize>(&mut self, s: S, o: usize, from: usize) {
        let Dims { width, outputs, stride, p: rows, q: columns, .. } = *self.dims;
        let mut acc = [s.splat(0.0); G];
        for p in 0..rows {
            for q in 0..columns {
                let dy = &self.dy[(p * columns + q) * outputs + o];
                let corner = p * stride * width + q * stride;
                let mut x = [&self.x[corner]; G];
                for g in 0..G {
                    x[g] = &self.x[corner + (from + g) / 3 * width + (from + g) % 3];
                }
                for n in 0..TILE {
                    let row = s.load(&dy[n]);
                    for g in 0..G {
                        acc[g] = s.fma(s.splat(x[g][n]), row, acc[g]);
                    }
                }
            }
        }
        for g in 0..G {
            let dw = &mut self.dw[o * 9 + from + g];
            s.store(s.add(s.load(dw), acc[g]), dw);
        }
    }
}
