//! `zoometry features`

use super::device::Device;
use super::output::{Force, Output, count, duration};
use super::{MachineArgs, STOP, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::features::Networks;
use zoometry::features::write::{self, TablePath};
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Compute what a predictor sees of every network
///
/// By default seven numbers for each weight tensor: min, q25, median, q75, max, std, mean; 56 for the reference net.
#[derive(Args)]
pub struct Features {
    /// The zoo file
    #[arg(value_name = "ZOO")]
    zoo: PathBuf,
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
        let mut guard = self.force.guard([&self.zoo]);
        let out = self.out.as_ref().map(|path| TablePath::new(&mut guard, path)).transpose()?;
        let zoo = Zoo::open(&self.zoo)?;
        let rows = select::rows(&zoo, &self.zoo, self.epoch, &input)?;
        let start = Instant::now();
        let table = self.machine.run(|| self.device.table(&input, isa, &Networks::Zoo { zoo: &zoo, rows: &rows }))?;
        let seconds = start.elapsed().as_secs_f64();
        let mut output = Output::default();
        output.set("rows", table.rows());
        output.set("input", input.to_string());
        output.set("columns", &table.columns);
        output.set("seconds", seconds);
        match (&self.out, &out) {
            (Some(path), Some(out)) => {
                write::write(&table, out, &STOP)?;
                let (rows, width) = (count(table.rows() as u64), table.width());
                output.line(format!("{}: {rows} networks × {width} columns in {}", path.display(), duration(seconds)));
                output.set("out", path);
            }
            _ if self.machine.json => output.set("x", table.x.chunks(table.width().max(1)).collect::<Vec<_>>()),
            _ => {
                let mut text = Vec::new();
                write::csv(&table, &mut text, &STOP).map_err(|_| Error::Cancelled)?;
                output.text = String::from_utf8_lossy(&text).into_owned();
            }
        }
        Ok(output)
    }
}
