//! Histograms of gradients over the bins of features, and the search for the best cut through them.
//!
//! With squared loss every Hessian is 1, so a bin needs a sum of gradients and a count. Both share one `u64`
//! ([`Packing`]): gradients are integers, so sums do not depend on their order and the histogram of a sibling is exactly
//! *parent − child*. With another loss rows have weights, their Hessians as integers, and a sum of weights takes the place of
//! the count: the search is the same. Features go in groups of [`GROUP`]: the codes of a row are one 64-bit word, a bin of the group is one
//! cache line, and the search goes through eight features at once.
//!
//! Letters: m rows of a leaf, B bins of a group.

use crate::Cost;
use crate::isa::{Isa, Kernel};
use crate::simd::{DOUBLES, Simd};

/// Features in a group.
pub const GROUP: usize = DOUBLES;

/// One bin of a group: for each feature a packed sum and count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Bin(pub [u64; GROUP]);

/// How a sum of integer gradients (high bits, two's complement) and a count (low bits) share one `u64`.
///
/// There is room for the gradients and the count of twice the rows, which the search with missing values needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    count_bits: u32,
    gradient_bits: u32,
    weight_bits: u32,
}

impl Packing {
    /// The most rows there is room for.
    pub const MAX_ROWS: usize = 1 << 24;

    /// For a table of `rows` rows; `None` above [`Packing::MAX_ROWS`].
    pub fn new(rows: usize) -> Option<Packing> {
        // at least 12, so that 64 − 12 bits of a sum fit into the mantissa of an f64
        let count_bits = Self::bits(rows)?.max(12);
        Some(Packing { count_bits, gradient_bits: (62 - 2 * count_bits).min(30), weight_bits: 0 })
    }

    /// For a table of `rows` rows with weights; `None` above [`Packing::MAX_ROWS`].
    pub fn weighted(rows: usize) -> Option<Packing> {
        let bits = 31 - Self::bits(rows)?;
        Some(Packing { count_bits: 31, gradient_bits: bits, weight_bits: bits })
    }

    /// Bits of the count of twice the rows.
    fn bits(rows: usize) -> Option<u32> {
        (rows <= Self::MAX_ROWS).then(|| usize::BITS - (2 * rows).leading_zeros())
    }

    /// The largest gradient, in magnitude, that can be packed: 2³⁰ up to 32,767 rows, 2²⁴ at 240,000, 2¹⁰ at most rows; beside
    /// weights 2²⁰ up to 1,023 rows, 2¹⁵ up to 32,767, 2⁶ at most rows.
    pub fn limit(self) -> i32 {
        1 << self.gradient_bits
    }

    /// The largest weight that can be packed: 1, or as much as [`Packing::limit`].
    pub fn weight_limit(self) -> u32 {
        1 << self.weight_bits
    }

    /// One row's gradient and its weight, or a count of one.
    #[inline(always)]
    pub fn pack(self, gradient: i32, weight: u32) -> u64 {
        ((i64::from(gradient) << self.count_bits) + i64::from(weight)) as u64
    }

    /// Sum of gradients and count, or sum of weights.
    #[inline(always)]
    pub fn unpack(self, sum: u64) -> (i64, u32) {
        (sum as i64 >> self.count_bits, (sum & self.count_mask()) as u32)
    }

    /// The bits of the count.
    #[inline(always)]
    fn count_mask(self) -> u64 {
        (1 << self.count_bits) - 1
    }
}

/// The codes of a table: for each row one word a group.
#[derive(Clone, Copy, Debug)]
pub struct Codes<'a> {
    /// Row-major, one word a group.
    pub words: &'a [[u8; GROUP]],
    /// Words of a row.
    pub groups: usize,
}

/// Collects the codes of the rows of a leaf, group by group.
///
/// `words[g·m + i] = codes[rows[i], first + g]`
///
/// Shapes.   `rows` m, `words` a whole number of groups times m, at most [`GROUP`] groups.
/// Panics.   if `words` is no multiple of m, or a row or a group has no codes.
/// Cost.     m cache lines from anywhere, fetched ahead; writes them in order.
/// Numerics. none.
/// Source.   none.
pub fn gather(isa: Isa, codes: Codes<'_>, first: usize, rows: &[u32], words: &mut [[u8; GROUP]]) {
    let groups = words.len().checked_div(rows.len()).unwrap_or(0);
    assert!(groups <= GROUP && words.len() == groups * rows.len(), "one word a row and group");
    isa.run(Gather { codes, first, rows, groups, words })
}

/// Rows between a prefetch and its use.
const AHEAD: usize = 32;

