//! Growing one tree: the leaf with the best split is split next.
//!
//! Leaves are independent of each other until one is chosen, so several of the best are split at the same time, ahead of the
//! choice; the choice then takes them in the order in which it would have split them one by one. The tree does not depend on how
//! many were split ahead, or on threads.

use super::bin::Column;
use super::histogram::{Group, Pool};
use super::split::{MANY_ROWS, NodeSplit, Search, Target};
use super::tree;
use crate::kernels::histogram::{Bin, Leaf};
use crate::kernels::tree::partition;
use rayon::prelude::*;
use std::collections::VecDeque;

/// Everything that stays the same while a tree grows.
#[derive(Debug)]
pub struct Grower<'a> {
    /// How splits are found.
    pub search: Search<'a>,
    /// Leaves at most.
    pub num_leaves: usize,
    /// Splits above a leaf at most.
    pub max_depth: usize,
    /// Real gradients are integer gradients times this, but for what weights are counted in: a real sum of gradients over a real
    /// sum of Hessians is that of the integers times this.
    pub unit: f64,
    /// Real Hessians are weights times this.
    pub weight_unit: f64,
    /// Factor on the values.
    pub learning_rate: f64,
    /// Columns that can be split.
    pub columns: &'a [Column],
    /// Buffers for histograms.
    pub pool: &'a Pool<Bin>,
}

/// What is needed to split a leaf.
struct Rows<'t> {
    rows: &'t mut [u32],
    scratch: &'t mut [u32],
    /// None where there is no split.
    histogram: Option<Vec<Bin>>,
}

/// A node of the tree that grows.
struct GrowNode<'t> {
    leaf: Leaf,
    /// Number of its rows.
    size: usize,
    depth: usize,
    /// Where its rows begin among those of the tree: an order of the leaves that does not depend on when they were split.
    first: usize,
    split: Option<NodeSplit>,
    /// Taken by its children when it is split.
    rows: Option<Rows<'t>>,
    /// Its children, if it was split, be it ahead of the choice.
    children: Option<[usize; 2]>,
    chosen: bool,
}

impl<'t> GrowNode<'t> {
    fn new(leaf: Leaf, first: usize, depth: usize, rows: &'t mut [u32], scratch: &'t mut [u32]) -> GrowNode<'t> {
        let size = rows.len();
        let rows = Some(Rows { rows, scratch, histogram: None });
        GrowNode { leaf, size, depth, first, split: None, rows, children: None, chosen: false }
    }
}

/// A leaf that is split.
struct Parent<'t> {
    first: usize,
    depth: usize,
    leaf: Leaf,
    split: NodeSplit,
    rows: Rows<'t>,
}

/// A tree, and the training rows in each of its leaves with the leaf's value.
pub struct Grown<'t> {
    /// The tree.
    pub tree: tree::Tree,
    /// Rows and value of each leaf.
    pub leaves: Vec<(&'t mut [u32], f32)>,
}

