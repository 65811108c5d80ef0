//! Trees in the form in which prediction is fast.

use super::tree::Tree;
use crate::kernels::tree::{
    MAX_LEAVES, Node, QsFeature, QsNode, QsSortedNode, WALKS, add_leaf_values, keys, rule_out, walk,
};
use crate::kernels::{Isa, LANES, Lanes};
use rayon::prelude::*;

/// Fewest rows for which all tests of all trees are cheaper than a walk for each row.
const MANY_ROWS: usize = 4;

/// Trees ready for prediction.
///
/// Through trees of up to 32 leaves many rows go sixteen at a time and meet every test, a few rows one by one and meet those that
/// rule out leaves; larger trees are walked down, eight at the same time. All ways add the values of the trees in their order,
/// to the same bits.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    width: usize,
    /// All trees one after another, for walks; leaves stay where they are.
    nodes: Vec<Node>,
    /// What the tree predicts in each node.
    values: Vec<f32>,
    roots: Vec<u32>,
    tests: Vec<QsNode>,
    ends: Vec<u32>,
    /// Values by leaf, from left to right; empty if a tree has too many.
    leaf_values: Vec<[f32; MAX_LEAVES]>,
    /// The tests sorted by key and threshold, for single rows.
    rulings: Vec<QsSortedNode>,
    tested: Vec<QsFeature>,
    /// What the first tests of a key rule out together, every [`Forest::stride`] tests.
    snapshots: Vec<u32>,
}

impl Forest {
    /// Columns at most: both keys of a column must fit into 16 bits.
    pub const MAX_WIDTH: usize = 32_767;

    /// Prepares trees over `width` columns, at most [`Forest::MAX_WIDTH`], that passed [`Tree::check`].
    pub fn new(trees: &[Tree], width: usize) -> Forest {
        let mut forest = Forest { width, ..Forest::default() };
        let small = trees.iter().all(|tree| tree.leaves() <= MAX_LEAVES);
        for tree in trees {
            forest.roots.push(forest.nodes.len() as u32);
            for (i, node) in tree.nodes.iter().enumerate() {
                let step = if node.is_leaf() { 0 } else { (node.left as usize - i) as u16 };
                let threshold = if node.is_leaf() { f32::INFINITY } else { node.threshold };
                forest.nodes.push(Node { threshold, key: forest.key(node.feature, node.missing_left) as u16, step });
                forest.values.push(node.value);
            }
            if small {
                let mut values = [0.0; MAX_LEAVES];
                forest.push_tests(tree, 0, &mut values, &mut 0);
                forest.leaf_values.push(values);
                forest.ends.push(forest.tests.len() as u32);
            }
        }
        forest.sort_tests();
        forest
    }

    fn sort_tests(&mut self) {
        let mut begin = 0;
        let mut sorted = Vec::with_capacity(self.tests.len());
        for (tree, &end) in (0..).zip(&self.ends) {
            let ruling =
                |test: &QsNode| QsSortedNode { threshold: test.threshold, tree, left_leaves: test.left_leaves };
            sorted.extend(self.tests[begin..end as usize].iter().map(|test| (test.key, ruling(test))));
            begin = end as usize;
        }
        sorted.sort_by(|(a, x), (b, y)| a.cmp(b).then(x.threshold.total_cmp(&y.threshold)));
        let words = self.words();
        for tests in sorted.chunk_by(|a, b| a.0 == b.0) {
            let snapshot = (self.snapshots.len() / words) as u32;
            let mut ruled_out = vec![0; words];
            for tests in tests.chunks_exact(self.stride()) {
                tests.iter().for_each(|(_, test)| ruled_out[test.tree as usize] |= test.left_leaves);
                self.snapshots.extend(&ruled_out);
            }
            self.rulings.extend(tests.iter().map(|(_, ruling)| ruling));
            let (key, width, end) = (tests[0].0, self.width as u32, self.rulings.len() as u32);
            self.tested.push(QsFeature { column: key % width, side: key / width, end, snapshot });
        }
    }

