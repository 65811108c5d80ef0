//! Boosting for classes: a tree for each class a round, to the gradients and Hessians of the cross-entropy of a softmax.
//!
//! `p = softmax(s)`, `g_k = p_k − 1[y = k]`, `h_k = K/(K−1)·p_k·(1 − p_k)`; a leaf's value is `−Σg/(Σh + λ)`. The factor makes up
//! for one of the K scores being superfluous. What is predicted are the K probabilities.
//!
//! Source: Friedman, *Greedy Function Approximation*, Annals of Statistics 29 (2001), algorithm 6; the factor as in LightGBM.

use super::fit::check;
use super::growing::{Growing, Integers};
use super::{Forest, Params, Tree, bin, file};
use crate::kernels::Isa;
use crate::kernels::histogram::Packing;
use crate::predictor::kind::{Estimator, Model};
use crate::table::Table;
use crate::tensors::{Column, Tensors, bytes, column};
use crate::{Context, Error, Result};
use safetensors::Dtype;

/// Fitted sums of trees, one for each class.
#[derive(Clone, Debug)]
pub struct Classes {
    /// What it was fitted with; `num_class` says how many classes.
    pub params: Params,
    /// Columns of the tables that it takes.
    pub width: usize,
    /// Scores before the first tree: logarithms of the classes' shares of the training rows.
    pub base: Vec<f64>,
    /// The trees, a round's one after another, up to the best round.
    pub trees: Vec<Tree>,
    /// Cross-entropy on the validation rows after each round; empty where there were none.
    pub curve: Vec<f64>,
    forests: Vec<Forest>,
}

/// A share below which none is taken to be, so that every score is finite.
const LEAST_SHARE: f64 = 1e-15;

impl Classes {
    fn new(params: Params, width: usize, base: Vec<f64>, trees: Vec<Tree>, curve: Vec<f64>) -> Classes {
        let of = |class: usize| trees.iter().skip(class).step_by(base.len()).cloned().collect::<Vec<Tree>>();
        let forests = (0..base.len()).map(|class| Forest::new(&of(class), width)).collect();
        Classes { params, width, base, trees, curve, forests }
    }

    /// The probabilities of the classes for each row of a row-major table of [`Classes::width`] columns.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len() % self.width, 0, "whole rows of {} columns", self.width);
        let rows = x.len() / self.width;
        let mut scores: Vec<Vec<f64>> = self.base.iter().map(|&base| vec![base; rows]).collect();
        self.forests.iter().zip(&mut scores).for_each(|(forest, scores)| forest.add(isa, x, scores));
        (0..rows).flat_map(|row| softmax(&scores, row)).map(|p| p as f32).collect()
    }
}

/// The probabilities of a row.
fn softmax(scores: &[Vec<f64>], row: usize) -> Vec<f64> {
    let largest = scores.iter().fold(f64::NEG_INFINITY, |most, scores| most.max(scores[row]));
    let mut terms: Vec<f64> = scores.iter().map(|scores| libm::exp(scores[row] - largest)).collect();
    let sum: f64 = terms.iter().sum();
    terms.iter_mut().for_each(|term| *term /= sum);
    terms
}

/// Fits trees to a table whose targets are classes from 0; with `val` and `early_stopping_rounds` it ends when the validation
/// part's cross-entropy does not fall any more, and the rounds after the best one are dropped.
///
/// # Errors
/// Those of [`super::fit`], [`Error::Unsuitable`] also for targets that are no classes; [`Error::Cancelled`].
pub fn fit(context: &Context, train: &Table, val: Option<&Table>, params: &Params) -> Result<Classes> {
    params.check()?;
    check(train, "training table")?;
    let val = val.filter(|val| val.rows() > 0);
    if let Some(val) = val.filter(|val| val.columns != train.columns) {
        let got = format!("{} others", val.width());
        return Err(Error::unsuitable_table("validation table", "the columns of the training table", got));
    }
    let classes = codes(train, params.num_class)?;
    let val_classes = val.map(|val| check(val, "validation table").and_then(|_| codes(val, params.num_class)));
    let val_classes = val_classes.transpose()?.unwrap_or_default();
    let Some(packing) = Packing::weighted(train.rows()) else { unreachable!("the table was checked") };
    let columns = bin::columns(&train.x, train.width(), params.max_bin);
    let growing = Growing::new(context.isa, train, val, params, packing, &columns);
    Fit::new(growing, params, train.width(), classes, val_classes).run(context)
}

