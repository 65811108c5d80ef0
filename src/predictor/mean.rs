//! The mean of predictors of different kinds: errors that they do not share cancel.

use super::kind::of_members;
use super::kind::{Estimator, Kind, Model};
use super::{Options, boost, process};
use crate::kernels::Isa;
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors};
use crate::{Context, Error, Result};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The mean of predictors.
pub const KIND: Kind = Kind {
    name: "mean",
    title: "mean of predictors",
    rounds: "rounds",
    drawn: &[],
    options: || Box::new(Mean::usual(&[&boost::KIND, &process::KIND], |kind| (kind.options)())),
    networks: || Box::new(Mean::usual(&[&boost::KIND, &process::KIND], |kind| (kind.networks)())),
    compose: Some(|members| Ok(Box::new(Mean::new(members)?))),
};

/// The options of a fit of each; an option is named like `gbm.num_leaves`.
#[derive(Clone, Debug)]
pub struct Mean {
    members: Vec<Options>,
}

impl Mean {
    fn usual(kinds: &[&Kind], of: fn(&Kind) -> Box<dyn Estimator>) -> Mean {
        Mean { members: kinds.iter().map(|kind| Options(of(kind))).collect() }
    }

    /// # Errors
    /// [`Error::Invalid`] for fewer than two, or two of one kind: their options would have the same names.
    fn new(members: Vec<Options>) -> Result<Mean> {
        let mut names: Vec<&str> = members.iter().map(|member| member.kind().name).collect();
        names.sort_unstable();
        names.dedup();
        match members.len() {
            2.. if names.len() == members.len() => Ok(Mean { members }),
            _ => Err(Error::invalid("predictor", "a mean of two kinds or more, none twice", names.join(","))),
        }
    }

    fn join(&self, of: impl Fn(&Options) -> String, between: &str) -> String {
        self.members.iter().map(of).collect::<Vec<_>>().join(between)
    }
}

impl Estimator for Mean {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn spec(&self) -> String {
        format!("{}({})", KIND.name, self.join(Options::spec, ","))
    }

    fn title(&self) -> String {
        format!("mean of {}", self.join(Options::title, " and "))
    }

    fn values(&self) -> Map<String, Value> {
        let of = |member: &Options| {
            let kind = member.kind().name;
            member.values().into_iter().map(move |(name, value)| (format!("{kind}.{name}"), value))
        };
        self.members.iter().flat_map(of).collect()
    }

    fn set(&mut self, assignment: &str) -> Result<()> {
        let (kind, rest) = assignment.split_once('.').unwrap_or(("", assignment));
        match self.members.iter_mut().find(|member| member.kind().name == kind.trim()) {
            Some(member) => member.set(rest),
            None => {
                let name = assignment.split('=').next().unwrap_or_default().trim();
                Err(Error::unknown("parameter", name, self.values().keys().cloned().collect::<Vec<_>>()))
            }
        }
    }

    fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize) {
        self.members.iter_mut().for_each(|member| member.draw(stream, rows, width));
    }

    fn stops_early(&self) -> bool {
        self.members.iter().any(Options::stops_early)
    }

    fn fit(&self, context: &Context, train: &Table, val: Option<&Table>) -> Result<Arc<dyn Model>> {
        let members: Result<_> = self.members.iter().map(|member| member.0.fit(context, train, val)).collect();
        Ok(Arc::new(MeanModel { options: self.clone(), members: members? }))
    }

    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>> {
        let load = |(place, member): (usize, &Options)| member.0.load(&tensors.member(place), width);
        let members: Result<_> = self.members.iter().enumerate().map(load).collect();
        Ok(Arc::new(MeanModel { options: self.clone(), members: members? }))
    }

    fn settled(&self, fitted: &dyn Model) -> Box<dyn Estimator> {
        let settle = |(member, model): (&Options, &Arc<dyn Model>)| Options(member.0.settled(&**model));
        match (fitted as &dyn std::any::Any).downcast_ref::<MeanModel>() {
            Some(fitted) => Box::new(Mean { members: self.members.iter().zip(&fitted.members).map(settle).collect() }),
            None => self.copy(),
        }
    }

    fn of_classes(&self, classes: usize) -> Result<Box<dyn Estimator>> {
        let members: Result<_> = self.members.iter().map(|member| member.of_classes(classes)).collect();
        Ok(Box::new(Mean { members: members? }))
    }

    fn copy(&self) -> Box<dyn Estimator> {
        Box::new(self.clone())
    }
}

/// Fitted predictors whose mean is predicted.
#[derive(Clone, Debug)]
pub struct MeanModel {
    options: Mean,
    members: Vec<Arc<dyn Model>>,
}

impl Model for MeanModel {
    fn options(&self) -> &dyn Estimator {
        &self.options
    }

    fn outputs(&self) -> usize {
        self.members[0].outputs()
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        mean(self.members.iter().map(|member| member.predict(isa, x)))
    }

    fn tensors(&self) -> Vec<Column> {
        of_members(self.members.iter().map(|member| &**member))
    }

    fn uses(&self, column: usize) -> bool {
        self.members.iter().any(|member| member.uses(column))
    }

    fn rounds(&self) -> usize {
        self.members.iter().map(|member| member.rounds()).max().unwrap_or(0)
    }
}

/// The mean of several predictions for each row.
pub(super) fn mean(predictions: impl ExactSizeIterator<Item = Vec<f32>>) -> Vec<f32> {
    let count = predictions.len() as f64;
    let mut sums: Vec<f64> = Vec::new();
    for predicted in predictions {
        sums.resize(predicted.len(), 0.0);
        sums.iter_mut().zip(predicted).for_each(|(sum, value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}
