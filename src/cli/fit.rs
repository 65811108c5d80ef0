//! `zoometry fit`

use super::asked::Asked;
use super::output::{self, Force, Output, count, counted, duration};
use super::parts::{Divided, Rows};
use super::score::{self, Tested};
use super::suggest::suggest;
use super::{MachineArgs, select};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::eval::{Parts, Score, compact, conformal};
use zoometry::kernels::compact::Compact;
use zoometry::out::{FileKind, OutPath, replace};
use zoometry::predictor::{Config, DEFAULT, INPUT, KINDS, Options, Predictor};
use zoometry::table::origin;
use zoometry::zoo::Target;
use zoometry::{Context, Error, Result};

/// Fit a predictor of accuracy, or of another target, to a zoo or a table
///
/// A zoo's networks are divided by number into 40 % train, 10 % validation (early stopping) and 50 % test, or as
/// --split says, in the same shares. Of a
/// table without --x-test the rows are divided likewise; with it all rows are train rows, less 20 % for validation if
/// early_stopping_rounds is set. Gradient boosting's options have LightGBM's names; its aliases are taken too.
#[derive(Args)]
pub struct Fit {
    #[command(flatten)]
    source: Rows,
    /// What is predicted: test_accuracy, train_accuracy, gap (train less test accuracy), test_loss, train_loss or a
    /// hyperparameter; one whose values are names (activation, optimizer, w_init, schedule) makes it a classification, for gbm
    /// and bags of it [default: test_accuracy]
    #[arg(long, value_name = "NAME", requires = "zoo", hide_possible_values = true, value_parser = suggest(Target::names()))]
    target: Option<String>,
    #[arg(long, value_name = "KIND", hide_possible_values = true, value_parser = suggest(KINDS.map(|kind| kind.name)), help = super::kinds_help() + &format!(" [default: {DEFAULT}]"))]
    predictor: Option<String>,
    /// Fit once for each of K folds of the train and the validation networks, to all but the fold, and predict the mean of the K
    /// fits (bagging); the errors on the folds give prediction intervals (CV+). Short for --predictor 'bag(KIND)'
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = super::count_in::<u16>(2..=1000))]
    folds: Option<u16>,
    /// Fit once more, to train and validation networks, with the number of rounds that the validation networks found to be best
    #[arg(long, conflicts_with = "folds")]
    refit: bool,
    /// A configuration that `search` found: kind, input and options; --input and --param change it
    #[arg(long, value_name = "FILE.json")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "NAME=VALUE", help = super::params_help("An option of the fit"))]
    param: Vec<String>,
    /// Where the fitted predictor goes, .safetensors; without it only the score is printed
    #[arg(short, long, value_name = "MODEL")]
    out: Option<PathBuf>,
    /// Also a table of small trees that learn from the predictor, for machines that have no room for it: used where it lies, in
    /// flash for instance. Needs a zoo and the input wstats
    #[arg(long, value_name = "TABLE", requires = "zoo")]
    compact: Option<PathBuf>,
    /// Bytes of that table at most, in KB of 1024
    #[arg(long, value_name = "KB", default_value_t = 64, requires = "compact", allow_negative_numbers = true,
        value_parser = super::count_in::<usize>(1..=1_000_000))]
    compact_kb: usize,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Fit {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let kind = self.predictor.as_deref();
        // a kind that is none is the command line's fault, not the file's
        kind.map(Options::new).transpose()?;
        let config = self.config.as_deref().map(|path| Config::load(path, kind)).transpose()?;
        let seen = config.as_ref().and_then(|config| config.input.as_deref());
        let input = super::input(self.source.input.as_deref().or(seen))?;
        let mut guard = self.force.guard(self.source.files().chain(&self.config));
        let out = self.out.as_ref().map(|path| guard.file(path, FileKind::Predictor)).transpose()?;
        let compact = self.compact.as_ref().map(|path| guard.file(path, FileKind::Compact)).transpose()?;
        let options = self.options(config)?;
        self.machine.run(|| {
            let target = self.target.as_deref().map_or_else(|| Ok(Target::default()), str::parse)?;
            let divided = self.source.parts(context, &input, target, options.stops_early())?;
            let options = match Asked::of_info(&divided.info)?.classes.len() {
                0 => options,
                classes => options.of_classes(classes)?,
            };
            let mut output = Output::default();
            self.tell_defaults(&options)?;
            let fitted = fit(context, &divided, &options, self.refit, &mut output);
            let predictor = fitted.map_err(|error| self.source.named(error))?;
            if let Some(out) = &compact {
                self.compact(context, out, &predictor, &divided.parts, &mut output)?;
            }
            if let Some(out) = &out {
                predictor.save(out)?;
                output.line(format!("  kept in {}", out.path().display()));
                output.path("out", out.path());
            } else {
                output.line("  not kept: name a file with --out to use it again");
            }
            Ok(output)
        })
    }

    /// Writes the table of small trees and says how good it is.
    fn compact(
        &self,
        context: &Context,
        out: &OutPath,
        full: &Predictor,
        parts: &Parts,
        output: &mut Output,
    ) -> Result<()> {
        let wstats = full.info.get(INPUT).is_some_and(|input| input == "wstats");
        let (Some(arch), true) = (select::architecture(full), wstats) else {
            return Err(Error::invalid("--compact", "a predictor of a zoo's wstats", "another input"));
        };
        let budget = self.compact_kb.saturating_mul(1024);
        let table = compact::distill(context, full, parts, &compact::windows(&arch)?, budget);
        let table = table.map_err(|error| match error {
            Error::Invalid { what, expected, got } if what == "budget" => Error::invalid("--compact-kb", expected, got),
            other => other,
        })?;
        let small = Compact::new(&table).map_err(|refusal| Error::invalid("compact table", "a table", refusal))?;
        let test = &parts.test;
        let predicted: Vec<f32> = (0..test.rows()).map(|row| small.predict(test.row(row))).collect();
        let score = Score::new(&predicted, &test.y);
        let (bytes, trees) = (table.len(), small.trees());
        output.line(format!(
            "compact: {} bytes, {trees} trees, R² {:.4} on networks never seen",
            count(bytes as u64),
            score.r2
        ));
        if let Some(reach) = small.reach() {
            let held = 100.0 * conformal::coverage(&predicted, &test.y, reach);
            output.line(format!("  90 % intervals: ± {reach:.3}, hold {held:.1} %"));
        }
        replace(out, |file| file.write_all(&table))?;
        output.line(format!("  kept in {}", out.path().display()));
        output.path("compact", out.path());
        output.set("compact_bytes", bytes);
        output.set("compact_r2", score.r2);
        Ok(())
    }

    /// Says on stderr that a table gets other defaults than a zoo's networks, which it may hold.
    fn tell_defaults(&self, options: &Options) -> Result<()> {
        let asked = !self.source.zoo.is_empty() || self.config.is_some() || !self.param.is_empty();
        if !asked && options.values() != Options::networks(&options.spec())?.values() {
            output::tell(
                "the options are those for any table; a zoo's networks get others (`info` shows a predictor's)",
            );
        }
        Ok(())
    }

    /// The options: of the command line, else of the configuration, else the defaults. Options of one kind mean nothing to
    /// another, so another kind than the configuration's is refused.
    fn options(&self, config: Option<Config>) -> Result<Options> {
        let kind = match (self.predictor.as_deref(), &config) {
            (Some(kind), Some(config)) if Options::new(kind)?.spec() != config.predictor => {
                let expected = format!("{}, as the configuration", config.predictor);
                return Err(Error::invalid("--predictor", expected, kind));
            }
            (_, Some(config)) => config.predictor.as_str(),
            (kind, None) => kind.unwrap_or(DEFAULT),
        };
        let spec = match self.folds {
            Some(_) if !Options::new(kind)?.holds_out() => format!("bag({kind})"),
            _ => kind.to_owned(),
        };
        let mut options = match &*self.source.zoo {
            [_, ..] => Options::networks(&spec)?,
            [] => Options::new(&spec)?,
        };
        config.iter().try_for_each(|config| config.apply(&mut options))?;
        self.param.iter().try_for_each(|assignment| options.set(assignment))?;
        self.folds.map(|folds| options.set(&format!("folds={folds}"))).transpose()?;
        Ok(options)
    }
}

