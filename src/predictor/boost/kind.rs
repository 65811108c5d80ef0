//! Gradient boosting as a kind of predictor.

use super::{Boost, Params, classes, file, fit};
use crate::kernels::Isa;
use crate::predictor::distribution::{integer, log_uniform, pick};
use crate::predictor::kind::{Estimator, Kind, Model, fields};
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors};
use crate::{Context, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Gradient boosting.
pub const KIND: Kind = Kind {
    name: "gbm",
    title: "gradient boosting",
    rounds: "trees",
    drawn: &[
        ("num_leaves", "leaves"),
        ("max_depth", "depth"),
        ("max_bin", "bins"),
        ("min_child_weight", "weight"),
        ("subsample", "rows"),
        ("colsample_bytree", "columns"),
        ("reg_lambda", "lambda"),
        ("reg_alpha", "alpha"),
        ("learning_rate", "rate"),
    ],
    options: || Box::new(Params::default()),
    networks: || Box::new(Params::networks()),
    compose: None,
};

/// Columns beyond which a tree sees a tenth of them at most.
const WIDE: usize = 1000;

impl Estimator for Params {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn values(&self) -> Map<String, Value> {
        fields(self)
    }

    fn own_name<'n>(&self, name: &'n str) -> &'n str {
        Params::own_name(name)
    }

    fn set(&mut self, assignment: &str) -> Result<()> {
        Params::set(self, assignment)
    }

    /// The ranges of Unterthiner et al. (arXiv 2002.11448), but that leaves need not be more than rows.
    fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize) {
        let max_depth = integer(stream, 2, 14);
        // more leaves than rows, or than the depth has room for, would be the same tree
        let num_leaves = integer(stream, 2, rows.clamp(2, 10_000) as u32).min(1 << max_depth);
        *self = Params {
            max_depth: max_depth as i32,
            num_leaves: num_leaves as usize,
            learning_rate: log_uniform(stream, 0.01, 0.1),
            max_bin: pick(stream, [63, 127, 255]),
            min_child_weight: f64::from(integer(stream, 1, 5)),
            // with squared loss that weight is a number of rows; LightGBM's 20 would leave it without effect
            min_data_in_leaf: 1,
            subsample: f64::from(integer(stream, 1, 10)) / 10.0,
            subsample_freq: 1,
            colsample_bytree: if width > WIDE { stream.range(0.03, 0.1) } else { stream.range(0.7, 1.0) },
            reg_lambda: stream.range(0.0, 100.0),
            reg_alpha: log_uniform(stream, 1e-3, 10.0),
            n_estimators: 2000,
            early_stopping_rounds: 200,
            ..Params::default()
        };
    }

    fn stops_early(&self) -> bool {
        self.early_stopping_rounds > 0
    }

    fn fit(&self, context: &Context, train: &Table, val: Option<&Table>) -> Result<Arc<dyn Model>> {
        Ok(match self.num_class {
            1 => Arc::new(fit(context, train, val, self, &mut |_| {})?),
            _ => Arc::new(classes::fit(context, train, val, self)?),
        })
    }

    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>> {
        Ok(match self.num_class {
            1 => Arc::new(file::load(tensors, self.clone(), width)?),
            _ => Arc::new(classes::load(tensors, self.clone(), width)?),
        })
    }

    fn settled(&self, fitted: &dyn Model) -> Box<dyn Estimator> {
        // a fit of no trees at all would not be one
        Box::new(Params { n_estimators: fitted.rounds().max(1), early_stopping_rounds: 0, ..self.clone() })
    }

    fn of_classes(&self, classes: usize) -> Result<Box<dyn Estimator>> {
        Ok(Box::new(Params { num_class: classes, ..self.clone() }))
    }

    fn copy(&self) -> Box<dyn Estimator> {
        Box::new(self.clone())
    }
}

impl Model for Boost {
    fn options(&self) -> &dyn Estimator {
        &self.params
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        Boost::predict(self, isa, x)
    }

    fn tensors(&self) -> Vec<Column> {
        file::tensors(self)
    }

    fn uses(&self, column: usize) -> bool {
        self.trees.iter().any(|tree| tree.uses(column))
    }

    fn rounds(&self) -> usize {
        self.best_iteration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::distribution::assert_fills;

    #[test]
    fn ranges_are_the_references() {
        let range = |name: &str, width: usize, ends: [f64; 2]| {
            let trial = |trial| {
                let mut params = Params::networks();
                params.draw(&mut Stream::new(1, 0, trial), 20_000, width);
                params.values()[name].as_f64().unwrap()
            };
            assert_fills((1..2000).map(trial), ends);
        };
        range("num_leaves", 5, [2.0, 10_000.0]);
        range("max_depth", 5, [2.0, 14.0]);
        range("learning_rate", 5, [0.01, 0.1]);
        range("subsample", 5, [0.1, 1.0]);
        range("colsample_bytree", 5, [0.7, 1.0]);
        range("colsample_bytree", 1001, [0.03, 0.1]);
        range("reg_lambda", 5, [0.0, 100.0]);
        range("reg_alpha", 5, [1e-3, 10.0]);
    }
}
