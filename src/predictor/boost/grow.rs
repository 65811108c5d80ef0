//! Growing one tree: the leaf with the best cut is cut next.
//!
//! Leaves are independent of each other until one is chosen, so several of the best are cut at the same time, ahead of the
//! choice; the choice then takes them in the order in which it would have cut them one by one. The tree does not depend on how
//! many were cut ahead, or on threads.

use super::bin::Column;
use super::histogram::{Group, Pool};
use super::split::{Search, Split};
use super::tree;
use crate::kernels::histogram::{self, Bin, Leaf};
use crate::kernels::tree::partition;
use rayon::prelude::*;
use std::collections::VecDeque;

/// Sums of row and column counts below which a leaf's groups are not worth a second thread.
const WORTH_A_THREAD: usize = 20_000;

/// Everything that stays the same while a tree grows.
#[derive(Debug)]
pub struct Grower<'a> {
    /// How cuts are found.
    pub search: Search,
    /// Leaves at most.
    pub num_leaves: usize,
    /// Cuts above a leaf at most.
    pub max_depth: usize,
    /// Real gradients are integer gradients times this.
    pub unit: f64,
    /// Factor on the values.
    pub learning_rate: f64,
    /// Columns that can be cut.
    pub columns: &'a [Column],
    /// The codes of those that this tree may cut.
    pub groups: &'a [Group],
    /// Integer gradient of every row of the table.
    pub gradients: &'a [i32],
    /// Buffers.
    pub pool: &'a Pool,
}

/// What is needed to cut a leaf.
struct Rows<'t> {
    rows: &'t mut [u32],
    scratch: &'t mut [u32],
    /// One slice of bins a group; none where no cut is looked for.
    histogram: Option<Vec<Bin>>,
}

