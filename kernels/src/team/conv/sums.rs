//! The register tile of the forward pass and of the gradient of the input, over the items of a group.

use crate::simd::Simd;
use crate::simd::tile::{Products, Walk};
use crate::team::parts;
use crate::{Kernel, Lanes};

/// Channels of a tile.
pub(super) const CHANNELS: usize = 4;
/// Channels of a tile of at most [`FEW`] items: its latencies must overlap too.
const WIDE: usize = 8;
const FEW: usize = 3;

/// Items and channels that are summed before the epilogue takes them: they stay in a first-level cache.
pub(super) const ITEMS: usize = 24;
pub(super) const BLOCK: usize = 8;

/// `out[to[r] + c] = start[c] + Σ a[at[r] + …] · w[c·step + …]` over a walk; without a start the sums go on in `out`.
///
/// A function of its own, so that it is not compiled again for every activation.
pub(super) struct Sums<'a> {
    pub walk: &'a Walk,
    pub a: &'a [Lanes],
    pub at: &'a [usize],
    pub w: &'a [Lanes],
    pub step: usize,
    pub channels: usize,
    pub start: Option<&'a [Lanes]>,
    pub to: &'a [usize],
    /// Added to all of `to`, modulo 2⁶⁴.
    pub shift: usize,
    pub out: &'a mut [Lanes],
}

impl Kernel for Sums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let few = self.at.len() <= FEW;
        let most = if few { (S::ITEMS * CHANNELS / self.at.len().max(1)).clamp(CHANNELS, WIDE) } else { CHANNELS };
        for (c, channels) in parts(self.channels, most) {
            for (r, items) in parts(self.at.len(), S::ITEMS) {
                match channels {
                    8 => self.few::<S, 8>(s, r, items, c),
                    7 => self.few::<S, 7>(s, r, items, c),
                    6 => self.few::<S, 6>(s, r, items, c),
                    5 => self.few::<S, 5>(s, r, items, c),
                    4 => self.items::<S, 4>(s, r, items, c),
                    3 => self.items::<S, 3>(s, r, items, c),
                    2 => self.items::<S, 2>(s, r, items, c),
                    1 => self.items::<S, 1>(s, r, items, c),
                    _ => unreachable!("a tile of {channels} channels"),
                }
            }
        }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn items<S: Simd, const C: usize>(&mut self, s: S, r: usize, items: usize, c: usize) {
        match items {
            6 => self.tile::<S, 6, C>(s, r, c),
            5 => self.tile::<S, 5, C>(s, r, c),
            4 => self.tile::<S, 4, C>(s, r, c),
            _ => self.few::<S, C>(s, r, items, c),
        }
    }

    #[inline(always)]
    fn few<S: Simd, const C: usize>(&mut self, s: S, r: usize, items: usize, c: usize) {
        match items {
            3 => self.tile::<S, 3, C>(s, r, c),
            2 => self.tile::<S, 2, C>(s, r, c),
            1 => self.tile::<S, 1, C>(s, r, c),
            _ => unreachable!("a tile of {items} items"),
        }
    }

    /// `R` items from `first` × `C` channels from `channel`.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, first: usize, channel: usize) {
        let Some(at) = self.at[first..].first_chunk::<R>() else { return };
        let Some(to) = self.to[first..].first_chunk::<R>() else { return };
        let to = to.map(|to| to.wrapping_add(self.shift + channel));
        let products = Products::<R, C>::new(self.walk, self.a, *at, &self.w[channel * self.step..], self.step);
        for part in 0..S::PARTS {
            let mut acc = [[s.splat_r(0.0); R]; C];
            match self.start {
                Some(start) => {
                    let start = &start[channel..][..C];
                    for c in 0..C {
                        acc[c] = [s.load_r(&start[c], part); R];
                    }
                }
                None => {
                    for r in 0..R {
                        let out = &self.out[to[r]..][..C];
                        for c in 0..C {
                            acc[c][r] = s.load_r(&out[c], part);
                        }
                    }
                }
            }
            products.accumulate(s, part, &mut acc);
            for r in 0..R {
                let out = &mut self.out[to[r]..][..C];
                for c in 0..C {
                    s.store_r(acc[c][r], &mut out[c], part);
                }
            }
        }
    }
}
