//! `zoometry evaluate`

use super::asked::Asked;
use super::output::Output;
use super::score::{self, Tested};
use super::{MachineArgs, files, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::Result;
use zoometry::predictor::Predictor;

/// Score a fitted predictor on a zoo
///
/// On the zoo that it was fitted to only the test part counts, on any other all finished networks, or the test part
/// of --split.
#[derive(Args)]
pub struct Evaluate {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// A published division of the zoo's networks: a permutation of the released row numbers, one a line
    #[arg(long, value_name = "FILE.csv")]
    split: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Evaluate {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let predictor = Predictor::load(&self.model)?;
        let (input, asked) = (select::input(&predictor)?, Asked::of(&predictor, &self.model)?);
        let zoo = files::zoo(&self.zoo)?;
        let start = Instant::now();
        let (predicted, part, table) = self.machine.run(|| -> Result<_> {
            let table = select::table(isa, &zoo, zoo.path(), self.epoch, &input)?;
            let table = asked.set(table, &zoo, zoo.path(), self.epoch)?;
            select::same_columns(&predictor, &table, &zoo.schema().arch, zoo.path())?;
            let (rows, part) = select::unseen(&predictor.info, &zoo, &table, self.split.as_deref())?;
            let table = table.select(&rows);
            let predicted = predictor.predict(isa, &table)?;
            Ok((predicted, part, table))
        })?;
        let rows = table.rows();
        let mut output = Output::default();
        output.line(format!("{} on {}: {rows} networks, {part}", self.model.display(), files::shown(&self.zoo)));
        self.machine.run(|| {
            score::show(Tested::new(&predictor, &predicted, &table.y), &mut output);
            score::show_intervals(isa, &predictor, &table, &predicted, &mut output);
        });
        let fitted = |key: &str| predictor.info.get(key).and_then(|count| count.parse::<u64>().ok());
        output.set("n", rows);
        output.set("n_train", fitted(select::N_TRAIN));
        output.set("n_val", fitted(select::N_VAL));
        output.set("n_test", rows);
        output.set("part", part);
        output.set("seconds", start.elapsed().as_secs_f64());
        Ok(output)
    }
}