/// A node of the tree that grows.
struct Knot<'t> {
    leaf: Leaf,
    depth: usize,
    /// Where its rows begin among those of the tree: an order of the leaves that does not depend on when they were cut.
    first: usize,
    split: Option<Split>,
    /// Taken by its children when it is cut.
    rows: Option<Rows<'t>>,
    /// Its children, if it was cut, be it ahead of the choice.
    children: Option<[usize; 2]>,
    chosen: bool,
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
        let mut knots = vec![self.root(rows, scratch)];
        let mut leaves = 1;
        let ahead = rayon::current_num_threads();
        while leaves < self.num_leaves {
            let left = self.num_leaves - leaves;
            let frontier = best_leaves(&knots, ahead.min(left));
            let Some(&best) = frontier.first() else { break };
            if knots[best].children.is_none() {
                cut_all(self, &mut knots, &frontier, left == 1);
            }
            knots[best].chosen = true;
            leaves += 1;
        }
        self.finish(knots)
    }

    fn root<'t>(&self, rows: &'t mut [u32], scratch: &'t mut [u32]) -> Knot<'t> {
        let gradient = rows.iter().map(|&row| i64::from(self.gradients[row as usize])).sum();
        let leaf = Leaf { gradient, count: rows.len() as u32 };
        let mut rows = Rows { rows, scratch, histogram: None };
        let mut split = None;
        if self.num_leaves > 1 && self.can_be_cut(leaf, 0) {
            let mut bins = self.pool.take(self.storage());
            self.gather(&mut rows);
            let found = self.over_groups(&mut bins, None, rows.rows.len(), |number, group, bins, _| {
                self.build(group, &rows, bins);
                [self.search.group(number, group, bins, leaf), None]
            });
            split = found[0];
            rows.histogram = Some(bins);
        }
        Knot { leaf, depth: 0, first: 0, split, rows: Some(rows), children: None, chosen: false }
    }

    /// Cuts a leaf; unless it is the last cut of the tree, finds the best cuts of both children.
    fn cut<'t>(
        &self,
        first: usize,
        depth: usize,
        leaf: Leaf,
        split: Split,
        rows: Rows<'t>,
        last: bool,
    ) -> [Knot<'t>; 2] {
        let group = &self.groups[split.group];
        let mut large = rows.histogram.unwrap_or_default();
        let offset: usize = self.groups[..split.group].iter().map(Group::storage).sum();
        let sums = split.sides(self.search.packing, group, &large[offset..offset + group.bins], leaf);
        let middle = partition(&group.codes, split.lane, &split.goes_left(group), rows.rows, rows.scratch);
        debug_assert_eq!(middle, sums[0].count as usize);
        let (a, b) = rows.rows.split_at_mut(middle);
        let (c, d) = rows.scratch.split_at_mut(middle);
        let knot = |leaf, first, rows, scratch| {
            let rows = Some(Rows { rows, scratch, histogram: None });
            Knot { leaf, depth: depth + 1, first, split: None, rows, children: None, chosen: false }
        };
        let mut children = [knot(sums[0], first, a, c), knot(sums[1], first + middle, b, d)];
        let (s, l) = if sums[0].count <= sums[1].count { (0, 1) } else { (1, 0) };
        if last || !self.can_be_cut(sums[l], depth + 1) {
            self.pool.give(large);
            return children;
        }
        let both = self.can_be_cut(sums[s], depth + 1);
        let mut small = self.pool.take(large.len());
        if let Some(rows) = &mut children[s].rows {
            self.gather(rows);
            let found =
                self.over_groups(&mut small, Some(&mut large), rows.rows.len(), |number, group, small, large| {
                    self.build(group, rows, small);
                    histogram::subtract(self.search.isa, large, small);
                    let search = |bins: &[Bin], leaf| self.search.group(number, group, bins, leaf);
                    [if both { search(small, sums[s]) } else { None }, search(large, sums[l])]
                });
            (children[s].split, children[l].split) = (found[0], found[1]);
        }
        for (i, histogram) in [(s, small), (l, large)] {
            match (&mut children[i].rows, children[i].split) {
                (Some(rows), Some(_)) => rows.histogram = Some(histogram),
                _ => self.pool.give(histogram),
            }
        }
        children
    }

    /// Whether a leaf has rows enough for two, and is not too deep.
    fn can_be_cut(&self, leaf: Leaf, depth: usize) -> bool {
        leaf.count / 2 >= self.search.rule.min_count && depth < self.max_depth
    }

    /// Bins of a leaf's histogram.
    fn storage(&self) -> usize {
        self.groups.iter().map(Group::storage).sum()
    }

    /// Collects the gradients of the rows, in their order, in the scratch space.
    fn gather(&self, rows: &mut Rows) {
        for (out, &row) in rows.scratch.iter_mut().zip(rows.rows.iter()) {
            *out = self.gradients[row as usize] as u32;
        }
    }

    /// The histogram of one group over gathered rows.
    fn build(&self, group: &Group, rows: &Rows, bins: &mut [Bin]) {
        bins[..group.bins].fill(Bin::default());
        let gradients = bytemuck::cast_slice(rows.scratch);
        histogram::build(self.search.isa, self.search.packing, rows.rows, gradients, &group.codes, bins);
    }

    /// Runs `job` on the bins of each group of two histograms, and keeps the better splits that it finds in each.
    fn over_groups(
        &self,
        small: &mut [Bin],
        large: Option<&mut [Bin]>,
        rows: usize,
        job: impl Fn(usize, &Group, &mut [Bin], &mut [Bin]) -> [Option<Split>; 2] + Sync,
    ) -> [Option<Split>; 2] {
        let (mut small, mut large) = (small, large.unwrap_or_default());
        let mut pieces = Vec::with_capacity(self.groups.len());
        for (number, group) in self.groups.iter().enumerate() {
            let (head, tail) = std::mem::take(&mut small).split_at_mut(group.storage());
            let (large_head, large_tail) =
                std::mem::take(&mut large).split_at_mut_checked(group.storage()).unwrap_or_default();
            (small, large) = (tail, large_tail);
            pieces.push((number, group, head, large_head));
        }
        let job =
            |(number, group, small, large): (usize, &Group, &mut [Bin], &mut [Bin])| job(number, group, small, large);
        let better = |a: [_; 2], b: [_; 2]| [Split::better(a[0], b[0]), Split::better(a[1], b[1])];
        if (rows + 256) * self.groups.len() >= WORTH_A_THREAD {
            pieces.into_par_iter().map(job).reduce(Default::default, better)
        } else {
            pieces.into_iter().map(job).fold(Default::default(), better)
        }
    }

    /// The value of a leaf.
    fn value(&self, leaf: Leaf) -> f32 {
        let rule = self.search.rule;
        let gradient = leaf.gradient as f64;
        let thresholded = (gradient.abs() - rule.alpha).max(0.0).copysign(gradient);
        let weight = f64::from(leaf.count) + rule.lambda;
        if weight > 0.0 { (-self.learning_rate * self.unit * thresholded / weight) as f32 } else { 0.0 }
    }

    /// The tree of the chosen cuts, level by level, and the rows of its leaves.
    fn finish<'t>(&self, mut knots: Vec<Knot<'t>>) -> Grown<'t> {
        let (mut nodes, mut leaves) = (Vec::new(), Vec::new());
        let mut queue = VecDeque::from([0]);
        while let Some(k) = queue.pop_front() {
            let knot = &knots[k];
            let count = knot.leaf.count;
            match (knot.chosen, knot.children, knot.split) {
                (true, Some(children), Some(split)) => {
                    let left = (nodes.len() + queue.len() + 1) as u32;
                    let column = &self.columns[split.column];
                    let more_left = knots[children[0]].leaf.count >= knots[children[1]].leaf.count;
                    nodes.push(tree::Node {
                        feature: column.index as u32,
                        threshold: column.bins.threshold(split.bin as usize),
                        left,
                        // values that are missing for the first time go with the majority
                        missing_left: split.missing_left.unwrap_or(more_left),
                        value: 0.0,
                        gain: (split.gain * self.unit * self.unit) as f32,
                        count,
                    });
                    queue.extend(children);
                }
                _ => {
                    // a tree without a cut has nothing to say
                    let value = if k == 0 { 0.0 } else { self.value(knot.leaf) };
                    nodes.push(tree::Node { value, count, ..tree::Node::default() });
                    self.collect(&mut knots, k, value, &mut leaves);
                }
            }
        }
        for histogram in knots.into_iter().filter_map(|knot| knot.rows?.histogram) {
            self.pool.give(histogram);
        }
        Grown { tree: tree::Tree { nodes }, leaves }
    }

    /// Adds the rows of a leaf, which may lie in children that were cut ahead and not chosen.
    fn collect<'t>(&self, knots: &mut [Knot<'t>], k: usize, value: f32, leaves: &mut Vec<(&'t mut [u32], f32)>) {
        if let Some(rows) = knots[k].rows.take() {
            leaves.push((rows.rows, value));
            rows.histogram.into_iter().for_each(|histogram| self.pool.give(histogram));
        }
        for child in knots[k].children.into_iter().flatten() {
            self.collect(knots, child, value, leaves);
        }
    }
}

