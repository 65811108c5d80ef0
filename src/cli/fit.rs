//! `zoometry fit`

use super::output::{self, Output, duration};
use super::select::{self, Division};
use super::{Machine, STOP};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::eval::{Score, Split};
use zoometry::features::Input;
use zoometry::kernels::Isa;
use zoometry::predictor::{Options, Predictor};
use zoometry::table::Table;
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Fit a predictor of accuracy to a zoo or a table
///
/// A zoo's networks are divided by number into 40 % for fitting, 10 % for choosing (early stopping) and 50 % for testing, or as
/// --split says, in the same shares. Of a
/// table without --x-test the rows are divided likewise; with it all rows are for fitting, less 20 % for choosing if
/// early_stopping_rounds is set.
#[derive(Args)]
pub struct Fit {
    /// The zoo file
    #[arg(value_name = "ZOO", required_unless_present = "x", conflicts_with = "x")]
    zoo: Option<PathBuf>,
    /// A table instead: rows × columns, .npy
    #[arg(long, value_name = "X.npy", requires = "y")]
    x: Option<PathBuf>,
    /// The table's targets, .npy
    #[arg(long, value_name = "Y.npy", requires = "x")]
    y: Option<PathBuf>,
    /// Rows to be tested on
    #[arg(long, value_name = "X.npy", requires = "y_test", requires = "x")]
    x_test: Option<PathBuf>,
    /// Their targets
    #[arg(long, value_name = "Y.npy", requires = "x_test")]
    y_test: Option<PathBuf>,
    /// The kind of predictor: gbm (gradient boosting), linear (logit-linear) or mlp
    #[arg(long, value_name = "KIND", default_value = "gbm")]
    predictor: String,
    /// An option of the fit: of gbm by LightGBM's name (num_leaves=31 …), of linear and mlp learning_rate=1e-3,
    /// optimizer=adam|sgd, l2, batch_size, epochs, early_stopping_rounds, seed and, of mlp, layers, units, dropout
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// What the predictor sees of a zoo's networks: wstats, probes, hyper, weights …, joined by + [default: wstats]
    #[arg(long, value_name = "KEY", conflicts_with = "x", long_help = super::INPUT_HELP)]
    input: Option<String>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", requires = "zoo")]
    epoch: Option<u32>,
    /// Seed of the division into parts
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true)]
    split_seed: u64,
    /// A published division instead: a permutation of the released row numbers, one a line
    #[arg(long, value_name = "FILE.csv", requires = "zoo", conflicts_with = "split_seed")]
    split: Option<PathBuf>,
    /// Where the fitted predictor goes, .safetensors; without it only the score is printed
    #[arg(long, value_name = "MODEL")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub machine: Machine,
}

/// The parts of a table.
pub struct Parts {
    pub train: Table,
    pub validation: Table,
    pub test: Table,
}

