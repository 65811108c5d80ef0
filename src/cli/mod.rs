//! The command line: one verb a file. Data goes to stdout, progress and errors to stderr; exit code 0, 1 for a failed job, 2 for
//! a wrong command line, 130 when stopped.

mod asked;
#[cfg(feature = "full")]
mod bench;
#[cfg(all(feature = "full", feature = "gpu"))]
mod bench_gpu;
#[cfg(feature = "full")]
mod bench_table;
#[cfg(feature = "full")]
mod check;
mod compare;
#[cfg(feature = "full")]
mod demo;
mod device;
#[cfg(feature = "full")]
mod estimate;
mod evaluate;
mod export;
mod failure;
mod features;
mod files;
mod firmware;
mod fit;
mod import;
mod importance;
mod info;
mod known;
mod merge;
#[cfg(feature = "full")]
mod occupancy;
mod output;
mod parts;
mod predict;
mod progress;
#[cfg(feature = "full")]
mod report;
#[cfg(feature = "full")]
mod reproduce;
mod score;
#[cfg(feature = "full")]
mod search;
mod select;
#[cfg(feature = "full")]
mod shard;
mod signals;
mod split;
mod suggest;
mod told;
#[cfg(feature = "full")]
mod train;
#[cfg(feature = "full")]
mod words;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::LazyLock;
use zoometry::features::Input;
use zoometry::kernels::{Isa, IsaKind};
use zoometry::number::whole;
use zoometry::par::Stop;
use zoometry::predictor::{KINDS, Kind};
use zoometry::{Context, Error, Result};

/// Set by Ctrl-C, SIGTERM and a closed terminal; workers look at it between pieces of work.
static STOP: LazyLock<Stop> = LazyLock::new(Stop::new);

/// Train zoos of small CNNs, keep them in memory-mapped files, and predict each network's accuracy from its weights alone.
#[derive(Parser)]
#[command(name = "zoometry", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    manner: output::Manner,
}

#[derive(Subcommand)]
enum Verb {
    #[cfg(feature = "full")]
    Demo(demo::Demo),
    #[cfg(feature = "full")]
    Train(train::Train),
    Merge(merge::Merge),
    Info(info::Info),
    #[cfg(feature = "full")]
    Check(check::Check),
    Features(features::Features),
    Split(split::Split),
    Fit(fit::Fit),
    #[cfg(feature = "full")]
    Search(search::Search),
    Evaluate(evaluate::Evaluate),
    Compare(compare::Compare),
    Predict(predict::Predict),
    #[cfg(feature = "full")]
    Reproduce(reproduce::Reproduce),
    /// Experiment: each input with each predictor on the zoo it is fitted to
    #[cfg(feature = "full")]
    Table(reproduce::Experiment),
    /// Experiment: fitted to one data set, scored on the others
    #[cfg(feature = "full")]
    Transfer(reproduce::Experiment),
    /// Experiment: transfer with a consensus of the tested networks themselves, on images that they make and that have no labels
    #[cfg(feature = "full")]
    Transductive(reproduce::Experiment),
    /// Experiment: fitted to the reference's networks, scored on others of another width or depth
    #[cfg(feature = "full")]
    Architectures(reproduce::Experiment),
    /// Experiment: how many networks are enough
    #[cfg(feature = "full")]
    LearningCurve(reproduce::Experiment),
    /// Experiment: the final accuracy from checkpoints of early epochs, and what stopping hopeless runs would cost
    #[cfg(feature = "full")]
    Early(reproduce::Experiment),
    /// Experiment: single layers, all but one, hyperparameters alone
    #[cfg(feature = "full")]
    Ablation(reproduce::Experiment),
    /// Experiment: does one seed for all networks flatter predictors on raw weights
    #[cfg(feature = "full")]
    Seeds(reproduce::Experiment),
    Importance(importance::Importance),
    /// Make one page of what a study found, or of a zoo
    #[cfg(feature = "full")]
    Report(report::Report),
    /// Measure this machine, then every kernel on it, as a fraction of what the machine can do
    #[cfg(feature = "full")]
    Bench(bench::Bench),
    Import(import::Import),
    Export(export::Export),
    #[cfg(feature = "full")]
    Completions(words::Completions),
    #[cfg(feature = "full")]
    Man(words::Man),
}

