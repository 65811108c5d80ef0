//! The register tile of [`crate::team::conv`]: sums of products over three nested loops, bounds checked once for all of them.

use super::{Lanes, Simd};

/// Three nested loops through two arrays: `counts[k]` turns of loop `k` (the last is the innermost), each `a[k]` further in one
/// array and `w[k]` in the other.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    counts: [usize; 3],
    a: [isize; 3],
    w: [usize; 3],
    /// How far the walk goes back and ahead in `a`, and ahead in `w`.
    back: usize,
    ahead: usize,
    far: usize,
}

impl Walk {
    /// The loops.
    ///
    /// Panics if an offset does not fit into its type.
    pub fn new(counts: [usize; 3], a: [isize; 3], w: [usize; 3]) -> Walk {
        let mut walk = Walk { counts, a, w, back: 0, ahead: 0, far: 0 };
        for k in 0..3 {
            let turns = counts[k].saturating_sub(1);
            let further = |sum: usize, step: usize| {
                // half the range, so that the sum of two is an offset as well
                let sum = turns.checked_mul(step).and_then(|offset| sum.checked_add(offset));
                sum.filter(|&sum| sum <= isize::MAX as usize / 2).expect("an offset that fits")
            };
            walk.back = further(walk.back, a[k].min(0).unsigned_abs());
            walk.ahead = further(walk.ahead, a[k].max(0).unsigned_abs());
            walk.far = further(walk.far, w[k]);
        }
        walk
    }
}

/// Sums of products of two arrays over a walk, `R` items × `C` channels: proof that no walk leaves an array.
pub struct Products<'a, const R: usize, const C: usize> {
    walk: &'a Walk,
    a: &'a [Lanes],
    at: [usize; R],
    w: &'a [Lanes],
    step: usize,
}

impl<'a, const R: usize, const C: usize> Products<'a, R, C> {
    /// Items that start at `at` in `a`, channels that start `step` after one another in `w`.
    ///
    /// Panics if a walk leaves an array.
    #[inline(always)]
    pub fn new(walk: &'a Walk, a: &'a [Lanes], at: [usize; R], w: &'a [Lanes], step: usize) -> Products<'a, R, C> {
        if !walk.counts.contains(&0) {
            let (mut low, mut high) = (usize::MAX, 0);
            for r in 0..R {
                (low, high) = (low.min(at[r]), high.max(at[r]));
            }
            let inside = low >= walk.back && high < a.len() && walk.ahead < a.len() - high;
            let last = (C - 1).checked_mul(step).expect("an offset that fits");
            assert!(inside && last < w.len() && walk.far < w.len() - last, "a walk that leaves its arrays");
        }
        Products { walk, a, at, w, step }
    }

    /// `acc[c][r] += Σ a[at[r] + …] · w[c·step + …]`, loop by loop in order, of one part of the lanes.
    #[inline(always)]
    pub fn accumulate<S: Simd>(&self, s: S, part: usize, acc: &mut [[S::R; R]; C]) {
        let Products { walk, a, at, w, step } = *self;
        for u in 0..walk.counts[0] {
            for v in 0..walk.counts[1] {
                let mut from = (u as isize * walk.a[0] + v as isize * walk.a[1]) as usize;
                let mut row = u * walk.w[0] + v * walk.w[1];
                for _ in 0..walk.counts[2] {
                    let mut x = [s.splat_r(0.0); R];
                    for r in 0..R {
                        // SAFETY: `new` found that from each of `at` the walk stays inside of `a`.
                        x[r] = s.load_r(unsafe { a.get_unchecked(at[r].wrapping_add(from)) }, part);
                    }
                    for c in 0..C {
                        // SAFETY: `new` found that from each channel the walk stays inside of `w`.
                        let w = s.load_r(unsafe { w.get_unchecked(row + c * step) }, part);
                        for r in 0..R {
                            acc[c][r] = s.fma_r(x[r], w, acc[c][r]);
                        }
                    }
                    from = from.wrapping_add(walk.a[2] as usize);
                    row += walk.w[2];
                }
            }
        }
    }
}
