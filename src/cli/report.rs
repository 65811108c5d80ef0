//! `zoometry report`

use super::output::{self, Output, count};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use zoometry::report;
use zoometry::study::{Networks, Study, ZooEntry};
use zoometry::zoo::{Status, Zoo};
use zoometry::{Error, Result};

/// What a study's folder holds its findings in.
const RESULTS: &str = "results.jsonl";

/// Make one page of what a study found, or of a zoo
///
/// The page needs nothing else, neither other files nor a network nor scripts, and is light or dark as its reader has it.
#[derive(Args)]
pub struct Report {
    /// The folder of a study, or a zoo file
    #[arg(value_name = "DIR|ZOO")]
    source: PathBuf,
    /// The page
    #[arg(long, value_name = "FILE.html", default_value = "report.html")]
    out: PathBuf,
    /// Write the pictures as .svg files to this folder too
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Heading of the page
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Report {
    pub fn run(&self) -> Result<Output> {
        let results = self.source.join(RESULTS);
        let folder = self.source.is_dir();
        output::check(&self.out, [&self.source, &results])?;
        let study = if folder { Study::load(&results)? } else { from_zoo(&Zoo::open(&self.source)?)? };
        let name = self.source.file_stem().map_or("zoo".into(), |name| name.to_string_lossy());
        let title = self.title.clone().unwrap_or_else(|| match folder {
            true => "What weights tell of accuracy".into(),
            false => format!("The zoo {name}"),
        });
        let page = report::html(&study, &title);
        zoometry::bytes::replace(&self.out, |file| file.write_all(page.as_bytes()))?;
        let mut output = Output::default();
        let kilobytes = count(page.len().div_ceil(1000) as u64);
        output.line(format!("{}: {kilobytes} kB, {}", self.out.display(), contents(&study)));
        output.set("out", &self.out);
        output.set("bytes", page.len());
        if let Some(folder) = &self.pictures {
            let files = write_pictures(&study, folder)?;
            output.line(format!("{}: {} pictures", folder.display(), files.len()));
            output.set("pictures", files);
        }
        Ok(output)
    }
}

fn contents(study: &Study) -> String {
    let plural = |n: usize, one: &str| format!("{} {one}{}", count(n as u64), if n == 1 { "" } else { "s" });
    format!("{}, {}", plural(study.zoos.len(), "zoo"), plural(study.cells.len(), "score"))
}

/// Writes all pictures; gives their paths.
fn write_pictures(study: &Study, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let write = |(name, svg): (String, String)| {
        let path = folder.join(name);
        zoometry::bytes::replace(&path, |file| file.write_all(svg.as_bytes()))?;
        Ok(path)
    };
    report::pictures(study).into_iter().map(write).collect()
}

/// A zoo as a study of what is in it, without any predictor.
fn from_zoo(zoo: &Zoo) -> Result<Study> {
    let finals = zoo.final_rows();
    let entry = entry(zoo, finals.len());
    let of = |column: &[f32]| finals.iter().map(|&row| column[row]).collect();
    let networks = Networks {
        zoo: entry.name.clone(),
        run: finals.iter().map(|&row| zoo.run()[row]).collect(),
        train_accuracy: of(zoo.column("train_accuracy")?),
        test_accuracy: of(zoo.test_accuracy()),
        map: Vec::new(),
        map_share: [0.0; 2],
        predictions: Vec::new(),
    };
    Ok(Study {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        program: format!("zoometry {}", env!("CARGO_PKG_VERSION")),
        zoos: vec![entry],
        networks: vec![networks],
        ..Study::default()
    })
}

/// What a zoo is made of.
fn entry(zoo: &Zoo, networks: usize) -> ZooEntry {
    let schema = zoo.schema();
    let recipe = |key: &str| schema.recipe.get(key);
    // the last checkpoint of a run tells whether it diverged
    let ends = zoo.status().iter().skip(schema.checkpoints.len() - 1).step_by(schema.checkpoints.len());
    ZooEntry {
        name: zoo.path().file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        path: zoo.path().display().to_string(),
        dataset: schema.dataset.clone(),
        digest: schema.digest.clone(),
        arch: schema.arch.to_string(),
        reference: schema.arch.convs == zoometry::cnn::reference_stack(),
        weights: schema.arch.parameters(),
        networks,
        diverged: ends.filter(|&&status| status == Status::Diverged).count(),
        checkpoints: schema.checkpoints.clone(),
        recipe: recipe("name").and_then(|name| name.as_str()).unwrap_or("unnamed").into(),
        seed: schema.seed,
        shared_seed: recipe("shared_seed").and_then(|shared| shared.as_bool()).unwrap_or(false),
        program: schema.program.clone(),
    }
}
