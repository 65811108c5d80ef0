//! Predictors: what is fitted to a [`Table`](crate::table::Table) and predicts its target.

pub mod boost;
