//! Gradient boosting of regression trees on histograms: LightGBM's algorithm and names. With squared loss for numbers ([`Boost`]),
//! with the cross-entropy of a softmax for classes ([`Classes`]).
//!
//! Columns become codes (`bin`); each round fits a tree to the residuals, leaf by leaf (`grow`), by the best split
//! (`split`) through histograms of gradients (`histogram`).
//!
//! Everything is deterministic: gradients are rounded to integers, whose sums do not depend on any order.

mod bin;
mod classes;
mod file;
mod fit;
mod forest;
mod grow;
mod growing;
mod histogram;
mod kind;
mod params;
mod sample;
mod shap;
mod split;
#[cfg(test)]
mod tests;
mod tree;

pub use classes::Classes;
pub use fit::fit;
pub use forest::Forest;
pub use kind::KIND;
pub use params::Params;
pub use shap::Shap;
pub use tree::{Node, Tree};

use crate::kernels::Isa;

/// What a round of boosting ended with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Number of trees so far.
    pub trees: usize,
    /// Root mean squared error on the training rows *before* this round's tree.
    pub train_rmse: f64,
    /// Root mean squared error on the validation rows after it, if there are any.
    pub val_rmse: Option<f64>,
}

/// A fitted sum of trees.
#[derive(Clone, Debug)]
pub struct Boost {
    /// What it was fitted with.
    pub params: Params,
    /// Columns of the tables that it takes.
    pub width: usize,
    /// What is predicted before the first tree: the mean of the training targets.
    pub base: f64,
    /// The trees, up to the best round.
    pub trees: Vec<Tree>,
    /// Every round of the fit, those after the best one too.
    pub curve: Vec<Round>,
    forest: Forest,
}

impl PartialEq for Boost {
    fn eq(&self, other: &Boost) -> bool {
        // the forest follows from the trees
        (&self.params, self.width, self.base, &self.trees, &self.curve)
            == (&other.params, other.width, other.base, &other.trees, &other.curve)
    }
}

impl Boost {
    /// Puts a model together from trees over `width` columns that passed [`Tree::check`].
    pub(super) fn new(params: Params, width: usize, base: f64, trees: Vec<Tree>, curve: Vec<Round>) -> Boost {
        let forest = Forest::new(&trees, width);
        Boost { params, width, base, trees, curve, forest }
    }

    /// Predictions for the rows of a row-major table of [`Boost::width`] columns, in parallel.
    ///
    /// Panics if `x` is no whole number of rows.
    pub fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len() % self.width, 0, "whole rows of {} columns", self.width);
        let mut sums = vec![self.base; x.len() / self.width];
        self.forest.add(isa, x, &mut sums);
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    /// The prediction for one row, on this thread.
    ///
    /// Panics if the row has not [`Boost::width`] columns.
    pub fn predict_row(&self, isa: Isa, row: &[f32]) -> f32 {
        assert_eq!(row.len(), self.width, "a row of {} columns", self.width);
        let mut sum = self.base;
        self.forest.add_row(isa, row, &mut sum);
        sum as f32
    }

    /// Number of trees: the round with the best validation error, or all.
    pub fn best_iteration(&self) -> usize {
        self.trees.len()
    }

    /// For each column how much its splits reduced the training sum of squares.
    pub fn importance_gain(&self) -> Vec<f64> {
        let mut importance = vec![0.0; self.width];
        self.each_split(|node| importance[node.feature as usize] += f64::from(node.gain));
        importance
    }

    /// For each column the number of its splits.
    pub fn importance_split(&self) -> Vec<u64> {
        let mut importance = vec![0; self.width];
        self.each_split(|node| importance[node.feature as usize] += 1);
        importance
    }

    fn each_split(&self, each: impl FnMut(&Node)) {
        self.trees.iter().flat_map(|tree| &tree.nodes).filter(|node| !node.is_leaf()).for_each(each);
    }
}
