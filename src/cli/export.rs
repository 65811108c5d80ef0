//! `zoometry export`

use super::output::{Force, Output, count, counted, duration};
use super::{STOP, files, firmware, progress, until_stopped};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::out::{FileKind, OutPath};
use zoometry::zoo::{self, Status, Zoo};
use zoometry::{Error, Result};

/// Write a zoo as a folder of the released format, one of its networks for PyTorch or for a microcontroller, or a page for browsers
///
/// The folder gets weights.npy, metrics.csv.gz and layout.csv as the released Small CNN Zoo has them; importing it again gives
/// the same zoo. With --torch one network goes to a .safetensors file: conv1.weight (OIHW), conv1.bias … dense.weight (out×in),
/// dense.bias; without --run all finished ones, each to a file of the folder. With --firmware the folder gets what tests/firmware
/// puts into a microcontroller's flash: the predictor's table, the network's weights and the images of its probes, and the accuracy
/// and the probes' numbers that are to come out there to the last bit. With --page the .html file predicts for networks that are
/// dropped on it, without a server.
#[derive(Args)]
pub struct Export {
    /// The zoo, one file or several, and without --out last the folder
    #[arg(value_name = "ZOO… [OUT]", num_args = 1.., required = true)]
    paths: Vec<PathBuf>,
    /// The folder, which is not there yet or empty; with --torch --run the .safetensors file, with --page the .html file
    #[arg(short, long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Write one network with PyTorch's names and order, or all
    #[arg(long, group = "one")]
    torch: bool,
    /// Write one network and a predictor for a microcontroller; TABLE is what `fit --compact` wrote
    #[arg(long, value_name = "TABLE", group = "one", requires = "run")]
    firmware: Option<PathBuf>,
    /// Write a page that predicts; TABLE is what `fit --compact` wrote
    #[cfg(feature = "full")]
    #[arg(long, value_name = "TABLE", conflicts_with = "one", requires = "wasm")]
    page: Option<PathBuf>,
    /// The module that the page evaluates the table with: tests/browser, built for wasm32-unknown-unknown
    #[cfg(feature = "full")]
    #[arg(long, value_name = "FILE.wasm", requires = "page")]
    wasm: Option<PathBuf>,
    /// Number of the network
    #[arg(long, value_name = "N", requires = "one", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    run: Option<u32>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", requires = "one", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    #[command(flatten)]
    force: Force,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Export {
    pub fn run(&self) -> Result<Output> {
        // one list, because an option may stand between the zoos and the folder
        let last = || self.paths.split_last().filter(|(_, zoos)| !zoos.is_empty());
        let Some((out, zoos)) = self.out.as_ref().map(|out| (out, &self.paths[..])).or_else(last) else {
            return Err(Error::invalid("command line", "a zoo and --out", "one name"));
        };
        let zoo = files::zoo(zoos)?;
        let mut output = Output::default();
        output.path("out", out);
        if let Some(run) = self.run {
            let row = self.row(&zoo, run as usize)?;
            let accuracy = zoo.test_accuracy()[row];
            if let Some(table) = &self.firmware {
                let inputs = files::expand(zoos)?;
                let place = self.force.guard(inputs.iter().chain([table])).file(out, FileKind::Folder)?;
                let predicted = firmware::write(&zoo, row, table, &place)?;
                output.line(format!("predicted {predicted:.4}"));
                output.set("predicted", predicted);
            } else {
                zoo::write_torch(&zoo, row, &self.network(out, zoos)?)?;
            }
            output.line(format!("{}: network {run}, test accuracy {accuracy:.4}", out.display()));
            output.set("run", run);
            output.set("epoch", zoo.epoch()[row]);
            output.set("test_accuracy", accuracy);
            return Ok(output);
        }
        if self.torch && out.extension().is_some_and(|kind| kind == "safetensors") {
            let expected = "the number of the network for one file; all go to a folder";
            return Err(Error::invalid("--run", expected, "none"));
        }
        if self.torch {
            self.networks(&zoo, out, zoos, &mut output)?;
            return Ok(output);
        }
        #[cfg(feature = "full")]
        if let (Some(table), Some(wasm)) = (&self.page, &self.wasm) {
            let inputs = files::expand(zoos)?;
            let place = self.force.guard(inputs.iter().chain([table, wasm])).file(out, FileKind::Page)?;
            let bytes = firmware::page(&zoo, table, wasm, &place)?;
            output.line(format!("{}: {} kB", out.display(), count(bytes.div_ceil(1000) as u64)));
            output.set("bytes", bytes);
            return Ok(output);
        }
        let start = Instant::now();
        let bar = progress::rows("exporting");
        let place = self.force.guard(files::expand(zoos)?).file(out, FileKind::Folder)?;
        let outcome = zoo::export(&until_stopped(), &zoo, &place, &mut |done, all| progress::tell(&bar, done, all));
        bar.finish_and_clear();
        let rows = outcome?;
        let seconds = start.elapsed().as_secs_f64();
        output.line(format!(
            "{}: {} rows in weights.npy, metrics.csv.gz and layout.csv, in {}",
            out.display(),
            count(rows as u64),
            duration(seconds)
        ));
        output.set("rows", rows);
        output.set("seconds", seconds);
        Ok(output)
    }

    /// All finished networks, each to a file of the folder `out`.
    fn networks(&self, zoo: &Zoo, out: &Path, zoos: &[PathBuf], output: &mut Output) -> Result<()> {
        let rows = self.epoch.map_or_else(|| Ok(zoo.final_rows()), |epoch| zoo.rows_at_epoch(epoch))?;
        if rows.is_empty() {
            return Err(Error::unsuitable(zoo.path(), "a zoo with finished networks", "none"));
        }
        let mut guard = self.force.guard(files::expand(zoos)?);
        guard.folder(out)?;
        let digits = zoo.networks().to_string().len();
        let bar = progress::rows("exporting");
        for (done, &row) in rows.iter().enumerate() {
            STOP.check()?;
            let name = format!("network-{:0digits$}.safetensors", zoo.run()[row]);
            zoo::write_torch(zoo, row, &guard.file(out.join(name), FileKind::Network)?)?;
            progress::tell(&bar, done + 1, rows.len());
        }
        bar.finish_and_clear();
        output.line(format!("{}: {}", out.display(), counted(rows.len(), "network")));
        output.set("networks", rows.len());
        Ok(())
    }

    /// The file for one network.
    fn network(&self, out: &Path, zoos: &[PathBuf]) -> Result<OutPath> {
        let place = self.force.guard(files::expand(zoos)?).file(out, FileKind::Network)?;
        match out.extension() {
            Some(kind) if kind == "safetensors" => Ok(place),
            _ => Err(Error::invalid("OUT", "a name that ends with .safetensors", out.display())),
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
            return Err(Error::unsuitable(zoo.path(), expected, "one that has not"));
        }
        Ok(row)
    }
}
