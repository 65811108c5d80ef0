//! `zoometry evaluate`

use super::asked::Asked;
use super::output::{Force, Output, counted};
use super::score::{self, Tested};
use super::{MachineArgs, files, select};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::eval::{Unseen, metrics::most_probable};
use zoometry::out::{FileKind, replace};
use zoometry::predictor::Predictor;
use zoometry::table::origin;
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Score a fitted predictor on a zoo
///
/// All finished networks count, or the test part of --split, but for those that the predictor was fitted to: it tells them by their
/// weights, whatever the zoo's name, order or format. Of the zoo of the fit that leaves the test part. Files that are not of one
/// zoo, of other data sets for instance, are scored each for itself.
#[derive(Args)]
pub struct Evaluate {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    /// A published division of the zoo's networks: a permutation of the released row numbers, one a line; or a table of run and
    /// part (`split`)
    #[arg(long, value_name = "FILE.csv")]
    split: Option<PathBuf>,
    /// Also a table of the networks scored: run, measured, predicted, file; - for stdout in place of the score
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Evaluate {
    pub fn run(&self) -> Result<Output> {
        let predictor = Predictor::load(&self.model)?;
        let files = files::expand(&self.zoo)?;
        let mut guard = self.force.guard(files.iter().chain([&self.model]).chain(&self.split));
        let out = files::unless_stream(&self.out).map(|path| guard.file(path, FileKind::Table)).transpose()?;
        let groups = files::groups(&files)?;
        let mut networks = Vec::new();
        let scored = groups.iter().map(|group| self.zoo(&predictor, group, &mut networks));
        let mut output = score::each(&groups, scored.collect::<Result<_>>()?);
        match (&out, &self.out) {
            (Some(out), _) => {
                replace(out, |file| table(&networks, file))?;
                output.line(format!("  every network is in {}", out.path().display()));
                output.path("out", out.path());
            }
            (None, Some(_)) => {
                let mut text = Vec::new();
                table(&networks, &mut text).map_err(Error::io("write", "stdout"))?;
                output.text = String::from_utf8_lossy(&text).into_owned();
            }
            _ => {}
        }
        Ok(output)
    }

    /// The score on one zoo; its networks are added to the table.
    fn zoo(&self, predictor: &Predictor, files: &[PathBuf], networks: &mut Vec<[String; 4]>) -> Result<Output> {
        let context = &self.machine.context()?;
        let (input, asked) = (select::input(predictor)?, Asked::of(predictor, &self.model)?);
        let zoo = Zoo::open_all(files)?;
        let start = Instant::now();
        let (predicted, unseen, table) = self.machine.run(|| -> Result<_> {
            let table = select::table(context, &zoo, zoo.path(), self.epoch, &input)?;
            let table = asked.set(table, &zoo, zoo.path(), self.epoch)?;
            select::same_columns(predictor, &table, &zoo.schema().arch, zoo.path())?;
            let unseen = Unseen::new(predictor, &zoo, &table, self.split.as_deref())?;
            let table = table.select(&unseen.rows);
            let predicted = predictor.predict(context, &table)?;
            Ok((predicted, unseen, table))
        })?;
        let rows = table.rows();
        let mut output = Output::default();
        let (title, all) = (select::title(&zoo, files), counted(rows, "network"));
        output.line(format!("{} on {title}: {all}, {}", self.model.display(), unseen.said));
        self.machine.run(|| {
            score::show(score::seen(&unseen), Tested::new(predictor, &predicted, &table.y), &mut output);
            score::show_intervals(context, predictor, &table, &predicted, &mut output);
        });
        let fitted = |key: &str| predictor.info.get(key).and_then(|count| count.parse::<u64>().ok());
        output.set("n", rows);
        output.set("n_train", fitted(origin::N_TRAIN));
        output.set("n_val", fitted(origin::N_VAL));
        output.set("n_test", rows);
        score::note(&unseen, &zoo, &mut output);
        output.set("seconds", start.elapsed().as_secs_f64());
        let name = |value: f32| match &*asked.classes {
            [] => value.to_string(),
            names => names.get(value as usize).cloned().unwrap_or_default(),
        };
        for (row, values) in predicted.chunks(predictor.model.outputs()).enumerate() {
            let value = if asked.classes.is_empty() { values[0] } else { most_probable(values) as f32 };
            let (run, file) = (table.group[row], zoo.find(table.group[row] as usize).unwrap_or(0));
            let file = zoo.file_of(file * zoo.schema().checkpoints.len()).display().to_string();
            networks.push([run.to_string(), name(table.y[row]), name(value), file]);
        }
        Ok(output)
    }
}

/// Writes the networks scored as CSV.
fn table(networks: &[[String; 4]], file: impl Write) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    csv.write_record(["run", "measured", "predicted", "file"])?;
    networks.iter().try_for_each(|network| csv.write_record(network))?;
    csv.flush()
}
