//! `zoometry split`

use super::files;
use super::output::{Force, Output, count};
use super::parts::{self, DivisionArgs};
use super::suggest::suggest;
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use zoometry::eval::PublishedOrder;
use zoometry::out::{FileKind, OutPath, replace};
use zoometry::table::Part;
use zoometry::zoo::{Source, Zoo, digest};
use zoometry::{Error, Result};

/// Write which networks are in the train, the validation and the test part, for other programs and for --split
///
/// CSV with a line for each finished network: its number, its part, the digest of its last weights (XXH3-64 of the little-endian f32,
/// hexadecimal), of several files also its file. `fit --split-seed` with the same seed divides so; `--split` takes the file, also
/// with other parts written into it.
#[derive(Args)]
pub struct Split {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    #[command(flatten)]
    division: DivisionArgs,
    /// Only the networks of this part: train, validation or test; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',', hide_possible_values = true, value_parser = suggest(["train", "validation", "test"]))]
    part: Vec<String>,
    /// Write the order of the rows of an exported folder instead, drawn by the seed: the file from which NFN, Neural Graphs,
    /// ScaleGMN and ProbeGen derive their parts; given to --split it makes the same ones here
    #[arg(long, conflicts_with_all = ["part", "split"])]
    order: bool,
    /// Where the table goes [default: stdout]
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Split {
    pub fn run(&self) -> Result<Output> {
        let files = files::expand(&self.zoo)?;
        let mut guard = self.force.guard(files.iter().chain(self.division.file()));
        let out = files::unless_stream(&self.out).map(|path| guard.file(path, FileKind::Table)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL[..3])?;
        if self.order {
            let zoo = files::zoo(&self.zoo)?;
            let mut output = Output::default();
            let rows = Source::of(&zoo)?.rows;
            let few = |_| Error::malformed(zoo.path(), format!("at most {} rows", u32::MAX), rows.to_string());
            let text = PublishedOrder::draw(u32::try_from(rows).map_err(few)?, self.division.seed());
            output.set("rows", rows);
            let said = format!("the order of {} rows", count(rows));
            return write(output, text, out.as_ref(), &said);
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        let several = files.len() > 1;
        // into memory
        let failed = |_| Error::Cancelled;
        table.write_record(["run", "part", "digest"].into_iter().chain(several.then_some("file"))).map_err(failed)?;
        let (mut counts, mut all) = (BTreeMap::<&str, usize>::new(), Vec::new());
        for group in files::groups(&files)? {
            let zoo = Zoo::open_all(group)?;
            let rows = self.division.parts(&zoo, &zoo.final_rows())?;
            all.extend(rows.iter().map(|(_, part)| *part));
            for (row, part) in rows.into_iter().filter(|(_, part)| wanted.contains(part)) {
                let cells =
                    [zoo.run()[row].to_string(), part.to_string(), format!("{:016x}", digest(zoo.weights(row)))];
                let file = several.then(|| zoo.file_of(row).display().to_string());
                table.write_record(cells.into_iter().chain(file)).map_err(failed)?;
                *counts.entry(part.name()).or_default() += 1;
            }
        }
        parts::some_in(&all, &wanted, &files[0])?;
        let text = String::from_utf8_lossy(&table.into_inner().unwrap_or_default()).into_owned();
        let mut output = Output::default();
        for (part, count) in &counts {
            output.set(part, count);
        }
        let each: Vec<String> = counts.iter().map(|(part, n)| format!("{} {part}", count(*n as u64))).collect();
        write(output, text, out.as_ref(), &format!("{} networks", each.join(", ")))
    }
}

/// Puts a text where it goes.
fn write(mut output: Output, text: String, out: Option<&OutPath>, said: &str) -> Result<Output> {
    match out {
        None => output.text = text,
        Some(out) => {
            replace(out, |file| file.write_all(text.as_bytes()))?;
            output.line(format!("{}: {said}", out.path().display()));
            output.path("out", out.path());
        }
    }
    Ok(output)
}
