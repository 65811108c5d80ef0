//! `zoometry evaluate`

use super::output::Output;
use super::{MachineArgs, fit, select};
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;
use zoometry::Result;
use zoometry::eval::{Score, Unseen};
use zoometry::predictor::Predictor;
use zoometry::table::origin;
use zoometry::zoo::Zoo;

/// Score a fitted predictor on a zoo
///
/// All finished networks count, or the test part of --split, but for those that the predictor was fitted to: it tells them by their
/// weights, whatever the zoo's name, order or format. Of the zoo of the fit that leaves the test part.
#[derive(Args)]
pub struct Evaluate {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The zoo file
    #[arg(value_name = "ZOO")]
    zoo: PathBuf,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// A division of the zoo's networks: a permutation of the released row numbers, one a line, or a table of run and part
    #[arg(long, value_name = "FILE.csv")]
    split: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl Evaluate {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let predictor = Predictor::load(&self.model)?;
        let input = select::input(&predictor, &self.model)?;
        let zoo = Zoo::open(&self.zoo)?;
        let start = Instant::now();
        let (predicted, unseen, target) = self.machine.run(|| -> Result<_> {
            let table = select::table(isa, &zoo, &self.zoo, self.epoch, &input)?;
            select::same_columns(&predictor, &table, &zoo.schema().arch, &self.zoo)?;
            let unseen = Unseen::new(&predictor, &zoo, &table, self.split.as_deref())?;
            let table = table.select(&unseen.rows);
            let predicted = predictor.predict(isa, &table)?;
            Ok((predicted, unseen, table.y))
        })?;
        let rows = target.len();
        let mut output = Output::default();
        let title = select::title(&zoo, &self.zoo);
        output.line(format!("{} on {title}: {rows} networks, {}", self.model.display(), unseen.said));
        fit::show(fit::seen(&unseen), &Score::new(&predicted, &target), &mut output);
        fit::show_intervals(&predictor, &predicted, &target, &mut output);
        let fitted = |key: &str| predictor.info.get(key).and_then(|count| count.parse::<u64>().ok());
        output.set("n", rows);
        output.set("n_train", fitted(origin::N_TRAIN));
        output.set("n_val", fitted(origin::N_VAL));
        output.set("n_test", rows);
        fit::note(&unseen, &zoo, &mut output);
        output.set("seconds", start.elapsed().as_secs_f64());
        Ok(output)
    }
}
