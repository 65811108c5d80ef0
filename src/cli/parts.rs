//! What predictors are fitted to: a zoo's networks or a table, in train, validation and test parts.

use super::asked::Asked;
use super::{files, output, select};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use zoometry::eval::{Division, Fractions, MIN_NETWORKS, Parts, Split};
use zoometry::features::{Fitted, Input, Networks};
use zoometry::table::{Part, Table, read};
use zoometry::zoo::{Target, Zoo};
use zoometry::{Context, Error, Result};

/// Where networks or rows come from, and how they are divided.
#[derive(Args)]
pub struct Rows {
    #[arg(value_name = "ZOO", required_unless_present = "x", conflicts_with = "x", help = files::SEVERAL)]
    pub zoo: Vec<PathBuf>,
    /// A table instead: rows × columns as .npy, or .csv and .safetensors as `features` writes them, with their parts and their
    /// targets test_accuracy; - for CSV from stdin
    #[arg(long, value_name = "TABLE")]
    x: Option<PathBuf>,
    /// The table's targets, .npy
    #[arg(long, value_name = "Y.npy", requires = "x")]
    y: Option<PathBuf>,
    /// Rows to be tested on, a table likewise
    #[arg(long, value_name = "TABLE", requires = "x")]
    x_test: Option<PathBuf>,
    /// Their targets
    #[arg(long, value_name = "Y.npy", requires = "x_test")]
    y_test: Option<PathBuf>,
    /// What the predictor sees of a zoo's networks: wstats, probes, hyper, weights …, joined by + [default: wstats]
    #[arg(long, value_name = "KEY", conflicts_with = "x", long_help = super::INPUT_HELP)]
    pub input: Option<String>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", requires = "zoo", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    /// Seed of the division into parts
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    split_seed: u64,
    /// A published division instead: a permutation of the released row numbers, one a line; or a table of run and part (`split`)
    #[arg(long, value_name = "FILE.csv", requires = "zoo", conflicts_with = "split_seed")]
    split: Option<PathBuf>,
}

impl Rows {
    /// The files that are read: none of them may be written.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.x, &self.y, &self.x_test, &self.y_test, &self.split].into_iter().flatten().chain(&self.zoo)
    }

    /// An error about a table in memory, with the names of the files that it was made of.
    pub fn named(&self, error: Error) -> Error {
        let files =
            self.zoo.iter().chain(&self.x).map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        match error {
            Error::Unsuitable { what, expected, got } => {
                Error::Unsuitable { what: format!("{what} of {files}"), expected, got }
            }
            other => other,
        }
    }

    /// The parts; where `validation` some rows are for validation in any case.
    pub fn parts(&self, context: &Context, input: &Input, target: Target, validation: bool) -> Result<Divided> {
        match (&*self.zoo, &self.x) {
            ([_, ..], _) => {
                let groups = files::groups(&self.zoo)?;
                let zoos = groups.iter().map(Zoo::open_all).collect::<Result<Vec<Zoo>>>()?;
                tell_different(&zoos);
                let divided = |zoo: &Zoo| {
                    let division = Division::new(self.split.as_deref(), self.split_seed, zoo)?;
                    from_zoo(context, zoo, zoo.path(), self.epoch, &division, input, target)
                };
                joined(zoos.iter().map(divided).collect::<Result<_>>()?, input)
            }
            ([], Some(x)) => {
                Ok(Divided { parts: self.from_tables(x, validation)?, info: BTreeMap::new(), input: None })
            }
            ([], None) => Err(Error::invalid("command line", "a zoo or --x and --y", "neither")),
        }
    }

    /// The parts of tables on disk.
    fn from_tables(&self, x: &Path, validation: bool) -> Result<Parts> {
        let read::Divided { table, parts, .. } = table("--y", x, self.y.as_deref())?;
        enough(table.rows(), x, "rows")?;
        let Some(x_test) = &self.x_test else {
            let split = match parts.is_empty() {
                true => Division::Seed(self.split_seed).split(&table.group)?,
                false => named_in(&parts),
            };
            return Ok(Parts::new(&table, &split));
        };
        let test = self::table("--y-test", x_test, self.y_test.as_deref())?.table;
        if test.width() != table.width() {
            let expected = format!("{} columns, as {}", table.width(), x.display());
            return Err(Error::unsuitable(x_test, expected, format!("{}", test.width())));
        }
        let test = unseen(&table, test, x, x_test)?;
        if !validation {
            return Ok(Parts { train: table, test, ..Parts::default() });
        }
        let fractions = Fractions { train: 0.8, validation: 0.2 };
        let split = Split::new(&table.group, self.split_seed, fractions)?;
        Ok(Parts { test, ..Parts::new(&table, &split) })
    }
}

