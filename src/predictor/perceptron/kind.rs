//! Perceptrons as two kinds of predictors: without hidden layers, and with them.

use super::{Optimizer, Params, Perceptron, file, fit};
use crate::kernels::Isa;
use crate::predictor::distribution::{integer, log_uniform, pick};
use crate::predictor::kind::{Estimator, Kind, Model, fields};
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors};
use crate::{Context, Error, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The logit-linear model.
pub const LINEAR: Kind = Kind {
    name: "linear",
    title: "logit-linear model",
    rounds: "epochs",
    drawn: DRAWN.split_at(4).0,
    options: || Box::new(Params::linear()),
    networks: || Box::new(Params::linear()),
    compose: None,
};

/// A perceptron with hidden layers.
pub const MLP: Kind = Kind {
    name: "mlp",
    title: "perceptron",
    rounds: "epochs",
    drawn: DRAWN,
    options: || Box::new(Params::mlp()),
    networks: || Box::new(Params::mlp()),
    compose: None,
};

/// The last three are those of hidden layers.
const DRAWN: &[(&str, &str)] = &[
    ("optimizer", "optimizer"),
    ("learning_rate", "rate"),
    ("l2", "l2"),
    ("batch_size", "batch"),
    ("layers", "layers"),
    ("units", "units"),
    ("dropout", "dropout"),
];

impl Estimator for Params {
    fn kind(&self) -> &'static Kind {
        if self.layers == 0 { &LINEAR } else { &MLP }
    }

    fn values(&self) -> Map<String, Value> {
        fields(self)
    }

    /// Sets an option, but no number of hidden layers that another kind has.
    fn set(&mut self, assignment: &str) -> Result<()> {
        let mut changed = self.clone();
        Params::set(&mut changed, assignment)?;
        let (linear, mlp) = (LINEAR.name, MLP.name);
        match (self.layers, changed.layers) {
            (0, layers @ 1..) => {
                Err(Error::invalid("layers", format!("0 for {linear}; {mlp} has hidden layers"), layers))
            }
            (1.., 0) => Err(Error::invalid("layers", format!("at least 1 for {mlp}; {linear} has none"), 0)),
            _ => {
                *self = changed;
                Ok(())
            }
        }
    }

    /// The ranges of Unterthiner et al. (arXiv 2002.11448), but for the initialiser: there is one. A logit-linear model has no
    /// units that dropout could drop.
    fn draw(&mut self, stream: &mut Stream, _: usize, _: usize) {
        self.optimizer = pick(stream, [Optimizer::Adam, Optimizer::Sgd]);
        let fastest = if self.optimizer == Optimizer::Adam { 0.1 } else { 0.5 };
        self.learning_rate = log_uniform(stream, 1e-3, fastest);
        self.l2 = log_uniform(stream, 1e-8, 1e-3);
        self.batch_size = pick(stream, [64, 128, 256, 512]);
        if self.layers > 0 {
            self.dropout = stream.range(0.0, 0.2);
            self.layers = integer(stream, 3, 9) as usize;
            self.units = integer(stream, 256, 512) as usize;
        }
    }

    fn stops_early(&self) -> bool {
        self.early_stopping_rounds > 0
    }

    fn fit(&self, context: &Context, train: &Table, val: Option<&Table>) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(fit(context, train, val, self)?))
    }

    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(file::load(tensors, self.clone(), width)?))
    }

    fn settled(&self, fitted: &dyn Model) -> Box<dyn Estimator> {
        Box::new(Params { epochs: fitted.rounds().max(1), early_stopping_rounds: 0, ..self.clone() })
    }

    fn copy(&self) -> Box<dyn Estimator> {
        Box::new(self.clone())
    }
}

impl Model for Perceptron {
    fn options(&self) -> &dyn Estimator {
        &self.params
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        Perceptron::predict(self, isa, x)
    }

    fn tensors(&self) -> Vec<Column> {
        file::tensors(self)
    }

    fn uses(&self, column: usize) -> bool {
        self.standard.scale[column] != 0.0
    }

    fn rounds(&self) -> usize {
        let errors = self.curve.iter().map(|epoch| epoch.val_rmse.unwrap_or(f64::INFINITY));
        errors.zip(1..).min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, epoch)| epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::distribution::assert_fills;

    #[test]
    fn ranges_are_the_references() {
        let range = |options: Params, name: &str, ends: [f64; 2]| {
            let trial = |trial| {
                let mut params = options.clone();
                params.draw(&mut Stream::new(1, 0, trial), 20_000, 5);
                params.values()[name].as_f64().unwrap()
            };
            assert_fills((1..2000).map(trial), ends);
        };
        range(Params::linear(), "learning_rate", [1e-3, 0.5]);
        range(Params::mlp(), "l2", [1e-8, 1e-3]);
        range(Params::mlp(), "dropout", [0.0, 0.2]);
        range(Params::mlp(), "layers", [3.0, 9.0]);
        range(Params::mlp(), "units", [256.0, 512.0]);
    }
}
