//! The gradient of the weights and of the bias.

use super::Dims;
use super::span::Axis;
use super::sums::CHANNELS;
use crate::simd::Simd;
use crate::team::parts;
use crate::{Isa, Kernel, Lanes};

/// Adds the images' gradient of the weights and of the bias.
///
/// `dw[u,v,i,o] += Σ_{n,p,q} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] += Σ_{n,p,q} dy[n,p,q,o]`
///
/// Shapes.   `x` N·H·W·I, `dy` N·P·Q·O, `dw` U·V·I·O, `db` O lanes.
/// Panics.   if a slice length differs from its shape, or P, Q or S is 0.
/// Cost.     2·N·P·Q·U·V·I·O·16 flop (fewer at a border); reads x and dy many times from cache, reads and writes dw once.
/// Numerics. the images' sum over n, p, q in this order, then one addition to dw: a batch is summed in two levels.
/// Source.   [`crate::reference::conv::backward_weight`], lane by lane.
pub fn backward_weight(isa: Isa, dims: &Dims, x: &[Lanes], dy: &[Lanes], dw: &mut [Lanes], db: &mut [Lanes]) {
    assert!(x.len() == dims.x_len() && dy.len() == dims.y_len(), "shape of x or dy");
    assert!(dw.len() == dims.w_len() && db.len() == dims.outputs, "shape of dw or db");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    isa.run(BackwardWeight { dims: dims.flattened(), x, dy, dw, db });
}

struct BackwardWeight<'a> {
    dims: Dims,
    x: &'a [Lanes],
    dy: &'a [Lanes],
    dw: &'a mut [Lanes],
    db: &'a mut [Lanes],
}

/// What a tile sums over: a rectangle of output positions of every image.
#[derive(Clone, Copy)]
struct Positions {
    rows: usize,
    columns: usize,
    /// The tile's first place in `x`, `dy` and `dw`.
    at: [usize; 3],
}

impl Kernel for BackwardWeight<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let d = self.dims;
        for (o, channels) in parts(d.outputs, CHANNELS) {
            match channels {
                4 => self.bias::<S, 4>(s, o),
                3 => self.bias::<S, 3>(s, o),
                2 => self.bias::<S, 2>(s, o),
                _ => self.bias::<S, 1>(s, o),
            }
        }
        let [vertical, horizontal] = Axis::of(&d);
        for (u0, taps, p, rows) in vertical.taps() {
            for u in u0..u0 + taps {
                for (v, taps, q, columns) in horizontal.taps() {
                    let x = (p * d.stride + u).wrapping_sub(d.top).wrapping_mul(d.width);
                    let x = x.wrapping_add(q * d.stride + v).wrapping_sub(d.left).wrapping_mul(d.inputs);
                    for (j, items) in parts(taps * d.inputs, S::ITEMS) {
                        for (o, channels) in parts(d.outputs, CHANNELS) {
                            let dw = ((u * d.kernel[1] + v) * d.inputs + j) * d.outputs + o;
                            let at = [x.wrapping_add(j), (p * d.q + q) * d.outputs + o, dw];
                            let positions = Positions { rows, columns, at };
                            self.item(s, &positions, items, channels);
                        }
                    }
                }
            }
        }
    }
}

impl BackwardWeight<'_> {
    #[inline(always)]
    fn item<S: Simd>(&mut self, s: S, positions: &Positions, items: usize, channels: usize) {
        match items {
            6 => self.channels::<S, 6>(s, positions, channels),
            5 => self.channels::<S, 5>(s, positions, channels),
            4 => self.channels::<S, 4>(s, positions, channels),
            3 => self.channels::<S, 3>(s, positions, channels),
            2 => self.channels::<S, 2>(s, positions, channels),
            _ => self.channels::<S, 1>(s, positions, channels),
        }
    }

    #[inline(always)]
    fn channels<S: Simd, const R: usize>(&mut self, s: S, positions: &Positions, channels: usize) {
        match channels {
            4 => self.tile::<S, R, 4>(s, positions),
            3 => self.tile::<S, R, 3>(s, positions),
            2 => self.tile::<S, R, 2>(s, positions),
            _ => self.tile::<S, R, 1>(s, positions),
        }
    }

    /// `R` pairs of tap and input channel × `C` output channels.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, positions: &Positions) {
        let d = &self.dims;
        let Positions { rows, columns, at } = *positions;
        for part in 0..S::PARTS {
            let mut acc = [[s.splat_r(0.0); R]; C];
            for n in 0..d.images {
                for p in 0..rows {
                    let x = at[0].wrapping_add((n * d.height + p * d.stride) * d.width * d.inputs);
                    let dy = at[1] + (n * d.p + p) * d.q * d.outputs;
                    for q in 0..columns {
                        let Some(x) = self.x[x + q * d.stride * d.inputs..].first_chunk::<R>() else { return };
                        let Some(dy) = self.dy[dy + q * d.outputs..].first_chunk::<C>() else { return };
                        let mut a = [s.splat_r(0.0); R];
                        for r in 0..R {
                            a[r] = s.load_r(&x[r], part);
                        }
                        for c in 0..C {
                            let row = s.load_r(&dy[c], part);
                            for r in 0..R {
                                acc[c][r] = s.fma_r(a[r], row, acc[c][r]);
                            }
                        }
                    }
                }
            }
            for r in 0..R {
                for c in 0..C {
                    let dw = &mut self.dw[at[2] + r * d.outputs + c];
                    s.store_r(s.add_r(s.load_r(dw, part), acc[c][r]), dw, part);
                }
            }
        }
    }

    /// `db[o] += Σ_{n,p,q} dy[n,p,q,o]` of `C` channels.
    #[inline(always)]
    fn bias<S: Simd, const C: usize>(&mut self, s: S, o: usize) {
        let mut acc = [s.splat(0.0); C];
        for dy in self.dy.chunks_exact(self.dims.outputs) {
            for c in 0..C {
                acc[c] = s.add(acc[c], s.load(&dy[o + c]));
            }
        }
        for c in 0..C {
            let db = &mut self.db[o + c];
            s.store(s.add(s.load(db), acc[c]), db);
        }
    }
}
