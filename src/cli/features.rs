//! `zoometry features`

use super::device::Device;
use super::output::{Force, Output, counted, duration};
use super::parts::{self, DivisionArgs};
use super::{MachineArgs, files, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::features::write::{self, TablePath};
use zoometry::features::{Input, Networks};
use zoometry::table::{Part, Table};
use zoometry::zoo::Zoo;
use zoometry::{Context, Error, Result};

/// Compute what a predictor sees of every network
///
/// By default seven numbers for each weight tensor: min, q25, median, q75, max, std, mean; 56 for the reference net. A column `part`
/// says of each network whether a `fit` with the same --split-seed or --split has it in its train, validation or test part; an input
/// that depends on a zoo (consensus, synthetic) is fitted to the train part.
#[derive(Args)]
pub struct Features {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// .safetensors, .csv or .npy (with the columns' names beside it in .columns.json); without it, or with -, the table goes to
    /// stdout as CSV
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
        let context = &self.machine.context()?;
        let input = super::input(self.input.as_deref())?;
        let mut guard = self.force.guard(files::expand(&self.zoo)?.iter().chain(self.division.file()));
        let file = super::files::unless_stream(&self.out);
        let out = file.map(|path| TablePath::new(&mut guard, path)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL[..3])?;
        let start = Instant::now();
        let groups = files::groups(&self.zoo)?;
        let each = groups.iter().map(|files| self.of_zoo(context, &Zoo::open_all(files)?, &input, &wanted));
        let Seen { table, all, of, files } = joined(each.collect::<Result<_>>()?)?;
        parts::some_in(&all, &wanted, &groups[0][0])?;
        let files = if groups.iter().map(Vec::len).sum::<usize>() > 1 { files } else { Vec::new() };
        let seconds = start.elapsed().as_secs_f64();
        let mut output = Output::default();
        output.set("rows", table.rows());
        output.set("input", input.to_string());
        output.set("columns", &table.columns);
        output.set("seconds", seconds);
        output.set("part", of.iter().map(|part| part.name()).collect::<Vec<_>>());
        if !files.is_empty() {
            output.set("file", &files);
        }
        match (file, &out) {
            (Some(path), Some(out)) => {
                write::write(context, &table, &of, &files, out)?;
                let (rows, width) = (counted(table.rows(), "network"), counted(table.width(), "column"));
                output.line(format!("{}: {rows} × {width} in {}", path.display(), duration(seconds)));
                output.path("out", path);
            }
            _ if self.machine.json => output.set("x", table.x.chunks(table.width().max(1)).collect::<Vec<_>>()),
            _ => {
                let mut text = Vec::new();
                write::csv(context, &table, &of, &files, &mut text).map_err(|_| Error::Cancelled)?;
                output.text = String::from_utf8_lossy(&text).into_owned();
            }
        }
        Ok(output)
    }

    /// What is seen of one zoo's networks.
    fn of_zoo(&self, context: &Context, zoo: &Zoo, input: &Input, wanted: &[Part]) -> Result<Seen> {
        let rows = select::rows(zoo, zoo.path(), self.epoch, input)?;
        let division = self.division.division(zoo)?;
        let mut named = self.division.parts(zoo, &rows)?;
        let all = named.iter().map(|(_, part)| *part).collect();
        named.retain(|(_, part)| wanted.contains(part));
        let (shown, of): (Vec<usize>, Vec<Part>) = named.into_iter().unzip();
        let table = self.machine.run(|| {
            let fitted = parts::fit_input(context, zoo, &rows, &division, input)?;
            self.device.table(&fitted, context, &Networks::Zoo { zoo, rows: &shown })
        })?;
        let files = shown.iter().map(|&row| zoo.file_of(row).display().to_string()).collect();
        Ok(Seen { table, all, of, files })
    }
}

/// What is seen of networks.
struct Seen {
    table: Table,
    /// The parts of all networks, the wanted ones and the others.
    all: Vec<Part>,
    /// The part of each.
    of: Vec<Part>,
    /// The file of each.
    files: Vec<String>,
}

/// One table of several.
///
/// # Errors
/// [`Error::Unsuitable`] where they have not the same columns.
fn joined(each: Vec<Seen>) -> Result<Seen> {
    let mut each = each.into_iter();
    let mut all = each.next().ok_or(Error::Cancelled)?;
    for next in each {
        if next.table.columns != all.table.columns {
            let file = next.files.first().cloned().unwrap_or_default();
            let expected = format!("the {} columns of the first zoo", all.table.width());
            return Err(Error::unsuitable(file, expected, format!("{} others", next.table.width())));
        }
        all.table = all.table.join(&next.table);
        all.all.extend(next.all);
        all.of.extend(next.of);
        all.files.extend(next.files);
    }
    Ok(all)
}
