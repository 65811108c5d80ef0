//! A predictor as one flat table that is used where it lies: in flash, in a file's bytes. Nothing is parsed or copied.
//!
//! It holds boosted trees over the summaries of a network's tensors. All numbers are little-endian, W windows of weights, T
//! trees, C cuts, N nodes:
//!
//! | bytes | |
//! |---|---|
//! | 4 | `ZMC1` |
//! | u32 | CRC-32 of all that follows |
//! | u16, u16, u32, u32 | W, T, C, N |
//! | f32 | what is predicted before the first tree |
//! | f32 | unit of the leaves' values |
//! | f32 | how far the 90 % interval reaches to both sides; NaN: unknown |
//! | u32 · W | weights of each window, one window after another in a network |
//! | f32, f32 · 7·W | least and largest value of each of the 7·W columns in training |
//! | u16 · 7·W | where the cuts of each column end |
//! | u16 · T | nodes of each tree |
//! | f32 · C | cuts of the columns, ascending, at most 255 a column |
//! | u16, u16 · N | the nodes |
//!
//! A node's second word is how many nodes further on its left child stands, its right one beside it; its first word is the column
//! (low byte) and which of its cuts a value must exceed to go to the right (high byte). A leaf's second word is 0, its first the
//! value in units, an `i16`. A column's cuts are few because training saw bins, so a test is one byte and exact; values are
//! summed as integers, so the order of the trees does not matter and every machine predicts the same bits.

use crate::Isa;
use crate::quantile::scratch_len;
use crate::summary::{SUMMARY, summary};
use core::fmt;

/// The first bytes of a table.
pub const MAGIC: [u8; 4] = *b"ZMC1";
/// Bytes before the windows.
pub const HEAD: usize = 32;
/// Windows of weights at most: a column's number must fit into a byte.
pub const MAX_WINDOWS: usize = 36;
/// Columns at most.
pub const MAX_COLUMNS: usize = SUMMARY * MAX_WINDOWS;
/// Cuts of a column at most.
pub const MAX_CUTS: usize = 255;
/// Bytes of a node.
pub const NODE: usize = 4;

/// Why bytes are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// They do not begin with [`MAGIC`].
    Magic,
    /// They are more or fewer than their head says.
    Length,
    /// The checksum is another one.
    Checksum,
    /// No window, no tree, or more than [`MAX_WINDOWS`]; a window without weights, or more than can be counted.
    Windows,
    /// A column's cuts are not ascending finite numbers, at most [`MAX_CUTS`] and all of them.
    Cuts,
    /// A tree's nodes lead out of it, or name a column or a cut that is not there.
    Nodes,
    /// Base, unit, ranges or interval are no numbers, or sums of leaves could grow too large.
    Values,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Magic => "other first bytes than ZMC1",
            Refusal::Length => "another length than the head says",
            Refusal::Checksum => "another checksum",
            Refusal::Windows => "impossible windows of weights",
            Refusal::Cuts => "cuts that are not ascending",
            Refusal::Nodes => "nodes that lead nowhere",
            Refusal::Values => "values that are no numbers",
        })
    }
}

impl core::error::Error for Refusal {}

/// Little-endian words of a type one after another, at any address.
#[derive(Clone, Copy, Debug)]
struct Words<'a, const SIZE: usize>(&'a [[u8; SIZE]]);

impl Words<'_, 2> {
    #[inline(always)]
    fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.0[at])
    }
}

impl Words<'_, 4> {
    #[inline(always)]
    fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at])
    }
    #[inline(always)]
    fn f32(self, at: usize) -> f32 {
        f32::from_le_bytes(self.0[at])
    }
}

/// A table that passed every check.
#[derive(Clone, Copy, Debug)]
pub struct Compact<'a> {
    base: f32,
    unit: f32,
    reach: f32,
    windows: Words<'a, 4>,
    ranges: Words<'a, 4>,
    ends: Words<'a, 2>,
    sizes: Words<'a, 2>,
    cuts: Words<'a, 4>,
    nodes: &'a [[u8; NODE]],
}

/// Takes `count` words from the front of `bytes`.
fn take<'a, const SIZE: usize>(bytes: &mut &'a [u8], count: usize) -> Result<Words<'a, SIZE>, Refusal> {
    let length = count.checked_mul(SIZE).ok_or(Refusal::Length)?;
    let (front, rest) = bytes.split_at_checked(length).ok_or(Refusal::Length)?;
    *bytes = rest;
    Ok(Words(front.as_chunks().0))
}

