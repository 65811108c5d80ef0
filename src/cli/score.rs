//! How good predictions are, as verbs say it: scores with bootstrap intervals, and how often prediction intervals hold.

use super::output::Output;
use zoometry::eval::{Score, bootstrap, conformal};
use zoometry::kernels::Isa;
use zoometry::predictor::Predictor;
use zoometry::table::Table;

/// Networks tested below which it is said that they are few.
const FEW: usize = 100;

/// The level of the prediction intervals that are counted.
const LEVEL: f64 = 0.9;

/// Adds the score of some predictions.
pub fn show(predicted: &[f32], target: &[f32], output: &mut Output) {
    let score = Score::new(predicted, target);
    let interval = bootstrap::intervals(&[predicted.to_vec()], target, 0);
    output.line(format!(
        "  on networks never seen: R² {}, Kendall's τ {}, MSE {:.3e}, MAE {:.4}",
        with(score.r2, interval.r2),
        with(score.tau, interval.tau),
        score.mse,
        score.mae
    ));
    if score.r2.is_nan() || score.tau.is_nan() {
        output.line("  (NaN: fewer than two different accuracies, measured or predicted)");
    }
    how_many(target.len(), output);
    output.set("r2", score.r2);
    output.set("tau", score.tau);
    output.set("mse", score.mse);
    output.set("mae", score.mae);
    output.set("r2_interval", interval.r2);
    output.set("tau_interval", interval.tau);
}

/// A measure and its interval: `0.9493 [0.938, 0.958]`.
pub fn with(value: f64, [low, high]: [f64; 2]) -> String {
    format!("{value:.4} [{low:.3}, {high:.3}]")
}

/// Says what the brackets are, and where few networks stand behind them.
pub fn how_many(tested: usize, output: &mut Output) {
    let few = if tested < FEW { ", which are few" } else { "" };
    output.line(format!("  [in brackets: 95 % intervals of a bootstrap over the {tested} networks tested{few}]"));
}

/// Adds how far prediction intervals reach and how often they hold the truth, where the predictor has errors enough.
///
/// Early stopping looked at the networks of these errors, so they are a little too small, and so are the intervals: that is why
/// it is counted how much they hold.
pub fn show_intervals(isa: Isa, predictor: &Predictor, test: &Table, predicted: &[f32], output: &mut Output) {
    let intervals = conformal::around(isa, predictor, test, predicted, LEVEL);
    let n = test.rows();
    let reach = intervals.iter().map(|[low, high]| f64::from(high - low) / 2.0).sum::<f64>() / n as f64;
    let reach = Some(reach).filter(|reach| reach.is_finite());
    let coverage = reach.map(|_| conformal::share_inside(&intervals, &test.y));
    if let (Some(reach), Some(coverage)) = (reach, coverage) {
        let (level, held) = (100.0 * LEVEL, 100.0 * coverage);
        output.line(format!("  {level:.0} % intervals: ± {reach:.3}, hold {held:.1} % of the {n} tested"));
    }
    output.set("interval_level", LEVEL);
    output.set("interval_reach", reach);
    output.set("interval_coverage", coverage);
}
