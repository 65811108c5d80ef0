//! `zoometry info`

use super::output::{self, Output, count, counted};
use super::{files, known};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use zoometry::cnn::Arch;
use zoometry::cnn::layer::{self, Layer};
use zoometry::cnn::plan::{Map, Op, Plan};
use zoometry::out::FileKind;
use zoometry::train::overrides::overrides;
use zoometry::zoo::{Status, Zoo};
use zoometry::{Error, Result};

/// Show what is in a zoo file and how far it is, what any other file of ours holds, or which GPUs this machine has
#[derive(Args)]
pub struct Info {
    /// Zoos, of which those that belong together are read as one, predictors, tables, networks, configurations, journals, folders
    /// of studies … A name in quotes may have * and ? in its last part
    #[arg(value_name = "FILE", required_unless_present = "devices", conflicts_with = "devices")]
    file: Vec<PathBuf>,
    /// List the GPUs that `--adapter` can choose
    #[arg(long)]
    devices: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Info {
    pub fn run(&self) -> Result<Output> {
        if self.devices {
            return super::device::list();
        }
        let (zoos, others): (Vec<PathBuf>, Vec<PathBuf>) =
            files::expand(&self.file)?.into_iter().partition(|file| FileKind::of(file) == FileKind::Zoo);
        // copies of one zoo are none together, but each can be shown
        let alone = |_| zoos.iter().map(|zoo| vec![zoo.clone()]).collect();
        let groups = if zoos.is_empty() { Vec::new() } else { files::groups(&zoos).unwrap_or_else(alone) };
        let shown = groups.iter().map(|group| of_zoo(group)).chain(others.iter().map(|file| known::show(file)));
        let (shown, failed): (Vec<_>, Vec<_>) = shown.partition(Result::is_ok);
        let mut each: Vec<Output> = shown.into_iter().flatten().collect();
        let mut failed: Vec<Error> = failed.into_iter().filter_map(Result::err).collect();
        if each.is_empty() && failed.len() == 1 {
            return failed.pop().map_or_else(|| Ok(Output::default()), Err);
        }
        // one that cannot be shown does not hide the others
        failed.iter().for_each(output::error);
        if each.len() == 1 && failed.is_empty() {
            return Ok(each.pop().unwrap_or_default());
        }
        let text = each.iter().map(|one| one.text.as_str()).collect::<Vec<_>>().join("\n");
        let mut output = Output { text, failed: !failed.is_empty(), ..Output::default() };
        output.set("files", each.into_iter().map(|one| one.json).collect::<Vec<_>>());
        Ok(output)
    }
}

/// Describes a zoo, in one file or several.
fn of_zoo(files: &[PathBuf]) -> Result<Output> {
    let zoo = Zoo::open_all(files)?;
    let schema = zoo.schema();
    let of = |status: Status| zoo.status().iter().filter(|&&found| found == status).count();
    let (done, diverged, rows) = (of(Status::Done), of(Status::Diverged), zoo.rows());
    let finals = zoo.final_rows();
    let accuracies: Vec<f32> = finals.iter().map(|&row| zoo.test_accuracy()[row]).collect();
    let parameters = schema.arch.parameters();
    let recipe = schema.recipe.get("name").and_then(|name| name.as_str()).unwrap_or("unnamed").to_owned();
    let epochs: Vec<String> = schema.checkpoints.iter().map(u32::to_string).collect();

    let mut output = Output::default();
    output.line(files::shown(files));
    let digest = if schema.digest.is_empty() { "images unknown".into() } else { format!("sha256 {}", schema.digest) };
    output.line(format!("  data set      {} ({digest})", schema.dataset));
    output.line(format!("  network       {}, {} weights", schema.arch, count(parameters as u64)));
    let plan = schema.arch.plan();
    let layers = layers(&schema.arch, &plan);
    layers.iter().for_each(|layer| output.line(format!("    {}", layer.line())));
    let set = overrides(&schema.recipe);
    let with = if set.is_empty() { String::new() } else { format!(" with {}", set.join(" ")) };
    let seeds: Vec<String> = zoo.seeds().iter().map(u64::to_string).collect();
    let plural = if seeds.len() > 1 { "s" } else { "" };
    output.line(format!("  recipe        {recipe}{with}, zoo seed{plural} {}", seeds.join(", ")));
    output.line(format!(
        "  networks      {}{} × {} (epochs {})",
        count(schema.runs as u64),
        part(&zoo, files.len()),
        counted(epochs.len(), "checkpoint"),
        epochs.join(", ")
    ));
    output.line(format!("  origin        {}", schema.origin()));
    let families = zoo.families();
    if !families.is_empty() {
        output.line(format!("  rounding      {}", families.join("; ")));
    }
    schema.dataset_notes.iter().for_each(|note| output.line(format!("  images        {note}")));
    let share = 100.0 * (done + diverged) as f64 / rows as f64;
    output.line(format!(
        "  rows          {} of {} ({share:.1} %), {} diverged",
        count((done + diverged) as u64),
        count(rows as u64),
        count(diverged as u64)
    ));
    output.line(format!("  finished      {}", counted(finals.len(), "network")));
    output.line(format!("  test accuracy {}", output::quantile_line(&accuracies)));
    output.set("file", files::shown(files));
    output.set("dataset", &schema.dataset);
    output.set("dataset_digest", &schema.digest);
    output.set("architecture", &schema.arch);
    output.set("parameters", parameters);
    output.set("layers", layers);
    output.set("recipe", &schema.recipe);
    output.set("recipe_overrides", &set);
    output.set("seed", schema.seed);
    output.set("program", &schema.program);
    output.set("origin", schema.origin());
    output.set("rounding", families);
    output.set("checksums", schema.has_checksums());
    output.set("caveats", zoo.caveats());
    output.set("models", schema.runs);
    output.set("networks", zoo.networks());
    output.set("seeds", zoo.seeds());
    output.set("shard", schema.shard.map(|shard| shard.place().to_string()));
    output.set("checkpoints", &schema.checkpoints);
    output.set("rows", rows);
    output.set("done", done);
    output.set("diverged", diverged);
    output.set("finished", finals.len());
    output.set("accuracy_quantiles", output::quantiles(&accuracies));
    Ok(output)
}

/// Of how many networks these are, where files hold some of them.
fn part(zoo: &Zoo, files: usize) -> String {
    let all = zoo.networks();
    match zoo.schema().shard {
        Some(shard) => format!(" of {}, shard {},", count(all as u64), shard.place()),
        None if zoo.schema().runs < all => format!(" of {} in {files} files", count(all as u64)),
        None if files > 1 => format!(" in {files} files"),
        None => String::new(),
    }
}

/// A layer as it is written, what it makes and what it weighs.
#[derive(Serialize)]
struct LayerEntry {
    /// Number in the list, from 1.
    number: usize,
    layer: String,
    /// Height, width and channels of what it makes.
    map: [usize; 3],
    /// Rows and columns of it that something reads.
    read: [usize; 2],
    weights: usize,
}

impl LayerEntry {
    fn line(&self) -> String {
        let ([height, width, channels], [rows, columns]) = (self.map, self.read);
        let mut line = format!("{:>3}  {:<14} {height}×{width}×{channels}", self.number, self.layer);
        if self.weights > 0 {
            line += &format!(", {} weights", count(self.weights as u64));
        }
        if [rows, columns] != [height, width] {
            line += &format!(", {rows}×{columns} read");
        }
        line
    }
}

/// The written layers with maps and weights; the dense layer of the classes is the last. A layer without a step of its own, an
/// activation or a flattening, makes what the one before made.
fn layers(arch: &Arch, plan: &Plan) -> Vec<LayerEntry> {
    let mut words: Vec<String> = Vec::new();
    flat_words(&layer::written(&arch.layers), &mut words);
    words.push(format!("{} classes", arch.classes));
    let mut entries: Vec<LayerEntry> = Vec::new();
    for (index, word) in words.into_iter().enumerate() {
        let number = index + 1;
        let steps = plan.steps.iter().enumerate().filter(|(_, step)| step.layer == number);
        let mut weights = 0;
        let mut made: Option<&Map> = None;
        for (step, of) in steps {
            made = Some(&plan.maps[step + 1]);
            if let Op::Conv { weighted, .. } = of.op {
                let (bias, kernel) = plan.weights_of(weighted);
                weights += bias.range.len() + kernel.range.len();
            }
        }
        let before = entries.last().map(|entry| (entry.map, entry.read));
        let of = |map: &Map| ([map.height, map.width, map.channels], [map.rows, map.columns]);
        let (map, read) = made.map(of).or(before).unwrap_or_else(|| of(&plan.maps[0]));
        entries.push(LayerEntry { number, layer: word, map, read, weights });
    }
    entries
}

/// The words of a list one by one, a block's before those in it.
fn flat_words(layers: &[Layer], words: &mut Vec<String>) {
    for layer in layers {
        match layer {
            Layer::Residual(inner) => {
                words.push("[…]".into());
                flat_words(inner, words);
            }
            layer => words.push(layer.to_string()),
        }
    }
}