struct Gather<'a> {
    codes: Codes<'a>,
    first: usize,
    rows: &'a [u32],
    groups: usize,
    words: &'a mut [[u8; GROUP]],
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let m = self.rows.len();
        for (i, &row) in self.rows.iter().enumerate() {
            // rows of a leaf are far apart: the line of one to come is fetched while this one is copied
            if let Some(&coming) = self.rows.get(i + AHEAD) {
                s.prefetch(self.codes.words, coming as usize * self.codes.groups + self.first);
            }
            let begin = row as usize * self.codes.groups + self.first;
            let line = &self.codes.words[begin..begin + self.groups];
            for (g, &word) in line.iter().enumerate() {
                self.words[g * m + i] = word;
            }
        }
    }
}

/// Of [`build`] for so many rows and bins: integers alone.
pub fn build_cost(rows: usize, bins: usize) -> Cost {
    Cost { flops: 0, bytes: rows * (GROUP + size_of::<i32>()) + bins * size_of::<Bin>() }
}

/// Of [`subtract`] for so many bins: integers alone.
pub fn subtract_cost(bins: usize) -> Cost {
    Cost { flops: 0, bytes: 3 * bins * size_of::<Bin>() }
}

/// Adds the rows of a leaf to the histogram of a group.
///
/// `bins[words[i][f]][f] += pack(values[i])` for all i, f
///
/// Shapes.   `values`, `words` m, `bins` B of the storage sizes 16, 64 or 256.
/// Panics.   if a length differs.
/// Cost.     8·m loads, additions and stores of 64 bits; reads 12·m bytes.
/// Numerics. exact, so any order and any division of the rows give the same bits.
/// Source.   the reference twin; Ke et al., «LightGBM», NIPS 2017; Shi et al., «Quantized training of GBDT», NeurIPS 2022.
pub fn build(isa: Isa, packing: Packing, values: &[i32], words: &[[u8; GROUP]], bins: &mut [Bin]) {
    build_by(isa, packing, values, |_| 1, words, bins);
}

/// Adds the rows of a leaf, which have weights, to the histogram of a group.
///
/// `bins[words[i][f]][f] += pack(values[i], weights[i])` for all i, f
///
/// Shapes.   `values`, `weights`, `words` m, `bins` B of the storage sizes 16, 64 or 256.
/// Panics.   if a length differs.
/// Cost.     8·m loads, additions and stores of 64 bits; reads 16·m bytes.
/// Numerics. exact, so any order and any division of the rows give the same bits.
/// Source.   [`build`]; Hessians in the place of counts: Ke et al., «LightGBM», NIPS 2017.
pub fn build_weighted(
    isa: Isa,
    packing: Packing,
    values: &[i32],
    weights: &[u32],
    words: &[[u8; GROUP]],
    bins: &mut [Bin],
) {
    assert_eq!(weights.len(), words.len(), "one weight a row");
    build_by(isa, packing, values, |i| weights[i], words, bins);
}

fn build_by(
    isa: Isa,
    packing: Packing,
    values: &[i32],
    weight: impl Fn(usize) -> u32,
    words: &[[u8; GROUP]],
    bins: &mut [Bin],
) {
    assert_eq!(values.len(), words.len(), "one gradient a row");
    if let Ok(bins) = <&mut [Bin; 16]>::try_from(&mut *bins) {
        isa.run(Build { packing, values, weight, words, bins })
    } else if let Ok(bins) = <&mut [Bin; 64]>::try_from(&mut *bins) {
        isa.run(Build { packing, values, weight, words, bins })
    } else if let Ok(bins) = <&mut [Bin; 256]>::try_from(&mut *bins) {
        isa.run(Build { packing, values, weight, words, bins })
    } else {
        panic!("a histogram has 16, 64 or 256 bins, not {}", bins.len())
    }
}

struct Build<'a, F, const B: usize> {
    packing: Packing,
    values: &'a [i32],
    weight: F,
    words: &'a [[u8; GROUP]],
    bins: &'a mut [Bin; B],
}

impl<F: Fn(usize) -> u32, const B: usize> Kernel for Build<'_, F, B> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (i, (codes, &value)) in self.words.iter().zip(self.values).enumerate() {
            let value = self.packing.pack(value, (self.weight)(i));
            for f in 0..GROUP {
                // B is a power of two: the mask stands for a bounds check
                let sum = &mut self.bins[usize::from(codes[f]) & (B - 1)].0[f];
                *sum = sum.wrapping_add(value);
            }
        }
    }
}

/// The storage of a group whose features have at most `bins` bins: 16, 64 or 256.
pub fn storage(bins: usize) -> usize {
    match bins {
        0..=16 => 16,
        17..=64 => 64,
        _ => 256,
    }
}

