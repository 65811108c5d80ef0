//! The gradient of the image.

use super::{Dims, Input};
use crate::rows::{starts, with_rows};
use crate::{Block, Isa, Kernel, LANES, Lanes, TILE, simd::Simd};

/// Values that are turned together; [`TILE`] is a multiple.
const GROUP: usize = 4;

/// Adds a tile's gradient of the image that a convolution reads.
///
/// `dx[n,h,w,c] += Σ_{u,v,o} dy[n,p,q,o] · w[u,v,c,o]` over the taps with S·p+u = h and S·q+v = w
///
/// Shapes.   `dy` P·Q·O blocks; `wt` the weights as [`transpose_image`] gives them; `dx` H·W·C values for each n.
/// Panics.   if a slice length differs from its shape, T or L is not 0, or a window leaves the image.
/// Cost.     2·N·P·Q·⌈U·V·C/16⌉·O·256 flop; reads dy once for each 16 of the U·V·C terms, reads and writes dx once a window.
/// Numerics. for each position the sum over o in this order, added to dx in the order of the positions.
/// Source.   [`crate::reference::conv::backward_input`].
pub fn backward_input_image(isa: Isa, dims: &Dims, dy: &[Block], wt: &[Lanes], dx: &mut [[f32; TILE]]) {
    dims.check_image();
    assert!(dy.len() == dims.y_len() && dx.len() == dims.x_len(), "shape of dy or dx");
    assert!(wt.len() == dims.wt_image_len(), "shape of wt");
    isa.run(BackwardInputImage { dims, dy, wt: wt.as_chunks::<LANES>().0, dx });
}

struct BackwardInputImage<'a> {
    dims: &'a Dims,
    dy: &'a [Block],
    wt: &'a [[Lanes; LANES]],
    dx: &'a mut [[f32; TILE]],
}

impl Kernel for BackwardInputImage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        with_rows!(S, self.dims.images, R => self.rows::<S, R>(s));
    }
}

impl BackwardInputImage<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, s: S) {
        let Dims { width, kernel, inputs, outputs, stride, p: rows, q: columns, .. } = *self.dims;
        let channels = inputs.count();
        let (terms, row) = (kernel[0] * kernel[1] * channels, kernel[1] * channels);
        let mut sums = [Lanes::ZERO; TILE];
        for (dy, position) in self.dy.chunks_exact(outputs).zip(0..rows * columns) {
            let corner = (position / columns * width + position % columns) * stride * channels;
            for (wt, first_term) in self.wt.chunks_exact(outputs).zip((0..).step_by(LANES)) {
                for first in starts::<R>(self.dims.images) {
                    let mut acc = [s.splat(0.0); R];
                    for (dy, wt) in dy.iter().zip(wt) {
                        <Block as Input>::accumulate(s, dy, first, wt, &mut acc);
                    }
                    for n in 0..R {
                        s.store(acc[n], &mut sums[first + n]);
                    }
                }
                let turned = turn(s, &sums);
                for (term, sums) in (first_term..terms).zip(&turned) {
                    let dx = &mut self.dx[corner + term / row * width * channels + term % row];
                    for n in 0..TILE {
                        dx[n] += sums[n];
                    }
                }
            }
        }
    }
}

/// `y[k][n] = x[n][k]`
#[inline(always)]
fn turn<S: Simd>(s: S, x: &Block) -> [[f32; TILE]; LANES] {
    let mut y = [[0.0; TILE]; LANES];
    for first in (0..TILE).step_by(GROUP) {
        s.store_transposed(core::array::from_fn(|n| s.load(&x[first + n])), &mut y, first);
    }
    y
}

/// Rearranges the weights of a convolution of images for [`backward_input_image`].
///
/// `wt[term block][o block][o][term] = w[o block][term][o]`, term the number of tap and channel, `(u·V + v)·C + c`; 0 beyond the
/// last.
///
/// Shapes.   `w` O·U·V·C lanes, `wt` [`Dims::wt_image_len`] lanes.
/// Panics.   if a slice length differs from its shape.
/// Cost.     none; reads w, writes wt.
/// Numerics. exact.
/// Source.   none.
pub fn transpose_image(dims: &Dims, w: &[Lanes], wt: &mut [Lanes]) {
    dims.check_image();
    assert!(w.len() == dims.w_len() && wt.len() == dims.wt_image_len(), "shape of w or wt");
    wt.fill(Lanes::ZERO);
    let terms = w.len() / dims.outputs;
    for (index, w) in w.iter().enumerate() {
        let (o, term) = (index / terms, index % terms);
        let to = (term / LANES * dims.outputs + o) * LANES;
        for (k, &weight) in w.0.iter().enumerate() {
            wt[to + k].0[term % LANES] = weight;
        }
    }
}