impl<'a> Compact<'a> {
    /// The table in some bytes, which are looked at once from the first to the last.
    ///
    /// Whatever the bytes are, a table that is given back never panics and always ends.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn new(bytes: &'a [u8]) -> Result<Compact<'a>, Refusal> {
        let mut rest = bytes;
        let magic = take::<4>(&mut rest, 1)?;
        if magic.0[0] != MAGIC {
            return Err(Refusal::Magic);
        }
        let checksum = take::<4>(&mut rest, 1)?.u32(0);
        let checked = rest;
        let (small, large) = (take::<2>(&mut rest, 2)?, take::<4>(&mut rest, 5)?);
        let (windows, trees) = (usize::from(small.u16(0)), usize::from(small.u16(1)));
        let table = Compact {
            base: large.f32(2),
            unit: large.f32(3),
            reach: large.f32(4),
            windows: take(&mut rest, windows)?,
            ranges: take(&mut rest, 2 * SUMMARY * windows)?,
            ends: take(&mut rest, SUMMARY * windows)?,
            sizes: take(&mut rest, trees)?,
            cuts: take(&mut rest, large.u32(0) as usize)?,
            nodes: take(&mut rest, large.u32(1) as usize)?.0,
        };
        if !rest.is_empty() {
            return Err(Refusal::Length);
        }
        if crc32(checked) != checksum {
            return Err(Refusal::Checksum);
        }
        table.check_windows()?;
        table.check_cuts()?;
        table.check_nodes()?;
        table.check_values()?;
        Ok(table)
    }

    fn check_windows(&self) -> Result<(), Refusal> {
        let mut all = 0u32;
        for window in 0..self.windows.0.len() {
            let weights = self.windows.u32(window);
            // half of what can be counted, so that every sum of bytes on a small machine can be too
            all = all.checked_add(weights).filter(|&all| weights > 0 && all < 1 << 28).ok_or(Refusal::Windows)?;
        }
        let possible = (1..=MAX_WINDOWS).contains(&self.windows.0.len()) && !self.sizes.0.is_empty();
        possible.then_some(()).ok_or(Refusal::Windows)
    }

    fn check_cuts(&self) -> Result<(), Refusal> {
        let mut begin = 0;
        for column in 0..self.columns() {
            let end = usize::from(self.ends.u16(column));
            if end < begin || end - begin > MAX_CUTS || end > self.cuts.0.len() {
                return Err(Refusal::Cuts);
            }
            for at in begin..end {
                let ascends = at == begin || self.cuts.f32(at - 1) < self.cuts.f32(at);
                if !(ascends && self.cuts.f32(at).is_finite()) {
                    return Err(Refusal::Cuts);
                }
            }
            begin = end;
        }
        (begin == self.cuts.0.len()).then_some(()).ok_or(Refusal::Cuts)
    }

    fn check_nodes(&self) -> Result<(), Refusal> {
        let mut nodes = self.nodes;
        for tree in 0..self.sizes.0.len() {
            let size = usize::from(self.sizes.u16(tree));
            let (own, rest) = nodes.split_at_checked(size).ok_or(Refusal::Nodes)?;
            nodes = rest;
            if own.is_empty() {
                return Err(Refusal::Nodes);
            }
            for (at, &node) in own.iter().enumerate() {
                let (column, cut, step) = test(node);
                if step == 0 {
                    continue;
                }
                // children stand after their parent: every walk ends
                let there = step < size - at - 1 && column < self.columns() && cut < self.cuts_of(column).1;
                if !there {
                    return Err(Refusal::Nodes);
                }
            }
        }
        nodes.is_empty().then_some(()).ok_or(Refusal::Nodes)
    }

    fn check_values(&self) -> Result<(), Refusal> {
        // at most 65,535 trees of at most 2¹⁵ units: no sum leaves an i32
        let most = self.unit.abs() * 32_768.0 * self.sizes.0.len() as f32;
        for column in 0..self.columns() {
            // as it is written, NaN is refused
            let [low, high] = [2 * column, 2 * column + 1].map(|place| self.ranges.f32(place));
            if low.is_nan() || high.is_nan() || low > high {
                return Err(Refusal::Values);
            }
        }
        let numbers = (self.base.abs() + most).is_finite() && (self.reach >= 0.0 || self.reach.is_nan());
        numbers.then_some(()).ok_or(Refusal::Values)
    }

    /// First cut and number of cuts of a column.
    #[inline(always)]
    fn cuts_of(&self, column: usize) -> (usize, usize) {
        let begin = if column == 0 { 0 } else { usize::from(self.ends.u16(column - 1)) };
        (begin, usize::from(self.ends.u16(column)) - begin)
    }

    /// Columns of [`Compact::predict`].
    pub fn columns(&self) -> usize {
        SUMMARY * self.windows.0.len()
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.sizes.0.len()
    }

    /// Weights of each window, which lie one after another in a network.
    pub fn windows(&self) -> impl Iterator<Item = usize> + 'a {
        let windows = self.windows;
        (0..windows.0.len()).map(move |window| windows.u32(window) as usize)
    }

    /// Weights of a network.
    pub fn weights(&self) -> usize {
        self.windows().sum()
    }

    /// What [`Compact::summarize`] needs to work in, in elements: the largest window and a little.
    pub fn scratch_len(&self) -> usize {
        self.windows().map(scratch_len).max().unwrap_or(0)
    }

    /// How far the 90 % interval reaches to both sides of a prediction, if that is known.
    pub fn reach(&self) -> Option<f32> {
        (!self.reach.is_nan()).then_some(self.reach)
    }

    /// Computes the columns of a network, window by window.
    ///
    /// `columns[7·w ..] = summary(weights of window w)`
    ///
    /// Shapes.   `weights` [`Compact::weights`], `scratch` [`Compact::scratch_len`], `columns` [`Compact::columns`].
    /// Panics.   if a length is another one, or `scratch` too short.
    /// Cost.     that of [`summary`].
    /// Numerics. its.
    /// Source.   [`summary`].
    pub fn summarize(&self, isa: Isa, weights: &[f32], scratch: &mut [f32], columns: &mut [f32]) {
        assert!(weights.len() == self.weights() && columns.len() == self.columns(), "weights or columns");
        let mut weights = weights;
        for (window, columns) in self.windows().zip(columns.as_chunks_mut::<SUMMARY>().0) {
            let (own, rest) = weights.split_at(window);
            weights = rest;
            *columns = summary(isa, own, scratch);
        }
    }

    /// Predicts the accuracy of a network from its columns.
    ///
    /// `base + unit · Σ_trees leaf(columns)`
    ///
    /// Shapes.   `columns` [`Compact::columns`].
    /// Panics.   if there are more or fewer.
    /// Cost.     a binary search a column; two loads and a comparison of bytes for each step down a tree.
    /// Numerics. leaves summed as integers, then one product and one sum in f32: the same bits on every machine. NaN if a column is.
    /// Source.   the trees' own definition, `zoometry::predictor::boost::Tree::predict`.
    pub fn predict(&self, columns: &[f32]) -> f32 {
        assert_eq!(columns.len(), self.columns(), "columns");
        if columns.iter().any(|x| x.is_nan()) {
            return f32::NAN;
        }
        let mut ranks = [0; MAX_COLUMNS];
        for (column, &x) in columns.iter().enumerate() {
            ranks[column] = self.rank(column, x);
        }
        let (mut nodes, mut sum) = (self.nodes, 0);
        for tree in 0..self.trees() {
            let (own, rest) = nodes.split_at(usize::from(self.sizes.u16(tree)));
            nodes = rest;
            sum += i32::from(leaf(own, &ranks));
        }
        self.base + self.unit * sum as f32
    }

    /// How many columns lie outside of what training networks had, or are NaN: of such a network a prediction says little.
    ///
    /// Trees see on which side of a cut a value lies, not how far away; a weight of 10³⁸ is a large one to them, and no more.
    ///
    /// # Panics
    /// If there are more or fewer columns than [`Compact::columns`].
    pub fn outside(&self, columns: &[f32]) -> usize {
        assert_eq!(columns.len(), self.columns(), "columns");
        let inside = |column: usize, x: f32| self.ranges.f32(2 * column) <= x && x <= self.ranges.f32(2 * column + 1);
        columns.iter().enumerate().filter(|&(column, &x)| !inside(column, x)).count()
    }

    /// How many cuts of a column lie below a value.
    fn rank(&self, column: usize, x: f32) -> u8 {
        let (begin, count) = self.cuts_of(column);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            if x > self.cuts.f32(begin + middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low as u8
    }
}

/// Column, cut and step of a node.
#[inline(always)]
fn test([column, cut, low, high]: [u8; NODE]) -> (usize, usize, usize) {
    (usize::from(column), usize::from(cut), usize::from(u16::from_le_bytes([low, high])))
}

/// The value of the leaf that a network falls into.
#[inline(always)]
fn leaf(tree: &[[u8; NODE]], ranks: &[u8; MAX_COLUMNS]) -> i16 {
    let mut at = 0;
    loop {
        let node = tree[at];
        let (column, cut, step) = test(node);
        if step == 0 {
            return i16::from_le_bytes([node[0], node[1]]);
        }
        at += step + usize::from(usize::from(ranks[column]) > cut);
    }
}

/// The CRC-32 of some bytes, as zip files and Ethernet have it.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
