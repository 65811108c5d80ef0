//! Regression trees: the rows of a leaf divided by a cut, and the values that trees give to rows.
//!
//! A row reaches the kernels as *keys*: each value twice, once with `NaN` as −∞ (it then goes left of every threshold) and
//! once as +∞ (right); a node names the copy that it learned. Infinite values are the largest finite ones ([`keys`]).

use crate::isa::{Isa, Kernel};
use crate::simd::{LANES, Lanes, Simd};

/// Divides the rows of a leaf by their code of one feature, both sides in their old order; returns the number of the left.
///
/// `rows = [r : goes_left[codes[r]]] ++ [the others]`
///
/// Shapes.   `rows`, `scratch` m (what is in `scratch` is lost), `codes` of one feature, one a row of the table.
/// Panics.   if `scratch` is shorter than `rows`, or a row has no codes.
/// Cost.     no branch on the data; reads 5·m bytes, writes 8·m.
/// Numerics. none.
/// Source.   none.
pub fn partition(codes: &[u8], goes_left: &[bool; 256], rows: &mut [u32], scratch: &mut [u32]) -> usize {
    let scratch = &mut scratch[..rows.len()];
    let (mut left, mut right) = (0, 0);
    for i in 0..rows.len() {
        let row = rows[i];
        let goes_left = goes_left[usize::from(codes[row as usize])];
        // both are written, one of them counts: left ≤ i, so no row is lost
        rows[left] = row;
        scratch[right] = row;
        left += usize::from(goes_left);
        right += usize::from(!goes_left);
    }
    rows[left..].copy_from_slice(&scratch[..right]);
    left
}

/// The two keys of a value: for nodes that send `NaN` to the left, and to the right.
#[inline(always)]
pub fn keys(x: f32) -> [f32; 2] {
    // comparisons that NaN fails choose the copy; infinities become the largest finite values
    let finite = if x > f32::MAX { f32::MAX } else { x };
    let finite = if finite < f32::MIN { f32::MIN } else { finite };
    if x.is_nan() { [f32::NEG_INFINITY, f32::INFINITY] } else { [finite, finite] }
}

/// A node of [`walk`]: eight bytes.
///
/// The children stand next to each other, `step` nodes further on. A leaf has `step` 0 and the threshold +∞: a walk that has
/// arrived stays.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Node {
    /// A key above it goes to the right.
    pub threshold: f32,
    /// Which key: below 2·width.
    pub key: u16,
    /// Distance to the left child.
    pub step: u16,
}

/// Walks of [`walk`] that go on at the same time, to hide the latency of each.
pub const WALKS: usize = 8;

/// Walks down from each of the nodes `at`, the walk i with the keys `rows[i]`, and leaves the leaves' nodes in `at`.
///
/// Shapes.   `rows[i]` the keys of a row, `at` indexes of `nodes`.
/// Panics.   if a node or a key does not exist.
/// Cost.     for each step of the longest walk 8 independent pairs of dependent loads, 8 and 4 bytes.
/// Numerics. none.
/// Source.   the reference twin.
pub fn walk(nodes: &[Node], rows: [&[f32]; WALKS], at: &mut [u32; WALKS]) {
    loop {
        let mut moved = 0;
        for i in 0..WALKS {
            let node = nodes[at[i] as usize];
            let right = u32::from(rows[i][usize::from(node.key)] > node.threshold);
            at[i] += u32::from(node.step) + right;
            moved |= node.step;
        }
        if moved == 0 {
            break;
        }
    }
}

/// The most leaves of a tree that [`add_leaf_values`] takes: the bits of a word.
pub const MAX_LEAVES: usize = 32;

/// An inner node of a tree as QuickScorer has it, for [`add_leaf_values`].
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct QsNode {
    /// A key above it goes to the right.
    pub threshold: f32,
    /// Which key: below 2·width.
    pub key: u32,
    /// One bit for each leaf of the left subtree, leaves numbered from left to right.
    pub left_leaves: u32,
}

/// Finds for each of sixteen rows and each tree the leaf that it falls into, without a branch or a dependent load, and adds
/// its value.
///
/// A node that sends a row to the right rules out the leaves of its left subtree. When all nodes of a tree have spoken, in any
/// order, the leftmost leaf not ruled out is the row's: `leaf = trailing_ones(⋁_{nodes: x[key] > threshold} left_leaves)`.
///
/// Shapes.   `nodes` the trees one after another, `ends[t]` where those of tree t end, `keys` one block of sixteen rows a key,
///           `values[t]` the values of the leaves of tree t, `sums` one a row.
/// Panics.   if a key does not exist, or `values` has fewer trees than `ends`.
/// Cost.     3 operations of 16 lanes a node; reads 12 bytes a node.
/// Numerics. `sums[row] += values[t][leaf]` in f64, trees in order.
/// Source.   reference [`walk`](crate::reference::tree::walk); Lucchese et al., «QuickScorer», SIGIR 2015; Ye et al., «RapidScorer», KDD 2018.
pub fn add_leaf_values(
    isa: Isa,
    nodes: &[QsNode],
    ends: &[u32],
    keys: &[Lanes],
    values: &[[f32; MAX_LEAVES]],
    sums: &mut [f64; LANES],
) {
    isa.run(AddLeafValues { nodes, ends, keys, values, sums })
}

