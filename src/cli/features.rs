//! `zoometry features`

use super::device::Device;
use super::output::{self, Force, Long, Output, counted, duration, visible};
use super::parts::{self, DivisionArgs};
use super::suggest::suggest;
use super::{MachineArgs, files, select};
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::features::write::{self, Outline, TablePath};
use zoometry::features::{Fitted, Input, Networks};
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
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is computed: wstats, probes, hyper, weights …, joined by + [default: wstats]
    #[arg(long, value_name = "KEY", long_help = super::INPUT_HELP)]
    input: Option<String>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    #[command(flatten)]
    division: DivisionArgs,
    /// Only the networks of this part: train, validation or test; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',', hide_possible_values = true, value_parser = suggest(["train", "validation", "test"]))]
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
        let files = files::expand(&self.zoo)?;
        let mut guard = self.force.guard(files.iter().chain(self.division.file()));
        let out = files::unless_stream(&self.out).map(|path| TablePath::new(&mut guard, path)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL[..3])?;
        let start = Instant::now();
        let (context, machine) = (context.clone(), self.machine.clone());
        let mut seen = Seen { context, machine, outline: Outline::default(), zoos: Vec::new() };
        let mut all = Vec::new();
        for group in files::groups(&self.zoo)? {
            all.extend(self.add(Zoo::open_all(&group)?, &input, &wanted, &mut seen)?);
        }
        parts::some_in(&all, &wanted, &files[0])?;
        seen.name(&files);
        let mut output = seen.described(&input);
        let Some(out) = out else {
            if !self.machine.json {
                let Outline { columns, file_names, .. } = &mut seen.outline;
                columns.iter_mut().chain(file_names).for_each(|name| *name = visible(name));
            }
            output.long = Some(Box::new(seen));
            return Ok(output);
        };
        self.machine.run(|| write::write(&seen.outline, seen.blocks(), &out))?;
        let seconds = start.elapsed().as_secs_f64();
        let (rows, width) = (counted(seen.outline.run.len(), "network"), counted(seen.outline.columns.len(), "column"));
        output.line(format!("{}: {rows} × {width} in {}", out.path().display(), duration(seconds)));
        output.set("seconds", seconds);
        output.path("out", out.path());
        Ok(output)
    }

    /// Adds what is to be seen of one zoo's networks; gives the parts of all, the wanted ones and the others.
    ///
    /// # Errors
    /// [`Error::Unsuitable`] where they have not the columns of the others.
    fn add(&self, zoo: Zoo, input: &Input, wanted: &[Part], seen: &mut Seen) -> Result<Vec<Part>> {
        let context = &seen.context;
        let rows = select::rows(&zoo, zoo.path(), self.epoch, input)?;
        let division = self.division.division(&zoo)?;
        let mut named = self.division.parts(&zoo, &rows)?;
        let all = named.iter().map(|(_, part)| *part).collect();
        named.retain(|(_, part)| wanted.contains(part));
        let (shown, of): (Vec<usize>, Vec<Part>) = named.into_iter().unzip();
        let networks = Networks::Zoo { zoo: &zoo, rows: &shown };
        let (fitted, columns, whole) = self.machine.run(|| -> Result<_> {
            let fitted = parts::fit_input(context, &zoo, &rows, &division, input)?;
            let columns = fitted.columns(context, &networks)?;
            let whole = self.device.table(&fitted, context, &networks)?;
            Ok((fitted, columns, whole))
        })?;
        let outline = &mut seen.outline;
        if seen.zoos.is_empty() {
            outline.columns = columns;
        } else if columns != outline.columns {
            let expected = format!("the {} columns of the first zoo", outline.columns.len());
            return Err(Error::unsuitable(zoo.path(), expected, format!("{} others", columns.len())));
        }
        outline.run.extend(shown.iter().map(|&row| u64::from(zoo.run()[row])));
        outline.test_accuracy.extend(shown.iter().map(|&row| zoo.test_accuracy()[row]));
        outline.parts.extend(of);
        seen.zoos.push(Shown { zoo, rows: shown, fitted, whole });
        Ok(all)
    }
}

/// The networks of a zoo that are shown.
struct Shown {
    zoo: Zoo,
    rows: Vec<usize>,
    fitted: Fitted,
    /// Their features, where a card has computed them.
    whole: Option<Table>,
}

impl Shown {
    /// Their features, block by block.
    fn blocks(&self, context: &Context, columns: usize) -> impl Iterator<Item = Result<Vec<f32>>> {
        let networks = Networks::Zoo { zoo: &self.zoo, rows: &self.rows };
        networks.blocks(columns).map(move |block| match &self.whole {
            Some(table) => Ok(table.x[block.start * columns..block.end * columns].to_vec()),
            None => self.fitted.table(context, &networks.part(block)).map(|table| table.x),
        })
    }
}

/// What is seen of networks: all but the features themselves.
struct Seen {
    context: Context,
    machine: MachineArgs,
    outline: Outline,
    zoos: Vec<Shown>,
}

impl Seen {
    /// Says which of several files each network is in, by their place among `files`.
    fn name(&mut self, files: &[PathBuf]) {
        if files.len() < 2 {
            return;
        }
        self.outline.file_names = files.iter().map(|file| file.display().to_string()).collect();
        for shown in &self.zoos {
            let place = |path: &Path| files.iter().position(|file| file == path).unwrap_or(0) as u32;
            let places: Vec<u32> = shown.zoo.paths().map(place).collect();
            self.outline.files.extend(shown.rows.iter().map(|&row| places[shown.zoo.file_number(row)]));
        }
    }

    /// What is said of all of them together; for programs also the part and the file of each.
    fn described(&self, input: &Input) -> Output {
        let (outline, mut output) = (&self.outline, Output::default());
        if self.machine.json {
            output.set("rows", outline.run.len());
            output.set("input", input.to_string());
            output.set("columns", &outline.columns);
            output.set("part", outline.parts.iter().map(|part| part.name()).collect::<Vec<_>>());
            if !outline.files.is_empty() {
                let files = (0..outline.files.len()).filter_map(|row| outline.file(row));
                output.set("file", files.collect::<Vec<_>>());
            }
        }
        output
    }

    fn blocks(&self) -> impl Iterator<Item = Result<Vec<f32>>> {
        self.zoos.iter().flat_map(|shown| shown.blocks(&self.context, self.outline.columns.len()))
    }
}

impl Long for Seen {
    fn text(&self, mut to: &mut (dyn Write + Send)) -> io::Result<()> {
        self.machine.run(|| write::csv(&self.outline, self.blocks(), &mut to))
    }

    fn key(&self) -> &'static str {
        "x"
    }

    fn json(&self, to: &mut (dyn Write + Send)) -> io::Result<()> {
        let width = self.outline.columns.len().max(1);
        let rows = |block: Result<Vec<f32>>| match block {
            Ok(block) => block.chunks(width).map(|row| Ok(row.into())).collect::<Vec<_>>(),
            Err(error) => vec![Err(io::Error::other(error))],
        };
        self.machine.run(|| output::list(to, self.blocks().flat_map(rows)))
    }
}