impl Fit {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let input = super::input(self.input.as_deref())?;
        if let Some(out) = &self.out {
            let inputs = [&self.zoo, &self.x, &self.y, &self.x_test, &self.y_test, &self.split];
            output::check(out, inputs.into_iter().flatten())?;
        }
        let mut options = match &self.zoo {
            Some(_) => Options::networks(&self.predictor)?,
            None => Options::new(&self.predictor)?,
        };
        for assignment in &self.param {
            options.set(assignment)?;
        }
        self.machine.run(|| {
            let (parts, info) = match (&self.zoo, &self.x) {
                (Some(path), _) => {
                    let zoo = Zoo::open(path)?;
                    let division = Division::new(self.split.as_deref(), self.split_seed, &zoo)?;
                    from_zoo(isa, &zoo, path, self.epoch, &division, &input)?
                }
                (None, Some(x)) => (self.from_tables(x, &options)?, BTreeMap::new()),
                (None, None) => return Err(Error::invalid("fit", "a zoo or --x and --y", "neither")),
            };
            let mut output = Output::default();
            let predictor = fit(isa, &parts, &options, info, &mut output)?;
            if let Some(path) = &self.out {
                predictor.save(path)?;
                output.line(format!("  kept in {}", path.display()));
                output.set("out", path);
            } else {
                output.line("  not kept: name a file with --out to use it again");
            }
            Ok(output)
        })
    }

    /// The parts of tables on disk.
    fn from_tables(&self, x: &Path, options: &Options) -> Result<Parts> {
        let y = self.y.as_deref().unwrap_or(x);
        let table = zoometry::table::npy::load(x, y)?;
        let (Some(x_test), Some(y_test)) = (&self.x_test, &self.y_test) else {
            return Ok(parts(&table, &select::split(&table, self.split_seed)?));
        };
        let test = zoometry::table::npy::load(x_test, y_test)?;
        if test.width() != table.width() {
            let expected = format!("{} columns, as {}", table.width(), x.display());
            return Err(Error::malformed(x_test, expected, format!("{}", test.width())));
        }
        if !options.stops_early() {
            return Ok(Parts { train: table, validation: Table::default(), test });
        }
        let fractions = zoometry::eval::Fractions { train: 0.8, validation: 0.2 };
        let split = zoometry::eval::Split::new(&table.group, self.split_seed, fractions)?;
        Ok(Parts { train: table.select(&split.train), validation: table.select(&split.validation), test })
    }
}

/// The three parts of a table.
fn parts(table: &Table, split: &Split) -> Parts {
    Parts {
        train: table.select(&split.train),
        validation: table.select(&split.validation),
        test: table.select(&split.test),
    }
}

/// The parts of a zoo's table, and what the predictor's file is to say of the zoo.
pub fn from_zoo(
    isa: Isa,
    zoo: &Zoo,
    path: &Path,
    epoch: Option<u32>,
    division: &Division,
    input: &Input,
) -> Result<(Parts, BTreeMap<String, String>)> {
    let table = select::table(isa, zoo, path, epoch, input)?;
    let last = zoo.schema().checkpoints.last().copied().unwrap_or(0);
    let mut info = BTreeMap::from([
        (select::ZOO.to_owned(), select::identity(zoo)),
        (select::INPUT.to_owned(), input.to_string()),
        (select::EPOCH.to_owned(), epoch.unwrap_or(last).to_string()),
        (select::ARCHITECTURE.to_owned(), serde_json::to_string(&zoo.schema().arch).unwrap_or_default()),
    ]);
    division.note(&mut info);
    Ok((parts(&table, &division.split(&table)?), info))
}

/// Fits and scores on the test part; used by `demo` too.
pub fn fit(
    isa: Isa,
    parts: &Parts,
    options: &Options,
    mut info: BTreeMap<String, String>,
    output: &mut Output,
) -> Result<Predictor> {
    let validation = (parts.validation.rows() > 0).then_some(&parts.validation);
    let start = Instant::now();
    let mut predictor = Predictor::fit(isa, options, &parts.train, validation, &STOP)?;
    let seconds = start.elapsed().as_secs_f64();
    let (train, val, test) = (parts.train.rows(), parts.validation.rows(), parts.test.rows());
    info.insert(select::N_TRAIN.to_owned(), train.to_string());
    info.insert(select::N_VAL.to_owned(), val.to_string());
    predictor.info = info;
    let score = Score::new(&predictor.predict(isa, &parts.test)?, &parts.test.y);
    output.line(format!(
        "{} on {} columns, fitted in {}",
        name(predictor.kind()),
        parts.train.width(),
        duration(seconds)
    ));
    output.line(format!("  {train} networks for fitting, {val} for choosing, {test} for testing"));
    show(&score, output);
    output.set("n_train", train);
    output.set("n_val", val);
    output.set("n_test", test);
    output.set("seconds", seconds);
    Ok(predictor)
}

/// A kind of predictor in words.
fn name(kind: &str) -> &str {
    match kind {
        "gbm" => "gradient boosting",
        "linear" => "logit-linear model",
        _ => "perceptron",
    }
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
