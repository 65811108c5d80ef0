//! `zoometry export`

use super::output::{Force, Output, count, duration};
use super::{STOP, files, progress};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::out::{FileKind, OutPath};
use zoometry::zoo::{self, Status, Zoo};
use zoometry::{Error, Result};

/// Write a zoo as a folder of the released format, or one of its networks for PyTorch
///
/// The folder gets weights.npy, metrics.csv.gz and layout.csv as the released Small CNN Zoo has them; importing it again gives
/// the same zoo. With --torch one network goes to a .safetensors file: conv1.weight (OIHW), conv1.bias … dense.weight (out×in),
/// dense.bias.
#[derive(Args)]
pub struct Export {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// The folder, which is not there yet or empty; with --torch the .safetensors file
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Write one network with PyTorch's names and order
    #[arg(long, requires = "run")]
    torch: bool,
    /// Number of the network
    #[arg(long, value_name = "N", requires = "torch", allow_negative_numbers = true)]
    run: Option<u32>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", requires = "torch")]
    epoch: Option<u32>,
    #[command(flatten)]
    force: Force,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Export {
    pub fn run(&self) -> Result<Output> {
        let zoo = files::zoo(&self.zoo)?;
        let mut output = Output::default();
        output.set("out", &self.out);
        if let Some(run) = self.run {
            let row = self.row(&zoo, run as usize)?;
            zoo::write_torch(&zoo, row, &self.network()?)?;
            let accuracy = zoo.test_accuracy()[row];
            output.line(format!("{}: network {run}, test accuracy {accuracy:.4}", self.out.display()));
            output.set("run", run);
            output.set("epoch", zoo.epoch()[row]);
            output.set("test_accuracy", accuracy);
            return Ok(output);
        }
        let start = Instant::now();
        let bar = progress::rows("exporting");
        let out = self.force.guard(files::expand(&self.zoo)?).file(&self.out, FileKind::Folder)?;
        let outcome = zoo::export(&zoo, &out, &mut |done, all| progress::tell(&bar, done, all), &STOP);
        bar.finish_and_clear();
        let rows = outcome?;
        let seconds = start.elapsed().as_secs_f64();
        output.line(format!(
            "{}: {} rows in weights.npy, metrics.csv.gz and layout.csv, in {}",
            self.out.display(),
            count(rows as u64),
            duration(seconds)
        ));
        output.set("rows", rows);
        output.set("seconds", seconds);
        Ok(output)
    }

    /// The file for one network.
    fn network(&self) -> Result<OutPath> {
        let out = self.force.guard(files::expand(&self.zoo)?).file(&self.out, FileKind::Network)?;
        match self.out.extension() {
            Some(kind) if kind == "safetensors" => Ok(out),
            _ => Err(Error::invalid("OUT", "a name that ends with .safetensors", self.out.display())),
        }
    }

    /// The row of one network's checkpoint.
    fn row(&self, zoo: &Zoo, run: usize) -> Result<usize> {
        let checkpoints = &zoo.schema().checkpoints;
        let Some(network) = zoo.find(run) else {
            let expected = format!("a number below {}, of a network that the files have", zoo.networks());
            return Err(Error::invalid("--run", expected, run));
        };
        let checkpoint = match self.epoch {
            None => checkpoints.len() - 1,
            Some(epoch) => checkpoints
                .binary_search(&epoch)
                .map_err(|_| Error::invalid("--epoch", format!("one of {checkpoints:?}"), epoch))?,
        };
        let row = network * checkpoints.len() + checkpoint;
        if zoo.status()[row] == Status::NotWritten {
            let expected = format!("a zoo that has epoch {} of network {run}", checkpoints[checkpoint]);
            return Err(Error::malformed(zoo.path(), expected, "one that has not"));
        }
        Ok(row)
    }
}
