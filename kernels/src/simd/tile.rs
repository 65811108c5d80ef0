//! The register tile of [`crate::team::conv`]: sums of products over three nested loops, bounds checked once for all of them.

use super::{Lanes, Simd};

/// Three nested loops through two arrays: `counts[k]` turns of loop `k` (the last is the innermost), each `a[k]` further in one
/// array and `w[k]` in the other.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    counts: [usize; 3],
    a: [isize; 3],
    w: [usize; 3],
    /// The least and greatest offset in `a`, the greatest in `w`.
    reach: (isize, isize, usize),
}

impl Walk {
    /// The loops.
    ///
    /// Panics if an offset does not fit into its type.
    pub fn new(counts: [usize; 3], a: [isize; 3], w: [usize; 3]) -> Walk {
        let (mut low, mut high, mut far) = (0isize, 0isize, 0usize);
        for k in 0..3 {
            let turns = counts[k].saturating_sub(1);
            let offset = isize::try_from(turns).ok().and_then(|turns| turns.checked_mul(a[k]));
            let sums =
                offset.and_then(|offset| Some((low.checked_add(offset.min(0))?, high.checked_add(offset.max(0))?)));
            let far_too = turns.checked_mul(w[k]).and_then(|offset| far.checked_add(offset));
            let (Some(sums), Some(far_too)) = (sums, far_too) else { panic!("an offset that does not fit") };
            ((low, high), far) = (sums, far_too);
        }
        Walk { counts, a, w, reach: (low, high, far) }
    }

    /// Asserts that the walk stays inside of both arrays from all of its starts; `last` is the greatest in `w`.
    #[inline(always)]
    fn check(&self, a: &[Lanes], at: &[usize], w: &[Lanes], last: usize) {
        let (low, high, far) = self.reach;
        let inside = |at: usize| {
            at < a.len()
                && at.checked_add_signed(low).is_some()
                && at.checked_add_signed(high).is_some_and(|at| at < a.len())
        };
        assert!(at.iter().all(|&at| inside(at)), "a walk that leaves its first array");
        assert!(last.checked_add(far).is_some_and(|last| last < w.len()), "a walk that leaves its second array");
    }
}

/// `acc[c][r] += Σ a[at[r] + …] · w[c·step + …]` over a walk, loop by loop in order, of one part of the lanes.
///
/// Panics if the walk leaves an array.
#[inline(always)]
pub fn accumulate<S: Simd, const R: usize, const C: usize>(
    s: S,
    part: usize,
    walk: &Walk,
    a: &[Lanes],
    at: &[usize; R],
    w: &[Lanes],
    step: usize,
    acc: &mut [[S::R; R]; C],
) {
    if walk.counts.contains(&0) {
        return;
    }
    assert!(C > 0 && step <= isize::MAX as usize / 64, "a step that does not fit");
    walk.check(a, at, w, (C - 1) * step);
    for u in 0..walk.counts[0] {
        for v in 0..walk.counts[1] {
            let mut from = (u as isize * walk.a[0] + v as isize * walk.a[1]) as usize;
            let mut row = u * walk.w[0] + v * walk.w[1];
            for _ in 0..walk.counts[2] {
                let mut x = [s.splat_r(0.0); R];
                for r in 0..R {
                    // SAFETY: `check` found `at[r]` and all offsets of the walk from there to be inside of `a`.
                    x[r] = s.load_r(unsafe { a.get_unchecked(at[r].wrapping_add(from)) }, part);
                }
                for c in 0..C {
                    // SAFETY: `check` found the greatest offset from the last channel to be inside of `w`.
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
