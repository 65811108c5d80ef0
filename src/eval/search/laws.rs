//! What the options of a trial are drawn from.

use crate::Result;
use crate::predictor::perceptron::Optimizer;
use crate::predictor::{Options, boost, perceptron};
use crate::rng::Stream;

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"srch");

/// Columns beyond which a tree sees a tenth of them at most.
const WIDE: usize = 1000;

/// The options of trial number `trial` for a kind of predictor and a table of this many rows and columns: a pure function of
/// its arguments. Trial 0 has the options that one fits with without a search.
///
/// # Errors
/// [`crate::Error::Unknown`] for a kind that is none of [`crate::predictor::KINDS`].
pub fn draw(kind: &str, seed: u64, trial: u32, rows: usize, width: usize) -> Result<Options> {
    let mut options = Options::networks(kind)?;
    let mut stream = Stream::new(seed, PURPOSE, trial);
    match &mut options {
        _ if trial == 0 => {}
        Options::Boost(params) => *params = trees(&mut stream, rows, width),
        Options::Perceptron(params) => layers(params, &mut stream),
    }
    Ok(options)
}

/// Options of gradient boosting.
fn trees(stream: &mut Stream, rows: usize, width: usize) -> boost::Params {
    let max_depth = integer(stream, 2, 14);
    // more leaves than rows, or than the depth has room for, would be the same tree
    let num_leaves = integer(stream, 2, rows.clamp(2, 10_000) as u32).min(1 << max_depth);
    boost::Params {
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
        ..boost::Params::default()
    }
}

/// Options of a perceptron; a logit-linear model has no units that dropout could drop.
fn layers(params: &mut perceptron::Params, stream: &mut Stream) {
    params.optimizer = pick(stream, [Optimizer::Adam, Optimizer::Sgd]);
    let fastest = if params.optimizer == Optimizer::Adam { 0.1 } else { 0.5 };
    params.learning_rate = log_uniform(stream, 1e-3, fastest);
    params.l2 = log_uniform(stream, 1e-8, 1e-3);
    params.batch_size = pick(stream, [64, 128, 256, 512]);
    if params.layers > 0 {
        params.dropout = stream.range(0.0, 0.2);
        params.layers = integer(stream, 3, 9) as usize;
        params.units = integer(stream, 256, 512) as usize;
    }
}

/// A uniform integer, both ends included.
fn integer(stream: &mut Stream, low: u32, high: u32) -> u32 {
    low + stream.below(high - low + 1)
}

/// One of these, all equally likely.
fn pick<T: Copy, const N: usize>(stream: &mut Stream, values: [T; N]) -> T {
    values[stream.below(N as u32) as usize]
}

/// A number whose logarithm is uniform.
fn log_uniform(stream: &mut Stream, low: f64, high: f64) -> f64 {
    // rounding must not lead beyond the ends
    libm::exp(stream.range(libm::log(low), libm::log(high))).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::KINDS;

    #[test]
    fn every_trial_is_allowed_and_depends_on_its_number_alone() {
        for kind in KINDS {
            assert_eq!(draw(kind, 3, 0, 100, 5).unwrap(), Options::networks(kind).unwrap());
            let trials: Vec<Options> = (0..300).map(|trial| draw(kind, 3, trial, 100, 5).unwrap()).collect();
            for (trial, options) in (0..).zip(&trials) {
                assert_eq!(options.kind(), kind);
                assert_eq!(*options, draw(kind, 3, trial, 100, 5).unwrap());
                match options {
                    Options::Boost(params) => params.check().unwrap(),
                    Options::Perceptron(params) => params.check().unwrap(),
                }
            }
            assert!(trials.windows(2).all(|pair| pair[0] != pair[1]));
            assert_ne!(trials[1], draw(kind, 4, 1, 100, 5).unwrap());
        }
        assert!(draw("gmb", 0, 1, 100, 5).is_err());
    }

    #[test]
    fn ranges_are_the_references() {
        let range = |kind: &str, name: &str, width: usize| {
            let trials = (1..2000).map(|trial| draw(kind, 1, trial, 20_000, width).unwrap().values());
            let values: Vec<f64> = trials.map(|values| values[name].as_f64().unwrap()).collect();
            values.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &x| (low.min(x), high.max(x)))
        };
        let near = |(low, high): (f64, f64), ends: (f64, f64)| {
            let slack = 0.03 * (ends.1 - ends.0);
            assert!(ends.0 <= low && low <= ends.0 + slack && ends.1 - slack <= high && high <= ends.1, "{low} {high}");
        };
        near(range("gbm", "num_leaves", 5), (2.0, 10_000.0));
        near(range("gbm", "max_depth", 5), (2.0, 14.0));
        near(range("gbm", "learning_rate", 5), (0.01, 0.1));
        near(range("gbm", "subsample", 5), (0.1, 1.0));
        near(range("gbm", "colsample_bytree", 5), (0.7, 1.0));
        near(range("gbm", "colsample_bytree", 1001), (0.03, 0.1));
        near(range("gbm", "reg_lambda", 5), (0.0, 100.0));
        near(range("gbm", "reg_alpha", 5), (1e-3, 10.0));
        near(range("linear", "learning_rate", 5), (1e-3, 0.5));
        near(range("mlp", "l2", 5), (1e-8, 1e-3));
        near(range("mlp", "dropout", 5), (0.0, 0.2));
        near(range("mlp", "layers", 5), (3.0, 9.0));
        near(range("mlp", "units", 5), (256.0, 512.0));
    }
}