/// Fits and scores on the test part; used by `demo` and `search` too.
pub fn fit(
    context: &Context,
    divided: &Divided,
    options: &Options,
    refit: bool,
    output: &mut Output,
) -> Result<Predictor> {
    let parts = &divided.parts;
    let start = Instant::now();
    let mut predictor = if refit { parts.refit(context, options)? } else { parts.fit(context, options)? };
    let seconds = start.elapsed().as_secs_f64();
    let (train, val, test) = (parts.train.rows(), parts.validation.rows(), parts.test.rows());
    predictor.info.extend(divided.info.clone());
    predictor
        .info
        .extend([(origin::N_TRAIN, train), (origin::N_VAL, val)].map(|(key, n)| (key.to_owned(), n.to_string())));
    predictor.input = divided.input.clone();
    let predicted = predictor.predict(context, &parts.test)?;
    let caveats = predictor.info.get(origin::CAVEATS);
    output.line(format!(
        "{} on {}, fitted in {}{}",
        predictor.model.options().title(),
        counted(parts.train.width(), "column"),
        duration(seconds),
        caveats.map_or(String::new(), |caveats| format!(" ({caveats})"))
    ));
    output.set("caveats", caveats);
    output.set("repeated", parts.repeated);
    let [trained, chosen, tested] = [train, val, test].map(|n| count(n as u64));
    output.line(format!("  {trained} train, {chosen} validation and {tested} test networks"));
    match test {
        0 => output.line("  no network is left to be tested on: no score"),
        _ => {
            score::show(score::NEVER_SEEN, Tested::new(&predictor, &predicted, &parts.test.y), output);
            score::show_intervals(context, &predictor, &parts.test, &predicted, output);
        }
    }
    // `info` of the file shows them
    for name in score::KEPT {
        let value = output.json.get(name).filter(|value| value.is_number());
        predictor.info.extend(value.map(|value| (format!("test_{name}"), value.to_string())));
    }
    predictor.info.insert("n_test".to_owned(), test.to_string());
    output.set("n_train", train);
    output.set("n_val", val);
    output.set("n_test", test);
    output.set("seconds", seconds);
    Ok(predictor)
}
