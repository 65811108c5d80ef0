//! `zoometry reproduce` and the verb of each of its experiments.

use super::output::{Force, Output, count, duration};
use super::suggest::suggest;
use super::{MachineArgs, files, progress, report};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::out::{FileKind, Guard, OutPath, replace};
use zoometry::study::curve::{self, Promise};
use zoometry::study::{self, Cell, EXPERIMENTS, Protocol, Study, StudyRun, Subject};
use zoometry::{Error, Result};

/// Networks of the released zoos that predictors were fitted to.
const RELEASED: usize = 15_000;

/// Run every experiment of the reference on your zoos, and ours: tables, transfer, learning curves, early prediction …
///
/// Half of each zoo's networks are the test part, looked at once; 40 % (train) fit the predictors, 10 % (validation) choose the
/// number of trees or epochs. A network's number is in the same part in every zoo. What is found is kept in --out at once; the same command
/// continues, also with more zoos.
#[derive(Args)]
pub struct Reproduce {
    /// Only these experiments, joined by commas: table, transfer, transductive, architectures, learning-curve, early,
    /// ablation, seeds
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Folder for what is found: report.html, results.csv, results.jsonl
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    pub study: Options,
}

/// One experiment on its own.
#[derive(Args)]
pub struct Experiment {
    /// Folder for what is found; without it it is only printed
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub study: Options,
}

/// What every experiment takes.
#[derive(Args)]
pub struct Options {
    /// The zoo files; shards of one zoo are read as one. A name in quotes may have * and ? in its last part
    #[arg(value_name = "ZOO", required = true)]
    zoos: Vec<PathBuf>,
    /// On which part the number of trees and epochs is chosen: clean (a validation part) or optimistic (the test part itself,
    /// as in the reference's notebook: too good, for comparison with published figures)
    #[arg(long, value_name = "NAME", default_value = "clean", hide_possible_values = true, value_parser = suggest(["clean", "optimistic"]))]
    protocol: String,
    /// Seed of the division into parts
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    split_seed: u64,
    /// A published division instead, of one zoo: a permutation of the released row numbers, one a line; or a table of run and
    /// part (`split`)
    #[arg(long, value_name = "FILE.csv", conflicts_with = "split_seed")]
    split: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Reproduce {
    pub fn run(&self) -> Result<Output> {
        let only: Vec<&str> = self.only.iter().map(String::as_str).collect();
        let names = if only.is_empty() { EXPERIMENTS.to_vec() } else { only };
        self.study.run(&names, Some(&self.out))
    }
}

impl Experiment {
    pub fn run(&self, name: &str) -> Result<Output> {
        self.study.run(&[name], self.out.as_deref())
    }
}

impl Options {
    fn run(&self, names: &[&str], folder: Option<&Path>) -> Result<Output> {
        let context = &self.machine.context()?;
        let protocol = match &*self.protocol {
            "clean" => Protocol::Clean,
            "optimistic" => Protocol::Optimistic,
            other => return Err(Error::unknown("protocol", other, ["clean", "optimistic"])),
        };
        study::check(names)?;
        let zoos = self.subjects()?;
        let mut guard = self.force.guard(self.zoos.iter().chain(&self.split));
        let outputs = folder.map(|folder| outputs(&mut guard, folder)).transpose()?;
        let header = report::header(protocol, zoos[0].division());
        let start = Instant::now();
        let mut run = StudyRun::new(context, &zoos, header, folder)?;
        let bar = progress::steps();
        let outcome =
            self.machine.run(|| run.experiments(names, &mut |done, all, next| progress::step(&bar, done, all, next)));
        bar.finish_and_clear();
        outcome?;
        let mut output = Output::default();
        show(run.study(), names, &run.left_out(names)?, &mut output);
        if let (Some(folder), Some((csv, page))) = (folder, outputs) {
            write_csv(&csv, run.study())?;
            report::write(run.study(), report::TITLE, &page)?;
            output.line(format!("kept in {}; look at {}", folder.display(), page.path().display()));
            output.path("report", page.path());
        }
        output.line(format!(
            "{} scores in {}",
            count(run.study().cells.len() as u64),
            duration(start.elapsed().as_secs_f64())
        ));
        if protocol == Protocol::Optimistic {
            output.line(OPTIMISTIC);
        }
        to_json(run.study(), &mut output);
        // nothing that was asked for could be done
        output.failed = !run.study().cells.iter().any(|cell| names.contains(&&*cell.experiment));
        Ok(output)
    }

