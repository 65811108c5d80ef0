//! `zoometry import`

use super::output::{self, Output, count, counted, duration};
use super::{progress, until_stopped};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::cnn::layer;
use zoometry::out::FileKind;
use zoometry::train::run;
use zoometry::zoo::{self, Zoo};
use zoometry::{Error, Result};

/// Make a zoo of a folder of the released Small CNN Zoo
///
/// The folder holds weights.npy, metrics.csv.gz (or .csv) and layout.csv, or all_weights.npy and all_metrics.csv as the older
/// notebook calls them. Weights are copied row by row: any size goes through a small memory.
#[derive(Args)]
pub struct Import {
    /// The unpacked folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The zoo file; it must not be there yet
    #[arg(short, long, value_name = "ZOO")]
    out: PathBuf,
    /// Only the last checkpoint of each network: a ninth of the released files
    #[arg(long)]
    final_only: bool,
    /// Size of the images [default: that of the released data set the folder names]
    #[arg(long, value_name = "HEIGHTxWIDTH")]
    image: Option<String>,
    /// The layers, such as 16s2,16s2same [default: 3×3 convolutions of stride 2 without padding, channels as in layout.csv]
    #[arg(long, value_name = "LAYERS")]
    layers: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Import {
    pub fn run(&self) -> Result<Output> {
        let mut options = zoo::Import::default();
        options.final_only = self.final_only;
        options.image = self.image.as_deref().map(size).transpose()?;
        options.layers = self.layers.as_deref().map(layer::parse).transpose()?;
        options.names = run::names_of_format_1();
        options.program = format!("zoometry {}", env!("CARGO_PKG_VERSION"));
        let out = output::careful([&self.folder]).file(&self.out, FileKind::Zoo)?;
        let start = Instant::now();
        let bar = progress::rows("importing");
        let mut tell = |done, all| progress::tell(&bar, done, all);
        let outcome = zoo::import(&until_stopped(), &self.folder, &out, &options, &mut tell);
        bar.finish_and_clear();
        let report = outcome?;
        let zoo = Zoo::open(&self.out)?;
        let accuracies: Vec<f32> = zoo.final_rows().iter().map(|&row| zoo.test_accuracy()[row]).collect();
        let seconds = start.elapsed().as_secs_f64();
        let number = |n: usize| count(n as u64);
        let mut output = Output::default();
        output.line(format!(
            "{}: {} of {} weights × {}, {}, in {}",
            self.out.display(),
            counted(report.runs, "network"),
            number(zoo.schema().arch.parameters()),
            counted(report.checkpoints, "checkpoint"),
            output::size(zoo.bytes() as u64),
            duration(seconds)
        ));
        output.line(format!("  {} of the folder's {} rows", number(report.kept), number(report.rows)));
        if report.missing > 0 {
            output.line(format!("  {} checkpoints are not in the folder: not written", number(report.missing)));
        }
        if report.diverged > 0 {
            output.line(format!(
                "  {} rows with weights that are not finite or a test accuracy that is none from 0 to 1: kept as diverged",
                number(report.diverged)
            ));
        }
        output.line(format!("  test accuracy: {}", output::quantile_line(&accuracies)));
        report.notes.iter().for_each(|note| output.line(format!("  note: {note}")));
        output.path("zoo", &self.out);
        output.set("models", report.runs);
        output.set("checkpoints", report.checkpoints);
        output.set("folder_rows", report.rows);
        output.set("rows", report.kept);
        output.set("missing", report.missing);
        output.set("diverged", report.diverged);
        output.set("finished", accuracies.len());
        output.set("notes", report.notes);
        output.set("seconds", seconds);
        output.set("accuracy_quantiles", output::quantiles(&accuracies));
        Ok(output)
    }
}

/// `28x28`
fn size(text: &str) -> Result<(usize, usize)> {
    let sizes =
        text.split_once(['x', '×']).and_then(|(height, width)| Some((height.parse().ok()?, width.parse().ok()?)));
    sizes.ok_or_else(|| Error::invalid("--image", "HEIGHTxWIDTH, such as 28x28", text))
}
