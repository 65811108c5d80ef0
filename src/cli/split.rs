//! `zoometry split`

use super::files;
use super::output::{Force, Output, count};
use super::parts::{self, DivisionArgs};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use zoometry::eval::PublishedOrder;
use zoometry::out::{FileKind, OutPath, replace};
use zoometry::table::Part;
use zoometry::zoo::{Source, digest};
use zoometry::{Error, Result};

/// Write which networks are in the train, the validation and the test part, for other programs and for --split
///
/// CSV with a line for each finished network: its number, its part, the digest of its last weights (XXH3-64 of the little-endian f32,
/// hexadecimal). `fit --split-seed` with the same seed divides so; `--split` takes the file, also with other parts written into it.
#[derive(Args)]
pub struct Split {
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    #[command(flatten)]
    division: DivisionArgs,
    /// Only the networks of this part: train, validation or test; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    part: Vec<String>,
    /// Write the order of the rows of an exported folder instead, drawn by the seed: the file from which NFN, Neural Graphs,
    /// ScaleGMN and ProbeGen derive their parts; given to --split it makes the same ones here
    #[arg(long, conflicts_with_all = ["part", "split"])]
    order: bool,
    /// Where the table goes [default: stdout]
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

impl Split {
    pub fn run(&self) -> Result<Output> {
        let mut guard = self.force.guard(files::expand(&self.zoo)?.iter().chain(self.division.file()));
        let out = files::unless_stream(&self.out).map(|path| guard.file(path, FileKind::Table)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL[..3])?;
        let zoo = files::zoo(&self.zoo)?;
        if self.order {
            let mut output = Output::default();
            let rows = Source::of(&zoo)?.rows;
            let few = |_| Error::malformed(zoo.path(), format!("at most {} rows", u32::MAX), rows.to_string());
            let text = PublishedOrder::draw(u32::try_from(rows).map_err(few)?, self.division.seed());
            output.set("rows", rows);
            let said = format!("the order of {} rows", count(rows));
            return write(output, text, out.as_ref(), &said);
        }
        let rows = self.division.parts(&zoo, &zoo.final_rows())?;
        let mut text = String::from("run,part,digest\n");
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (row, part) in rows.into_iter().filter(|(_, part)| wanted.contains(part)) {
            text += &format!("{},{part},{:016x}\n", zoo.run()[row], digest(zoo.weights(row)));
            *counts.entry(part.name()).or_default() += 1;
        }
        if counts.is_empty() {
            return Err(Error::unsuitable(zoo.path(), "a zoo with finished networks of these parts", "none"));
        }
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
