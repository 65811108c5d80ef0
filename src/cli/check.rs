//! `zoometry check`

use super::output::{Output, count, duration};
use super::suggest::suggest;
use super::{Data, MachineArgs, files};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::dataset::{self, Images};
use zoometry::rng::Stream;
use zoometry::train::recheck::{Measured, recheck};
use zoometry::train::recipe::Recipe;
use zoometry::zoo::{Finding, Status, Zoo};
use zoometry::{Context, Error, Result};

/// Look for what is wrong with a zoo
///
/// Reads every row: checksums (of zoos that have them), weights and metrics that cannot be, networks that are there twice. Then some
/// rows are evaluated again on the data set, found as `train` finds it: the accuracy that comes out must be the one that is kept. Says
/// what is wrong and where; exit code 1 if anything is.
#[derive(Args)]
pub struct Check {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// The data set [default: the one that the zoo names]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = suggest(zoometry::dataset::NAMES))]
    dataset: Option<String>,
    #[command(flatten)]
    data: Data,
    /// Rows that are evaluated again; 0: none
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true, value_parser = super::number::<usize>)]
    sample: usize,
    /// Seed of their choice
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    seed: u64,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Findings that are shown.
const SHOWN: usize = 20;

/// How far accuracies and losses may lie from those of another device or program: images on the border between two classes.
const ACCURACY: f32 = 2e-3;
const LOSS: f32 = 1e-3;

/// What the choice of rows is for.
const PURPOSE: u32 = u32::from_be_bytes(*b"chck");

impl Check {
    pub fn run(&self) -> Result<Output> {
        let start = Instant::now();
        let context = &self.machine.context()?;
        let zoo = files::zoo(&self.zoo)?;
        let mut output = Output::default();
        let mut findings = self.machine.run(|| zoo.check(context))?;
        let written = zoo.status().iter().filter(|&&status| status != Status::NotWritten).count();
        let sums = if zoo.schema().has_checksums() { "checksums," } else { "no checksums (an older format);" };
        output.line(format!(
            "{}: {} rows: {sums} numbers, doubled networks",
            files::shown(&self.zoo),
            count(written as u64)
        ));
        output.line(format!("  {}", self.again(context, &zoo, &mut findings)?));
        zoo.caveats().iter().for_each(|caveat| output.line(format!("  {caveat}")));
        findings.iter().take(SHOWN).for_each(|finding| output.line(format!("  {finding}")));
        if let rest @ 1.. = findings.len().saturating_sub(SHOWN) {
            output.line(format!("  and {} more (--json has all)", count(rest as u64)));
        }
        let verdict = match findings.len() {
            0 => "nothing is wrong".into(),
            1 => "1 thing is wrong".into(),
            n => format!("{} things are wrong", count(n as u64)),
        };
        output.line(format!("  {verdict}, in {}", duration(start.elapsed().as_secs_f64())));
        output.failed = !findings.is_empty();
        output.set("rows", written);
        output.set("checksums", zoo.schema().has_checksums());
        output.set("caveats", zoo.caveats());
        let objects: Vec<_> = findings
            .iter()
            .map(|f| serde_json::json!({ "row": f.row, "run": f.run, "epoch": f.epoch, "what": f.what }))
            .collect();
        output.set("findings", objects);
        Ok(output)
    }

    /// Evaluates some rows again, and says which.
    fn again(&self, context: &Context, zoo: &Zoo, findings: &mut Vec<Finding>) -> Result<String> {
        let mut rows: Vec<usize> = (0..zoo.rows()).filter(|&row| zoo.status()[row] == Status::Done).collect();
        Stream::new(self.seed, PURPOSE, 0).shuffle(&mut rows);
        rows.truncate(self.sample);
        rows.sort_unstable();
        if rows.is_empty() {
            return Ok("no row was evaluated again".into());
        }
        let recipe = &zoo.schema().recipe;
        let imported = recipe.get("metrics_sha256").is_some();
        let images = if imported { Images::default() } else { Recipe::from_json(recipe)?.images };
        let name = self.dataset.as_deref().unwrap_or(&zoo.schema().dataset);
        let dataset = match dataset::load(name, self.data.folder(), images) {
            Ok(dataset) => dataset,
            // who names neither has not asked for it
            Err(Error::Missing { .. } | Error::Unknown { .. })
                if self.dataset.is_none() && self.data.folder().is_none() =>
            {
                return Ok(format!("no row was evaluated again: {name} is not here (--data-dir)"));
            }
            Err(error) => return Err(error),
        };
        let measured = self.machine.run(|| recheck(context, zoo, &dataset, &rows))?;
        let mut farthest = 0.0f32;
        for found in &measured {
            let (difference, whats) = differences(zoo, found);
            farthest = farthest.max(difference);
            findings.extend(whats.into_iter().map(|what| Finding::new(zoo, found.row, what)));
        }
        findings.sort_by_key(|finding| finding.row);
        Ok(format!("{} rows evaluated again on {name}: accuracies differ by {farthest:.4} at most", measured.len()))
    }
}

/// The largest difference in accuracy, and what differs by too much.
fn differences(zoo: &Zoo, found: &Measured) -> (f32, Vec<String>) {
    let kept = zoo.metrics(found.row);
    let mut pairs = vec![
        ("test_accuracy", kept.test_accuracy, found.test.accuracy, ACCURACY),
        ("test_loss", kept.test_loss, found.test.loss, LOSS * (1.0 + found.test.loss)),
    ];
    if let Some(train) = &found.train {
        pairs.push(("train_accuracy", kept.train_accuracy, train.accuracy, ACCURACY));
        pairs.push(("train_loss", kept.train_loss, train.loss, LOSS * (1.0 + train.loss)));
    }
    // NaN: an import that does not tell
    pairs.retain(|(_, kept, found, _)| !kept.is_nan() && !found.is_nan());
    let accuracies = pairs.iter().filter(|(name, ..)| name.ends_with("accuracy"));
    let farthest = accuracies.map(|(_, kept, found, _)| (kept - found).abs()).fold(0.0, f32::max);
    let wrong = pairs.iter().filter(|(_, kept, found, most)| (kept - found).abs() > *most);
    let whats = wrong.map(|(name, kept, found, _)| format!("{name} is {kept}, evaluated again {found}"));
    (farthest, whats.collect())
}
