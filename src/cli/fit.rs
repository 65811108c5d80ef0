//! `zoometry fit`

use super::output::{Output, duration};
use super::{Machine, STOP, select};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::eval::Score;
use zoometry::features::Input;
use zoometry::kernels::Isa;
use zoometry::predictor::boost::{self, Params};
use zoometry::predictor::{Model, Predictor};
use zoometry::table::Table;
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Fit a predictor of accuracy to a zoo or a table
///
/// A zoo's networks are divided by number into 40 % for fitting, 10 % for choosing (early stopping) and 50 % for testing. Of a
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
    /// The kind of predictor
    #[arg(long, value_name = "KIND", default_value = "gbm")]
    predictor: String,
    /// An option of the fit by LightGBM's name: num_leaves=31 …
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
        if self.predictor != "gbm" {
            return Err(Error::unknown("predictor", &self.predictor, ["gbm"]));
        }
        let isa = self.machine.isa()?;
        let input = super::input(self.input.as_deref())?;
        let mut params = if self.zoo.is_some() { default_params() } else { Params::default() };
        for assignment in &self.param {
            params.set(assignment)?;
        }
        self.machine.run(|| {
            let (parts, info) = match (&self.zoo, &self.x) {
                (Some(path), _) => {
                    let zoo = Zoo::open(path)?;
                    from_zoo(isa, &zoo, path, self.epoch, self.split_seed, &input)?
                }
                (None, Some(x)) => (self.from_tables(x, &params)?, BTreeMap::new()),
                (None, None) => return Err(Error::invalid("fit", "a zoo or --x and --y", "neither")),
            };
            let mut output = Output::default();
            let predictor = fit(isa, &parts, &params, info, &mut output)?;
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
    fn from_tables(&self, x: &Path, params: &Params) -> Result<Parts> {
        let y = self.y.as_deref().unwrap_or(x);
        let table = zoometry::table::npy::load(x, y)?;
        let (Some(x_test), Some(y_test)) = (&self.x_test, &self.y_test) else {
            return parts(&table, self.split_seed);
        };
        let test = zoometry::table::npy::load(x_test, y_test)?;
        if test.width() != table.width() {
            let expected = format!("{} columns, as {}", table.width(), x.display());
            return Err(Error::malformed(x_test, expected, format!("{}", test.width())));
        }
        if params.early_stopping_rounds == 0 {
            return Ok(Parts { train: table, validation: Table::default(), test });
        }
        let fractions = zoometry::eval::Fractions { train: 0.8, validation: 0.2 };
        let split = zoometry::eval::Split::new(&table.group, self.split_seed, fractions)?;
        Ok(Parts { train: table.select(&split.train), validation: table.select(&split.validation), test })
    }
}

/// Options that do well on a zoo's statistics, so that nobody must search: chosen by cross-validation on a zoo of glyphs.
pub fn default_params() -> Params {
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

/// The three parts of a table.
fn parts(table: &Table, split_seed: u64) -> Result<Parts> {
    let split = select::split(table, split_seed)?;
    Ok(Parts {
        train: table.select(&split.train),
        validation: table.select(&split.validation),
        test: table.select(&split.test),
    })
}

/// The parts of a zoo's table, and what the predictor's file is to say of the zoo.
pub fn from_zoo(
    isa: Isa,
    zoo: &Zoo,
    path: &Path,
    epoch: Option<u32>,
    split_seed: u64,
    input: &Input,
) -> Result<(Parts, BTreeMap<String, String>)> {
    let table = select::table(isa, zoo, path, epoch, input)?;
    let last = zoo.schema().checkpoints.last().copied().unwrap_or(0);
    let info = BTreeMap::from([
        (select::ZOO.to_owned(), select::identity(zoo)),
        (select::INPUT.to_owned(), input.to_string()),
        (select::EPOCH.to_owned(), epoch.unwrap_or(last).to_string()),
        (select::SPLIT_SEED.to_owned(), split_seed.to_string()),
        (select::ARCHITECTURE.to_owned(), serde_json::to_string(&zoo.schema().arch).unwrap_or_default()),
    ]);
    Ok((parts(&table, split_seed)?, info))
}

/// Fits and scores on the test part; used by `demo` too.
pub fn fit(
    isa: Isa,
    parts: &Parts,
    params: &Params,
    mut info: BTreeMap<String, String>,
    output: &mut Output,
) -> Result<Predictor> {
    let validation = (parts.validation.rows() > 0).then_some(&parts.validation);
    let start = Instant::now();
    let model = boost::fit(isa, &parts.train, validation, params, &mut |_| {}, &STOP)?;
    let seconds = start.elapsed().as_secs_f64();
    let (train, val, test) = (parts.train.rows(), parts.validation.rows(), parts.test.rows());
    info.insert(select::N_TRAIN.to_owned(), train.to_string());
    info.insert(select::N_VAL.to_owned(), val.to_string());
    let predictor = Predictor { columns: parts.train.columns.clone(), info, model: Model::Boost(model) };
    let score = Score::new(&predictor.predict(isa, &parts.test)?, &parts.test.y);
    output.line(format!("gradient boosting on {} columns, fitted in {}", parts.train.width(), duration(seconds)));
    output.line(format!("  {train} networks for fitting, {val} for choosing, {test} for testing"));
    show(&score, output);
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