/// The targets as numbers of classes.
fn codes(table: &Table, classes: usize) -> Result<Vec<usize>> {
    let code = |(row, &y): (usize, &f32)| {
        let wrong = || {
            Error::unsuitable_table(
                "targets",
                format!("classes from 0 to {}", classes - 1),
                format!("{y} in row {row}"),
            )
        };
        if y.fract() == 0.0 && (0.0..classes as f32).contains(&y) { Ok(y as usize) } else { Err(wrong()) }
    };
    table.y.iter().enumerate().map(code).collect()
}

/// The state between two rounds.
struct Fit<'a> {
    growing: Growing<'a>,
    params: &'a Params,
    width: usize,
    classes: Vec<usize>,
    val_classes: Vec<usize>,
    base: Vec<f64>,
    /// Of each class.
    scores: Vec<Vec<f64>>,
    val_scores: Vec<Vec<f64>>,
    derivatives: Vec<Integers>,
}

impl<'a> Fit<'a> {
    fn new(
        growing: Growing<'a>,
        params: &'a Params,
        width: usize,
        classes: Vec<usize>,
        val_classes: Vec<usize>,
    ) -> Fit<'a> {
        let rows = classes.len();
        let share = |k: usize| classes.iter().filter(|&&class| class == k).count() as f64 / rows as f64;
        let base: Vec<f64> = (0..params.num_class).map(|k| libm::log(share(k).max(LEAST_SHARE))).collect();
        let start = |rows: usize| base.iter().map(|&base| vec![base; rows]).collect::<Vec<_>>();
        let derivatives = Integers { weights: vec![0; rows], ..Integers::new(rows) };
        Fit {
            growing,
            params,
            width,
            scores: start(rows),
            val_scores: start(val_classes.len()),
            derivatives: vec![derivatives; params.num_class],
            base,
            classes,
            val_classes,
        }
    }

    fn run(mut self, context: &Context) -> Result<Classes> {
        let (mut trees, mut curve) = (Vec::new(), Vec::new());
        let (mut best, patience) = ((f64::INFINITY, 0), self.params.early_stopping_rounds);
        for round in 0..self.params.n_estimators {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            let grown = self.round(round);
            let nothing_to_split = grown.iter().all(|tree| tree.nodes.len() == 1);
            trees.extend(grown);
            if !self.val_classes.is_empty() {
                let loss = cross_entropy(&self.val_scores, &self.val_classes);
                curve.push(loss);
                best = if loss < best.0 { (loss, round + 1) } else { best };
                if patience > 0 && round + 1 - best.1 >= patience {
                    break;
                }
            }
            if nothing_to_split && !self.growing.draws() {
                break;
            }
        }
        if !curve.is_empty() && patience > 0 {
            trees.truncate(best.1 * self.params.num_class);
        }
        Ok(Classes::new(self.params.clone(), self.width, self.base, trees, curve))
    }

    /// One tree more for each class; all of them follow from the same probabilities.
    fn round(&mut self, round: usize) -> Vec<Tree> {
        self.growing.draw_rows(round);
        self.set_derivatives();
        let classes = self.params.num_class;
        let grow = |k: usize| {
            let tree = self.growing.grow(round * classes + k, &self.derivatives[k], &mut self.scores[k]);
            self.growing.add_elsewhere(&tree, &mut self.scores[k], &mut self.val_scores[k]);
            tree
        };
        (0..classes).map(grow).collect()
    }

    /// Sets gradients and Hessians to integers times units, as fine as there is room for.
    fn set_derivatives(&mut self) {
        let (rows, classes) = (self.classes.len(), self.params.num_class);
        let probabilities: Vec<f64> = (0..rows).flat_map(|row| softmax(&self.scores, row)).collect();
        let factor = classes as f64 / (classes - 1) as f64;
        let packing = self.growing.packing();
        let (limit, weight_limit) = (f64::from(packing.limit()), f64::from(packing.weight_limit()));
        let unit = |largest: f64, limit: f64| if largest > 0.0 { largest / limit } else { 1.0 };
        for (k, integers) in self.derivatives.iter_mut().enumerate() {
            let derivatives = |row: usize| {
                let p = probabilities[row * classes + k];
                (p - f64::from(u8::from(self.classes[row] == k)), factor * p * (1.0 - p))
            };
            let largest = (0..rows).map(derivatives).fold((0.0f64, 0.0f64), |m, d| (m.0.max(d.0.abs()), m.1.max(d.1)));
            (integers.unit, integers.weight_unit) = (unit(largest.0, limit), unit(largest.1, weight_limit));
            for row in 0..rows {
                let (gradient, hessian) = derivatives(row);
                integers.gradients[row] = (gradient / integers.unit).round() as i32;
                integers.weights[row] = (hessian / integers.weight_unit).round() as u32;
            }
        }
    }
}