struct AddLeafValues<'a> {
    nodes: &'a [QsNode],
    ends: &'a [u32],
    keys: &'a [Lanes],
    values: &'a [[f32; MAX_LEAVES]],
    sums: &'a mut [f64; LANES],
}

impl Kernel for AddLeafValues<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut begin = 0;
        let values = &self.values[..self.ends.len()];
        for (&end, values) in self.ends.iter().zip(values) {
            let mut ruled_out = s.splat_u(0);
            for node in &self.nodes[begin..end as usize] {
                let right = s.gt(s.load(&self.keys[node.key as usize]), s.splat(node.threshold));
                let out = s.and_mask(right, s.from_bits(s.splat_u(node.left_leaves)));
                ruled_out = s.or_u(ruled_out, s.to_bits(out));
            }
            begin = end as usize;
            let mut words = [0; LANES];
            s.store_u(ruled_out, &mut words);
            for k in 0..LANES {
                let leaf = words[k].trailing_ones() as usize & (MAX_LEAVES - 1);
                self.sums[k] += f64::from(values[leaf]);
            }
        }
    }
}

/// The nodes that look at one key, a part of the nodes of [`rule_out`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QsFeature {
    /// Column of the row.
    pub column: u32,
    /// Which of its [`keys`].
    pub side: u32,
    /// Where its nodes end.
    pub end: u32,
    /// The number of its first snapshot.
    pub snapshot: u32,
}

/// An inner node of [`rule_out`], among the nodes of its feature sorted by threshold.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct QsSortedNode {
    /// A key above it goes to the right.
    pub threshold: f32,
    /// The tree that it belongs to.
    pub tree: u32,
    /// One bit for each leaf of the left subtree.
    pub left_leaves: u32,
}

/// Finds the leaves of one row in many trees as [`add_leaf_values`] does, but only by the nodes that rule something out: those
/// of a key are sorted by threshold, and the first that the key does not exceed ends them. What the first `stride`,
/// 2·`stride` … nodes of a key rule out together is a *snapshot* made beforehand: one of them and fewer than `stride` nodes
/// are left to do.
///
/// `ruled_out[t] |= left_leaves` for all nodes of tree t with `key > threshold`
///
/// Shapes.   `nodes` key by key as in `features`, ascending thresholds within a key, `row` the columns, `ruled_out` one word a
///           tree and words of no tree up to a multiple of 16, a snapshot the same.
/// Panics.   if a column, a tree or a snapshot does not exist, `stride` is 0, or `ruled_out` is no multiple of 16.
/// Cost.     for each key one snapshot, 4 bytes a tree, about `stride`/2 nodes, 12 bytes each, and one misprediction.
/// Numerics. none.
/// Source.   reference [`walk`](crate::reference::tree::walk); Lucchese et al., «QuickScorer», SIGIR 2015.
pub fn rule_out(
    isa: Isa,
    nodes: &[QsSortedNode],
    features: &[QsFeature],
    snapshots: &[u32],
    stride: usize,
    row: &[f32],
    ruled_out: &mut [u32],
) {
    isa.run(RuleOut { nodes, features, snapshots, stride, row, ruled_out })
}

struct RuleOut<'a> {
    nodes: &'a [QsSortedNode],
    features: &'a [QsFeature],
    snapshots: &'a [u32],
    stride: usize,
    row: &'a [f32],
    ruled_out: &'a mut [u32],
}

impl Kernel for RuleOut<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (stride, words) = (self.stride, self.ruled_out.len());
        let mut begin = 0;
        for &QsFeature { column, side, end, snapshot } in self.features {
            let key = keys(self.row[column as usize])[side as usize & 1];
            let nodes = &self.nodes[begin..end as usize];
            begin = end as usize;
            let passed: usize =
                nodes.chunks_exact(stride).map(|nodes| usize::from(key > nodes[stride - 1].threshold)).sum();
            if passed > 0 {
                let from = (snapshot as usize + passed - 1) * words;
                let (out, rest) = self.ruled_out.as_chunks_mut::<LANES>();
                assert!(rest.is_empty(), "a multiple of 16 words");
                let (snapshot, _) = self.snapshots[from..from + words].as_chunks::<LANES>();
                for (out, snapshot) in out.iter_mut().zip(snapshot) {
                    s.store_u(s.or_u(s.load_u(out), s.load_u(snapshot)), out);
                }
            }
            for node in &nodes[passed * stride..] {
                if key <= node.threshold {
                    break;
                }
                self.ruled_out[node.tree as usize] |= node.left_leaves;
            }
        }
    }
}
