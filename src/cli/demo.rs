//! `zoometry demo`

use super::output::{self, Force, Output, duration};
use super::{MachineArgs, fit, parts, report, train};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::dataset::{self, Images};
use zoometry::eval::{Division, MIN_NETWORKS};
use zoometry::features::Input;
use zoometry::out::FileKind;
use zoometry::predictor::{DEFAULT, Options};
use zoometry::train::{Cpu, Job, recipe::Recipe};
use zoometry::zoo::Target;
use zoometry::{Error, Result};

/// Epochs of the demo's networks: few, so that hundreds of them take about a minute.
const EPOCHS: u32 = 4;

/// Images a step: fewer than the reference's 512, so that networks learn something in as few epochs.
const BATCH: usize = 36;

/// What the predictor that is kept sees; the reference's statistics alone are fitted too, for comparison.
const INPUT: &str = "wstats+probes";

/// Run the whole pipeline on the built-in images: train a zoo, fit a predictor, test it on networks never seen
#[derive(Args)]
pub struct Demo {
    /// Folder for the zoo and the predictor
    #[arg(short, long, value_name = "DIR", default_value = "zoometry-demo")]
    out: PathBuf,
    /// Number of networks; a demo of fewer grows
    #[arg(long, value_name = "N", default_value_t = 400, allow_negative_numbers = true, value_parser = super::number::<usize>)]
    models: usize,
    /// Seed of the zoo
    #[arg(long, value_name = "S", default_value_t = 1, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    seed: u64,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Demo {
    pub fn run(&self) -> Result<Output> {
        let start = Instant::now();
        let context = &self.machine.context()?;
        train::check_models(self.models)?;
        if self.models < MIN_NETWORKS {
            return Err(Error::invalid("--models", format!("at least {MIN_NETWORKS}, to fit to"), self.models));
        }
        let mut guard = self.force.guard([] as [&Path; 0]);
        guard.folder(&self.out)?;
        let zoo_out = guard.continued(self.out.join("zoo.safetensors"), FileKind::Zoo)?;
        let model_out = guard.file(self.out.join("predictor.safetensors"), FileKind::Predictor)?;
        let page_out = guard.file(self.out.join("report.html"), FileKind::Page)?;
        let (zoo_path, model_path, page) = (zoo_out.path(), model_out.path(), page_out.path());
        let dataset = dataset::load("glyphs", None, Images::default())?;
        let recipe = Recipe { name: "demo".into(), batch: BATCH, ..Recipe::default() };
        let checkpoints = vec![0, EPOCHS];
        let threads = usize::from(self.machine.threads);
        let mut job = Job::new(&dataset, &recipe, self.models, checkpoints);
        (job.seed, job.context, job.threads) = (self.seed, context.clone(), threads);
        let mut output = Output::default();
        let zoo = train::session(&job, &Cpu, &zoo_out, None, &mut output)?;
        let fitted = |input: &Input, output: &mut Output| -> Result<_> {
            let divided = parts::from_zoo(context, &zoo, zoo_path, None, &Division::Seed(0), input, Target::default())?;
            let predictor = fit::fit(context, &divided, &Options::networks(DEFAULT)?, false, output)?;
            let predicted = predictor.predict(context, &divided.parts.test)?;
            Ok((predictor, predicted, divided.parts.test.y))
        };
        let (predictor, predicted, measured) = self.machine.run(|| -> Result<_> {
            output.line("from the statistics of the reference:");
            fitted(&Input::default(), &mut output)?;
            let reference = output.json.clone();
            output.line("from these and from the answers to 24 images made from formulas:");
            let fitted = fitted(&INPUT.parse()?, &mut output)?;
            output.set("wstats", serde_json::json!({ "r2": reference["r2"], "tau": reference["tau"] }));
            Ok(fitted)
        })?;
        output.text.push_str(&output::scatter(&predicted, &measured));
        predictor.save(&model_out)?;
        let study = self.machine.run(|| report::of_zoo(context, &[zoo_path.to_owned()], report::SAMPLE))?;
        report::write(&study, "The demo's zoo", &page_out)?;
        let seconds = start.elapsed().as_secs_f64();
        output.line(format!("the whole pipeline took {}; look further:", duration(seconds)));
        output.line(format!("  {} in a browser", page.display()));
        // as it was called: who has just built it may not have it on the path
        let program = std::env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).display();
        output.line(format!("  {program} info {}", zoo_path.display()));
        output.line(format!("  {program} features {} --out features.csv", zoo_path.display()));
        // of the networks that the predictor was fitted to it knows too much
        output.line(format!("  {program} predict {} {} --part test", model_path.display(), zoo_path.display()));
        output.set("seconds", seconds);
        output.path("predictor", model_path);
        output.path("report", page);
        Ok(output)
    }
}