/// A table and its targets; `option` names these where the table cannot have them.
fn table(option: &str, x: &Path, y: Option<&Path>) -> Result<read::Divided> {
    let is = |ending: &str| x.extension().is_some_and(|found| found == ending);
    match (x == Path::new("-"), y) {
        (true, None) => read::from_csv(x, std::io::stdin().lock()),
        (true, Some(_)) => {
            Err(Error::invalid(option, "a table as a file with it", "CSV from stdin, which has its targets"))
        }
        (false, None) if is("npy") => Err(Error::invalid(option, "the targets of an array of features", "none")),
        (false, y) => read::load(x, y),
    }
}

/// The rows of a table for testing that are not among those of the fit: numbers and target may not all be the same.
///
/// # Errors
/// [`Error::Unsuitable`] where none is left.
fn unseen(table: &Table, test: Table, x: &Path, x_test: &Path) -> Result<Table> {
    fn row(table: &Table, row: usize) -> (&[u8], u32) {
        (bytemuck::cast_slice(table.row(row)), table.y[row].to_bits())
    }
    let known: HashSet<(&[u8], u32)> = (0..table.rows()).map(|n| row(table, n)).collect();
    let fresh: Vec<usize> = (0..test.rows()).filter(|&n| !known.contains(&row(&test, n))).collect();
    match test.rows() - fresh.len() {
        0 => Ok(test),
        all if all == test.rows() => {
            Err(Error::unsuitable(x_test, format!("rows that {} does not have", x.display()), "none"))
        }
        again => {
            let rows = output::counted(again, "row");
            output::tell(format!("{rows} of {} left out of the test: {} has them too", x_test.display(), x.display()));
            Ok(test.select(&fresh))
        }
    }
}

/// Says in what zoos differ that a predictor is fitted to together.
fn tell_different(zoos: &[Zoo]) {
    let differ = |of: &dyn Fn(&Zoo) -> String| zoos.iter().map(of).collect::<BTreeSet<_>>().len() > 1;
    let different = [
        differ(&|zoo| zoo.schema().dataset.clone()).then_some("data set"),
        differ(&|zoo| zoo.schema().arch.to_string()).then_some("architecture"),
    ];
    let different: Vec<&str> = different.into_iter().flatten().collect();
    if !different.is_empty() {
        output::tell(format!(
            "the zoos are not of one {}: the predictor is fitted to all together",
            different.join(" nor ")
        ));
    }
}

/// The division that the parts of rows are.
fn named_in(parts: &[Part]) -> Split {
    let of = |wanted: Part| (0..parts.len()).filter(|&row| parts[row] == wanted).collect();
    Split { train: of(Part::Train), validation: of(Part::Validation), test: of(Part::Test) }
}

/// What several zoos are together: each is divided for itself, and their parts are put together.
///
/// # Errors
/// [`Error::Unsuitable`] for zoos of which the input is not the same, and for one that is fitted to each.
fn joined(mut each: Vec<Divided>, input: &Input) -> Result<Divided> {
    if each.len() == 1 {
        return each.pop().ok_or(Error::Cancelled);
    }
    let same = Fitted::without(input)?;
    let mut each = each.into_iter();
    let mut all = each.next().ok_or(Error::Cancelled)?;
    for next in each {
        let [mine, theirs] = [&all, &next].map(|divided| &divided.parts.train.columns);
        if mine != theirs {
            let expected = format!("zoos of which {input} is the same: {} columns", mine.len());
            return Err(Error::unsuitable_table("the second zoo", expected, format!("{} others", theirs.len())));
        }
        let parts = [
            (&mut all.parts.train, &next.parts.train),
            (&mut all.parts.validation, &next.parts.validation),
            (&mut all.parts.test, &next.parts.test),
        ];
        parts.into_iter().for_each(|(all, next)| *all = all.join(next));
        all.parts.repeated += next.parts.repeated;
        // what is not so of all zoos is said of none
        all.info.retain(|key, value| next.info.get(key) == Some(value));
    }
    all.input = Some(same);
    Ok(all)
}

/// The parts of these names, all if there is no name.
///
/// # Errors
/// [`Error::Unknown`].
pub fn named(names: &[String], known: &[Part]) -> Result<Vec<Part>> {
    let part = |name: &String| {
        let found = known.iter().copied().find(|part| part.name() == name);
        found.ok_or_else(|| Error::unknown("part", name, known))
    };
    if names.is_empty() { Ok(known.to_vec()) } else { names.iter().map(part).collect() }
}

