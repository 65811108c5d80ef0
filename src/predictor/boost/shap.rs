//! What each column contributes to a prediction: exact Shapley values of trees.
//!
//! The value of a set of columns is the tree's prediction where the others are unknown: at a split through one of those both sides
//! count, by their training rows. Source: Lundberg, Erion, Lee, *Consistent Individualized Feature Attribution for Tree
//! Ensembles* (arXiv 1802.03888), algorithm 2.

use super::{Boost, Node, Tree};
use crate::{Context, Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// Contributions of the columns of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shap {
    /// The mean prediction over the training rows: what a row's contributions start from.
    pub expected: f64,
    /// Row-major, one value a column; a row's values add up to its prediction less [`Shap::expected`].
    pub values: Vec<f64>,
}

impl Boost {
    /// The contributions of every column to the prediction of each row of a row-major table, in parallel.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when a stop was requested.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn shap(&self, context: &Context, x: &[f32]) -> Result<Shap> {
        assert_eq!(x.len() % self.width, 0, "whole rows of {} columns", self.width);
        let mut values = vec![0.0; x.len()];
        values.par_chunks_mut(self.width).zip(x.par_chunks(self.width)).try_for_each(|(phi, row)| {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            let mut walk = Walk { row, phi, steps: Vec::new(), open: Vec::new() };
            self.trees.iter().for_each(|tree| walk.tree(tree));
            Ok(())
        })?;
        let expected = self.base + self.trees.iter().map(mean).sum::<f64>();
        Ok(Shap { expected, values })
    }
}

/// The mean value of the training rows.
fn mean(tree: &Tree) -> f64 {
    let mut means: Vec<f64> = tree.nodes.iter().map(|node| f64::from(node.value)).collect();
    // children come after their parent
    for (at, node) in tree.nodes.iter().enumerate().rev().filter(|(_, node)| !node.is_leaf()) {
        let left = node.left as usize;
        means[at] = (left..=left + 1).map(|child| share(node, &tree.nodes[child]) * means[child]).sum();
    }
    means[0]
}

/// The share of a node's training rows that go to one of its children.
fn share(node: &Node, child: &Node) -> f64 {
    f64::from(child.count) / f64::from(node.count)
}

/// One column on the way from the root to a node.
#[derive(Clone, Copy)]
struct Step {
    column: usize,
    /// Share of the rows that come this way where the column is unknown.
    unknown: f64,
    /// 1 if the row comes this way, else 0.
    known: f64,
    /// Weight of the sets with as many known columns as this step's place.
    weight: f64,
}

/// A walk through every leaf of a tree for one row.
struct Walk<'a> {
    row: &'a [f32],
    phi: &'a mut [f64],
    /// The ways to the nodes from the root to the present one, one after another.
    steps: Vec<Step>,
    /// The nodes still to be visited, the next one last.
    open: Vec<Open>,
}

/// A node still to be visited, and its parent.
struct Open {
    parent: usize,
    child: usize,
    /// Where in [`Walk::steps`] the parent's way begins and ends.
    way: Range<usize>,
}

impl Walk<'_> {
    fn tree(&mut self, tree: &Tree) {
        self.steps.clear();
        // the first step stands for no column
        self.steps.push(Step { column: usize::MAX, unknown: 1.0, known: 1.0, weight: 1.0 });
        self.visit(tree, 0, 0);
        while let Some(Open { parent, child, way }) = self.open.pop() {
            self.steps.truncate(way.end);
            self.extend(tree, parent, child, way.clone());
            self.visit(tree, child, way.end);
        }
    }

    /// Visits a node whose way is `steps[from..]`: a leaf counts, the children of a split are left for later.
    fn visit(&mut self, tree: &Tree, at: usize, from: usize) {
        let node = &tree.nodes[at];
        if node.is_leaf() {
            let way = &self.steps[from..];
            for place in 1..way.len() {
                let Step { column, unknown, known, .. } = way[place];
                self.phi[column] += without(way, place) * (known - unknown) * f64::from(node.value);
            }
            return;
        }
        let (left, way) = (node.left as usize, from..self.steps.len());
        for child in [left + 1, left] {
            self.open.push(Open { parent: at, child, way: way.clone() });
        }
    }

    /// Adds the way to a child behind that to its parent.
    fn extend(&mut self, tree: &Tree, parent: usize, child: usize, way: Range<usize>) {
        let node = &tree.nodes[parent];
        let (column, end) = (node.feature as usize, way.end);
        let taken = node.left as usize + usize::from(!tree.goes_left(parent, self.row));
        self.steps.extend_from_within(way);
        // a column that was split before is one step with both splits' shares
        let (mut unknown, mut known) = (share(node, &tree.nodes[child]), f64::from(u8::from(child == taken)));
        if let Some(place) = self.steps[end..].iter().position(|step| step.column == column) {
            let before = self.steps[end + place];
            unwind(&mut self.steps, end, place);
            (unknown, known) = (unknown * before.unknown, known * before.known);
        }
        extend(&mut self.steps, end, Step { column, unknown, known, weight: 0.0 });
    }
}

