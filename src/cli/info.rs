//! `zoometry info`

use super::output::{self, Output, count};
use clap::Args;
use std::path::PathBuf;
use zoometry::Result;
use zoometry::train::overrides::overrides;
use zoometry::zoo::{Status, Zoo};

/// Show what is in a zoo file and how far it is, or which cards this machine has
#[derive(Args)]
pub struct Info {
    /// The zoo file
    #[arg(value_name = "ZOO", required_unless_present = "devices", conflicts_with = "devices")]
    zoo: Option<PathBuf>,
    /// List the graphics cards that `--adapter` can choose
    #[arg(long)]
    devices: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Info {
    pub fn run(&self) -> Result<Output> {
        let Some(path) = &self.zoo else { return super::device::list() };
        let zoo = Zoo::open(path)?;
        let schema = zoo.schema();
        let of = |status: Status| zoo.status().iter().filter(|&&found| found == status).count();
        let (done, diverged, rows) = (of(Status::Done), of(Status::Diverged), zoo.rows());
        let finals = zoo.final_rows();
        let accuracies: Vec<f32> = finals.iter().map(|&row| zoo.test_accuracy()[row]).collect();
        let parameters = schema.arch.parameters();
        let recipe = schema.recipe.get("name").and_then(|name| name.as_str()).unwrap_or("unnamed").to_owned();
        let epochs: Vec<String> = schema.checkpoints.iter().map(u32::to_string).collect();

        let mut output = Output::default();
        output.line(format!("{}", path.display()));
        let digest =
            if schema.digest.is_empty() { "images unknown".into() } else { format!("sha256 {}", schema.digest) };
        output.line(format!("  data set      {} ({digest})", schema.dataset));
        output.line(format!("  network       {}, {} weights", schema.arch, count(parameters as u64)));
        let set = overrides(&schema.recipe);
        let with = if set.is_empty() { String::new() } else { format!(" with {}", set.join(" ")) };
        output.line(format!("  recipe        {recipe}{with}, zoo seed {}", schema.seed));
        output.line(format!(
            "  networks      {} × {} checkpoints (epochs {})",
            count(schema.runs as u64),
            epochs.len(),
            epochs.join(", ")
        ));
        output.line(format!("  origin        {}", schema.origin()));
        let share = 100.0 * (done + diverged) as f64 / rows as f64;
        output.line(format!(
            "  rows          {} of {} ({share:.1} %), {} diverged",
            count((done + diverged) as u64),
            count(rows as u64),
            count(diverged as u64)
        ));
        output.line(format!("  finished      {} networks", count(finals.len() as u64)));
        output.line(format!("  test accuracy {}", output::quantile_line(&accuracies)));
        output.set("dataset", &schema.dataset);
        output.set("dataset_digest", &schema.digest);
        output.set("architecture", &schema.arch);
        output.set("parameters", parameters);
        output.set("recipe", &schema.recipe);
        output.set("recipe_overrides", &set);
        output.set("seed", schema.seed);
        output.set("program", &schema.program);
        output.set("origin", schema.origin());
        output.set("models", schema.runs);
        output.set("checkpoints", &schema.checkpoints);
        output.set("rows", rows);
        output.set("done", done);
        output.set("diverged", diverged);
        output.set("finished", finals.len());
        output.set("accuracy_quantiles", output::quantiles(&accuracies));
        Ok(output)
    }
}
