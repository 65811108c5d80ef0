//! Quartiles by selection.
//!
//! Nothing is sorted but a sample. With n values and the rank k that a quartile needs:
//! 1. Take `SAMPLE` values at even distances and sort them: pivots that are themselves elements, so that the method sees
//!    only the order of the values, never their distribution.
//! 2. Binary search among the `PIVOTS` around the place where rank k is expected. A step counts the values below a pivot:
//!    a comparison and an addition for sixteen of them.
//! 3. Two neighbouring pivots then enclose rank k and about n / 64 values, which are moved to the front of a scratch buffer
//!    ([`Simd::compress`], branch-free) and sorted. Where more than `SMALL` remain (ties, an unlucky sample, n beyond
//!    10,000) `core`'s quickselect takes over.
//!
//! Sorting at most `SMALL` values means counting, for each, how many are less: its place.

use crate::simd::{LANES, Lanes, Simd};
use crate::{Cost, Isa, Kernel};

/// Pivots in the sorted sample of a long slice.
const SAMPLE: usize = 63;

/// Pivots that the binary search chooses from: five steps. Rank k is expected in their midst with a standard deviation of at
/// most 4 places. A slice shorter than [`LONG`] has no more than these.
const PIVOTS: usize = 31;

/// From this many values on the sample is [`SAMPLE`] of them.
const LONG: usize = 512;

/// Most values that are sorted by counting, m²/16 comparisons.
const SMALL: usize = 128;

/// Up to this many values the whole slice is sorted by counting.
const DIRECT: usize = 64;

/// What [`quartiles`] needs to work in, in elements, for `n` values.
pub const fn scratch_len(n: usize) -> usize {
    n + LANES
}

/// Of [`quartiles`] of so many values: comparisons are not counted.
pub fn cost(values: usize) -> Cost {
    Cost { flops: 0, bytes: size_of::<f32>() } * values
}

/// Computes the three quartiles, interpolated linearly.
///
/// `q(p) = s[k] + (s[k+1] − s[k])·(p·(n−1) − k),  k = ⌊p·(n−1)⌋,  p = 1/4, 1/2, 3/4`, where `s` is `x` sorted
///
/// Shapes.   `x` any length n from 1 on; `scratch` at least [`scratch_len`]`(n)`, contents irrelevant.
/// Panics.   if `x` is empty or `scratch` too short.
/// Cost.     about 23·n comparisons (15 count, 6 gather, 2 look for NaN); reads x nine times, from a first-level cache.
/// Numerics. `s[k]` exact; interpolation in `f64`, rounded once: the same bits on every ISA. ±0 count as equal, a zero result
///           is +0. All three are NaN where an `xᵢ` is NaN; between −∞ and +∞ NaN.
/// Source.   [`crate::reference::quantile::quartiles`]; NumPy's `percentile(…, method="linear")`; sampling after Floyd and
///           Rivest, "Expected time bounds for selection", CACM 18(3), 1975.
pub fn quartiles(isa: Isa, x: &[f32], scratch: &mut [f32]) -> [f32; 3] {
    assert!(!x.is_empty() && scratch.len() >= scratch_len(x.len()), "{} values, {} scratch", x.len(), scratch.len());
    isa.run(Quartiles { x, scratch })
}

struct Quartiles<'a> {
    x: &'a [f32],
    scratch: &'a mut [f32],
}

impl Kernel for Quartiles<'_> {
    type Output = [f32; 3];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f32; 3] {
        let Quartiles { x, scratch } = self;
        if has_nan(simd, x) {
            return [f32::NAN; 3];
        }
        let quarters = [x.len() - 1, 2 * (x.len() - 1), 3 * (x.len() - 1)];
        let ranks = [quarters[0] / 4, quarters[1] / 4, quarters[2] / 4];
        let mut pairs = [(0.0, 0.0); 3];
        if x.len() <= DIRECT {
            let mut sorted = [0.0; SMALL];
            sort_small(simd, x, &mut sorted);
            for q in 0..3 {
                pairs[q] = (sorted[ranks[q]], sorted[(ranks[q] + 1).min(x.len() - 1)]);
            }
        } else {
            let brackets = narrow(simd, x, ranks);
            for q in 0..3 {
                let kept = gather(simd, x, brackets[q], scratch);
                pairs[q] = pair(simd, &mut scratch[..kept], ranks[q] - brackets[q].below);
            }
        }
        let mut y = [0.0; 3];
        for q in 0..3 {
            y[q] = interpolate(pairs[q], (quarters[q] % 4) as f64 / 4.0);
        }
        y
    }
}

/// `a + (b − a)·t`, `a` where both are equal (two infinities too); never −0.
#[inline(always)]
fn interpolate((a, b): (f32, f32), t: f64) -> f32 {
    let y = if a == b || t == 0.0 { a } else { (f64::from(a) + (f64::from(b) - f64::from(a)) * t) as f32 };
    y + 0.0
}

/// Whether a value is NaN.
#[inline(always)]
fn has_nan<S: Simd>(simd: S, x: &[f32]) -> bool {
    let (whole, rest) = x.as_chunks::<LANES>();
    let (low, high) = (simd.splat(f32::NEG_INFINITY), simd.splat(f32::INFINITY));
    let mut numbers = simd.splat_u(0);
    for x in whole {
        numbers = simd.count(simd.within(simd.load_array(x), low, high), numbers);
    }
    let mut nan = simd.sum_u(numbers) as usize != whole.len() * LANES;
    for x in rest {
        nan |= x.is_nan();
    }
    nan
}

