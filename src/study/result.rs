//! What a study finds: plain entries, one a line of its journal, that a report is made of.
//!
//! A study's folder has `results.jsonl`, an [`Entry`] a line with its variant as `kind`; `report.html`; and `results.csv`, a
//! [`Cell`] a line: `experiment`, `fitted`, `tested` (zoos), `input`, `predictor`, `epoch` (seen; empty: the last), `n_train`,
//! `draws`, `n_test`, `r2`, `r2_low`, `r2_high`, `tau`, `tau_low`, `tau_high`, `mse`, `mae`, `published_r2`, `seconds`, `left_out`,
//! `protocol`.

use crate::eval::{Score, nan::or_nan};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// How the study was made: the first line.
    Study(Header),
    /// A later command that found something.
    Continued(Continued),
    /// A zoo that the study looked at.
    Zoo(ZooEntry),
    /// A predictor's score.
    Cell(Cell),
    /// What early stopping of hopeless runs would have cost.
    Stopping(Stopping),
    /// A zoo's networks, for pictures.
    Networks(Networks),
    /// What matters to a predictor.
    Importance(Importance),
    /// How often prediction intervals hold the truth.
    Coverage(Coverage),
    /// What the best networks of a zoo take for its classes.
    Images(Gallery),
}

/// How a study was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The command that began it.
    pub command: String,
    /// Program and version.
    pub program: String,
    /// On which part choices were made.
    pub protocol: Protocol,
    /// Seed of the division into parts.
    pub split_seed: u64,
    /// Digest of the published division, where there was one instead of a seed.
    pub split: Option<String>,
}

/// A command that continued a study.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Continued {
    /// The command.
    pub command: String,
    /// Program and version.
    pub program: String,
}

/// On which part the number of trees and epochs is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// On a validation part; the test part is looked at once.
    #[default]
    Clean,
    /// On the test part itself, as the reference's notebook does: too good, for comparison with published figures.
    Optimistic,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Clean => "clean",
            Protocol::Optimistic => "optimistic",
        })
    }
}

/// A zoo: what it was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZooEntry {
    /// Its short name in every other entry: the file's, without extension.
    pub name: String,
    /// The file.
    pub path: String,
    /// The data set.
    pub dataset: String,
    /// Digest of the data set's images and labels.
    pub digest: String,
    /// Every network's shape, as `28×28 16s2,16s2,16s2 → 10`.
    pub arch: String,
    /// Whether the shape is the reference's stack: three convolutions of 16 channels, stride 2, no padding.
    pub reference: bool,
    /// Weights of a network.
    pub weights: usize,
    /// Networks that are finished and have not diverged.
    pub networks: usize,
    /// How many of them, drawn at random, all but the accuracies of the networks is of; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Networks that diverged.
    pub diverged: usize,
    /// Epochs of the checkpoints; the last is the final one.
    pub checkpoints: Vec<u32>,
    /// Name of the recipe.
    pub recipe: String,
    /// Its settings that are not those of `small-cnn-zoo`, such as `batch=36`; name and layers apart.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// Seed of the zoo.
    pub seed: u64,
    /// Whether all networks have one seed.
    pub shared_seed: bool,
    /// Who trained or imported it.
    #[serde(alias = "program")]
    pub origin: String,
    /// What a reader of its scores should know: networks that are not finished, images that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

impl ZooEntry {
    /// What tells its data set from others: its digest, or its name where that is not known.
    pub fn data(&self) -> &str {
        if self.digest.is_empty() { &self.dataset } else { &self.digest }
    }
}

/// The score of a predictor fitted to one zoo on the test part of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Which experiment: one of [`super::EXPERIMENTS`].
    pub experiment: String,
    /// The zoo that it was fitted to.
    pub fitted: String,
    /// The zoo whose test part it was scored on.
    pub tested: String,
    /// What it saw: an input's key.
    pub input: String,
    /// The kind of predictor, by its name.
    pub predictor: String,
    /// The checkpoint that it saw, where that is not the last.
    pub epoch: Option<u32>,
    /// Networks it was fitted to, validation networks not counted.
    pub n_train: usize,
    /// Subsets of that many networks over which the score is the mean; 1 if it is all of them.
    pub draws: usize,
    /// R², τ, MSE, MAE, number of test networks.
    pub score: Score,
    /// Bounds that hold 95 % of the bootstrap replicates of R².
    #[serde(deserialize_with = "or_nan")]
    pub r2_interval: [f64; 2],
    /// The same of τ.
    #[serde(deserialize_with = "or_nan")]
    pub tau_interval: [f64; 2],
    /// R² of some replicates, of points of learning curves: those of one number drew the same test networks for every point.
    #[serde(default, deserialize_with = "or_nan", skip_serializing_if = "Vec::is_empty")]
    pub r2_replicates: Vec<f32>,
    /// R² published for the released zoo of this data set, input and predictor: 15,000 train networks, 86 epochs.
    pub published_r2: Option<f64>,
    /// Seconds of the fit.
    pub seconds: f64,
    /// Networks of the test part that the predictor was fitted to under another name or number, and that are not in the score.
    #[serde(default)]
    pub left_out: usize,
}