/// Refuses that none of the networks is in one of the parts that are asked for.
///
/// # Errors
/// [`Error::Unsuitable`].
pub fn some_in(parts: &[Part], wanted: &[Part], path: &Path) -> Result<()> {
    if parts.iter().any(|part| wanted.contains(part)) {
        return Ok(());
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    parts.iter().for_each(|part| *counts.entry(part.name()).or_default() += 1);
    let found: Vec<String> = counts.iter().map(|(part, n)| format!("{} {part}", output::count(*n as u64))).collect();
    let got = if found.is_empty() { "none in any part".into() } else { format!("{} only", found.join(", ")) };
    let wanted: Vec<&str> = wanted.iter().map(|part| part.name()).collect();
    Err(Error::unsuitable(path, format!("networks of the part {}", wanted.join(" or ")), got))
}

/// How networks are divided, for verbs that fit nothing.
#[derive(Args)]
pub struct DivisionArgs {
    /// Seed of the division into parts
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    split_seed: u64,
    /// A published division instead: a permutation of the released row numbers, one a line; or a table of run and part
    #[arg(long, value_name = "FILE.csv", conflicts_with = "split_seed")]
    split: Option<PathBuf>,
}

impl DivisionArgs {
    /// The division of a zoo.
    pub fn division(&self, zoo: &Zoo) -> Result<Division> {
        Division::new(self.split.as_deref(), self.split_seed, zoo)
    }

    /// The file of the division: it must not be written.
    pub fn file(&self) -> Option<&PathBuf> {
        self.split.as_ref()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.split_seed
    }

    /// Rows of a zoo, each with its part; those that the division's file does not name are left out, which is said on stderr.
    pub fn parts(&self, zoo: &Zoo, rows: &[usize]) -> Result<Vec<(usize, Part)>> {
        let division = self.division(zoo)?;
        let group: Vec<u64> = rows.iter().map(|&row| u64::from(zoo.run()[row])).collect();
        let parts = division.split(&group)?.parts(rows.len());
        let named: Vec<(usize, Part)> =
            rows.iter().copied().zip(parts).filter_map(|(row, part)| Some((row, part?))).collect();
        if let nowhere @ 1.. = rows.len() - named.len() {
            output::tell(format!("{nowhere} of {} networks left out: in no part of the division", rows.len()));
        }
        Ok(named)
    }
}

/// Refuses so few rows that parts would say nothing.
fn enough(rows: usize, path: &Path, what: &str) -> Result<()> {
    if rows >= MIN_NETWORKS {
        return Ok(());
    }
    Err(Error::unsuitable(path, format!("at least {MIN_NETWORKS} {what}"), rows.to_string()))
}

/// What a predictor is fitted to, and what its file is to say of it.
pub struct Divided {
    pub parts: Parts,
    pub info: BTreeMap<String, String>,
    /// What it sees of networks, fitted to the train part; none of a table.
    pub input: Option<Fitted>,
}

/// The parts of a zoo's networks, the input fitted to the train part.
pub fn from_zoo(
    context: &Context,
    zoo: &Zoo,
    path: &Path,
    epoch: Option<u32>,
    division: &Division,
    input: &Input,
    target: Target,
) -> Result<Divided> {
    let asked = Asked::of_zoo(target, zoo, path, epoch)?;
    let rows = select::rows(zoo, path, epoch, input)?;
    let input = fit_input(context, zoo, &rows, division, input)?;
    let table = input.table(context, &Networks::Zoo { zoo, rows: &rows })?;
    let table = asked.set(table, zoo, path, epoch)?;
    enough(table.rows(), path, "finished networks that have not diverged")?;
    let parts = Parts::divide(table, division)?;
    if parts.repeated > 0 {
        let (path, repeated) = (path.display(), parts.repeated);
        output::tell(format!(
            "{repeated} networks of {path} left out: by their weights they are in an earlier part too"
        ));
    }
    let mut info = parts.train.origin.about.clone();
    asked.note(&mut info);
    Ok(Divided { parts, info, input: Some(input) })
}

/// An input that is fitted to the train part of some rows.
pub fn fit_input(context: &Context, zoo: &Zoo, rows: &[usize], division: &Division, input: &Input) -> Result<Fitted> {
    let group: Vec<u64> = rows.iter().map(|&row| u64::from(zoo.run()[row])).collect();
    let train: Vec<usize> = division.split(&group)?.train.iter().map(|&place| rows[place]).collect();
    input.fit(context, &Networks::Zoo { zoo, rows: &train })
}
