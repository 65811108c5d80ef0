//! `zoometry importance`

use super::asked::Asked;
use super::output::{Force, Output, counted};
use super::score::{self, Tested};
use super::{MachineArgs, files, select};
use clap::Args;
use serde_json::{Map, Value};
use std::path::PathBuf;
use zoometry::eval::{Unseen, importance};
use zoometry::out::{FileKind, OutPath, replace};
use zoometry::predictor::Predictor;
use zoometry::predictor::boost::{self, Boost};
use zoometry::table::{Table, npy};
use zoometry::zoo::Zoo;
use zoometry::{Context, Error, Result};

/// What matters to a fitted predictor
///
/// For each column of its input: how far R², or where names are predicted the accuracy, falls when the column is shuffled among the
/// networks (permutation) and, of gradient boosting that predicts a number, its share of the reduction of the training error (gain), the number of its splits (cuts) and its mean |SHAP value|
/// (shap, in units of accuracy). Shuffled and explained are networks that the predictor has not seen, as in `evaluate`. Files that
/// are not of one zoo are looked at each for itself.
#[derive(Args)]
pub struct Importance {
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
    /// Orders into which each column is shuffled
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true,
        value_parser = super::count_in::<u16>(1..=65_535))]
    rounds: u16,
    /// Seed of these orders
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true,
        value_parser = super::number::<u64>)]
    seed: u64,
    /// All columns as CSV, the most important first; of several zoos their files are in the last column
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    /// The SHAP values themselves: f64 networks × columns, zoo after zoo, the columns' names beside it in .columns.json, the
    /// networks' runs and what the values start from in --json
    #[arg(long, value_name = "FILE.npy")]
    shap: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Columns that are shown.
const SHOWN: usize = 20;

/// What is known of every column.
#[derive(Default)]
struct Found {
    /// Names and numbers, one a column of the input; the last decides the order.
    measures: Vec<(&'static str, Vec<f64>)>,
    /// For people, after the table.
    notes: Vec<String>,
    json: Map<String, Value>,
    /// SHAP values, networks × columns.
    shap: Vec<f64>,
}

impl Importance {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let predictor = Predictor::load(&self.model)?;
        let files = files::expand(&self.zoo)?;
        let mut guard = self.force.guard(files.iter().chain([&self.model]).chain(&self.split));
        let out = self.out.as_ref().map(|path| guard.file(path, FileKind::Table)).transpose()?;
        let shap = self.shap.as_ref().map(|path| guard.array(path)).transpose()?;
        if self.shap.is_some() && predictor.model_as::<Boost>().is_none() {
            let expected = format!("a predictor of a number, of kind {}", boost::KIND.name);
            let got = if predictor.model.outputs() > 1 { "one of names" } else { predictor.kind().name };
            return Err(Error::invalid("--shap", expected, got));
        }
        let groups = files::groups(&files)?;
        let each = groups.iter().map(|group| self.machine.run(|| self.zoo(context, &predictor, group)));
        let (outputs, found): (Vec<Output>, Vec<Found>) = each.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let mut output = score::each(&groups, outputs);
        let columns = &predictor.columns;
        if let Some(shap) = &shap {
            let values: Vec<f64> = found.iter().flat_map(|found| &found.shap).copied().collect();
            npy::save(shap, columns, &values)?;
            let (rows, path) = (counted(values.len() / columns.len(), "network"), shap.path().display());
            output.line(format!("  SHAP values of {rows} are in {path}"));
            output.path("shap", shap.path());
        }
        if let Some(out) = &out {
            write(out, columns, &groups, &found)?;
            output.line(format!("  all {} are in {}", counted(columns.len(), "column"), out.path().display()));
            output.path("out", out.path());
        }
        Ok(output)
    }

    /// What matters on one zoo.
    fn zoo(&self, context: &Context, predictor: &Predictor, files: &[PathBuf]) -> Result<(Output, Found)> {
        let (input, asked) = (select::input(predictor)?, Asked::of(predictor, &self.model)?);
        let zoo = Zoo::open_all(files)?;
        let table = select::table(context, &zoo, zoo.path(), self.epoch, &input)?;
        let table = asked.set(table, &zoo, zoo.path(), self.epoch)?;
        select::same_columns(predictor, &table, &zoo.schema().arch, zoo.path())?;
        let unseen = Unseen::new(predictor, &zoo, &table, self.split.as_deref())?;
        let table = table.select(&unseen.rows);
        let (predicted, found) = self.find(context, predictor, &table)?;
        let mut output = Output::default();
        let (title, all) = (select::title(&zoo, files), counted(table.rows(), "network"));
        output.line(format!("{} on {title}: {all}, {}", self.model.display(), unseen.said));
        score::show(score::seen(&unseen), Tested::new(predictor, &predicted, &table.y), &mut output);
        output.set("n", table.rows());
        score::note(&unseen, &zoo, &mut output);
        show(&predictor.columns, &found, &mut output);
        Ok((output, found))
    }

