//! `zoometry search`

use super::asked::{Asked, TARGET};
use super::output::{Force, Output, counted, duration};
use super::parts::Rows;
use super::suggest::suggest;
use super::{MachineArgs, fit, progress};
use clap::Args;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::eval::Search as Trials;
use zoometry::eval::search::{Journal, Trial};
use zoometry::features::Input;
use zoometry::out::{FileKind, OutPath};
use zoometry::predictor::{Config, DEFAULT, KINDS, Kind, Options};
use zoometry::table::origin;
use zoometry::zoo::Target;
use zoometry::{Context, Error, Result};

/// Search for the options of a fit by chance
///
/// Draws options from the reference's ranges (Unterthiner et al., arXiv 2002.11448), fits each trial to the train part and takes
/// the one with the smallest error on the validation part; the test part is looked at once, at the end, by that
/// one. Trial 0 has the defaults. The reference drew initialisers too, our perceptron has one.
///
/// Trials that are finished are in a journal beside --out: Ctrl-C stops, the same command continues, and with more --trials it
/// goes on.
#[derive(Args)]
pub struct Search {
    #[command(flatten)]
    source: Rows,
    /// What is predicted, a number, as `fit --target` takes it [default: test_accuracy]
    #[arg(long, value_name = "NAME", requires = "zoo", hide_possible_values = true, value_parser = suggest(Target::names()))]
    target: Option<String>,
    #[arg(long, value_name = "KIND", default_value = DEFAULT, hide_possible_values = true, value_parser = suggest(KINDS.map(|kind| kind.name)), help = super::kinds_help())]
    predictor: String,
    /// Number of trials, the defaults included
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::count_in::<u32>(1..=1_000_000))]
    trials: u32,
    /// Seed of the draws
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    seed: u64,
    /// An option that is the same in every trial, by the name that `fit --param` takes
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Where the best configuration goes, for `fit --config`; the journal is beside it, in .trials.jsonl
    #[arg(short, long, value_name = "FILE.json")]
    out: PathBuf,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Trials that are shown.
const SHOWN: usize = 10;

impl Search {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let input = super::input(self.source.input.as_deref())?;
        let mut guard = self.force.guard(self.source.files());
        let out = guard.file(&self.out, FileKind::Config)?;
        let journal = guard.continued(journal(&self.out), FileKind::Trials)?;
        self.machine.run(|| self.search(context, &input, &journal, &out))
    }

    fn search(&self, context: &Context, input: &Input, journal: &OutPath, out: &OutPath) -> Result<Output> {
        let target = self.target.as_deref().map_or_else(|| Ok(Target::default()), str::parse)?;
        let divided = self.source.parts(context, input, target, true)?;
        if !Asked::of_info(&divided.info)?.classes.is_empty() {
            let expected = "a number: trials are ranked by their squared error";
            return Err(Error::invalid("--target", expected, format!("{target}, which is one of several names")));
        }
        let (train, validation) = (&divided.parts.train, &divided.parts.validation);
        let (kind, fixed, seed, trials) = (&*self.predictor, &*self.param, self.seed, self.trials);
        let search = Trials { kind, fixed, seed, trials, train, validation };
        // a wrong option is refused before there is a journal
        search.options(0)?;
        let told = [origin::INPUT, origin::EPOCH, origin::SPLIT_SEED, origin::SPLIT];
        let told = told.into_iter().chain((target != Target::default()).then_some(TARGET));
        let about = told.filter_map(|name| Some((name.to_owned(), divided.info.get(name)?.clone())));
        let (kept, done) = Journal::open(journal, &about.collect::<Vec<_>>(), &search)?;
        let mut output = Output::default();
        let trials = run(&search, context, &kept, done, &mut output)?;
        show(Options::new(kind)?.kind(), &trials, &mut output);
        if let rest @ 1.. = trials.len().saturating_sub(SHOWN) {
            output.line(format!("  the other {rest} are in {}", journal.path().display()));
        }
        let best = &trials[0];
        let config = Config::new(&best.options, self.source.zoo.first().map(|_| input.to_string()));
        config.save(out)?;
        let (number, chosen) = (best.number, best.score.r2);
        output.line(format!("the best is trial {number}, R² {chosen:.4} on the validation networks; fitted again:"));
        fit::fit(context, &divided, &best.options, false, &mut output)?;
        output.line(format!("  its configuration is in {}, for fit --config", self.out.display()));
        output.set("trial", best.number);
        output.set("validation", best.score);
        output.set("best", config);
        output.set("trials", &trials);
        output.path("journal", journal.path());
        output.path("out", &self.out);
        Ok(output)
    }
}

