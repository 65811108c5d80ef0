//! A bag: a predictor fitted once for each fold of the networks, to all but that fold, and the mean of these fits.
//!
//! The fold that a fit does not see stops it early where it can be stopped, and its errors there are kept: together they are
//! errors on every network, of predictors that were not fitted to it, and intervals are made of them
//! ([`crate::eval::conformal::cv_plus`]). So a bag needs no validation part and looks at none: its rows are better among the rest.
//!
//! Source: Breiman, *Bagging Predictors*, Machine Learning 24 (1996); with folds in the place of bootstrap samples Parmanto,
//! Munro, Doyle, *Improving Committee Diagnosis with Resampling Techniques*, NIPS 1995 (cross-validation committees).

use super::kind::of_members;
use super::kind::{Estimator, Kind, Model};
use super::mean::mean;
use super::option::{parse, split};
use super::{Options, boost, held_out};
use crate::kernels::Isa;
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors, bytes};
use crate::{Context, Error, Result};
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A bag over folds.
pub const KIND: Kind = Kind {
    name: "bag",
    title: "bag over folds",
    rounds: "rounds",
    drawn: &[],
    options: || Box::new(Bag::new(Options((boost::KIND.options)()))),
    networks: || Box::new(Bag::new(Options((boost::KIND.networks)()))),
    compose: Some(|members| match <[Options; 1]>::try_from(members) {
        Ok([of]) => Ok(Box::new(Bag::new(of))),
        Err(members) => Err(Error::invalid("predictor", "a bag of one predictor", members.len())),
    }),
};

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"fold");

/// The names of a bag's own options; all others are those of the predictor that it is made of.
const OWN: [&str; 2] = ["folds", "fold_seed"];

/// Folds at most.
const MOST: usize = 1000;

/// The options of a fit.
#[derive(Clone, Debug)]
pub struct Bag {
    /// How many folds.
    pub folds: usize,
    /// Seed of the division into folds.
    pub fold_seed: u64,
    of: Options,
}

impl Bag {
    fn new(of: Options) -> Bag {
        Bag { folds: 5, fold_seed: 0, of }
    }

    /// The fold of each row: groups in an order that is drawn, and then dealt out like cards.
    fn deal(&self, table: &Table) -> Result<Vec<usize>> {
        let distinct: BTreeSet<u64> = table.group.iter().copied().collect();
        if distinct.len() < self.folds {
            let expected = format!("at most {}, a network for each of the folds", distinct.len());
            return Err(Error::invalid("folds", expected, self.folds));
        }
        let mut order: Vec<u64> = distinct.into_iter().collect();
        Stream::new(self.fold_seed, PURPOSE, 0).shuffle(&mut order);
        let fold: HashMap<u64, usize> = order.into_iter().zip((0..self.folds).cycle()).collect();
        Ok(table.group.iter().map(|group| fold[group]).collect())
    }
}

impl Estimator for Bag {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn spec(&self) -> String {
        format!("{}({})", KIND.name, self.of.spec())
    }

    fn title(&self) -> String {
        format!("{} × {}", self.folds, self.of.title())
    }

    fn values(&self) -> Map<String, Value> {
        let mut values = self.of.values();
        values.extend([(OWN[0].to_owned(), self.folds.into()), (OWN[1].to_owned(), self.fold_seed.into())]);
        values
    }

    fn own_name<'n>(&self, name: &'n str) -> &'n str {
        self.of.0.own_name(name)
    }

    fn set(&mut self, assignment: &str) -> Result<()> {
        match split(assignment)? {
            (name @ "folds", value) => {
                let folds = parse(name, value)?;
                if !(2..=MOST).contains(&folds) {
                    return Err(Error::invalid(name, format!("2 to {MOST}"), folds));
                }
                self.folds = folds;
            }
            (name @ "fold_seed", value) => self.fold_seed = parse(name, value)?,
            _ => self.of.set(assignment)?,
        }
        Ok(())
    }

    fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize) {
        self.of.draw(stream, rows, width);
    }

    fn stops_early(&self) -> bool {
        false
    }

    fn holds_out(&self) -> bool {
        true
    }

    fn fit(&self, context: &Context, train: &Table, _: Option<&Table>) -> Result<Arc<dyn Model>> {
        let fold = self.deal(train)?;
        let one = |k: usize| -> Result<(Arc<dyn Model>, Vec<f32>)> {
            let (held, seen): (Vec<usize>, Vec<usize>) = (0..train.rows()).partition(|&row| fold[row] == k);
            let (held, seen) = (train.select(&held), train.select(&seen));
            let model = self.of.0.fit(context, &seen, Some(&held))?;
            let errors = held_out(&*model, context.isa, &held);
            Ok((model, errors))
        };
        let fitted: Result<Vec<_>> = (0..self.folds).into_par_iter().map(one).collect();
        let (members, errors) = fitted?.into_iter().unzip();
        Ok(Arc::new(BagModel { options: self.clone(), members, errors }))
    }

    fn load(&self, tensors: &Tensors, width: usize) -> Result<Arc<dyn Model>> {
        let load = |place: usize| {
            let tensors = tensors.member(place);
            Ok((self.of.0.load(&tensors, width)?, tensors.errors(ERRORS)?))
        };
        let loaded: Result<Vec<_>> = (0..self.folds).map(load).collect();
        let (members, errors) = loaded?.into_iter().unzip();
        Ok(Arc::new(BagModel { options: self.clone(), members, errors }))
    }

    fn settled(&self, _: &dyn Model) -> Box<dyn Estimator> {
        self.copy()
    }

    fn of_classes(&self, classes: usize) -> Result<Box<dyn Estimator>> {
        Ok(Box::new(Bag { of: self.of.of_classes(classes)?, ..self.clone() }))
    }

    fn copy(&self) -> Box<dyn Estimator> {
        Box::new(self.clone())
    }
}