/// What would have happened had the runs with the lowest predicted final accuracy been stopped at an early checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The zoo.
    pub zoo: String,
    /// What the predictor (gradient boosting) saw; `test_accuracy`: no predictor, ordered by the accuracy measured then.
    pub input: String,
    /// The checkpoint it saw.
    pub epoch: u32,
    /// Epochs of a whole run.
    pub epochs: u32,
    /// The curve, in the order of ascending shares.
    pub points: Vec<StoppingPoint>,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoppingPoint {
    /// Share of the test part's runs that is stopped.
    pub stopped: f64,
    /// Share of all epochs that is saved.
    #[serde(deserialize_with = "or_nan")]
    pub saved: f64,
    /// Of the stopped, the share that would have ended in the worse half.
    #[serde(deserialize_with = "or_nan")]
    pub hopeless: f64,
    /// Of the tenth that would have ended best, the share that was stopped.
    #[serde(deserialize_with = "or_nan")]
    pub best_lost: f64,
    /// The best final accuracy of all less the best of those that went on.
    #[serde(deserialize_with = "or_nan")]
    pub regret: f64,
}

/// A zoo's networks; lists have one element a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Networks {
    /// The zoo.
    pub zoo: String,
    /// Its number.
    pub run: Vec<u32>,
    /// Accuracy on its own training images.
    #[serde(deserialize_with = "or_nan")]
    pub train_accuracy: Vec<f32>,
    /// Accuracy on the test images.
    #[serde(deserialize_with = "or_nan")]
    pub test_accuracy: Vec<f32>,
    /// The first two principal components of the standardised statistics; of a sample, which then comes first in the other lists.
    #[serde(deserialize_with = "or_nan")]
    pub map: Vec<[f32; 2]>,
    /// Shares of the variance that these two components hold.
    #[serde(deserialize_with = "or_nan")]
    pub map_share: [f64; 2],
    /// Predictions for the test part by input, gradient boosting.
    pub predictions: Vec<Predictions>,
}

/// Predictions for a zoo's test part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// What the predictor saw.
    pub input: String,
    /// Which networks, as indices into [`Networks::run`].
    pub network: Vec<usize>,
    /// What it predicted.
    #[serde(deserialize_with = "or_nan")]
    pub predicted: Vec<f32>,
}

/// What matters to gradient boosting on a zoo; all lists have one element a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The zoo.
    pub zoo: String,
    /// What the predictor saw.
    pub input: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Share of the reduction of the training error by the column's splits.
    #[serde(deserialize_with = "or_nan")]
    pub gain: Vec<f64>,
    /// Number of its splits.
    pub split: Vec<u64>,
    /// How far R² on the test part falls when the column is shuffled there, mean of several orders.
    #[serde(deserialize_with = "or_nan")]
    pub permutation: Vec<f64>,
    /// Mean |SHAP value| on the test part, in units of accuracy.
    #[serde(deserialize_with = "or_nan")]
    pub shap: Vec<f64>,
    /// Of the columns with the largest mean |SHAP value|: the values themselves.
    pub beeswarm: Vec<Beeswarm>,
}

/// One column's SHAP values on the test part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beeswarm {
    /// Name of the column.
    pub column: String,
    /// Where each network's value of the column lies among those of the test part: 0 lowest, 1 highest.
    pub rank: Vec<f32>,
    /// SHAP value of each, in units of accuracy.
    pub shap: Vec<f32>,
}

/// Images that the best training networks of a zoo made (activation maximisation), [`crate::features::consensus`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// The zoo.
    pub zoo: String,
    /// Height, width and channels.
    pub size: [usize; 3],
    /// Image n was made for class n mod this.
    pub classes: usize,
    /// Networks that made them.
    pub members: usize,
    /// Row by row with channels side by side, one image after another.
    pub pixels: Vec<u8>,
}

/// How often split-conformal intervals hold the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The zoo.
    pub zoo: String,
    /// What the predictor (gradient boosting) saw.
    pub input: String,
    /// Share promised.
    pub level: f64,
    /// Share of the test part inside.
    #[serde(deserialize_with = "or_nan")]
    pub coverage: f64,
    /// Half the width of an interval, in units of accuracy, before it is cut to 0…1.
    #[serde(deserialize_with = "or_nan")]
    pub reach: f64,
    /// Networks of the validation part, whose errors the interval was made of; 0 where it was not written down.
    #[serde(default)]
    pub calibration: usize,
    /// Networks of the test part.
    pub n: usize,
}

/// Everything that a study has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Study {
    /// How it was made.
    pub header: Header,
    /// Later commands that found something, in their order.
    pub continued: Vec<Continued>,
    /// The zoos, in the order given.
    pub zoos: Vec<ZooEntry>,
    /// Scores.
    pub cells: Vec<Cell>,
    /// Early stopping.
    pub stopping: Vec<Stopping>,
    /// Networks.
    pub networks: Vec<Networks>,
    /// Importance.
    pub importance: Vec<Importance>,
    /// Prediction intervals.
    pub coverage: Vec<Coverage>,
    /// What networks take for their classes.
    pub galleries: Vec<Gallery>,
}
