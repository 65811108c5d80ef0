//! How good predictions are, as verbs say it: scores with bootstrap intervals, and how often prediction intervals hold.

use super::files;
use super::output::{Output, count};
use std::path::PathBuf;
use zoometry::Context;
use zoometry::eval::{ClassScore, Score, Unseen, bootstrap, conformal};
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::Zoo;

/// Networks tested below which it is said that they are few.
const FEW: usize = 100;

/// Scores that a predictor's file keeps.
pub const KEPT: [&str; 6] = ["r2", "tau", "mse", "mae", "accuracy", "log_loss"];

/// The level of the prediction intervals that are counted.
const LEVEL: f64 = 0.9;

/// Seed of the bootstrap.
const SEED: u64 = 0;

/// Predictions of networks never seen, and the truth: numbers, or of each class its probability.
#[derive(Clone, Copy)]
pub struct Tested<'a> {
    /// Numbers a row.
    pub outputs: usize,
    /// Row-major.
    pub predicted: &'a [f32],
    pub target: &'a [f32],
}

impl<'a> Tested<'a> {
    pub fn new(predictor: &Predictor, predicted: &'a [f32], target: &'a [f32]) -> Tested<'a> {
        Tested { outputs: predictor.model.outputs(), predicted, target }
    }

    /// What the measures that have intervals are called: in words, and in JSON.
    pub fn measures(&self) -> [(&'static str, &'static str); 2] {
        match self.outputs {
            1 => [("R²", "r2"), ("Kendall's τ", "tau")],
            _ => [("accuracy", "accuracy"), ("log-loss", "log_loss")],
        }
    }

    /// These measures on some of the rows.
    pub fn of(&self, rows: &[usize]) -> [f64; 2] {
        let predicted: Vec<f32> =
            rows.iter().flat_map(|row| &self.predicted[row * self.outputs..][..self.outputs]).copied().collect();
        let target: Vec<f32> = rows.iter().map(|&row| self.target[row]).collect();
        match self.outputs {
            1 => {
                let score = Score::new(&predicted, &target);
                [score.r2, score.tau]
            }
            classes => {
                let score = ClassScore::new(&predicted, classes, &target);
                [score.accuracy, score.log_loss]
            }
        }
    }
}

/// What is said of zoos, one after another; in JSON of several a list `zoos`, each with its `file`.
pub fn each(groups: &[Vec<PathBuf>], mut outputs: Vec<Output>) -> Output {
    if let [one] = &mut *outputs {
        return std::mem::take(one);
    }
    let mut all = Output::default();
    let mut zoos = Vec::new();
    for (files, mut one) in groups.iter().zip(outputs) {
        all.text += &one.text;
        one.set("file", files::shown(files));
        zoos.push(one.json);
    }
    all.set("zoos", zoos);
    all
}

/// What the networks of a test part are to the predictor.
pub const NEVER_SEEN: &str = "networks never seen";

/// What the networks of a score are to the predictor.
pub fn seen(unseen: &Unseen) -> &'static str {
    if unseen.known { NEVER_SEEN } else { "networks of which nobody knows whether it has seen them" }
}

/// Notes for programs which networks a score is of.
pub fn note(unseen: &Unseen, zoo: &Zoo, output: &mut Output) {
    output.set("part", &unseen.said);
    output.set("left_out", unseen.left_out);
    output.set("provenance", if unseen.known { "known" } else { "unknown" });
    output.set("caveats", zoo.caveats());
}

/// Adds the score of predictions on `what`.
pub fn show(what: &str, tested: Tested, output: &mut Output) {
    let (n, names) = (tested.target.len(), tested.measures());
    let values = tested.of(&(0..n).collect::<Vec<_>>());
    let intervals = bootstrap::percentiles_of(n, SEED, |rows| tested.of(rows));
    let [first, second] = [0, 1].map(|k| format!("{} {}", names[k].0, with(values[k], intervals[k])));
    for (k, (_, name)) in names.into_iter().enumerate() {
        output.set(name, values[k]);
        output.set(&format!("{name}_interval"), intervals[k]);
    }
    if tested.outputs == 1 {
        let score = Score::new(tested.predicted, tested.target);
        let (mse, mae) = (score.mse, score.mae);
        output.line(format!("  on {what}: {first}, {second}, MSE {mse:.3e}, MAE {mae:.4}"));
        output.set("mse", mse);
        output.set("mae", mae);
        if values.iter().any(|value| value.is_nan()) {
            output.line("  (NaN: fewer than two different values, measured or predicted)");
        }
    } else {
        let majority = ClassScore::new(tested.predicted, tested.outputs, tested.target).majority;
        output.line(format!("  on {what}: {first}, {second}; the most frequent class alone {majority:.4}"));
        output.set("majority", majority);
    }
    how_many(n, output);
}

/// A measure and its interval: `0.9493 [0.938, 0.958]`.
pub fn with(value: f64, [low, high]: [f64; 2]) -> String {
    format!("{} [{}, {}]", rounded(value, 4), rounded(low, 3), rounded(high, 3))
}

/// A number with so many decimals and a minus sign as typography has it; what rounds to nothing has no sign.
fn rounded(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let minus = value < 0.0 && digits.contains(|digit| ('1'..='9').contains(&digit));
    if minus { format!("−{digits}") } else { digits }
}

/// Says what the brackets are, and where few networks stand behind them.
pub fn how_many(tested: usize, output: &mut Output) {
    let few = if tested < FEW { ", which are few" } else { "" };
    output.line(format!(
        "  [in brackets: 95 % intervals of a bootstrap over the {} networks tested{few}]",
        count(tested as u64)
    ));
}

/// Adds how far prediction intervals reach and how often they hold the truth, where the predictor has errors enough.
///
/// Early stopping looked at the networks of these errors, so they are a little too small, and so are the intervals: that is why
/// it is counted how much they hold.
pub fn show_intervals(context: &Context, predictor: &Predictor, test: &Table, predicted: &[f32], output: &mut Output) {
    if predictor.model.outputs() > 1 {
        return;
    }
    let intervals = conformal::around(context, predictor, test, predicted, LEVEL);
    let n = test.rows();
    let reach = intervals.iter().map(|[low, high]| f64::from(high - low) / 2.0).sum::<f64>() / n as f64;
    let reach = Some(reach).filter(|reach| reach.is_finite());
    let coverage = reach.map(|_| conformal::share_inside(&intervals, &test.y));
    if let (Some(reach), Some(coverage)) = (reach, coverage) {
        let (level, held) = (100.0 * LEVEL, 100.0 * coverage);
        // three standard deviations of a share of those tested, at a level that was itself found on some
        let samples = 1.0 / n as f64 + 1.0 / conformal::errors(predictor).max(1) as f64;
        let few = coverage < LEVEL - 3.0 * (LEVEL * (1.0 - LEVEL) * samples).sqrt();
        let said = if few { ": fewer than they should, beyond chance" } else { "" };
        let tested = count(n as u64);
        output.line(format!("  {level:.0} % intervals: ± {reach:.3}, hold {held:.1} % of the {tested} tested{said}"));
    }
    output.set("interval_level", LEVEL);
    output.set("interval_reach", reach);
    output.set("interval_coverage", coverage);
}