/// Takes a child's histogram from its parent's, which leaves the other child's.
///
/// `parent[b] −= child[b]`
///
/// Shapes.   `parent`, `child` B.
/// Panics.   if the lengths differ.
/// Cost.     8·B subtractions; reads both, writes one.
/// Numerics. exact.
/// Source.   none.
pub fn subtract(isa: Isa, parent: &mut [Bin], child: &[Bin]) {
    assert_eq!(parent.len(), child.len(), "one bin for each");
    isa.run(Subtract { parent, child })
}

struct Subtract<'a> {
    parent: &'a mut [Bin],
    child: &'a [Bin],
}

impl Kernel for Subtract<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (parent, child) in self.parent.iter_mut().zip(self.child) {
            let rest = s.sub_q(s.load_q(&parent.0), s.load_q(&child.0));
            s.store_q(rest, &mut parent.0);
        }
    }
}

/// Adds the histogram of some rows to that of others.
///
/// `sum[b] += part[b]`
///
/// Shapes.   `sum`, `part` B.
/// Panics.   if the lengths differ.
/// Cost.     8·B additions; reads both, writes one.
/// Numerics. exact.
/// Source.   none.
pub fn add(isa: Isa, sum: &mut [Bin], part: &[Bin]) {
    assert_eq!(sum.len(), part.len(), "one bin for each");
    isa.run(Add { sum, part })
}

struct Add<'a> {
    sum: &'a mut [Bin],
    part: &'a [Bin],
}

impl Kernel for Add<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (sum, part) in self.sum.iter_mut().zip(self.part) {
            let both = s.add_q(s.load_q(&sum.0), s.load_q(&part.0));
            s.store_q(both, &mut sum.0);
        }
    }
}

/// The whole of a leaf: what every feature's bins add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leaf {
    /// Sum of gradients G.
    pub gradient: i64,
    /// Number of rows n, or the sum of their weights.
    pub count: u32,
}

/// What makes a cut admissible and good; `alpha` is in the unit of the gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GainRule {
    /// L2 penalty λ ≥ 0.
    pub lambda: f64,
    /// L1 penalty α ≥ 0.
    pub alpha: f64,
    /// Rows, or weight, that each side must have, at least 1.
    pub min_count: u32,
}

impl GainRule {
    /// `T(G)² / (n + λ)` with `T(G) = max(|G| − α, 0)`: twice the loss that a leaf's best value takes away.
    pub fn score(&self, leaf: Leaf) -> f64 {
        let t = (leaf.gradient.unsigned_abs() as f64 - self.alpha).max(0.0);
        if t == 0.0 { 0.0 } else { t * t / (f64::from(leaf.count) + self.lambda) }
    }
}

/// The best cut of one feature: bins up to `bin` go left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cut {
    /// `score(left) + score(right) − score(whole)`; 0 if no admissible cut has a positive gain.
    pub gain: f64,
    /// The last bin of the left side.
    pub bin: u32,
}

/// Finds for each feature of a group the cut with the largest gain, the lowest of equals.
///
/// `gain(b) = T(L)²/(l+λ) + T(R)²/(r+λ) − T(G)²/(n+λ)`, L and l the sums over `start` and the bins ≤ b, R = G − L, r = n − l
///
/// With α = 0 the first two terms are `G²/H + (L − G·(l+λ)/H)² · H / ((l+λ)(r+λ))`, H = n + 2λ: only the second depends on
/// the cut, and nothing in it cancels.
///
/// Shapes.   `bins` B, `start` what goes left before the first bin (the bin of missing values, or 0).
/// Panics.   never.
/// Cost.     about 18 operations a bin and feature, one of them a division, with α > 0 two.
/// Numerics. f64 without fusion: the same bits on every ISA; relative error below 1e-12 of the gain plus 1e-15 of `G²/n`.
/// Source.   the reference twin; Chen, Guestrin, «XGBoost», KDD 2016, eq. 7.
pub fn scan(
    isa: Isa,
    packing: Packing,
    bins: &[Bin],
    start: &[u64; GROUP],
    leaf: Leaf,
    rule: GainRule,
) -> [Cut; GROUP] {
    isa.run(Scan { packing, bins, start, leaf, rule })
}

struct Scan<'a> {
    packing: Packing,
    bins: &'a [Bin],
    start: &'a [u64; GROUP],
    leaf: Leaf,
    rule: GainRule,
}

impl Kernel for Scan<'_> {
    type Output = [Cut; GROUP];
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [Cut; GROUP] {
        if self.rule.alpha == 0.0 { self.plain(s) } else { self.thresholded(s) }
    }
}