/// Mean of −ln of the probability of the true class.
fn cross_entropy(scores: &[Vec<f64>], classes: &[usize]) -> f64 {
    let term = |(row, &class): (usize, &usize)| -libm::log(softmax(scores, row)[class].max(LEAST_SHARE));
    classes.iter().enumerate().map(term).sum::<f64>() / classes.len() as f64
}

impl Model for Classes {
    fn options(&self) -> &dyn Estimator {
        &self.params
    }

    fn outputs(&self) -> usize {
        self.base.len()
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        Classes::predict(self, isa, x)
    }

    fn tensors(&self) -> Vec<Column> {
        let f64s = |numbers: &[f64]| bytes(numbers.iter().copied(), f64::to_le_bytes);
        let mut tensors = file::of_trees(&self.trees);
        tensors.push(column("base", Dtype::F64, f64s(&self.base)));
        tensors.push(column("val_cross_entropy", Dtype::F64, f64s(&self.curve)));
        tensors
    }

    fn uses(&self, column: usize) -> bool {
        self.trees.iter().any(|tree| tree.uses(column))
    }

    fn rounds(&self) -> usize {
        self.trees.len() / self.base.len()
    }
}

/// A model that passed every check.
///
/// # Errors
/// [`Error::Malformed`].
pub fn load(tensors: &Tensors, params: Params, width: usize) -> Result<Classes> {
    file::check(tensors, &params, width)?;
    let (base, trees) = (tensors.f64s("base")?, file::trees(tensors, width)?);
    let classes = params.num_class;
    if base.len() != classes || !base.iter().all(|base| base.is_finite()) || !trees.len().is_multiple_of(classes) {
        let got = format!("{base:?} and {} trees", trees.len());
        return Err(tensors.malformed(format!("{classes} finite bases, and as many trees in each round"), got));
    }
    Ok(Classes::new(params, width, base, trees, tensors.f64s("val_cross_entropy")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// Three classes that a tree can tell apart, but for some noise; values have enough rows to be bins.
    fn table(rows: usize, seed: u64) -> Table {
        let mut stream = Stream::new(seed, 0, 0);
        let x: Vec<f32> = (0..rows * 3).map(|_| stream.below(13) as f32 - 6.0).collect();
        let mut class = |row: &[f32]| {
            let sure = match row {
                [a, ..] if *a > 1.0 => 0.0,
                [_, b, ..] if *b > 0.0 => 1.0,
                _ => 2.0,
            };
            if stream.below(20) == 0 { stream.below(3) as f32 } else { sure }
        };
        let y = x.chunks(3).map(&mut class).collect();
        Table {
            columns: ["a", "b", "c"].map(String::from).into(),
            x,
            y,
            group: (0..rows as u64).collect(),
            ..Table::default()
        }
    }

    fn params() -> Params {
        Params { num_class: 3, n_estimators: 60, num_leaves: 4, learning_rate: 0.2, ..Params::default() }
    }

    #[test]
    fn classes_are_told_apart_with_the_same_bits_on_any_threads_and_isa() {
        let (train, val, test) = (table(600, 1), table(200, 2), table(500, 3));
        let params = Params { early_stopping_rounds: 10, ..params() };
        let fitted = |threads, isa| {
            crate::par::with_threads(threads, || fit(&Context::new().isa(isa), &train, Some(&val), &params).unwrap())
        };
        let model = fitted(1, Isa::detect());
        let probabilities = model.predict(Isa::detect(), &test.x);
        let best = |p: &[f32]| (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as f32;
        let right = probabilities.chunks(3).zip(&test.y).filter(|(p, y)| best(p) == **y).count();
        // one in thirty is drawn to be another one
        assert!(right > 460, "{right} of 500");
        assert!(probabilities.chunks(3).all(|p| (p.iter().sum::<f32>() - 1.0).abs() < 1e-6));
        let least = model.curve.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(model.curve[model.rounds() - 1], least);
        for isa in Isa::available() {
            let other = fitted(3, isa);
            assert_eq!((&other.trees, &other.base), (&model.trees, &model.base));
        }
    }

    /// One round of stumps, each column and each cut tried in `f64`.
    #[test]
    fn the_first_trees_have_the_best_cuts_and_newtons_values() {
        let train = table(200, 4);
        let params = Params { n_estimators: 1, num_leaves: 2, reg_lambda: 0.5, learning_rate: 1.0, ..params() };
        let model = fit(&Context::default(), &train, None, &params).unwrap();
        for k in 0..3 {
            let share = libm::exp(model.base[k]);
            let gradient = |row: usize| share - f64::from(u8::from(train.y[row] == k as f32));
            let hessian = 1.5 * share * (1.0 - share);
            let sums =
                |rows: &[usize]| (rows.iter().map(|&row| gradient(row)).sum::<f64>(), hessian * rows.len() as f64);
            let score = |rows: &[usize]| {
                let (g, h) = sums(rows);
                g * g / (h + 0.5)
            };
            let [root, left, right] = &model.trees[k].nodes[..] else { panic!("a stump") };
            let all: Vec<usize> = (0..200).collect();
            let cut = |feature: usize, at: f32| -> [Vec<usize>; 2] {
                let (a, b) = all.iter().partition(|&&row| train.row(row)[feature] <= at);
                [a, b]
            };
            let gain = |sides: &[Vec<usize>; 2]| score(&sides[0]) + score(&sides[1]) - score(&all);
            let chosen = cut(root.feature as usize, root.threshold);
            let found = gain(&chosen);
            assert!((f64::from(root.gain) - found).abs() < 1e-3 * found, "{} {found}", root.gain);
            for (feature, row) in (0..3).flat_map(|feature| (0..200).map(move |row| (feature, row))) {
                let sides = cut(feature, train.row(row)[feature]);
                if sides.iter().all(|side| side.len() >= 20) {
                    assert!(gain(&sides) <= found * 1.001, "{feature} {row}");
                }
            }
            for (leaf, rows) in [left, right].into_iter().zip(&chosen) {
                let (g, h) = sums(rows);
                assert!((f64::from(leaf.value) + g / (h + 0.5)).abs() < 1e-4, "{} {}", leaf.value, -g / (h + 0.5));
                assert_eq!(leaf.count as usize, rows.len());
            }
        }
    }

    #[test]
    fn what_is_no_class_is_refused() {
        let mut train = table(50, 1);
        for y in [3.0, -1.0, 0.5, f32::NAN] {
            train.y[7] = y;
            assert!(fit(&Context::default(), &train, None, &params()).is_err(), "{y}");
        }
    }
}