/// How a verb runs.
#[derive(Args, Clone)]
struct MachineArgs {
    /// Worker threads [default: one for each core, as 0 says too]
    #[arg(long, value_name = "T", default_value_t = 0, hide_default_value = true, allow_negative_numbers = true,
        value_parser = count_in::<u16>(0..=1024))]
    threads: u16,
    /// Instruction set of the kernels: portable, neon, avx2 or avx512 [default: the fastest of this machine]
    #[arg(long, value_name = "ISA", env = "ZOOMETRY_ISA", hide_possible_values = true,
        value_parser = suggest::suggest(IsaKind::ALL.map(IsaKind::name)))]
    isa: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

impl MachineArgs {
    /// How work is done: on the ISA asked for, until Ctrl-C.
    fn context(&self) -> Result<Context> {
        Ok(until_stopped().isa(isa(self.isa.as_deref())?))
    }

    /// Runs `job` with this many threads for rayon's iterators.
    fn run<R: Send>(&self, job: impl FnOnce() -> R + Send) -> R {
        zoometry::par::with_threads(usize::from(self.threads), job)
    }
}

/// How work is done that knows no --isa: until Ctrl-C.
fn until_stopped() -> Context {
    Context::new().stop(&STOP)
}

/// An ISA by name; the fastest one if none is given.
fn isa(name: Option<&str>) -> Result<Isa> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(Isa::detect()) };
    let kind: IsaKind = name.parse().map_err(|_| Error::unknown("instruction set", name, IsaKind::ALL))?;
    let has: Vec<&str> = Isa::available().map(|isa| isa.kind().name()).collect();
    Isa::new(kind).ok_or_else(|| Error::invalid("--isa", format!("what this machine has: {}", has.join(", ")), name))
}

/// What `--input` takes.
const INPUT_HELP: &str = "\
What is seen of a network; keys are joined by + as in wstats+probes [default: wstats]

  wstats                    min, q25, median, q75, max, std, mean of each weight tensor
  wstats-layers:0,3-qts:5,50,95
                            these percentiles, std and mean of these layers (from 0, the dense one is the last)
  wstats-glob               of all weights together
  wstats-pooled             first layer, last layer, mean of those between: for zoos of different architectures
  wnorm-layers:0,1,2,3-l2   a norm of each tensor, l1 or l2
  weights, weights.0        the weights, of all layers or of one
  hyper, hyper.NAME         hyperparameters: w_init, activation, learning_rate, init_std, l2reg, train_fraction,
                            dropout, or one of them or optimizer; hyper+hyper.optimizer is all
  probes                    what comes out for 24 images made from formulas: for zoos of different architectures
  spectra                   singular values of each kernel, correlations of its filters, bias against kernel
  consensus                 agreement with the best quarter of the training networks at 256 drawn objects
  synthetic                 the same at images that these networks take for their classes (activation maximisation,
                            model inversion): no image of the task is used";

/// What `--predictor` takes.
fn kinds_help() -> String {
    let kinds = KINDS.map(|kind| format!("{} ({})", kind.name, kind.title));
    format!(
        "The kind of predictor: {}; also what is made of several: mean(gbm,gp), bag(mean(gbm,gp))",
        kinds.join(", ")
    )
}

/// What `--param` takes.
fn params_help(what: &str) -> String {
    let names = |kind: &Kind| (kind.options)().values().keys().cloned().collect::<Vec<_>>().join(", ");
    let kinds = KINDS.iter().filter(|kind| kind.compose.is_none());
    let kinds: Vec<String> = kinds.map(|kind| format!("of {}: {}", kind.name, names(kind))).collect();
    let made = "of bag: folds, fold_seed and those of its predictor; of mean: gbm.num_leaves and so on";
    format!("{what}, by its name; {}; {made}", kinds.join("; "))
}

/// A whole number: `10000`, `10_000` or `1e4`.
fn number<N: FromStr>(text: &str) -> std::result::Result<N, String> {
    whole(text).ok_or_else(|| "expected a whole number, such as 10000, 10_000 or 1e4".to_owned())
}

