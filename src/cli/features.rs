//! `zoometry features`

use super::device::Device;
use super::output::{Force, Output, count, duration};
use super::parts::{self, DivisionArgs};
use super::{MachineArgs, STOP, files, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::features::Networks;
use zoometry::features::write::{self, TablePath};
use zoometry::table::Part;
use zoometry::{Error, Result};

/// Compute what a predictor sees of every network
///
/// By default seven numbers for each weight tensor: min, q25, median, q75, max, std, mean; 56 for the reference net. A column `part`
/// says of each network whether a `fit` with the same --split-seed or --split has it in its train, validation or test part; an input
/// that depends on a zoo (consensus, synthetic) is fitted to the train part.
#[derive(Args)]
pub struct Features {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// .safetensors, .csv or .npy (with the columns' names beside it in .columns.json); without it the table goes to stdout as
    /// CSV
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is computed: wstats, probes, hyper, weights …, joined by + [default: wstats]
    #[arg(long, value_name = "KEY", long_help = super::INPUT_HELP)]
    input: Option<String>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    #[command(flatten)]
    division: DivisionArgs,
    /// Only the networks of this part: train, validation or test; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    part: Vec<String>,
    #[command(flatten)]
    device: Device,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Features {
    pub fn run(&self) -> Result<Output> {
        self.device.check()?;
        let isa = self.machine.isa()?;
        let input = super::input(self.input.as_deref())?;
        let mut guard = self.force.guard(files::expand(&self.zoo)?.iter().chain(self.division.file()));
        let out = self.out.as_ref().map(|path| TablePath::new(&mut guard, path)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL[..3])?;
        let zoo = files::zoo(&self.zoo)?;
        let rows = select::rows(&zoo, zoo.path(), self.epoch, &input)?;
        let division = self.division.division(&zoo)?;
        let mut named = self.division.parts(&zoo, &rows)?;
        named.retain(|(_, part)| wanted.contains(part));
        let (shown, of): (Vec<usize>, Vec<Part>) = named.into_iter().unzip();
        let start = Instant::now();
        let table = self.machine.run(|| {
            let fitted = parts::fit_input(isa, &zoo, &rows, &division, &input)?;
            self.device.table(&fitted, isa, &Networks::Zoo { zoo: &zoo, rows: &shown })
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let mut output = Output::default();
        output.set("rows", table.rows());
        output.set("input", input.to_string());
        output.set("columns", &table.columns);
        output.set("seconds", seconds);
        output.set("part", of.iter().map(|part| part.name()).collect::<Vec<_>>());
        match (&self.out, &out) {
            (Some(path), Some(out)) => {
                write::write(&table, &of, out, &STOP)?;
                let (rows, width) = (count(table.rows() as u64), table.width());
                output.line(format!("{}: {rows} networks × {width} columns in {}", path.display(), duration(seconds)));
                output.set("out", path);
            }
            _ if self.machine.json => output.set("x", table.x.chunks(table.width().max(1)).collect::<Vec<_>>()),
            _ => {
                let mut text = Vec::new();
                write::csv(&table, &of, &mut text, &STOP).map_err(|_| Error::Cancelled)?;
                output.text = String::from_utf8_lossy(&text).into_owned();
            }
        }
        Ok(output)
    }
}