/// The values from `low` to `high`, both included; `below` values are less than `low`.
#[derive(Clone, Copy)]
struct Bracket {
    low: f32,
    high: f32,
    below: usize,
}

/// For each rank a bracket that holds it and, where there is one, the next.
#[inline(always)]
fn narrow<S: Simd>(simd: S, x: &[f32], ranks: [usize; 3]) -> [Bracket; 3] {
    let n = x.len();
    let size = if n < LONG { PIVOTS } else { SAMPLE };
    // odd, so that it has no common rhythm with a power of two channels
    let stride = ((n / size) - 1) | 1;
    let (mut sample, mut pivots) = ([0.0; SMALL], [0.0; SMALL]);
    for i in 0..size {
        sample[i] = x[i * stride];
    }
    sort_small(simd, &sample[..size], &mut pivots);
    let mut first = [0; 3];
    let mut brackets = [Bracket { low: f32::NEG_INFINITY, high: f32::INFINITY, below: 0 }; 3];
    for q in 0..3 {
        first[q] = (ranks[q] * size / n).saturating_sub(PIVOTS / 2).min(size - PIVOTS);
    }
    // `first[q]`: how many pivots, of those that the search knows of, are at or below the rank
    let mut step = PIVOTS.div_ceil(2);
    while step > 0 {
        let mut chosen = [0.0; 3];
        for q in 0..3 {
            chosen[q] = pivots[first[q] + step - 1];
        }
        let below = count_below(simd, x, chosen);
        for q in 0..3 {
            if below[q] <= ranks[q] {
                first[q] += step;
                brackets[q].low = chosen[q];
                brackets[q].below = below[q];
            } else {
                brackets[q].high = chosen[q];
            }
        }
        step /= 2;
    }
    brackets
}

/// How many values are less than each pivot.
#[inline(always)]
fn count_below<S: Simd>(simd: S, x: &[f32], pivots: [f32; 3]) -> [usize; 3] {
    let (whole, rest) = x.as_chunks::<LANES>();
    let (a, b, c) = (simd.splat(pivots[0]), simd.splat(pivots[1]), simd.splat(pivots[2]));
    let mut acc = [simd.splat_u(0); 3];
    for x in whole {
        let x = simd.load_array(x);
        acc[0] = simd.count(simd.gt(a, x), acc[0]);
        acc[1] = simd.count(simd.gt(b, x), acc[1]);
        acc[2] = simd.count(simd.gt(c, x), acc[2]);
    }
    let mut below = [0; 3];
    for q in 0..3 {
        below[q] = simd.sum_u(acc[q]) as usize;
        for &x in rest {
            below[q] += usize::from(x < pivots[q]);
        }
    }
    below
}

/// Copies the values of a bracket to the front of `to` and returns how many they are.
#[inline(always)]
fn gather<S: Simd>(simd: S, x: &[f32], bracket: Bracket, to: &mut [f32]) -> usize {
    let (whole, rest) = x.as_chunks::<LANES>();
    let (low, high) = (simd.splat(bracket.low), simd.splat(bracket.high));
    let mut kept = 0;
    for x in whole {
        let x = simd.load_array(x);
        let inside = simd.within(x, low, high);
        if let Some(to) = to[kept..].first_chunk_mut() {
            kept += simd.compress(inside, x, to);
        }
    }
    for &x in rest {
        to[kept] = x;
        kept += usize::from(bracket.low <= x && x <= bracket.high);
    }
    kept
}

/// The value of rank `k` and the next one, itself where it is the last.
#[inline(always)]
fn pair<S: Simd>(simd: S, x: &mut [f32], k: usize) -> (f32, f32) {
    let next = (k + 1).min(x.len() - 1);
    if x.len() <= SMALL {
        let mut sorted = [0.0; SMALL];
        sort_small(simd, x, &mut sorted);
        return (sorted[k], sorted[next]);
    }
    let (_, &mut kth, above) = x.select_nth_unstable_by(k, f32::total_cmp);
    (kth, above.iter().copied().min_by(f32::total_cmp).unwrap_or(kth))
}

/// Sorts at most [`SMALL`] numbers, ascending.
#[inline(always)]
fn sort_small<S: Simd>(simd: S, x: &[f32], sorted: &mut [f32; SMALL]) {
    let mut padded = [Lanes([f32::INFINITY; LANES]); SMALL / LANES];
    Lanes::flat_mut(&mut padded)[..x.len()].copy_from_slice(x);
    let mut places = [[0; LANES]; SMALL / LANES];
    for block in 0..x.len().div_ceil(LANES) {
        let lanes = simd.load(&padded[block]);
        let mut less = simd.splat_u(0);
        for &other in x {
            less = simd.count(simd.gt(lanes, simd.splat(other)), less);
        }
        simd.store_u(less, &mut places[block]);
    }
    // equal values share the first of their places; the others stay open and take what is to their left
    sorted[..x.len()].fill(f32::NAN);
    for i in 0..x.len() {
        sorted[places[i / LANES][i % LANES] as usize % SMALL] = x[i];
    }
    for k in 1..x.len() {
        if sorted[k].is_nan() {
            sorted[k] = sorted[k - 1];
        }
    }
}