impl Grower<'_> {
    /// Grows a tree on `rows`, which it puts into another order; `scratch` is as long.
    pub fn grow<'t>(&self, rows: &'t mut [u32], scratch: &'t mut [u32]) -> Grown<'t> {
        let mut nodes = vec![self.root(rows, scratch)];
        let mut leaves = 1;
        let ahead = rayon::current_num_threads();
        while leaves < self.num_leaves {
            let left = self.num_leaves - leaves;
            let frontier = best_leaves(&nodes, ahead.min(left));
            let Some(&best) = frontier.first() else { break };
            if nodes[best].children.is_none() {
                split_all(self, &mut nodes, &frontier, left == 1);
            }
            nodes[best].chosen = true;
            leaves += 1;
        }
        self.finish(nodes)
    }

    fn root<'t>(&self, rows: &'t mut [u32], scratch: &'t mut [u32]) -> GrowNode<'t> {
        let gradient = |&row: &u32| i64::from(self.search.gradients[row as usize]);
        let gradient = rows.par_iter().with_min_len(MANY_ROWS).map(gradient).sum();
        let count = match self.search.weights {
            None => rows.len() as u32,
            Some(weights) => rows.iter().map(|&row| weights.of[row as usize]).sum(),
        };
        let (leaf, size) = (Leaf { gradient, count }, rows.len());
        let mut node = GrowNode::new(leaf, 0, 0, rows, scratch);
        if let Some(rows) = node.rows.as_mut().filter(|_| self.num_leaves > 1 && self.can_be_split(leaf, size, 0)) {
            let mut bins = self.pool.take(self.storage());
            let none = Target { bins: &mut [], leaf: None };
            let root = Target { bins: &mut bins, leaf: Some((leaf, size)) };
            [node.split, _] = self.search.run(rows.rows, rows.scratch, root, none);
            rows.histogram = Some(bins);
        }
        node
    }

    /// Splits a leaf; unless it is the last split of the tree, finds the best splits of both children.
    fn split<'t>(&self, parent: Parent<'t>, last: bool) -> [GrowNode<'t>; 2] {
        let Parent { first, depth, leaf, split, rows } = parent;
        let groups = &self.search.groups.groups;
        let group = &groups[split.group];
        let large = rows.histogram.unwrap_or_default();
        let offset: usize = groups[..split.group].iter().map(Group::storage).sum();
        let sums = split.sides(self.search.packing, group, &large[offset..offset + group.bins], leaf);
        let codes = &self.columns[split.column].codes;
        let middle = divide(codes, &split.goes_left(group), rows.rows, rows.scratch);
        debug_assert!(self.search.weights.is_some() || middle == sums[0].count as usize);
        let (a, b) = rows.rows.split_at_mut(middle);
        let (c, d) = rows.scratch.split_at_mut(middle);
        let left = GrowNode::new(sums[0], first, depth + 1, a, c);
        let mut children = [left, GrowNode::new(sums[1], first + middle, depth + 1, b, d)];
        if last {
            self.pool.give(large);
        } else {
            self.search_children(&mut children, large);
        }
        children
    }

    /// Finds the best splits of two leaves that have the histogram `large` together.
    fn search_children(&self, children: &mut [GrowNode; 2], mut large: Vec<Bin>) {
        let (s, l) = if children[0].size <= children[1].size { (0, 1) } else { (1, 0) };
        let leaf = |i: usize| {
            let GrowNode { leaf, size, depth, .. } = children[i];
            self.can_be_split(leaf, size, depth).then_some((leaf, size))
        };
        let (leaf_s, leaf_l) = (leaf(s), leaf(l));
        if leaf_s.or(leaf_l).is_none() {
            return self.pool.give(large);
        }
        let mut small = self.pool.take(large.len());
        if let Some(rows) = &mut children[s].rows {
            let (small, large) = (Target { bins: &mut small, leaf: leaf_s }, Target { bins: &mut large, leaf: leaf_l });
            let found = self.search.run(rows.rows, rows.scratch, small, large);
            (children[s].split, children[l].split) = (found[0], found[1]);
        }
        for (i, histogram) in [(s, small), (l, large)] {
            match (&mut children[i].rows, children[i].split) {
                (Some(rows), Some(_)) => rows.histogram = Some(histogram),
                _ => self.pool.give(histogram),
            }
        }
    }

    /// Whether a leaf has rows enough for two, and is not too deep.
    fn can_be_split(&self, leaf: Leaf, size: usize, depth: usize) -> bool {
        leaf.count / 2 >= self.search.rule_for(leaf, size).min_count && depth < self.max_depth
    }

    /// Bins of a leaf's histogram.
    fn storage(&self) -> usize {
        self.search.groups.groups.iter().map(Group::storage).sum()
    }

    /// The value of a leaf.
    fn value(&self, leaf: Leaf) -> f32 {
        let rule = self.search.rule;
        let gradient = leaf.gradient as f64;
        let thresholded = (gradient.abs() - rule.alpha).max(0.0).copysign(gradient);
        let weight = f64::from(leaf.count) + rule.lambda;
        let value = -self.learning_rate * self.unit * thresholded / weight;
        if weight > 0.0 { finite(value) } else { 0.0 }
    }

    /// The tree of the chosen splits, level by level, and the rows of its leaves.
    fn finish<'t>(&self, mut nodes: Vec<GrowNode<'t>>) -> Grown<'t> {
        let (mut fitted, mut leaves) = (Vec::new(), Vec::new());
        let mut queue = VecDeque::from([0]);
        while let Some(k) = queue.pop_front() {
            let node = &nodes[k];
            let count = node.size as u32;
            match (node.chosen, node.children, node.split) {
                (true, Some(children), Some(split)) => {
                    let left = (fitted.len() + queue.len() + 1) as u32;
                    let column = &self.columns[split.column];
                    let more_left = nodes[children[0]].size >= nodes[children[1]].size;
                    fitted.push(tree::Node {
                        feature: column.index as u32,
                        threshold: column.bins.threshold(split.bin as usize),
                        left,
                        // values that are missing for the first time go with the majority
                        missing_left: split.missing_left.unwrap_or(more_left),
                        value: 0.0,
                        gain: finite(split.gain * self.unit * self.unit * self.weight_unit),
                        count,
                    });
                    queue.extend(children);
                }
                _ => {
                    // a tree without a split has nothing to say
                    let value = if k == 0 { 0.0 } else { self.value(node.leaf) };
                    fitted.push(tree::Node { value, count, ..tree::Node::default() });
                    self.collect(&mut nodes, k, value, &mut leaves);
                }
            }
        }
        for histogram in nodes.into_iter().filter_map(|node| node.rows?.histogram) {
            self.pool.give(histogram);
        }
        Grown { tree: tree::Tree { nodes: fitted }, leaves }
    }

    /// Adds the rows of a leaf, which may lie in children that were split ahead and not chosen.
    fn collect<'t>(&self, nodes: &mut [GrowNode<'t>], k: usize, value: f32, leaves: &mut Vec<(&'t mut [u32], f32)>) {
        if let Some(rows) = nodes[k].rows.take() {
            leaves.push((rows.rows, value));
            rows.histogram.into_iter().for_each(|histogram| self.pool.give(histogram));
        }
        for child in nodes[k].children.into_iter().flatten() {
            self.collect(nodes, child, value, leaves);
        }
    }
}

