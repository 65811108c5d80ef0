//! The gradient of the weights of a convolution of images.

use super::{Dims, weight::bias};
use crate::{Block, Isa, Kernel, Lanes, TILE, simd::Simd};

/// Adds a tile's gradient of the weights of a convolution of images and of its bias.
///
/// `dw[u,v,i,o] += Σ_{p,q,n} x[n, S·p+u, S·q+v, i] · dy[n,p,q,o]`, `db[o] += Σ_{p,q,n} dy[n,p,q,o]`
///
/// Shapes.   `x` H·W·C values for each n, `dy` P·Q·O blocks, `dw` O·U·V·C lanes, `db` O lanes.
/// Panics.   if a slice length differs from its shape, T or L is not 0, or a window leaves the image.
/// Cost.     2·N·P·Q·U·V·C·O·16 flop; reads dy once for each group of at most [`Simd::ROWS`] of the U·V·C terms.
/// Numerics. the tile's sum over p, q, n in this order, then one addition to dw.
/// Source.   [`crate::reference::conv::backward_weight`].
pub fn backward_weight_image(
    isa: Isa,
    dims: &Dims,
    x: &[[f32; TILE]],
    dy: &[Block],
    dw: &mut [Lanes],
    db: &mut [Lanes],
) {
    dims.check_image();
    assert!(x.len() == dims.x_len() && dy.len() == dims.y_len(), "shape of x or dy");
    assert!(dw.len() == dims.w_len() && db.len() == dims.outputs, "shape of dw or db");
    isa.run(BackwardWeightImage { dims, x, dy, dw, db });
}

/// The most terms that any ISA sums together.
const MOST: usize = 12;

struct BackwardWeightImage<'a> {
    dims: &'a Dims,
    x: &'a [[f32; TILE]],
    dy: &'a [Block],
    dw: &'a mut [Lanes],
    db: &'a mut [Lanes],
}

/// Runs a piece of code with the number of terms as a constant, of those that the registers have room for.
macro_rules! with_terms {
    ($S:ident, $size:expr, $G:ident => $body:expr, $($terms:literal)*) => {
        match $size {
            $($terms => {
                const $G: usize = $terms;
                if $G <= $S::ROWS {
                    $body
                }
            })*
            size => unreachable!("a group of {size} terms"),
        }
    };
}

impl Kernel for BackwardWeightImage<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        const { assert!(S::ROWS <= MOST, "groups are of at most this many terms") };
        bias(s, self.dims, self.dy, self.db);
        match self.dims.images {
            // as a constant: the loop over a whole tile is unrolled
            TILE => self.groups(s, TILE),
            images => self.groups(s, images),
        }
    }
}

impl BackwardWeightImage<'_> {
    #[inline(always)]
    fn groups<S: Simd>(&mut self, s: S, images: usize) {
        let Dims { width, kernel, inputs, outputs, .. } = *self.dims;
        let (terms, row) = (kernel[0] * kernel[1] * inputs.count(), kernel[1] * inputs.count());
        // groups of almost one size: a small one would leave the multipliers waiting for its few sums
        let groups = terms.div_ceil(S::ROWS);
        for o in 0..outputs {
            if S::ROWS >= 9 && kernel == [3, 3] && inputs.count() == 1 {
                // the usual first layer: with constants all taps share three addresses
                self.terms::<S, 9>(s, images, o, 0, |g| g / 3 * width + g % 3);
                continue;
            }
            for group in 0..groups {
                let (from, to) = (group * terms / groups, (group + 1) * terms / groups);
                let mut places = [0; MOST];
                for (g, place) in places[..to - from].iter_mut().enumerate() {
                    *place = (from + g) / row * width * inputs.count() + (from + g) % row;
                }
                with_terms!(S, to - from, G => self.terms::<S, G>(s, images, o, from, |g| places[g]), 1 2 3 4 5 6 7 8 9 10 11 12);
            }
        }
    }

    /// The gradient of the weights `from..from + G` of output block `o`, counted `[tap][channel]`; the value that term g
    /// meets lies `place(g)` beyond the first of its window.
    #[inline(always)]
    fn terms<S: Simd, const G: usize>(
        &mut self,
        s: S,
        images: usize,
        o: usize,
        from: usize,
        place: impl Fn(usize) -> usize,
    ) {
        let Dims { width, outputs, stride, p: rows, q: columns, .. } = *self.dims;
        let channels = self.dims.inputs.count();
        let mut acc = [s.splat(0.0); G];
        for p in 0..rows {
            for q in 0..columns {
                let dy = &self.dy[(p * columns + q) * outputs + o];
                let corner = (p * width + q) * stride * channels;
                let mut x = [&self.x[corner]; G];
                for g in 0..G {
                    x[g] = &self.x[corner + place(g)];
                }
                for n in 0..images {
                    let row = s.load(&dy[n]);
                    for g in 0..G {
                        acc[g] = s.fma(s.splat(x[g][n]), row, acc[g]);
                    }
                }
            }
        }
        let weights = self.dw.len() / outputs;
        for g in 0..G {
            let dw = &mut self.dw[o * weights + from + g];
            s.store(s.add(s.load(dw), acc[g]), dw);
        }
    }
}
