//! `zoometry fit`

use super::output::{Force, Output, duration};
use super::parts::{Divided, Rows};
use super::{MachineArgs, STOP, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::eval::{Score, conformal};
use zoometry::kernels::Isa;
use zoometry::out::FileKind;
use zoometry::predictor::{Config, DEFAULT, Options, Predictor};
use zoometry::{Error, Result, predictor};

/// Fit a predictor of accuracy to a zoo or a table
///
/// A zoo's networks are divided by number into 40 % train, 10 % validation (early stopping) and 50 % test, or as
/// --split says, in the same shares. Of a
/// table without --x-test the rows are divided likewise; with it all rows are train rows, less 20 % for validation if
/// early_stopping_rounds is set. Gradient boosting's options have LightGBM's names; its aliases are taken too.
#[derive(Args)]
pub struct Fit {
    #[command(flatten)]
    source: Rows,
    #[arg(long, value_name = "KIND", help = super::kinds_help() + &format!(" [default: {DEFAULT}]"))]
    predictor: Option<String>,
    /// A configuration that `search` found: kind, input and options; --input and --param change it
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "NAME=VALUE", help = super::params_help("An option of the fit"))]
    param: Vec<String>,
    /// Where the fitted predictor goes, .safetensors; without it only the score is printed
    #[arg(long, value_name = "MODEL")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Fit {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let kind = self.predictor.as_deref();
        // a kind that is none is the command line's fault, not the file's
        kind.map(predictor::kind).transpose()?;
        let config = self.config.as_deref().map(|path| Config::load(path, kind)).transpose()?;
        let seen = config.as_ref().and_then(|config| config.input.as_deref());
        let input = super::input(self.source.input.as_deref().or(seen))?;
        let mut guard = self.force.guard(self.source.files().chain(&self.config));
        let out = self.out.as_ref().map(|path| guard.file(path, FileKind::Predictor)).transpose()?;
        let options = self.options(config)?;
        self.machine.run(|| {
            let divided = self.source.parts(isa, &input, options.stops_early())?;
            let mut output = Output::default();
            let predictor = fit(isa, &divided, &options, &mut output)?;
            if let Some(out) = &out {
                predictor.save(out)?;
                output.line(format!("  kept in {}", out.path().display()));
                output.set("out", out.path());
            } else {
                output.line("  not kept: name a file with --out to use it again");
            }
            Ok(output)
        })
    }

    /// The options: of the command line, else of the configuration, else the defaults. Options of one kind mean nothing to
    /// another, so another kind than the configuration's is refused.
    fn options(&self, config: Option<Config>) -> Result<Options> {
        let kind = match (self.predictor.as_deref(), &config) {
            (Some(kind), Some(config)) if kind != config.predictor => {
                let expected = format!("{}, as the configuration", config.predictor);
                return Err(Error::invalid("--predictor", expected, kind));
            }
            (_, Some(config)) => config.predictor.as_str(),
            (kind, None) => kind.unwrap_or(DEFAULT),
        };
        let mut options = match &*self.source.zoo {
            [_, ..] => Options::networks(kind)?,
            [] => Options::new(kind)?,
        };
        config.iter().try_for_each(|config| config.apply(&mut options))?;
        self.param.iter().try_for_each(|assignment| options.set(assignment))?;
        Ok(options)
    }
}

/// Fits and scores on the test part; used by `demo` and `search` too.
pub fn fit(isa: Isa, divided: &Divided, options: &Options, output: &mut Output) -> Result<Predictor> {
    let parts = &divided.parts;
    let start = Instant::now();
    let mut predictor = parts.fit(isa, options, &STOP)?;
    let seconds = start.elapsed().as_secs_f64();
    let (train, val, test) = (parts.train.rows(), parts.validation.rows(), parts.test.rows());
    predictor.info = divided.info.clone();
    predictor.info.insert(select::N_TRAIN.to_owned(), train.to_string());
    predictor.info.insert(select::N_VAL.to_owned(), val.to_string());
    predictor.input = divided.input.clone();
    let predicted = predictor.predict(isa, &parts.test)?;
    output.line(format!(
        "{} on {} columns, fitted in {}",
        predictor.kind().title,
        parts.train.width(),
        duration(seconds)
    ));
    output.line(format!("  {train} train, {val} validation and {test} test networks"));
    show(&Score::new(&predicted, &parts.test.y), output);
    show_intervals(&predictor, &predicted, &parts.test.y, output);
    output.set("n_train", train);
    output.set("n_val", val);
    output.set("n_test", test);
    output.set("seconds", seconds);
    Ok(predictor)
}

/// Adds a score.
pub fn show(score: &Score, output: &mut Output) {
    output.line(format!(
        "  on networks never seen: R² {:.4}, Kendall's τ {:.4}, MSE {:.3e}, MAE {:.4}",
        score.r2, score.tau, score.mse, score.mae
    ));
    if score.r2.is_nan() || score.tau.is_nan() {
        output.line("  (NaN: fewer than two different accuracies, measured or predicted)");
    }
    output.set("r2", score.r2);
    output.set("tau", score.tau);
    output.set("mse", score.mse);
    output.set("mae", score.mae);
}

/// The level of the intervals that are counted.
const LEVEL: f64 = 0.9;

/// Adds how far prediction intervals reach and how often they hold the truth, where the predictor has validation errors enough.
///
/// Early stopping looked at the same validation part, so its errors are a little too small, and so are the intervals: that is
/// why it is counted how much they hold.
pub fn show_intervals(predictor: &Predictor, predicted: &[f32], target: &[f32], output: &mut Output) {
    let reach = Some(conformal::reach(&predictor.residuals, LEVEL)).filter(|reach| reach.is_finite());
    let coverage = reach.map(|reach| conformal::coverage(predicted, target, reach));
    if let (Some(reach), Some(coverage)) = (reach, coverage) {
        let (level, held, n) = (100.0 * LEVEL, 100.0 * coverage, target.len());
        output.line(format!("  {level:.0} % intervals: ± {reach:.3}, hold {held:.1} % of the {n} tested"));
    }
    output.set("interval_level", LEVEL);
    output.set("interval_reach", reach);
    output.set("interval_coverage", coverage);
}