    /// The zoos, none of them twice.
    fn subjects(&self) -> Result<Vec<Subject>> {
        let mut found: Vec<PathBuf> = Vec::new();
        for path in files::expand(&self.zoos)? {
            let file = path.canonicalize().unwrap_or_else(|_| path.clone());
            if found.iter().any(|other| other.canonicalize().is_ok_and(|other| other == file)) {
                return Err(Error::invalid("ZOO", "each file once", format!("{} twice", path.display())));
            }
            found.push(path);
        }
        let zoos = zoometry::zoo::of_one_zoo(&found)?;
        if self.split.is_some() && zoos.len() > 1 {
            let got = format!("{} zoos", zoos.len());
            return Err(Error::invalid("--split", "one zoo, that which the file divides", got));
        }
        let mut subjects = Vec::new();
        for files in zoos {
            subjects.push(Subject::open(&files, &subjects, self.split.as_deref(), self.split_seed)?);
        }
        Ok(subjects)
    }
}

/// Where the scores and the page of a study go.
fn outputs(guard: &mut Guard, folder: &Path) -> Result<(OutPath, OutPath)> {
    guard.folder(folder)?;
    let csv = guard.file(folder.join("results.csv"), FileKind::Table)?;
    Ok((csv, guard.file(folder.join("report.html"), FileKind::Page)?))
}

/// What is said of scores that are too good.
const OPTIMISTIC: &str = "protocol optimistic: the number of trees and epochs was chosen on the networks tested, so these scores \
                          are too good; for comparison with published figures alone";

/// A score as programs get it.
#[derive(Serialize)]
struct Scored<'c> {
    protocol: Protocol,
    #[serde(flatten)]
    cell: &'c Cell,
}

fn to_json(study: &Study, output: &mut Output) {
    let protocol = study.header.protocol;
    let scored: Vec<Scored> = study.cells.iter().map(|cell| Scored { protocol, cell }).collect();
    output.set("protocol", protocol);
    output.set("cells", scored);
    output.set("stopping", &study.stopping);
    output.set("coverage", &study.coverage);
}

/// Every score as a line of CSV.
fn write_csv(out: &OutPath, study: &Study) -> Result<()> {
    replace(out, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record([
            "experiment",
            "fitted",
            "tested",
            "input",
            "predictor",
            "epoch",
            "n_train",
            "draws",
            "n_test",
            "r2",
            "r2_low",
            "r2_high",
            "tau",
            "tau_low",
            "tau_high",
            "mse",
            "mae",
            "published_r2",
            "seconds",
            "left_out",
            "protocol",
        ])?;
        for cell in &study.cells {
            let numbers = [
                cell.score.r2,
                cell.r2_interval[0],
                cell.r2_interval[1],
                cell.score.tau,
                cell.tau_interval[0],
                cell.tau_interval[1],
                cell.score.mse,
                cell.score.mae,
            ];
            let optional = |number: Option<String>| number.unwrap_or_default();
            let mut line = vec![
                cell.experiment.clone(),
                cell.fitted.clone(),
                cell.tested.clone(),
                cell.input.clone(),
                cell.predictor.clone(),
                optional(cell.epoch.map(|epoch| epoch.to_string())),
                cell.n_train.to_string(),
                cell.draws.to_string(),
                cell.score.n.to_string(),
            ];
            line.extend(numbers.map(|number| number.to_string()));
            let published = optional(cell.published_r2.map(|r2| r2.to_string()));
            let protocol = study.header.protocol.to_string();
            line.extend([published, cell.seconds.to_string(), cell.left_out.to_string(), protocol]);
            table.write_record(line)?;
        }
        table.flush()
    })
}

/// Adds the scores of some experiments, last what has none and why.
fn show(study: &Study, names: &[&str], left_out: &[(String, String)], output: &mut Output) {
    for zoo in study.zoos.iter().filter(|zoo| !zoo.caveats.is_empty()) {
        output.line(format!("{}: {}", zoo.name, zoo.caveats.join("; ")));
    }
    for name in names {
        let cells: Vec<&Cell> = study.cells.iter().filter(|cell| cell.experiment == *name).collect();
        if cells.is_empty() {
            continue;
        }
        output.line(format!("{name}:"));
        match *name {
            "transfer" | "transductive" => matrices(&cells, output),
            _ => lines(&cells, output),
        }
        if *name == "learning-curve" {
            promise(&cells, output);
        }
        known(&cells, output);
        output.line("");
    }
    for (name, why) in left_out {
        output.line(format!("left out: {name} ({why})"));
    }
    output.set("left_out", left_out.iter().cloned().collect::<BTreeMap<String, String>>());
}

