//! What the rounds of boosting share, whatever the loss: the coded table, the draws, and a tree grown to integer derivatives.

use super::bin::Column;
use super::grow::Grower;
use super::histogram::{Groups, Pool};
use super::sample::{Draw, choose};
use super::split::{Search, Weights};
use super::tree::Tree;
use super::{Forest, Params};
use crate::kernels::Isa;
use crate::kernels::histogram::{Bin, GROUP, GainRule, Packing};
use crate::table::Table;
use rayon::prelude::*;

/// Rows whose squares are added by one thread: fixed, so that the sum does not depend on the number of threads.
pub(super) const CHUNK: usize = 8192;

/// First and second derivatives of a loss in integers, one of each a row.
#[derive(Clone, Debug)]
pub struct Integers {
    /// Gradients.
    pub gradients: Vec<i32>,
    /// Real gradients are these times this.
    pub unit: f64,
    /// Hessians; empty where every one is 1.
    pub weights: Vec<u32>,
    /// Real Hessians are these times this.
    pub weight_unit: f64,
}

impl Integers {
    /// Zeros, and Hessians of 1.
    pub fn new(rows: usize) -> Integers {
        Integers { gradients: vec![0; rows], unit: 1.0, weights: Vec::new(), weight_unit: 1.0 }
    }
}

/// A table on which trees are grown.
pub struct Growing<'a> {
    isa: Isa,
    params: &'a Params,
    packing: Packing,
    train: &'a Table,
    val: Option<&'a Table>,
    columns: &'a [Column],
    /// The codes of all columns, if every tree sees all.
    groups: Groups,
    pool: Pool<Bin>,
    words: Pool<[u8; GROUP]>,
    /// The rows that trees see, ascending.
    seen: Vec<u32>,
    /// The same leaf by leaf, and as much space.
    rows: Vec<u32>,
    scratch: Vec<u32>,
}

impl<'a> Growing<'a> {
    /// A table whose columns are coded.
    pub fn new(
        isa: Isa,
        train: &'a Table,
        val: Option<&'a Table>,
        params: &'a Params,
        packing: Packing,
        columns: &'a [Column],
    ) -> Growing<'a> {
        let rows = train.rows();
        let all: Vec<u32> = (0..columns.len() as u32).collect();
        Growing {
            groups: if params.colsample_bytree < 1.0 { Groups::default() } else { Groups::new(columns, &all, rows) },
            pool: Pool::default(),
            words: Pool::default(),
            seen: (0..rows as u32).collect(),
            rows: Vec::with_capacity(rows),
            scratch: vec![0; rows],
            isa,
            params,
            packing,
            train,
            val,
            columns,
        }
    }

    /// How histograms are packed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Whether trees see different rows or columns.
    pub fn draws(&self) -> bool {
        self.samples_rows() || self.params.colsample_bytree < 1.0
    }

    fn samples_rows(&self) -> bool {
        self.params.subsample < 1.0 && self.params.subsample_freq > 0
    }

    /// Draws the rows that the trees of a round see, if it is time.
    pub fn draw_rows(&mut self, round: usize) {
        let params = self.params;
        if self.samples_rows() && round.is_multiple_of(params.subsample_freq) {
            self.seen = choose(params.seed, Draw::Rows, round, self.train.rows(), params.subsample);
        }
    }

    /// Grows tree number `number` to some derivatives, and adds it to the predictions of the rows that it sees.
    pub fn grow(&mut self, number: usize, derivatives: &Integers, scores: &mut [f64]) -> Tree {
        let (params, unit, weight_unit) = (self.params, derivatives.unit, derivatives.weight_unit);
        // every tree begins in the order of the table: its leaves then go through memory in one direction
        self.rows.clone_from(&self.seen);
        let drawn = (params.colsample_bytree < 1.0).then(|| {
            let chosen = choose(params.seed, Draw::Columns, number, self.columns.len(), params.colsample_bytree);
            Groups::new(self.columns, &chosen, self.train.rows())
        });
        let weighted = !derivatives.weights.is_empty();
        let min_rows = params.min_data_in_leaf.max(1) as f64;
        let least = || ((params.min_child_weight / weight_unit).ceil() as u32).max(1);
        let grower = Grower {
            search: Search {
                isa: self.isa,
                packing: self.packing,
                rule: GainRule {
                    lambda: params.reg_lambda / weight_unit,
                    alpha: params.reg_alpha / unit,
                    min_count: if weighted { least() } else { params.min_count() },
                },
                weights: weighted.then_some(Weights { of: &derivatives.weights, min_rows }),
                min_gain: params.min_split_gain / (unit * unit / weight_unit),
                groups: drawn.as_ref().unwrap_or(&self.groups),
                gradients: &derivatives.gradients,
                words: &self.words,
            },
            num_leaves: params.num_leaves,
            max_depth: usize::try_from(params.max_depth).map_or(Tree::MAX_DEPTH, |depth| depth.min(Tree::MAX_DEPTH)),
            unit: unit / weight_unit,
            weight_unit,
            learning_rate: params.learning_rate,
            columns: self.columns,
            pool: &self.pool,
        };
        let scratch = &mut self.scratch[..self.rows.len()];
        let grown = grower.grow(&mut self.rows, scratch);
        for (rows, value) in grown.leaves {
            for &mut row in rows {
                scores[row as usize] += f64::from(value);
            }
        }
        grown.tree
    }

    /// Adds a tree to the predictions of rows that it did not see.
    pub fn add_elsewhere(&self, tree: &Tree, scores: &mut [f64], val_scores: &mut [f64]) {
        if self.samples_rows() {
            let mut seen = vec![false; self.train.rows()];
            self.seen.iter().for_each(|&row| seen[row as usize] = true);
            let scores = scores.par_iter_mut().zip(&seen).enumerate().with_min_len(CHUNK);
            scores.filter(|(_, (_, seen))| !**seen).for_each(|(row, (score, _))| {
                *score += f64::from(tree.predict(self.train.row(row)));
            });
        }
        if let Some(val) = self.val {
            let forest = Forest::new(std::slice::from_ref(tree), self.train.width());
            forest.add(self.isa, &val.x, val_scores);
        }
    }
}
