//! Gaussian processes as a kind of predictor.

use super::{Params, Process, file, fit};
use crate::kernels::Isa;
use crate::predictor::distribution::{integer, pick};
use crate::predictor::kind::{Estimator, Kind, Model, fields};
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors};
use crate::{Context, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Gaussian process regression.
pub const KIND: Kind = Kind {
    name: "gp",
    title: "Gaussian process",
    rounds: "steps",
    drawn: &[("steps", "steps"), ("likelihood_rows", "rows")],
    options: || Box::new(Params::default()),
    networks: || Box::new(Params::default()),
    compose: None,
};

impl Estimator for Params {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn values(&self) -> Map<String, Value> {
        fields(self)
    }

    fn set(&mut self, assignment: &str) -> Result<()> {
        Params::set(self, assignment)
    }

    /// Few steps are early stopping of a kind: the lengths stay near each other.
    fn draw(&mut self, stream: &mut Stream, _: usize, _: usize) {
        self.steps = integer(stream, 0, 200) as usize;
        self.likelihood_rows = pick(stream, [250, 500, 1000]);
    }

    fn stops_early(&self) -> bool {
        false
    }

    fn fit(&self, context: &Context, train: &Table, _: Option<&Table>) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(fit(context, train, self)?))
    }

    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(file::load(tensors, self.clone(), width)?))
    }

    fn settled(&self, _: &dyn Model) -> Box<dyn Estimator> {
        self.copy()
    }

    fn copy(&self) -> Box<dyn Estimator> {
        Box::new(self.clone())
    }
}

impl Model for Process {
    fn options(&self) -> &dyn Estimator {
        &self.params
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        Process::predict(self, isa, x)
    }

    fn tensors(&self) -> Vec<Column> {
        file::tensors(self)
    }

    fn uses(&self, column: usize) -> bool {
        self.hyper.inverse_lengths[column] != 0.0
    }

    fn rounds(&self) -> usize {
        self.steps
    }
}
