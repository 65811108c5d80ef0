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
use zoometry::features::Fitted;
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::Zoo;
use zoometry::{Context, Error, Result};

/// Compare two fitted predictors on the same networks
///
/// On a zoo that one was fitted to only its test part counts; networks that either has seen are left out. The
/// difference has an interval of its own: both predictors are scored on the same networks in each replicate of the bootstrap
/// (paired), so what makes all networks of a sample easy or hard cancels. Files that are not of one zoo, of other data sets for
/// instance, are compared on each for itself.
#[derive(Args)]
pub struct Compare {
    /// A fitted predictor
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    b: PathBuf,
    #[arg(value_name = "ZOO", required = true, help = files::SEVERAL)]
    zoo: Vec<PathBuf>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    /// A published division of the zoo's networks: a permutation of the released row numbers, one a line; or a table of run and
    /// part (`split`)
    #[arg(long, value_name = "FILE.csv")]
    split: Option<PathBuf>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// A predictor, what it sees of networks and what it is asked.
struct Side<'a> {
    model: &'a Path,
    predictor: Predictor,
    input: Fitted,
    asked: Asked,
}

/// The networks of a zoo that a predictor has not seen.
struct Seen {
    unseen: Table,
    /// Whether that is known.
    known: bool,
}

impl Compare {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let (a, b) = (Side::new(&self.a)?, Side::new(&self.b)?);
        if a.asked != b.asked {
            let got = format!("{} and {}", a.asked.target, b.asked.target);
            return Err(Error::invalid("predictors", "two of the same target, and of the same names", got));
        }
        let groups = files::groups(&self.zoo)?;
        let compared = groups.iter().map(|group| self.machine.run(|| self.zoo(context, [&a, &b], group)));
        Ok(score::each(&groups, compared.collect::<Result<_>>()?))
    }

    /// The comparison on one zoo.
    fn zoo(&self, context: &Context, sides: [&Side; 2], files: &[PathBuf]) -> Result<Output> {
        let zoo = Zoo::open_all(files)?;
        let [a, b] = sides.map(|side| self.seen(context, side, &zoo));
        let [a, b] = common(a?, b?);
        if a.unseen.rows() == 0 {
            let expected = "networks that neither predictor has seen";
            return Err(Error::unsuitable(zoo.path(), expected, "none"));
        }
        let target = &a.unseen.y;
        let of_a = sides[0].predictor.predict(context, &a.unseen)?;
        let of_b = sides[1].predictor.predict(context, &b.unseen)?;
        let tested = [Tested::new(&sides[0].predictor, &of_a, target), Tested::new(&sides[1].predictor, &of_b, target)];
        let mut output = Output::default();
        let ([first, second], title) = (sides.map(|side| side.model.display()), select::title(&zoo, files));
        output.line(format!("A {first} and B {second} on {title}:"));
        if !(a.known && b.known) {
            output.line("  a file does not say what its predictor was fitted to: it may have seen these networks");
        }
        self.show(tested, &mut output);
        Ok(output)
    }

    /// The networks that a predictor has not seen.
    fn seen(&self, context: &Context, side: &Side, zoo: &Zoo) -> Result<Seen> {
        let table = select::table(context, zoo, zoo.path(), self.epoch, &side.input)?;
        let table = side.asked.set(table, zoo, zoo.path(), self.epoch)?;
        select::same_columns(&side.predictor, &table, &zoo.schema().arch, zoo.path())?;
        let unseen = Unseen::new(&side.predictor, zoo, &table, self.split.as_deref())?;
        Ok(Seen { known: unseen.known, unseen: table.select(&unseen.rows) })
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

impl Side<'_> {
    fn new(model: &Path) -> Result<Side<'_>> {
        let predictor = Predictor::load(model)?;
        let (input, asked) = (select::input(&predictor)?, Asked::of(&predictor, model)?);
        Ok(Side { model, predictor, input, asked })
    }
}

/// The networks that both have not seen, in the same order.
fn common(mut a: Seen, mut b: Seen) -> [Seen; 2] {
    let place: HashMap<u64, usize> = b.unseen.group.iter().enumerate().map(|(row, &run)| (run, row)).collect();
    let pairs = a.unseen.group.iter().enumerate().filter_map(|(row, run)| Some((row, *place.get(run)?)));
    let (rows_a, rows_b): (Vec<usize>, Vec<usize>) = pairs.unzip();
    (a.unseen, b.unseen) = (a.unseen.select(&rows_a), b.unseen.select(&rows_b));
    [a, b]
}