    /// The predictions, and what is known of every column.
    fn find(&self, context: &Context, predictor: &Predictor, table: &Table) -> Result<(Vec<f32>, Found)> {
        let predicted = predictor.predict(context, table)?;
        let mut found = Found::default();
        let permutation = importance::permutation(context, predictor, table, self.rounds.into(), self.seed)?;
        found.measures.push(("permutation", permutation));
        match predictor.model_as() {
            Some(model) => {
                let shap = trees(context, model, table, &predicted, &mut found)?;
                if self.shap.is_some() {
                    found.json.insert("runs".into(), table.group.clone().into());
                    found.shap = shap;
                }
            }
            None => {
                let trees = format!(
                    "gain, cuts and SHAP values are those of trees that predict a number: {} only",
                    boost::KIND.name
                );
                found.notes.push(trees);
            }
        }
        Ok((predicted, found))
    }
}

/// What is known of trees alone; gives the SHAP values.
fn trees(context: &Context, model: &Boost, table: &Table, predicted: &[f32], found: &mut Found) -> Result<Vec<f64>> {
    let (width, rows) = (table.width(), table.rows());
    let gain = model.importance_gain();
    let all = gain.iter().sum::<f64>();
    found.measures.push(("gain", gain.iter().map(|gain| if all > 0.0 { gain / all } else { 0.0 }).collect()));
    found.measures.push(("cuts", model.importance_split().into_iter().map(|cuts| cuts as f64).collect()));
    let shap = model.shap(context, &table.x)?;
    let mut mean = vec![0.0; width];
    let mut worst = 0.0f64;
    for (values, &predicted) in shap.values.chunks(width).zip(predicted) {
        mean.iter_mut().zip(values).for_each(|(mean, value)| *mean += value.abs() / rows as f64);
        worst = worst.max((shap.expected + values.iter().sum::<f64>() - f64::from(predicted)).abs());
    }
    found.measures.push(("shap", mean));
    found
        .notes
        .push(format!("SHAP values start from {:.4} and add up to the predictions within {worst:.1e}", shap.expected));
    found.json.insert("expected".into(), shap.expected.into());
    found.json.insert("additivity".into(), worst.into());
    Ok(shap.values)
}

/// The columns, the most important first.
fn order(found: &Found, columns: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..columns).collect();
    if let Some((_, values)) = found.measures.last() {
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    }
    order
}

/// Adds the table.
fn show(columns: &[String], found: &Found, output: &mut Output) {
    let order = order(found, columns.len());
    let titles = std::iter::once("column").chain(found.measures.iter().map(|(name, _)| *name));
    let mut table: Vec<Vec<String>> = vec![titles.map(String::from).collect()];
    for &column in order.iter().take(SHOWN) {
        let cells = found.measures.iter().map(|(name, values)| cell(name, values[column]));
        table.push(std::iter::once(columns[column].clone()).chain(cells).collect());
    }
    output.table(&table);
    found.notes.iter().for_each(|note| output.line(format!("  {note}")));
    let object = |&column: &usize| {
        let mut object = Map::from_iter([("column".to_owned(), Value::from(columns[column].as_str()))]);
        object.extend(found.measures.iter().map(|(name, values)| ((*name).to_owned(), values[column].into())));
        object
    };
    output.set("columns", order.iter().map(object).collect::<Vec<_>>());
    output.json.extend(found.json.clone());
}

/// A number as people read it.
fn cell(name: &str, value: f64) -> String {
    match name {
        "cuts" => format!("{value}"),
        "gain" => format!("{:.1} %", 100.0 * value),
        // what is no more than rounding has no sign
        _ if value.abs() < 5e-6 => "0".into(),
        _ => format!("{value:.5}"),
    }
}

/// All columns as CSV; of several zoos each in turn, its file in the last column.
fn write(out: &OutPath, columns: &[String], groups: &[Vec<PathBuf>], each: &[Found]) -> Result<()> {
    let several = each.len() > 1;
    replace(out, |file| {
        let mut csv = csv::Writer::from_writer(file);
        let names = each.iter().take(1).flat_map(|found| &found.measures).map(|(name, _)| *name);
        csv.write_record(["column"].into_iter().chain(names).chain(several.then_some("file")))?;
        for (found, files) in each.iter().zip(groups) {
            let file = several.then(|| files::shown(files));
            for column in order(found, columns.len()) {
                let values = found.measures.iter().map(|(_, values)| values[column].to_string());
                csv.write_record(std::iter::once(columns[column].clone()).chain(values).chain(file.clone()))?;
            }
        }
        csv.flush()
    })
}