/// A number of things of some type, in a range; written as [`number`] takes it.
fn count_in<N: TryFrom<usize>>(
    range: RangeInclusive<usize>,
) -> impl Fn(&str) -> std::result::Result<N, String> + Clone {
    move |text| {
        let ends = [*range.start(), *range.end()].map(|end| output::count(end as u64));
        let within =
            number(text).ok().filter(|found: &usize| range.contains(found)).and_then(|found| N::try_from(found).ok());
        within.ok_or_else(|| format!("expected a whole number from {} to {}", ends[0], ends[1]))
    }
}

/// A share: `0.1` or `10%`.
fn share(text: &str) -> Option<f64> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim(), 100.0));
    number.parse::<f64>().ok().map(|number| number / unit)
}

/// The input of a key, or the default.
fn input(key: Option<&str>) -> Result<Input> {
    key.map_or_else(|| Ok(Input::default()), str::parse)
}

/// Where data sets are looked for.
#[cfg(feature = "full")]
#[derive(Args)]
struct Data {
    /// Folder that holds the data sets' folders
    #[arg(long, value_name = "DIR", env = "ZOOMETRY_DATA", value_parser = clap::builder::OsStringValueParser::new())]
    data_dir: Option<std::ffi::OsString>,
}

#[cfg(feature = "full")]
impl Data {
    /// The folder; an empty name is none.
    fn folder(&self) -> Option<&std::path::Path> {
        self.data_dir.as_deref().filter(|folder| !folder.is_empty()).map(std::path::Path::new)
    }
}

/// Parses the command line, runs the verb and prints what it found.
pub fn main() -> ExitCode {
    let command = Cli::command().color(output::colour_of(std::env::args_os()));
    let matches = command.clone().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    output::set_manner(cli.manner);
    signals::listen();
    let (json, outcome) = match cli.verb {
        #[cfg(feature = "full")]
        Verb::Demo(verb) => (verb.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Train(verb) => (verb.machine.json, verb.run()),
        Verb::Merge(verb) => (verb.json, verb.run()),
        Verb::Info(verb) => (verb.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Check(verb) => (verb.machine.json, verb.run()),
        Verb::Features(verb) => (verb.machine.json, verb.run()),
        Verb::Split(verb) => (verb.json, verb.run()),
        Verb::Fit(verb) => (verb.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Search(verb) => (verb.machine.json, verb.run()),
        Verb::Evaluate(verb) => (verb.machine.json, verb.run()),
        Verb::Compare(verb) => (verb.machine.json, verb.run()),
        Verb::Predict(verb) => (verb.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Reproduce(verb) => (verb.study.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Table(verb) => (verb.study.machine.json, verb.run("table")),
        #[cfg(feature = "full")]
        Verb::Transfer(verb) => (verb.study.machine.json, verb.run("transfer")),
        #[cfg(feature = "full")]
        Verb::Transductive(verb) => (verb.study.machine.json, verb.run("transductive")),
        #[cfg(feature = "full")]
        Verb::Architectures(verb) => (verb.study.machine.json, verb.run("architectures")),
        #[cfg(feature = "full")]
        Verb::LearningCurve(verb) => (verb.study.machine.json, verb.run("learning-curve")),
        #[cfg(feature = "full")]
        Verb::Early(verb) => (verb.study.machine.json, verb.run("early")),
        #[cfg(feature = "full")]
        Verb::Ablation(verb) => (verb.study.machine.json, verb.run("ablation")),
        #[cfg(feature = "full")]
        Verb::Seeds(verb) => (verb.study.machine.json, verb.run("seeds")),
        Verb::Importance(verb) => (verb.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Report(verb) => (verb.machine.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Bench(verb) => (verb.json, verb.run()),
        Verb::Import(verb) => (verb.json, verb.run()),
        Verb::Export(verb) => (verb.json, verb.run()),
        #[cfg(feature = "full")]
        Verb::Completions(verb) => (false, verb.run()),
        #[cfg(feature = "full")]
        Verb::Man(verb) => (false, verb.run()),
    };
    let verb = matches.subcommand_name().and_then(|name| command.find_subcommand(name)).unwrap_or(&command);
    match outcome.and_then(|output| output.print(json).map(|()| output.failed)) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => failure::report(error, verb),
    }
}