/// Says which networks are not in the scores because the predictor was fitted to them.
fn known(cells: &[&Cell], output: &mut Output) {
    let mut said: Vec<(&str, &str, usize)> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.left_out > 0) {
        let known = (&*cell.fitted, &*cell.tested, cell.left_out);
        if !said.contains(&known) {
            let (fitted, tested, left_out) = known;
            output.line(format!(
                "  {left_out} networks of {tested} are in no score of the predictors of {fitted}, which were fitted to them"
            ));
            said.push(known);
        }
    }
}

/// One score a line; what is the same as in the line before is left out.
fn lines(cells: &[&Cell], output: &mut Output) {
    let mut before = String::new();
    for cell in cells {
        let zoo = match cell.fitted == cell.tested {
            true => cell.fitted.clone(),
            false => format!("{} → {}", cell.fitted, cell.tested),
        };
        let head = format!("{zoo}, {}", cell.input);
        if head != before {
            output.line(format!("  {head}"));
            before = head;
        }
        let epoch = cell.epoch.map_or(String::new(), |epoch| format!(" epoch {epoch:<3}"));
        let published = cell.published_r2.map_or(String::new(), |r2| format!("  published {r2:.4}"));
        output.line(format!(
            "    {:<6}{epoch} {:>6} networks  R² {:>7.4} [{:.3}, {:.3}]  τ {:>6.4} [{:.3}, {:.3}]{published}",
            cell.predictor,
            count(cell.n_train as u64),
            cell.score.r2,
            cell.r2_interval[0],
            cell.r2_interval[1],
            cell.score.tau,
            cell.tau_interval[0],
            cell.tau_interval[1],
        ));
    }
}

/// τ and R² of each zoo's predictor on each other's networks.
fn matrices(cells: &[&Cell], output: &mut Output) {
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    let mut zoos: Vec<&str> = Vec::new();
    for cell in cells {
        let kind = (&*cell.input, &*cell.predictor);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        if !zoos.contains(&&*cell.fitted) {
            zoos.push(&cell.fitted);
        }
    }
    let width = zoos.iter().map(|zoo| zoo.chars().count()).max().unwrap_or(0).max(14);
    for (input, predictor) in kinds {
        let scored: String = zoos.iter().map(|zoo| format!(" {zoo:>width$}")).collect();
        output.line(format!("  {input}, {predictor}: τ, R²; fitted to (down), scored on (right)"));
        output.line(format!("    {:width$}{scored}", ""));
        for fitted in &zoos {
            let value = |tested: &&str| {
                let mut found = cells.iter().filter(|cell| (&*cell.input, &*cell.predictor) == (input, predictor));
                let found = found.find(|cell| (&*cell.fitted, &*cell.tested) == (*fitted, *tested));
                let text = found.map_or(String::new(), |cell| format!("{:.3}, {:.3}", cell.score.tau, cell.score.r2));
                format!(" {text:>width$}")
            };
            output.line(format!("    {fitted:width$}{}", zoos.iter().map(value).collect::<String>()));
        }
    }
}

/// What the curves say of as many networks as the released zoos have.
fn promise(cells: &[&Cell], output: &mut Output) {
    let of = |cell: &Cell| [&cell.fitted, &cell.input, &cell.predictor].map(String::clone);
    let mut curves: Vec<[String; 3]> = cells.iter().map(|cell| of(cell)).collect();
    curves.dedup();
    for curve in curves {
        let own = cells.iter().copied().filter(|cell| of(cell) == curve);
        let name = curve.join(", ");
        output.line(match curve::extrapolate(own, RELEASED) {
            Ok(Promise { r2, interval: [low, high] }) => {
                format!(
                    "  {name}: a power law through these points gives R² {r2:.4} [{low:.4}, {high:.4}] for 15,000 networks"
                )
            }
            Err(why) => format!("  {name}: no power law through these points: {why}"),
        });
    }
}