/// [`partition`], of many rows by all threads: each divides a part of them, then the left sides are joined and the right sides.
fn divide(codes: &[u8], goes_left: &[bool; 256], rows: &mut [u32], scratch: &mut [u32]) -> usize {
    let threads = rayon::current_num_threads();
    if threads == 1 || rows.len() < MANY_ROWS {
        return partition(codes, goes_left, rows, scratch);
    }
    let size = rows.len().div_ceil(threads);
    let parts = rows.par_chunks_mut(size).zip(scratch.par_chunks_mut(size));
    let middles: Vec<usize> = parts.map(|(rows, scratch)| partition(codes, goes_left, rows, scratch)).collect();
    let middle = middles.iter().sum();
    let (mut left, mut right) = scratch.split_at_mut(middle);
    let mut copies: Vec<(&[u32], &mut [u32])> = Vec::new();
    for (rows, &middle) in rows.chunks(size).zip(&middles) {
        let sides = rows.split_at(middle);
        copies.push((sides.0, left.split_off_mut(..sides.0.len()).unwrap_or_default()));
        copies.push((sides.1, right.split_off_mut(..sides.1.len()).unwrap_or_default()));
    }
    copies.into_par_iter().for_each(|(from, to)| to.copy_from_slice(from));
    rows.par_chunks_mut(size).zip(scratch.par_chunks(size)).for_each(|(rows, divided)| rows.copy_from_slice(divided));
    middle
}

/// The nearest `f32` that is finite.
fn finite(x: f64) -> f32 {
    (x as f32).clamp(f32::MIN, f32::MAX)
}

/// The leaves with the best splits, best first; of equals the one whose rows come first.
fn best_leaves(nodes: &[GrowNode], most: usize) -> Vec<usize> {
    let mut open = Vec::new();
    let mut stack = vec![0];
    while let Some(k) = stack.pop() {
        match nodes[k].children {
            Some(children) if nodes[k].chosen => stack.extend(children),
            _ => open.extend(nodes[k].split.map(|split| (split.gain, nodes[k].first, k))),
        }
    }
    open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    open.into_iter().take(most).map(|(_, _, k)| k).collect()
}

/// Splits those of the leaves that are not split yet, at the same time.
fn split_all<'t>(grower: &Grower, nodes: &mut Vec<GrowNode<'t>>, leaves: &[usize], last: bool) {
    let mut jobs = Vec::with_capacity(leaves.len());
    for &k in leaves {
        let node = &mut nodes[k];
        if let (None, Some(split), Some(rows)) = (node.children, node.split, node.rows.take()) {
            jobs.push((k, Parent { first: node.first, depth: node.depth, leaf: node.leaf, split, rows }));
        }
    }
    let split = |(k, parent)| (k, grower.split(parent, last));
    let done: Vec<(usize, [GrowNode<'t>; 2])> =
        if jobs.len() > 1 { jobs.into_par_iter().map(split).collect() } else { jobs.into_iter().map(split).collect() };
    for (k, children) in done {
        nodes[k].children = Some([nodes.len(), nodes.len() + 1]);
        nodes.extend(children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_divided_as_few_are() {
        let n = 3 * MANY_ROWS + 17;
        let codes: Vec<u8> = (0..n).map(|row| (row * row % 251) as u8).collect();
        let goes_left = std::array::from_fn(|code| code % 3 == 0);
        let rows: Vec<u32> = (0..n as u32).filter(|row| row % 5 != 2).collect();
        let (mut expected, mut scratch) = (rows.clone(), vec![0; rows.len()]);
        let middle = partition(&codes, &goes_left, &mut expected, &mut scratch);
        for threads in [1, 2, 3] {
            let mut got = rows.clone();
            let mut job = || divide(&codes, &goes_left, &mut got, &mut scratch);
            assert_eq!(crate::par::with_threads(threads, &mut job), middle);
            assert_eq!(got, expected, "{threads} threads");
        }
    }
}