    /// Words of what is ruled out: one a tree, rounded up to whole vectors.
    fn words(&self) -> usize {
        self.leaf_values.len().next_multiple_of(LANES)
    }

    /// Tests between two snapshots: so many that all snapshots together take 64 bytes a test at most.
    fn stride(&self) -> usize {
        (self.words() / 16).max(32)
    }

    /// The key that a node looks at: that where `NaN` is −∞, or that where it is +∞.
    fn key(&self, feature: u32, missing_left: bool) -> u32 {
        feature + if missing_left { 0 } else { self.width as u32 }
    }

    /// Adds the tests below a node from left to right; returns the bits of the leaves below it.
    fn push_tests(&mut self, tree: &Tree, at: usize, values: &mut [f32; MAX_LEAVES], leaves: &mut usize) -> u32 {
        let node = tree.nodes[at];
        if node.is_leaf() {
            values[*leaves] = node.value;
            *leaves += 1;
            return 1 << (*leaves - 1);
        }
        let left_leaves = self.push_tests(tree, node.left as usize, values, leaves);
        let key = self.key(node.feature, node.missing_left);
        self.tests.push(QsNode { threshold: node.threshold, key, left_leaves });
        left_leaves | self.push_tests(tree, node.left as usize + 1, values, leaves)
    }

    /// Adds what the trees predict for each row of a row-major table to `sums`.
    pub fn add(&self, isa: Isa, x: &[f32], sums: &mut [f64]) {
        let width = self.width;
        let one_by_one = self.leaf_values.len() < self.roots.len() || sums.len() < MANY_ROWS;
        let work = x.par_chunks(LANES * width).zip(sums.par_chunks_mut(LANES));
        if one_by_one {
            let one = |(row, sum): (&[f32], &mut f64)| self.add_row(isa, row, sum);
            work.for_each(|(x, sums)| x.chunks_exact(width).zip(sums).for_each(one));
        } else {
            let keys = || vec![Lanes::ZERO; 2 * width];
            work.with_min_len(4).for_each_init(keys, |keys, (x, sums)| self.add_block(isa, x, keys, sums));
        }
    }

    /// Sixteen rows, or the last few.
    fn add_block(&self, isa: Isa, x: &[f32], block: &mut [Lanes], sums: &mut [f64]) {
        let (left, right) = block.split_at_mut(self.width);
        for (lane, row) in x.chunks_exact(self.width).enumerate() {
            for ((left, right), &x) in left.iter_mut().zip(right.iter_mut()).zip(row) {
                [left.0[lane], right.0[lane]] = keys(x);
            }
        }
        let mut all = [0.0; LANES];
        all[..sums.len()].copy_from_slice(sums);
        add_leaf_values(isa, &self.tests, &self.ends, block, &self.leaf_values, &mut all);
        sums.copy_from_slice(&all[..sums.len()]);
    }

    /// Adds what the trees predict for one row to `sum`, on this thread.
    pub fn add_row(&self, isa: Isa, row: &[f32], sum: &mut f64) {
        if self.leaf_values.len() < self.roots.len() {
            return self.walk_row(row, sum);
        }
        let mut ruled_out = vec![0; self.words()];
        rule_out(isa, &self.rulings, &self.tested, &self.snapshots, self.stride(), row, &mut ruled_out);
        for (values, word) in self.leaf_values.iter().zip(ruled_out) {
            *sum += f64::from(values[word.trailing_ones() as usize & (MAX_LEAVES - 1)]);
        }
    }

    /// One row, down eight trees at a time.
    fn walk_row(&self, row: &[f32], sum: &mut f64) {
        let both: Vec<f32> = (0..2).flat_map(|side| row.iter().map(move |&x| keys(x)[side])).collect();
        for roots in self.roots.chunks(WALKS) {
            let mut at = [roots[0]; WALKS];
            at[..roots.len()].copy_from_slice(roots);
            walk(&self.nodes, [&both; WALKS], &mut at);
            for &leaf in &at[..roots.len()] {
                *sum += f64::from(self.values[leaf as usize]);
            }
        }
    }
}