/// The journal's place: `best.trials.jsonl` for `best.json`.
fn journal(out: &Path) -> PathBuf {
    let mut name = if out.extension().is_some_and(|kind| kind == "json") { out.with_extension("") } else { out.into() };
    name.as_mut_os_string().push(".trials.jsonl");
    name
}

/// Runs what is missing, with progress.
fn run(
    search: &Trials,
    context: &Context,
    journal: &Journal,
    done: Vec<Trial>,
    output: &mut Output,
) -> Result<Vec<Trial>> {
    let (start, kept) = (Instant::now(), done.len());
    let bar = progress::Searching::new(search.trials, &done);
    let finished = |trial: &Trial| -> Result<()> {
        journal.append(trial)?;
        bar.tell(trial);
        Ok(())
    };
    let outcome = search.run(context, done, &finished);
    bar.finish();
    let (trials, seconds) = (outcome?, start.elapsed().as_secs_f64());
    let there = if kept > 0 { format!(", {kept} of them were there already") } else { String::new() };
    output.line(format!("{} in {}{there}", counted(trials.len(), "trial"), duration(seconds)));
    output.line(format!("  on the {} validation networks:", search.validation.rows()));
    output.set("search_seconds", seconds);
    Ok(trials)
}

/// Adds a table of the best trials, with the options in which trials differ.
fn show(kind: &Kind, trials: &[Trial], output: &mut Output) {
    let values: Vec<Map<String, Value>> = trials.iter().map(|trial| trial.options.values()).collect();
    let differ = |name: &str| values.iter().any(|trial| trial.get(name) != values[0].get(name));
    let drawn: Vec<&(&str, &str)> = kind.drawn.iter().filter(|(name, _)| differ(name)).collect();
    let mut table = vec![["", "trial", "R²", "τ", kind.rounds].map(String::from).to_vec()];
    table[0].extend(drawn.iter().map(|(_, title)| (*title).to_owned()));
    for (rank, trial) in trials.iter().take(SHOWN).enumerate() {
        let Trial { number, score, rounds, .. } = trial;
        let (r2, tau) = (format!("{:.4}", score.r2), format!("{:.4}", score.tau));
        let mut row = vec![(rank + 1).to_string(), number.to_string(), r2, tau, rounds.to_string()];
        row.extend(drawn.iter().map(|(name, _)| short(&values[rank][*name])));
        table.push(row);
    }
    output.table(&table);
}

/// A value in three digits or so.
fn short(value: &Value) -> String {
    match (value.as_str(), value.as_f64()) {
        (Some(text), _) => text.to_owned(),
        (_, Some(x)) if x == x.round() => format!("{x}"),
        (_, Some(x)) if (0.01..10.0).contains(&x) => format!("{x:.3}"),
        (_, Some(x)) if x >= 10.0 => format!("{x:.1}"),
        (_, Some(x)) => format!("{x:.1e}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_beside_the_configuration() {
        assert_eq!(journal(Path::new("a/best.json")), Path::new("a/best.trials.jsonl"));
        assert_eq!(journal(Path::new("wstats-qts:2.5")), Path::new("wstats-qts:2.5.trials.jsonl"));
    }

    #[test]
    fn values_are_short() {
        let texts = [1.0, 0.0, 31.0, 0.7, 0.01234, 61.8234, 1.234e-7].map(|x| short(&Value::from(x)));
        assert_eq!(texts, ["1", "0", "31", "0.700", "0.012", "61.8", "1.2e-7"]);
        assert_eq!(short(&Value::from("adam")), "adam");
    }
}