/// The leaves with the best cuts, best first; of equals the one whose rows come first.
fn best_leaves(knots: &[Knot], most: usize) -> Vec<usize> {
    let mut open = Vec::new();
    let mut stack = vec![0];
    while let Some(k) = stack.pop() {
        match knots[k].children {
            Some(children) if knots[k].chosen => stack.extend(children),
            _ => open.extend(knots[k].split.map(|split| (split.gain, knots[k].first, k))),
        }
    }
    open.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    open.into_iter().take(most).map(|(_, _, k)| k).collect()
}

/// Cuts those of the leaves that are not cut yet, at the same time.
fn cut_all<'t>(grower: &Grower, knots: &mut Vec<Knot<'t>>, leaves: &[usize], last: bool) {
    let mut jobs = Vec::with_capacity(leaves.len());
    for &k in leaves {
        let knot = &mut knots[k];
        if let (None, Some(split), Some(rows)) = (knot.children, knot.split, knot.rows.take()) {
            jobs.push((k, (knot.first, knot.depth, knot.leaf, split, rows)));
        }
    }
    let cut = |(k, (first, depth, leaf, split, rows))| (k, grower.cut(first, depth, leaf, split, rows, last));
    let done: Vec<(usize, [Knot<'t>; 2])> =
        if jobs.len() > 1 { jobs.into_par_iter().map(cut).collect() } else { jobs.into_iter().map(cut).collect() };
    for (k, children) in done {
        knots[k].children = Some([knots.len(), knots.len() + 1]);
        knots.extend(children);
    }
}