/// Name of the tensor with a fit's errors on its fold.
const ERRORS: &str = "held_out_errors";

/// The fits of a bag.
#[derive(Clone, Debug)]
pub struct BagModel {
    options: Bag,
    members: Vec<Arc<dyn Model>>,
    errors: Vec<Vec<f32>>,
}

impl BagModel {
    /// What each fit predicts for each row.
    pub fn predict_each(&self, isa: Isa, x: &[f32]) -> Vec<Vec<f32>> {
        self.members.par_iter().map(|member| member.predict(isa, x)).collect()
    }

    /// Of each fit the absolute errors on the rows that it was not fitted to, ascending.
    pub fn errors(&self) -> &[Vec<f32>] {
        &self.errors
    }
}

impl Model for BagModel {
    fn options(&self) -> &dyn Estimator {
        &self.options
    }

    fn outputs(&self) -> usize {
        self.members[0].outputs()
    }

    fn predict(&self, isa: Isa, x: &[f32]) -> Vec<f32> {
        mean(self.predict_each(isa, x).into_iter())
    }

    fn tensors(&self) -> Vec<Column> {
        let mut tensors = of_members(self.members.iter().map(|member| &**member));
        for (place, errors) in self.errors.iter().enumerate() {
            let bytes = bytes(errors.iter().copied(), f32::to_le_bytes);
            tensors.push((format!("{place}/{ERRORS}").into(), Dtype::F32, bytes));
        }
        tensors
    }

    fn uses(&self, column: usize) -> bool {
        self.members.iter().any(|member| member.uses(column))
    }

    fn rounds(&self) -> usize {
        self.members.iter().map(|member| member.rounds()).sum::<usize>() / self.members.len().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> Table {
        let x: Vec<f32> = (0..rows).map(|r| ((r * 37) % 101) as f32).collect();
        let y = x.iter().map(|x| x / 101.0).collect();
        // two rows a group
        Table { columns: vec!["x".into()], x, y, group: (0..rows as u64).map(|r| r / 2).collect(), ..Table::default() }
    }

    #[test]
    fn every_row_is_held_out_once_with_its_group() {
        let (table, options) = (table(46), Bag::new(Options::new("gbm").unwrap()));
        let fold = options.deal(&table).unwrap();
        assert!(fold.chunks(2).all(|pair| pair[0] == pair[1]));
        let sizes: Vec<usize> = (0..5).map(|k| fold.iter().filter(|&&fold| fold == k).count()).collect();
        assert_eq!(sizes, [10, 10, 10, 8, 8]);
        let fitted = options.fit(&Context::default(), &table, None).unwrap();
        let bag = (&*fitted as &dyn std::any::Any).downcast_ref::<BagModel>().unwrap();
        assert_eq!(bag.errors().iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        let (each, all) = (bag.predict_each(Isa::detect(), &table.x), fitted.predict(Isa::detect(), &table.x));
        for (row, all) in all.iter().enumerate() {
            assert!((each.iter().map(|fit| fit[row]).sum::<f32>() / 5.0 - all).abs() < 1e-6);
        }
        let few = Bag { folds: 24, ..options };
        assert!(few.fit(&Context::default(), &table, None).unwrap_err().to_string().contains("24"));
    }

    #[test]
    fn options_that_are_not_its_own_are_those_inside() {
        let mut options = Options::new("bag(mean(gbm,gp))").unwrap();
        for assignment in ["folds=7", "fold_seed=3", "gbm.num_leaves=9", "gp.steps=1"] {
            options.set(assignment).unwrap();
        }
        let values = options.values();
        assert_eq!(
            (&values["folds"], &values["gbm.num_leaves"], &values["gp.steps"]),
            (&7.into(), &9.into(), &1.into())
        );
        for wrong in ["folds=1", "folds=x", "num_leaves=3", "mlp.units=3", "gp.num_leaves=3"] {
            assert!(options.set(wrong).is_err(), "{wrong}");
        }
    }
}