/// Adds a step to the way `steps[from..]`.
fn extend(steps: &mut Vec<Step>, from: usize, step: Step) {
    steps.push(step);
    let way = &mut steps[from..];
    let last = way.len() - 1;
    let Step { unknown, known, .. } = step;
    for i in (0..last).rev() {
        way[i + 1].weight += known * way[i].weight * (i + 1) as f64 / (last + 1) as f64;
        way[i].weight *= unknown * (last - i) as f64 / (last + 1) as f64;
    }
}

/// Takes the step at `place` off the way `steps[from..]`.
fn unwind(steps: &mut Vec<Step>, from: usize, place: usize) {
    let way = &mut steps[from..];
    let last = way.len() - 1;
    let Step { unknown, known, .. } = way[place];
    let mut next = way[last].weight;
    for i in (0..last).rev() {
        if known != 0.0 {
            let weight = way[i].weight;
            way[i].weight = next * (last + 1) as f64 / ((i + 1) as f64 * known);
            next = weight - way[i].weight * unknown * (last - i) as f64 / (last + 1) as f64;
        } else {
            way[i].weight *= (last + 1) as f64 / (unknown * (last - i) as f64);
        }
    }
    for i in place..last {
        (way[i].column, way[i].unknown, way[i].known) = (way[i + 1].column, way[i + 1].unknown, way[i + 1].known);
    }
    steps.pop();
}

/// The sum of the weights of a way without the step at `place`.
fn without(way: &[Step], place: usize) -> f64 {
    let last = way.len() - 1;
    let Step { unknown, known, .. } = way[place];
    let (mut next, mut sum) = (way[last].weight, 0.0);
    for i in (0..last).rev() {
        if known != 0.0 {
            let weight = next * (last + 1) as f64 / ((i + 1) as f64 * known);
            sum += weight;
            next = way[i].weight - weight * unknown * (last - i) as f64 / (last + 1) as f64;
        } else {
            sum += way[i].weight * (last + 1) as f64 / (unknown * (last - i) as f64);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::predictor::boost::{Params, fit};
    use crate::rng::Stream;
    use crate::table::Table;

    const WIDTH: usize = 4;

    fn fitted() -> (Boost, Table) {
        let mut stream = Stream::new(1, 0, 0);
        let mut x: Vec<f32> = (0..300 * WIDTH).map(|_| stream.normal() as f32).collect();
        let y = x.chunks(WIDTH).map(|row| row[0].max(0.0) * row[1] + row[2].max(-1.0)).collect();
        x.iter_mut().step_by(13).for_each(|x| *x = f32::NAN);
        let table = Table {
            columns: (0..WIDTH).map(|c| c.to_string()).collect(),
            y,
            group: (0..300).collect(),
            x,
            ..Table::default()
        };
        let params = Params { n_estimators: 12, num_leaves: 20, min_data_in_leaf: 3, ..Params::default() };
        (fit(&Context::default(), &table, None, &params, &mut |_| ()).unwrap(), table)
    }

    /// The prediction where only the columns of `known` (a bit each) are known.
    fn value(tree: &Tree, at: usize, row: &[f32], known: u32) -> f64 {
        let node = &tree.nodes[at];
        if node.is_leaf() {
            return f64::from(node.value);
        }
        let left = node.left as usize;
        if known >> node.feature & 1 == 1 {
            return value(tree, left + usize::from(!tree.goes_left(at, row)), row, known);
        }
        (left..=left + 1).map(|child| share(node, &tree.nodes[child]) * value(tree, child, row, known)).sum()
    }

    #[test]
    fn contributions_are_shapleys() {
        let (model, table) = fitted();
        let shap = model.shap(&Context::default(), &table.x[..20 * WIDTH]).unwrap();
        for r in 0..20 {
            let row = table.row(r);
            let game = |known: u32| model.trees.iter().map(|tree| value(tree, 0, row, known)).sum::<f64>();
            for column in 0..WIDTH {
                let mut expected = 0.0;
                for known in (0..1u32 << WIDTH).filter(|known| known >> column & 1 == 0) {
                    // |S|! (M−|S|−1)! / M! for M = 4
                    let weight = [6.0, 2.0, 2.0, 6.0][known.count_ones() as usize] / 24.0;
                    expected += weight * (game(known | 1 << column) - game(known));
                }
                let got = shap.values[r * WIDTH + column];
                assert!((got - expected).abs() < 1e-9, "row {r}, column {column}: {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn contributions_add_up_to_the_prediction() {
        let (model, table) = fitted();
        let shap = model.shap(&Context::default(), &table.x).unwrap();
        for (row, phi) in table.x.chunks(WIDTH).zip(shap.values.chunks(WIDTH)) {
            let sum = shap.expected + phi.iter().sum::<f64>();
            assert!((sum - f64::from(model.predict_row(Isa::detect(), row))).abs() < 1e-5);
        }
        let mean = model.predict(Isa::detect(), &table.x).iter().map(|&p| f64::from(p)).sum::<f64>() / 300.0;
        assert!((mean - shap.expected).abs() < 1e-5, "{mean} {}", shap.expected);
    }
}
