//! `zoometry compare`

use super::asked::Asked;
use super::output::Output;
use super::score::{self, Tested, with};
use super::{MachineArgs, files, select};
use clap::Args;
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zoometry::eval::{Unseen, bootstrap};
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::Zoo;
use zoometry::{Context, Error, Result};

/// Compare two fitted predictors on the same networks
///
/// On a zoo that one was fitted to only its test part counts; networks that either has seen are left out. The
/// difference has an interval of its own: both predictors are scored on the same networks in each replicate of the bootstrap
/// (paired), so what makes all networks of a sample easy or hard cancels.
#[derive(Args)]
pub struct Compare {
    /// A fitted predictor
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    b: PathBuf,
    /// The zoo, one file or several
    #[arg(value_name = "ZOO", required = true)]
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

/// A predictor, what it is asked, and the networks of a zoo that it has not seen.
struct Side {
    predictor: Predictor,
    asked: Asked,
    unseen: Table,
    /// Whether that is known.
    known: bool,
}

impl Compare {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let zoo = files::zoo(&self.zoo)?;
        let [a, b] = [&self.a, &self.b].map(|model| self.machine.run(|| self.side(context, model, &zoo)));
        let (a, b) = (a?, b?);
        if a.asked != b.asked {
            let got = format!("{} and {}", a.asked.target, b.asked.target);
            return Err(Error::invalid("predictors", "two of the same target, and of the same names", got));
        }
        let [a, b] = common(a, b);
        if a.unseen.rows() == 0 {
            let expected = "networks that neither predictor has seen";
            return Err(Error::unsuitable(zoo.path(), expected, "none"));
        }
        let predicted = self.machine.run(|| -> Result<_> {
            Ok([a.predictor.predict(context, &a.unseen)?, b.predictor.predict(context, &b.unseen)?])
        })?;
        let target = &a.unseen.y;
        let tested =
            [Tested::new(&a.predictor, &predicted[0], target), Tested::new(&b.predictor, &predicted[1], target)];
        let mut output = Output::default();
        let title = select::title(&zoo, &self.zoo);
        output.line(format!("A {} and B {} on {title}:", self.a.display(), self.b.display()));
        if !(a.known && b.known) {
            output.line("  a file does not say what its predictor was fitted to: it may have seen these networks");
        }
        self.machine.run(|| self.show(tested, &mut output));
        Ok(output)
    }

    fn side(&self, context: &Context, model: &Path, zoo: &Zoo) -> Result<Side> {
        let predictor = Predictor::load(model)?;
        let (input, asked) = (select::input(&predictor)?, Asked::of(&predictor, model)?);
        let table = select::table(context, zoo, zoo.path(), self.epoch, &input)?;
        let table = asked.set(table, zoo, zoo.path(), self.epoch)?;
        select::same_columns(&predictor, &table, &zoo.schema().arch, zoo.path())?;
        let unseen = Unseen::new(&predictor, zoo, &table, self.split.as_deref())?;
        Ok(Side { predictor, asked, known: unseen.known, unseen: table.select(&unseen.rows) })
    }

    /// Adds the table and the JSON; differences are B less A.
    fn show(&self, [a, b]: [Tested; 2], output: &mut Output) {
        let n = a.target.len();
        let all: Vec<usize> = (0..n).collect();
        let difference = |[x, y]: [[f64; 2]; 2]| [y[0] - x[0], y[1] - x[1]];
        let values = [a.of(&all), b.of(&all)];
        let of = |tested: Tested| bootstrap::percentiles_of(n, 0, |rows| tested.of(rows));
        let rows = [
            ("A", values[0], of(a)),
            ("B", values[1], of(b)),
            ("B − A", difference(values), bootstrap::percentiles_of(n, 0, |rows| difference([a.of(rows), b.of(rows)]))),
        ];
        let names = a.measures();
        let mut table = vec![vec![String::new(), names[0].0.into(), names[1].0.into()]];
        for (title, values, intervals) in &rows {
            table.push(vec![(*title).into(), with(values[0], intervals[0]), with(values[1], intervals[1])]);
            let cells =
                [0, 1].map(|k| (names[k].1.to_owned(), json!({ "value": values[k], "interval": intervals[k] })));
            let key = if *title == "B − A" { "difference" } else { *title };
            output.set(&key.to_lowercase(), serde_json::Map::from_iter(cells));
        }
        output.table(&table);
        score::how_many(n, output);
        for k in 0..2 {
            let [low, high] = rows[2].2[k];
            if low <= 0.0 && 0.0 <= high {
                output.line(format!("  the difference in {} may be chance: its interval holds 0", names[k].0));
            }
        }
        output.set("n", n);
    }
}

/// The networks that both have not seen, in the same order.
fn common(mut a: Side, mut b: Side) -> [Side; 2] {
    let place: HashMap<u64, usize> = b.unseen.group.iter().enumerate().map(|(row, &run)| (run, row)).collect();
    let pairs = a.unseen.group.iter().enumerate().filter_map(|(row, run)| Some((row, *place.get(run)?)));
    let (rows_a, rows_b): (Vec<usize>, Vec<usize>) = pairs.unzip();
    (a.unseen, b.unseen) = (a.unseen.select(&rows_a), b.unseen.select(&rows_b));
    [a, b]
}
