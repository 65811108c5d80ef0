//! `zoometry merge`

use super::output::{self, Output, count, counted, duration};
use super::{STOP, files, progress};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::Result;
use zoometry::out::FileKind;
use zoometry::train;
use zoometry::zoo::Merged;

/// Join the files of shards, or of several machines, into one zoo
///
/// The zoo is the one that a single machine would have made, byte for byte. Shards need not be finished, nor all be there: `train`
/// goes on with what is missing, and the same command adds the rest when it has come. A merge that was stopped is continued by the
/// same command.
#[derive(Args)]
pub struct Merge {
    /// The files; a name in quotes may have * and ? in its last part
    #[arg(value_name = "SHARD", required = true)]
    shards: Vec<PathBuf>,
    /// The zoo file; one that is there gets what it lacks
    #[arg(short, long, value_name = "ZOO")]
    out: PathBuf,
    /// Join what another version trained, or machines that round otherwise
    #[arg(long)]
    allow_mixed: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Numbers that are listed.
const LISTED: usize = 8;

impl Merge {
    pub fn run(&self) -> Result<Output> {
        let shards = files::expand(&self.shards)?;
        let out = output::careful(&shards).continued(&self.out, FileKind::Zoo)?;
        let start = Instant::now();
        let bar = progress::rows("merging");
        let tell = &mut |done, all| progress::tell(&bar, done, all);
        let outcome = train::merge(&shards, &out, self.allow_mixed, tell, &STOP);
        bar.finish_and_clear();
        let (merged, seconds) = (outcome?, start.elapsed().as_secs_f64());
        let mut output = Output::default();
        output.line(format!(
            "{}: a zoo of {}, {} copied from {} in {}",
            self.out.display(),
            counted(merged.networks, "network"),
            counted(merged.copied, "row"),
            counted(shards.len(), "file"),
            duration(seconds)
        ));
        if merged.doubled > 0 {
            output.line(format!("  {} rows were there already, byte for byte the same", count(merged.doubled as u64)));
        }
        missing(&merged, &mut output);
        output.path("zoo", &self.out);
        output.set("files", shards.len());
        output.set("networks", merged.networks);
        output.set("copied", merged.copied);
        output.set("doubled", merged.doubled);
        output.set("missing", merged.missing);
        output.set("unfinished", merged.unfinished);
        output.set("absent", merged.absent.iter().map(ToString::to_string).collect::<Vec<_>>());
        output.set("seconds", seconds);
        Ok(output)
    }
}

/// Says what is not there.
fn missing(merged: &Merged, output: &mut Output) {
    if merged.unfinished == 0 {
        return output.line("  all networks are finished");
    }
    let listed = |texts: &mut dyn Iterator<Item = String>, all: usize| {
        let first: Vec<String> = texts.take(LISTED).collect();
        format!("{}{}", first.join(", "), if all > LISTED { " …" } else { "" })
    };
    if !merged.missing.is_empty() {
        let (all, absent) = (merged.missing.len(), merged.absent.len());
        let which = match absent {
            0 => listed(&mut merged.missing.iter().map(ToString::to_string), all),
            _ => format!("shard {}", listed(&mut merged.absent.iter().map(ToString::to_string), absent)),
        };
        output.line(format!("  {} networks are in none of the files: {which}", count(all as u64)));
    }
    output.line(format!(
        "  {} networks are not finished: merge again when there is more, or `train` this zoo to its end",
        count(merged.unfinished as u64)
    ));
}
