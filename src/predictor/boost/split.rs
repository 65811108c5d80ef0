//! The best split of a leaf over all columns.

use super::histogram::{Group, Groups, Pool};
use crate::kernels::Isa;
use crate::kernels::histogram::{self, Bin, GROUP, GainRule, Leaf, Packing};
use rayon::prelude::*;

/// Sums of row and bin counts of all groups below which a leaf is not worth a second thread.
const WORTH_A_THREAD: usize = 20_000;

/// Rows that are worth a histogram of each thread's own, which are then added up: each row is read once, and by one thread.
pub const MANY_ROWS: usize = 32_768;

/// Rows whose codes are gathered together: with eight groups they fill 64 KB.
const BLOCK: usize = 1024;

/// A split of a leaf: rows with codes up to `bin` go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeSplit {
    /// In squares of the integer gradients' unit.
    pub gain: f64,
    /// Position among the columns that can be split.
    pub column: usize,
    /// Where its codes are: which group.
    pub group: usize,
    /// Which lane of the group.
    pub lane: usize,
    /// The last bin of the left side.
    pub bin: u32,
    /// Whether missing values go left; `None` where the column has none in the training rows.
    pub missing_left: Option<bool>,
}

impl NodeSplit {
    /// The better of two: more gain, then the earlier column.
    pub fn better(a: Option<NodeSplit>, b: Option<NodeSplit>) -> Option<NodeSplit> {
        match (a, b) {
            (Some(a), Some(b)) => {
                let b_wins = b.gain > a.gain || (b.gain == a.gain && b.column < a.column);
                Some(if b_wins { b } else { a })
            }
            (a, b) => a.or(b),
        }
    }

    /// Sums of the left side and of the right, from the histogram of the group that is split.
    pub fn sides(&self, packing: Packing, group: &Group, bins: &[Bin], leaf: Leaf) -> [Leaf; 2] {
        let upto = bins[..=self.bin as usize].iter().map(|bin| bin.0[self.lane]);
        let missing = match (self.missing_left, group.missing[self.lane]) {
            (Some(true), Some(code)) => bins[usize::from(code)].0[self.lane],
            _ => 0,
        };
        let (gradient, count) = packing.unpack(upto.fold(missing, u64::wrapping_add));
        [Leaf { gradient, count }, Leaf { gradient: leaf.gradient - gradient, count: leaf.count - count }]
    }

    /// For each code whether it goes left.
    pub fn goes_left(&self, group: &Group) -> [bool; 256] {
        let mut left = [false; 256];
        left[..=self.bin as usize].fill(true);
        if let Some(code) = group.missing[self.lane] {
            left[usize::from(code)] = self.missing_left == Some(true);
        }
        left
    }
}

/// A histogram, and the leaf to be split by it; without a leaf no split is looked for.
#[derive(Debug)]
pub struct Target<'h> {
    /// The bins of all groups.
    pub bins: &'h mut [Bin],
    /// What they add up to, and in how many rows.
    pub leaf: Option<(Leaf, usize)>,
}

/// The bins of one group.
struct Piece<'h> {
    group: usize,
    /// Of the histogram that is built.
    small: &'h mut [Bin],
    /// Of that of the parent, which becomes that of the sibling; none for the root.
    large: &'h mut [Bin],
}

/// Weights of rows: their Hessians in integers.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Of every row of the table.
    pub of: &'a [u32],
    /// Rows that each side of a split must have. Histograms do not count them: a side is taken to have a share of the leaf's rows
    /// that is its share of the leaf's weight, as in LightGBM.
    pub min_rows: f64,
}

/// Everything that a search needs to know besides the leaf.
#[derive(Debug)]
pub struct Search<'a> {
    /// The instruction set.
    pub isa: Isa,
    /// How histograms are packed.
    pub packing: Packing,
    /// What makes a split admissible and good.
    pub rule: GainRule,
    /// Of rows with weights: these, and the rows that each side of a split must have.
    pub weights: Option<Weights<'a>>,
    /// Gain that a split must exceed, in squares of the integer gradients' unit.
    pub min_gain: f64,
    /// The columns that may be split, and their codes.
    pub groups: &'a Groups,
    /// Integer gradient of every row of the table.
    pub gradients: &'a [i32],
    /// Buffers for gathered codes.
    pub words: &'a Pool<[u8; GROUP]>,
}

