//! What a fit can be told, by LightGBM's names.

use crate::predictor::option::{parse, split};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Other names of options: those of LightGBM's list, and `lr`.
const ALIASES: [(&str, &[&str]); 14] = [
    (
        "n_estimators",
        &[
            "num_iterations",
            "num_iteration",
            "n_iter",
            "num_tree",
            "num_trees",
            "num_round",
            "num_rounds",
            "nrounds",
            "num_boost_round",
            "max_iter",
        ],
    ),
    ("learning_rate", &["shrinkage_rate", "eta", "lr"]),
    ("num_leaves", &["num_leaf", "max_leaves", "max_leaf", "max_leaf_nodes"]),
    ("max_bin", &["max_bins"]),
    ("min_child_weight", &["min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian"]),
    ("min_data_in_leaf", &["min_data_per_leaf", "min_data", "min_child_samples", "min_samples_leaf"]),
    ("reg_lambda", &["lambda_l2", "lambda", "l2_regularization"]),
    ("reg_alpha", &["lambda_l1", "l1_regularization"]),
    ("min_split_gain", &["min_gain_to_split"]),
    ("subsample", &["bagging_fraction", "sub_row", "bagging"]),
    ("subsample_freq", &["bagging_freq"]),
    ("colsample_bytree", &["feature_fraction", "sub_feature"]),
    ("early_stopping_rounds", &["early_stopping_round", "early_stopping", "n_iter_no_change"]),
    ("seed", &["random_seed", "random_state"]),
];

/// What LightGBM calls the objective of a fit to numbers.
const OBJECTIVE: [&str; 5] = ["regression", "regression_l2", "l2", "mean_squared_error", "mse"];

/// The options of a fit: LightGBM's names, meanings and defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Params {
    /// Trees at most.
    pub n_estimators: usize,
    /// Leaves of a tree at most; with 1 every prediction is the mean.
    pub num_leaves: usize,
    /// Splits between the root and a leaf at most; −1: any number.
    pub max_depth: i32,
    /// Factor on the values of every tree.
    pub learning_rate: f64,
    /// Bins of a column at most, the one for missing values included.
    pub max_bin: usize,
    /// Sum of Hessians that a leaf must have; with squared loss that is a number of rows.
    pub min_child_weight: f64,
    /// Rows that a leaf must have (`min_child_samples`).
    pub min_data_in_leaf: usize,
    /// L2 penalty on the values of leaves.
    pub reg_lambda: f64,
    /// L1 penalty on the values of leaves.
    pub reg_alpha: f64,
    /// Gain that a split must exceed.
    pub min_split_gain: f64,
    /// Fraction of the rows that a tree sees; it has an effect only with `subsample_freq` > 0.
    pub subsample: f64,
    /// New rows are drawn every so many trees; 0: never, all trees see all rows.
    pub subsample_freq: usize,
    /// Fraction of the columns that a tree sees.
    pub colsample_bytree: f64,
    /// Rounds without a better validation error after which the fit ends; 0: never.
    pub early_stopping_rounds: usize,
    /// Seed of the draws of rows and columns.
    pub seed: u64,
    /// Classes that are told apart; 1: the target is a number.
    pub num_class: usize,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            n_estimators: 100,
            num_leaves: 31,
            max_depth: -1,
            learning_rate: 0.1,
            max_bin: 255,
            min_child_weight: 1e-3,
            min_data_in_leaf: 20,
            reg_lambda: 0.0,
            reg_alpha: 0.0,
            min_split_gain: 0.0,
            subsample: 1.0,
            subsample_freq: 0,
            colsample_bytree: 1.0,
            early_stopping_rounds: 0,
            seed: 0,
            num_class: 1,
        }
    }
}

impl Params {
    /// Options that do well on a zoo's statistics, so that nobody must search: chosen by cross-validation on a zoo of glyphs.
    pub fn networks() -> Params {
        Params {
            n_estimators: 2000,
            learning_rate: 0.03,
            num_leaves: 8,
            min_data_in_leaf: 3,
            reg_lambda: 3.0,
            subsample: 0.7,
            subsample_freq: 1,
            colsample_bytree: 0.3,
            early_stopping_rounds: 200,
            ..Params::default()
        }
    }

    /// Leaves of a tree at most: a node's distance to its children must fit into 16 bits.
    pub const MAX_LEAVES: usize = 32_767;

    /// The names of the options; [`Params::set`] takes LightGBM's aliases too.
    pub const NAMES: [&str; 16] = [
        "n_estimators",
        "num_leaves",
        "max_depth",
        "learning_rate",
        "max_bin",
        "min_child_weight",
        "min_data_in_leaf",
        "reg_lambda",
        "reg_alpha",
        "min_split_gain",
        "subsample",
        "subsample_freq",
        "colsample_bytree",
        "early_stopping_rounds",
        "seed",
        "num_class",
    ];

    /// The name of [`Params::NAMES`] that one of LightGBM's aliases stands for; any other as it is.
    pub fn own_name(name: &str) -> &str {
        ALIASES.iter().find(|(_, aliases)| aliases.contains(&name)).map_or(name, |&(own, _)| own)
    }

