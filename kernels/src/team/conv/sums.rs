//! The register tile of the forward pass and of the gradient of the input.

use super::span::GROUP;
use crate::simd::Simd;
use crate::team::parts;
use crate::{Kernel, Lanes};

/// Channels of a tile.
pub(super) const CHANNELS: usize = 4;

/// The sums of up to [`GROUP`] items × [`CHANNELS`].
pub(super) type Tile = [Lanes; GROUP * CHANNELS];

/// The products that a sum runs over: `taps[0]` × `taps[1]` taps of `depth` products each.
#[derive(Clone, Copy)]
pub(super) struct Products {
    pub taps: [usize; 2],
    pub depth: usize,
    /// From one tap to the next in the source, modulo 2⁶⁴: backward it is a step back.
    pub source: [usize; 2],
    /// From one tap to the next in the weights.
    pub weights: [usize; 2],
    /// From one product, and from one channel, to the next in the weights.
    pub within: [usize; 2],
}

/// `out[r][c] = start[c] + Σ_{u,v,k} a[at[r] + …] · w[… + c]`, summed over u, v, k in this order.
///
/// A function of its own, so that it is not compiled again for every activation.
pub(super) struct Sums<'a> {
    pub products: &'a Products,
    pub a: &'a [Lanes],
    pub at: &'a [usize],
    pub w: &'a [Lanes],
    /// One vector a channel of the tile.
    pub start: &'a [Lanes],
    pub out: &'a mut Tile,
}

impl Kernel for Sums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        match self.start.len() {
            4 => self.items::<S, 4>(s),
            3 => self.items::<S, 3>(s),
            2 => self.items::<S, 2>(s),
            _ => self.items::<S, 1>(s),
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn items<S: Simd, const C: usize>(&mut self, s: S) {
        for (first, len) in parts(self.at.len(), S::ITEMS) {
            match len {
                6 => self.tile::<S, 6, C>(s, first),
                5 => self.tile::<S, 5, C>(s, first),
                4 => self.tile::<S, 4, C>(s, first),
                3 => self.tile::<S, 3, C>(s, first),
                2 => self.tile::<S, 2, C>(s, first),
                _ => self.tile::<S, 1, C>(s, first),
            }
        }
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, first: usize) {
        let Products { taps, depth, source, weights, within } = *self.products;
        let Some(at) = self.at[first..].first_chunk::<R>() else { return };
        let Some(start) = self.start.first_chunk::<C>() else { return };
        let out = &mut self.out[first * C..][..R * C];
        for part in 0..S::PARTS {
            let mut acc = [[s.splat_r(0.0); R]; C];
            for c in 0..C {
                acc[c] = [s.load_r(&start[c], part); R];
            }
            for u in 0..taps[0] {
                for v in 0..taps[1] {
                    let from = u.wrapping_mul(source[0]).wrapping_add(v.wrapping_mul(source[1]));
                    let a: [&[Lanes]; R] = core::array::from_fn(|r| &self.a[at[r].wrapping_add(from)..][..depth]);
                    let w = &self.w[u * weights[0] + v * weights[1]..];
                    for k in 0..depth {
                        let mut x = [s.splat_r(0.0); R];
                        for r in 0..R {
                            x[r] = s.load_r(&a[r][k], part);
                        }
                        for c in 0..C {
                            let row = s.load_r(&w[k * within[0] + c * within[1]], part);
                            for r in 0..R {
                                acc[c][r] = s.fma_r(x[r], row, acc[c][r]);
                            }
                        }
                    }
                }
            }
            for r in 0..R {
                for c in 0..C {
                    s.store_r(acc[c][r], &mut out[r * C + c], part);
                }
            }
        }
    }
}