impl Search<'_> {
    /// The rule for a leaf of so many rows.
    pub fn rule_for(&self, leaf: Leaf, rows: usize) -> GainRule {
        let Some(Weights { min_rows, .. }) = self.weights else { return self.rule };
        // what rounds to enough rows is enough
        let weight = (min_rows - 0.5) * f64::from(leaf.count) / rows as f64;
        GainRule { min_count: self.rule.min_count.max(weight.ceil() as u32), ..self.rule }
    }

    /// Builds the histogram `small` of some rows, takes it from `large`, that of their parent, and finds the best split of both.
    ///
    /// `scratch` is as long as `rows` and loses its content.
    pub fn run(&self, rows: &[u32], scratch: &mut [u32], small: Target, large: Target) -> [Option<NodeSplit>; 2] {
        let leaves = [small.leaf, large.leaf];
        let better = |a: [_; 2], b: [_; 2]| [NodeSplit::better(a[0], b[0]), NodeSplit::better(a[1], b[1])];
        let find = |pieces: &mut [Piece]| {
            pieces.iter_mut().map(|piece| self.piece(piece, leaves)).fold(Default::default(), better)
        };
        let mut pieces = self.pieces(small.bins, large.bins);
        let threads = rayon::current_num_threads();
        let by_groups = pieces.len().div_ceil(threads).min(GROUP);
        if threads > 1 && rows.len() >= MANY_ROWS {
            self.build_by_rows(rows, scratch, &mut pieces, threads);
            return pieces.par_chunks_mut(by_groups).map(find).reduce(Default::default, better);
        }
        let gradients = self.gather(rows, scratch);
        let job = |pieces: &mut [Piece]| {
            let first = pieces[0].group;
            let mut bins: Vec<&mut [Bin]> = pieces.iter_mut().map(|piece| &mut *piece.small).collect();
            self.build(rows, gradients, first, &mut bins);
            find(pieces)
        };
        if threads > 1 && (rows.len() + 256) * pieces.len() >= WORTH_A_THREAD {
            pieces.par_chunks_mut(by_groups).map(job).reduce(Default::default, better)
        } else {
            pieces.chunks_mut(GROUP).map(job).fold(Default::default(), better)
        }
    }

    /// The gradients of some rows, one after another.
    fn gather<'s>(&self, rows: &[u32], scratch: &'s mut [u32]) -> &'s [i32] {
        for (out, &row) in scratch.iter_mut().zip(rows) {
            *out = self.gradients[row as usize] as u32;
        }
        bytemuck::cast_slice(scratch)
    }

    /// The histograms of all groups, each thread taking a part of the rows; sums of integers, so the parts may be any.
    fn build_by_rows(&self, rows: &[u32], scratch: &mut [u32], pieces: &mut [Piece], threads: usize) {
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.small.len()).collect();
        let size = rows.len().div_ceil(threads);
        let parts: Vec<Vec<Bin>> = (rows.par_chunks(size).zip(scratch.par_chunks_mut(size)))
            .map(|(rows, scratch)| {
                let gradients = self.gather(rows, scratch);
                let mut part = vec![Bin::default(); sizes.iter().sum()];
                let mut rest = &mut part[..];
                let bins = sizes.iter().map(|&size| rest.split_off_mut(..size).unwrap_or_default());
                for (chunk, bins) in bins.collect::<Vec<_>>().chunks_mut(GROUP).enumerate() {
                    self.build(rows, gradients, chunk * GROUP, bins);
                }
                part
            })
            .collect();
        let mut begin = 0;
        for piece in pieces {
            let place = begin..begin + piece.small.len();
            begin = place.end;
            piece.small.fill(Bin::default());
            for part in &parts {
                histogram::add(self.isa, piece.small, &part[place.clone()]);
            }
        }
    }

    /// The bins of each group.
    fn pieces<'h>(&self, mut small: &'h mut [Bin], mut large: &'h mut [Bin]) -> Vec<Piece<'h>> {
        let groups = self.groups.groups.iter().enumerate();
        let piece = |(number, group): (usize, &Group)| {
            let (size, large_size) = (group.storage(), group.storage().min(large.len()));
            Piece {
                group: number,
                small: small.split_off_mut(..size).unwrap_or_default(),
                large: large.split_off_mut(..large_size).unwrap_or_default(),
            }
        };
        groups.map(piece).collect()
    }

    /// The histograms of up to eight groups next to each other, from the group `first` on: the codes of a block of rows are
    /// gathered for all of them at once, since they lie in one cache line.
    fn build(&self, rows: &[u32], gradients: &[i32], first: usize, bins: &mut [&mut [Bin]]) {
        for (group, bins) in self.groups.groups[first..].iter().zip(bins.iter_mut()) {
            bins[..group.bins].fill(Bin::default());
        }
        let mut words = self.words.take(BLOCK * bins.len());
        for (rows, gradients) in rows.chunks(BLOCK).zip(gradients.chunks(BLOCK)) {
            let words = &mut words[..rows.len() * bins.len()];
            histogram::gather(self.isa, self.groups.codes(), first, rows, words);
            let bins = words.chunks(rows.len()).zip(bins.iter_mut());
            match self.weights {
                None => bins.for_each(|(words, bins)| {
                    histogram::build(self.isa, self.packing, gradients, words, bins);
                }),
                Some(Weights { of, .. }) => {
                    let mut block = [0; BLOCK];
                    block.iter_mut().zip(rows).for_each(|(weight, &row)| *weight = of[row as usize]);
                    let weights = &block[..rows.len()];
                    bins.for_each(|(words, bins)| {
                        histogram::build_weighted(self.isa, self.packing, gradients, weights, words, bins);
                    });
                }
            }
        }
        self.words.give(words);
    }

    /// Makes the parent's bins those of the sibling, and finds the best splits within one group.
    fn piece(&self, piece: &mut Piece, leaves: [Option<(Leaf, usize)>; 2]) -> [Option<NodeSplit>; 2] {
        let bins = self.groups.groups[piece.group].bins;
        let (small, large) = (&piece.small[..bins], &mut piece.large[..]);
        if let Some(large) = large.get_mut(..bins) {
            histogram::subtract(self.isa, large, small);
        }
        let search = |bins: &[Bin], leaf: Option<(Leaf, usize)>| {
            leaf.and_then(|(leaf, rows)| self.group(piece.group, bins, leaf, self.rule_for(leaf, rows)))
        };
        [search(small, leaves[0]), search(&large[..bins.min(large.len())], leaves[1])]
    }

    /// The best split of a leaf within one group, first with missing values on the right, then on the left.
    fn group(&self, number: usize, bins: &[Bin], leaf: Leaf, rule: GainRule) -> Option<NodeSplit> {
        let group = &self.groups.groups[number];
        let mut start = [0; GROUP];
        let mut best = self.scan(number, group, bins, &start, leaf, rule, None);
        if group.missing.iter().any(Option::is_some) {
            for lane in 0..GROUP {
                start[lane] = group.missing[lane].map_or(0, |code| bins[usize::from(code)].0[lane]);
            }
            // a tie stays with the right
            let left = self.scan(number, group, bins, &start, leaf, rule, Some(true));
            if let Some(left) = left
                && best.is_none_or(|right| left.gain > right.gain)
            {
                best = Some(left);
            }
        }
        best
    }

    fn scan(
        &self,
        number: usize,
        group: &Group,
        bins: &[Bin],
        start: &[u64; GROUP],
        leaf: Leaf,
        rule: GainRule,
        side: Option<bool>,
    ) -> Option<NodeSplit> {
        let found = histogram::scan(self.isa, self.packing, bins, start, leaf, rule);
        // below it a gain is what rounding leaves of nothing
        let noise = 1.0 + 1e-12 * rule.score(leaf);
        let mut best = None;
        for lane in 0..GROUP {
            let (found, Some(column)) = (found[lane], group.columns[lane]) else { continue };
            if found.gain > self.min_gain.max(noise) {
                let missing_left = group.missing[lane].map(|_| side == Some(true));
                let split = NodeSplit { gain: found.gain, column, group: number, lane, bin: found.bin, missing_left };
                best = NodeSplit::better(best, Some(split));
            }
        }
        best
    }
}