    /// Sets one option from `name=value`. An `objective` may be named where it is the one there is: squared error of a target that
    /// is a number.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`Params::NAMES`] nor an alias, [`Error::Invalid`] for a value that is no
    /// number, or is out of range.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) = split(assignment)?;
        let name = Params::own_name(name);
        let mut changed = self.clone();
        match name {
            "n_estimators" => changed.n_estimators = parse(name, value)?,
            "num_leaves" => changed.num_leaves = parse(name, value)?,
            "max_depth" => changed.max_depth = parse(name, value)?,
            "learning_rate" => changed.learning_rate = parse(name, value)?,
            "max_bin" => changed.max_bin = parse(name, value)?,
            "min_child_weight" => changed.min_child_weight = parse(name, value)?,
            "min_data_in_leaf" => changed.min_data_in_leaf = parse(name, value)?,
            "reg_lambda" => changed.reg_lambda = parse(name, value)?,
            "reg_alpha" => changed.reg_alpha = parse(name, value)?,
            "min_split_gain" => changed.min_split_gain = parse(name, value)?,
            "subsample" => changed.subsample = parse(name, value)?,
            "subsample_freq" => changed.subsample_freq = parse(name, value)?,
            "colsample_bytree" => changed.colsample_bytree = parse(name, value)?,
            "early_stopping_rounds" => changed.early_stopping_rounds = parse(name, value)?,
            "seed" => changed.seed = parse(name, value)?,
            "num_class" => changed.num_class = parse(name, value)?,
            "objective" if OBJECTIVE.contains(&value) => {}
            "objective" => {
                let expected =
                    format!("{}, the only one; classes are told apart where the target is one", OBJECTIVE[0]);
                return Err(Error::invalid(name, expected, value));
            }
            _ => return Err(Error::unknown("parameter", name, Self::NAMES)),
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    /// Checks that every option is in its range.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn check(&self) -> Result<()> {
        let rule = |holds: bool, name: &str, expected: &str, got: &dyn ToString| {
            if holds { Ok(()) } else { Err(Error::invalid(name, expected, got.to_string())) }
        };
        let not_negative = |x: f64| x.is_finite() && x >= 0.0;
        let fraction = |x: f64| x > 0.0 && x <= 1.0;
        rule((1..=1_000_000).contains(&self.n_estimators), "n_estimators", "1 to 1000000", &self.n_estimators)?;
        rule((1..=Self::MAX_LEAVES).contains(&self.num_leaves), "num_leaves", "1 to 32767", &self.num_leaves)?;
        rule(self.max_depth == -1 || self.max_depth > 0, "max_depth", "-1 or at least 1", &self.max_depth)?;
        let rate = self.learning_rate;
        rule(rate.is_finite() && rate > 0.0, "learning_rate", "a number above 0", &rate)?;
        rule((1..=256).contains(&self.num_class), "num_class", "1 to 256", &self.num_class)?;
        rule((2..=255).contains(&self.max_bin), "max_bin", "2 to 255", &self.max_bin)?;
        rule(not_negative(self.min_child_weight), "min_child_weight", "at least 0", &self.min_child_weight)?;
        rule(not_negative(self.reg_lambda), "reg_lambda", "at least 0", &self.reg_lambda)?;
        rule(not_negative(self.reg_alpha), "reg_alpha", "at least 0", &self.reg_alpha)?;
        rule(not_negative(self.min_split_gain), "min_split_gain", "at least 0", &self.min_split_gain)?;
        rule(fraction(self.subsample), "subsample", "above 0, at most 1", &self.subsample)?;
        rule(fraction(self.colsample_bytree), "colsample_bytree", "above 0, at most 1", &self.colsample_bytree)
    }

    /// Rows that each side of a split must have: with Hessians of 1 both limits are numbers of rows.
    pub(super) fn min_count(&self) -> u32 {
        let count = (self.min_data_in_leaf.max(1) as f64).max(self.min_child_weight.ceil());
        // a cast of a number that is too large gives the largest
        count as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_takes_every_name_and_no_other() {
        let mut params = Params::default();
        for name in Params::NAMES {
            let value = if name == "max_bin" { "3" } else { "1" };
            params.set(&format!(" {name} = {value}")).unwrap();
        }
        assert_eq!((params.n_estimators, params.num_leaves, params.max_bin), (1, 1, 3));
        assert_eq!((params.min_data_in_leaf, params.reg_alpha, params.seed), (1, 1.0, 1));
        for (name, value) in [
            ("min_sum_hessian_in_leaf", "7"),
            ("num_boost_round", "9"),
            ("lr", "0.5"),
            ("max_leaves", "5"),
            ("objective", "mse"),
        ] {
            params.set(&format!("{name}={value}")).unwrap();
        }
        assert_eq!((params.min_child_weight, params.n_estimators), (7.0, 9));
        assert_eq!((params.learning_rate, params.num_leaves), (0.5, 5));
        for (own, aliases) in ALIASES {
            assert!(Params::NAMES.contains(&own) && !aliases.contains(&own), "{own}");
        }
        let error = params.set("num_leafs=3").unwrap_err().to_string();
        assert!(error.contains("did you mean \"num_leaves\"?"), "{error}");
    }

    #[test]
    fn set_refuses_what_is_out_of_range_and_keeps_the_old_value() {
        let mut params = Params::default();
        for bad in [
            "n_estimators=0",
            "objective=huber",
            "num_leaves=0",
            "num_leaves=40000",
            "max_depth=0",
            "learning_rate=0",
            "learning_rate=nan",
            "max_bin=1",
            "max_bin=256",
            "min_child_weight=-1",
            "reg_lambda=inf",
            "reg_alpha=-0.1",
            "subsample=0",
            "subsample=1.5",
            "colsample_bytree=nan",
            "seed=-1",
            "seed=x",
            "num_leaves=3.5",
            "num_leaves",
            "=",
            "",
        ] {
            assert!(params.set(bad).is_err(), "{bad}");
        }
        assert_eq!(params, Params::default());
    }
}