impl Scan<'_> {
    /// The sign bit turned over before the first bin keeps all running sums non-negative; it is taken off again here.
    const BIAS: u64 = 1 << 63;

    #[inline(always)]
    fn begin<S: Simd>(&self, s: S) -> S::Q {
        s.add_q(s.load_q(self.start), s.splat_q(Self::BIAS))
    }

    /// The packed running sum as gradient and count.
    #[inline(always)]
    fn split<S: Simd>(&self, s: S, sum: S::Q) -> (S::D, S::D) {
        let gradient = s.to_f64(s.shr_q(sum, self.packing.count_bits));
        let bias = (Self::BIAS >> self.packing.count_bits) as f64;
        (s.sub_d(gradient, s.splat_d(bias)), s.to_f64(s.and_q(sum, s.splat_q(self.packing.count_mask()))))
    }

    /// Counts strictly between these leave enough rows on both sides.
    fn open_range(&self) -> (f64, f64) {
        let min = f64::from(self.rule.min_count.max(1));
        (min - 0.5, f64::from(self.leaf.count) - min + 0.5)
    }

    #[inline(always)]
    fn plain<S: Simd>(&self, s: S) -> [Cut; GROUP] {
        let (low, high) = self.open_range();
        let (low, high, lambda) = (s.splat_d(low), s.splat_d(high), s.splat_d(self.rule.lambda));
        let whole = f64::from(self.leaf.count) + 2.0 * self.rule.lambda;
        let (mean, h) = (s.splat_d(self.leaf.gradient as f64 / whole), s.splat_d(whole));
        let (mut sum, mut best, mut at) = (self.begin(s), s.splat_d(0.0), s.splat_q(0));
        for (b, bin) in self.bins.iter().enumerate() {
            sum = s.add_q(sum, s.load_q(&bin.0));
            let (gradient, count) = self.split(s, sum);
            let left = s.add_d(count, lambda);
            let excess = s.sub_d(gradient, s.mul_d(mean, left));
            let score = s.div_d(s.mul_d(excess, excess), s.mul_d(left, s.sub_d(h, left)));
            let enough = s.and_n(s.gt_d(count, low), s.gt_d(high, count));
            let better = s.and_n(s.gt_d(score, best), enough);
            best = s.select_d(better, score, best);
            at = s.select_q(better, s.splat_q(b as u64), at);
        }
        // G²/H − G²/(n+λ)
        let gradient = self.leaf.gradient as f64;
        let rest = gradient * gradient * self.rule.lambda / (whole * (whole - self.rule.lambda));
        self.cuts(s, s.sub_d(s.mul_d(best, h), s.splat_d(rest)), at)
    }

    #[inline(always)]
    fn thresholded<S: Simd>(&self, s: S) -> [Cut; GROUP] {
        let (low, high) = self.open_range();
        let (low, high, lambda) = (s.splat_d(low), s.splat_d(high), s.splat_d(self.rule.lambda));
        let h = s.splat_d(f64::from(self.leaf.count) + 2.0 * self.rule.lambda);
        let (whole, alpha, zero) = (s.splat_d(self.leaf.gradient as f64), s.splat_d(self.rule.alpha), s.splat_d(0.0));
        let (mut sum, mut best, mut at) = (self.begin(s), zero, s.splat_q(0));
        for (b, bin) in self.bins.iter().enumerate() {
            sum = s.add_q(sum, s.load_q(&bin.0));
            let (gradient, count) = self.split(s, sum);
            let left = s.add_d(count, lambda);
            let right = s.sub_d(h, left);
            let tl = s.max_d(s.sub_d(s.abs_d(gradient), alpha), zero);
            let tr = s.max_d(s.sub_d(s.abs_d(s.sub_d(whole, gradient)), alpha), zero);
            let score = s.add_d(s.div_d(s.mul_d(tl, tl), left), s.div_d(s.mul_d(tr, tr), right));
            let enough = s.and_n(s.gt_d(count, low), s.gt_d(high, count));
            let better = s.and_n(s.gt_d(score, best), enough);
            best = s.select_d(better, score, best);
            at = s.select_q(better, s.splat_q(b as u64), at);
        }
        let parent = self.rule.score(self.leaf);
        self.cuts(s, s.sub_d(best, s.splat_d(parent)), at)
    }

    #[inline(always)]
    fn cuts<S: Simd>(&self, s: S, gain: S::D, at: S::Q) -> [Cut; GROUP] {
        let (mut gains, mut bins) = ([0; GROUP], [0; GROUP]);
        s.store_q(s.to_bits_q(s.max_d(gain, s.splat_d(0.0))), &mut gains);
        s.store_q(at, &mut bins);
        let mut cuts = [Cut::default(); GROUP];
        for f in 0..GROUP {
            cuts[f] = Cut { gain: f64::from_bits(gains[f]), bin: bins[f] as u32 };
        }
        cuts
    }
}
