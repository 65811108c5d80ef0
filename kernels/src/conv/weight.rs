//! The gradient of the weights and of the bias.

use super::Dims;
use crate::rows::with_rows;
use crate::{Block, Isa, Kernel, LANES, Lanes, TILE, simd::Simd};

/// Adds a tile's gradient of the weights and of the bias.
///
/// `dw[u,v,i,o] += Σ_{p,q,n} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] += Σ_{p,q,n} dy[n,p,q,o]`
///
/// Shapes.   `x` H·W·I blocks, `dy` P·Q·O blocks, `dw` O·U·V·I·16 lanes, `db` O lanes.
/// Panics.   if a slice length differs from its shape, or a window misses the map.
/// Cost.     2·N·P·Q·U·V·I·O·256 flop; reads x and dy once for each tap from cache, reads and writes dw once.
/// Numerics. the tile's sum over p, q, n in this order, then one addition to dw: a batch is summed in two levels.
/// Source.   [`crate::reference::conv::backward_weight`].
pub fn backward_weight(isa: Isa, dims: &Dims, x: &[Block], dy: &[Block], dw: &mut [Lanes], db: &mut [Lanes]) {
    dims.check_map();
    assert!(x.len() == dims.x_len() && dy.len() == dims.y_len(), "shape of x or dy");
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
        match self.dims.images {
            // as a constant: the loop over a whole tile is unrolled
            TILE => self.blocks(s, TILE),
            images => self.blocks(s, images),
        }
    }
}

impl BackwardWeight<'_> {
    #[inline(always)]
    fn blocks<S: Simd>(&mut self, s: S, images: usize) {
        let Dims { inputs, outputs, kernel: [rows, columns], .. } = *self.dims;
        for o in 0..outputs {
            for u in 0..rows {
                for v in 0..columns {
                    for i in 0..inputs.count() {
                        self.block(s, images, [o, u, v, i]);
                    }
                }
            }
        }
    }

    /// One tap's 16×16 block, in as many parts as the registers ask for.
    #[inline(always)]
    fn block<S: Simd>(&mut self, s: S, images: usize, at: [usize; 4]) {
        with_rows!(S {
            12 => self.channels::<S, 16>(s, images, at, 0),
            6 => {
                self.channels::<S, 6>(s, images, at, 0);
                self.channels::<S, 5>(s, images, at, 6);
                self.channels::<S, 5>(s, images, at, 11);
            },
            3 => {
                for part in 0..8 {
                    self.channels::<S, 2>(s, images, at, 2 * part);
                }
            },
        })
    }

    /// `G` rows of one tap's 16×16 block: the gradient of input channels `from..from + G`.
    #[inline(always)]
    fn channels<S: Simd, const G: usize>(&mut self, s: S, images: usize, [o, u, v, i]: [usize; 4], from: usize) {
        let Dims { height, width, outputs, kernel, stride, top, left, p: rows, q: columns, .. } = *self.dims;
        let inputs = self.dims.inputs.count();
        let (p0, p1) = positions(u, stride, top, height, rows);
        let (q0, q1) = positions(v, stride, left, width, columns);
        let mut acc = [s.splat(0.0); G];
        for p in p0..p1 {
            for q in q0..q1 {
                let x = &self.x[((p * stride + u - top) * width + q * stride + v - left) * inputs + i];
                let dy = &self.dy[(p * columns + q) * outputs + o];
                for n in 0..images {
                    let row = s.load(&dy[n]);
                    let Some(x) = x[n].0[from..].first_chunk::<G>() else { return };
                    for g in 0..G {
                        acc[g] = s.fma(s.splat(x[g]), row, acc[g]);
                    }
                }
            }
        }
        let dw = &mut self.dw[((o * kernel[0] + u) * kernel[1] + v) * inputs + i];
        for g in 0..G {
            let sum = s.add(s.load(&dw[from + g]), acc[g]);
            s.store(sum, &mut dw[from + g]);
        }
    }
}

/// Output positions `first..last` of an axis whose tap `u` meets the input.
#[inline(always)]
fn positions(u: usize, stride: usize, before: usize, size: usize, positions: usize) -> (usize, usize) {
    (before.saturating_sub(u).div_ceil(stride), positions.min((size + before).saturating_sub(u).div_ceil(stride)))
}

/// `db[o] += Σ_{p,q,n} dy[n,p,q,o]`, each image's sum apart from the others until the end.
#[inline(always)]
pub(super) fn bias<S: Simd>(s: S, dims: &Dims, dy: &[Block], db: &mut [Lanes]) {
    for o in 0..dims.outputs {
        let mut acc = [s.splat(0.0); 4];
        for position in 0..dims.p * dims.q {
            let dy = &dy[position * dims.outputs + o];
            let (fours, rest) = dy[..dims.images].as_chunks::<4>();
            for four in fours {
                for k in 0..4 {
                    acc[k] = s.add(acc[k], s.load(&four[k]));
                }
            }
            for (k, row) in rest.iter().enumerate() {
                acc[k] = s.add(acc[k], s.load(row));
            }
        }
        let sum = s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3]));
        s.store(s.add(s.load(&db[o]), sum), &mut db[o]);
    }
}
