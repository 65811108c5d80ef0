//! `zoometry predict`

use super::asked::Asked;
use super::output::{self, Force, Output, counted};
use super::{MachineArgs, files, parts, select};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use zoometry::cnn::choice::Choice;
use zoometry::eval::conformal;
use zoometry::eval::metrics::most_probable;
use zoometry::features::{Fitted, Input, Networks as Features};
use zoometry::kernels::activation::Activation;
use zoometry::out::{FileKind, replace};
use zoometry::predictor::{Place, Predictor};
use zoometry::table::{Part, Table};
use zoometry::zoo::{Loose, Target, Zoo};
use zoometry::{Context, Error, Result};

/// Predict the accuracy of each network in a file
///
/// The file is a zoo, or any .safetensors file with a tensor `weights` (f32, networks × weights or one network) in the order of
/// the released Small CNN Zoo, or with one network of PyTorch's (conv1.weight OIHW, conv1.bias … dense.weight, dense.bias; any
/// layer names in this order). Prints CSV: the network's run and epoch (or its row), the predicted accuracy, the measured one
/// where the file has it and, with --interval, the ends of an interval around the prediction. Then how far the network lies from
/// those that the predictor was fitted to: the share of columns outside of their range, and the share of them that are nearer to
/// their nearest neighbour than it is to its own. Last the part of the fit that the network was in: train or validation, which the
/// predictor was fitted to and which no score should be made of; test; unseen, none of the fit's; unknown, where the predictor's file
/// does not say. Networks are told by their weights. Of a network whose weights are not finite nothing is predicted: NaN.
#[derive(Args)]
pub struct Predict {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Zoos or files with weights; of several each network's file is in the last column. A name in quotes may have * and ? in its last part
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// The networks' activation where the file does not tell it and the predictor's input runs them (probes, consensus, synthetic): relu, tanh, sigmoid, gelu,
    /// leaky_relu or silu
    #[arg(long, value_name = "NAME")]
    activation: Option<String>,
    /// Add intervals that hold the accuracy with this probability, 0.9 for instance (split-conformal prediction, from the
    /// predictor's errors on its validation part, or CV+, from those on the folds of a bag; early stopping used the same
    /// networks, so they are a little too small; `evaluate` counts how much they hold). For networks of other zoos nothing is
    /// promised
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    interval: Option<f64>,
    /// Only the networks of this part: train, validation, test, unseen or unknown; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    part: Vec<String>,
    /// Where the table goes [default: stdout]
    #[arg(long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What is told of some networks, one entry each.
#[derive(Default)]
struct Found {
    /// Run and epoch, or the row of a file that does not tell.
    names: Vec<(u64, Option<u32>)>,
    files: Vec<String>,
    /// Whether all of a network's weights are numbers.
    finite: Vec<bool>,
    measured: Vec<Option<f32>>,
    /// A number, or of each class its probability.
    predicted: Vec<f32>,
    intervals: Vec<[f32; 2]>,
    /// Empty where the predictor's file does not tell them.
    places: Vec<Place>,
    parts: Vec<Part>,
}

impl Found {
    fn add(&mut self, other: Found) {
        self.names.extend(other.names);
        self.files.extend(other.files);
        self.finite.extend(other.finite);
        self.measured.extend(other.measured);
        self.predicted.extend(other.predicted);
        self.intervals.extend(other.intervals);
        self.places.extend(other.places);
        self.parts.extend(other.parts);
    }
}

/// Networks whose accuracies are to be predicted.
struct Networks {
    table: Table,
    names: Vec<(u64, Option<u32>)>,
    files: Vec<String>,
    finite: Vec<bool>,
    measured: Vec<Option<f32>>,
}

impl Predict {
    pub fn run(&self) -> Result<Output> {
        let context = &self.machine.context()?;
        let predictor = Predictor::load(&self.model)?;
        let (input, asked) = (select::input(&predictor)?, Asked::of(&predictor, &self.model)?);
        self.interval.map(|level| self.check(&predictor, level)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL)?;
        let files = files::expand(&self.file)?;
        let mut guard = self.force.guard(files.iter().chain([&self.model]));
        let out = files::unless_stream(&self.out).map(|path| guard.file(path, FileKind::Table)).transpose()?;
        let found = self.machine.run(|| -> Result<_> {
            let mut found = Found::default();
            for group in self.groups(&files)? {
                found.add(self.predicted(
                    context,
                    &predictor,
                    self.networks(context, &predictor, &input, &asked, &group)?,
                )?);
            }
            Ok(found)
        })?;
        parts::some_in(&found.parts, &wanted, &files[0])?;
        self.warn(&found);
        let mut output = Output::default();
        let json = self.machine.json && self.out.is_none();
        let told = Told { asked: &asked, found: &found, wanted, several: files.len() > 1, level: self.interval, json };
        let fitted = told.print(&mut output);
        if fitted > 0 && self.interval.is_some() {
            let (networks, file) = (counted(fitted, "network"), files::shown(&self.file));
            output::tell(format!(
                "the predictor was fitted to {networks} of {file}: of these intervals promise nothing"
            ));
        }
        output.set("fitted", fitted);
        if let Some(level) = self.interval {
            output.set("interval_level", level);
        }
        if let Some(out) = &out {
            let text = std::mem::take(&mut output.text);
            replace(out, |file| file.write_all(text.as_bytes()))?;
            let networks = counted(text.lines().count().saturating_sub(1), "network");
            output.line(format!("{}: predictions of {networks}", out.path().display()));
            output.path("out", out.path());
        }
        Ok(output)
    }

    /// The files that are read together: those of one zoo, or each for itself.
    fn groups(&self, files: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
        let zoos = files.iter().map(|file| Ok(Loose::open(file)?.is_zoo())).collect::<Result<Vec<bool>>>()?;
        match zoos.iter().all(|is| *is) {
            true => files::groups(files),
            false => Ok(files.iter().map(|file| vec![file.clone()]).collect()),
        }
    }

    /// What the predictor says of networks.
    fn predicted(&self, context: &Context, predictor: &Predictor, networks: Networks) -> Result<Found> {
        let table = &networks.table;
        let mut predicted = predictor.predict(context, table)?;
        let broken = predicted.chunks_mut(predictor.model.outputs()).zip(&networks.finite);
        broken.filter(|(_, finite)| !**finite).for_each(|(values, _)| values.fill(f32::NAN));
        let around = |level| conformal::around(context, predictor, table, &predicted, level);
        let intervals = self.interval.map(around).unwrap_or_default();
        let places = predictor.domain.as_ref().map(|domain| domain.places(&table.x)).unwrap_or_default();
        let part = |row: usize| match (&predictor.provenance, table.origin.networks.get(row)) {
            (Some(provenance), Some(&network)) => provenance.part(network),
            _ => Part::Unknown,
        };
        let parts = (0..networks.names.len()).map(part).collect();
        let Networks { names, files, finite, measured, .. } = networks;
        Ok(Found { names, files, finite, measured, predicted, intervals, places, parts })
    }

    /// Says which predictions are none, or guesses.
    fn warn(&self, found: &Found) {
        let (all, file) = (counted(found.finite.len(), "network"), files::shown(&self.file));
        if let broken @ 1.. = found.finite.iter().filter(|finite| !**finite).count() {
            output::tell(format!("{broken} of {all} of {file} with weights that are not finite: NaN"));
        }
        if let far @ 1.. = found.places.iter().filter(|place| place.is_far()).count() {
            output::tell(format!(
                "{far} of {all} of {file} far from those that the predictor was fitted to (more than 5 % of the columns beyond \
                 their range, or farther from the nearest of them than 99 % of them from each other): what is predicted of \
                 these is a guess"
            ));
        }
    }

    /// Checks that there can be intervals of a level.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level that is none, or for which there are too few errors; [`Error::Malformed`] for a predictor
    /// without any.
    fn check(&self, predictor: &Predictor, level: f64) -> Result<()> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::invalid("--interval", "a number above 0 and below 1", level));
        }
        if predictor.model.outputs() > 1 {
            return Err(Error::invalid(
                "--interval",
                "a predictor of a number",
                "one of names, which has probabilities",
            ));
        }
        let (count, fewest) = (conformal::errors(predictor), conformal::fewest(level));
        if count == 0 {
            let expected = "a predictor with its errors on networks held out, for intervals";
            let got = "one that was fitted without a validation part, or long ago";
            return Err(Error::unsuitable(&self.model, expected, got));
        }
        if count < fewest {
            let (most, model) = (count as f64 / (count + 1) as f64, self.model.display());
            let expected = format!("at most {most:.4}: {model} has {count} validation errors, {level} needs {fewest}");
            return Err(Error::invalid("--interval", expected, level));
        }
        Ok(())
    }

    /// The networks of one zoo's files, or of any file with a tensor `weights`.
    fn networks(
        &self,
        context: &Context,
        predictor: &Predictor,
        input: &Fitted,
        asked: &Asked,
        group: &[PathBuf],
    ) -> Result<Networks> {
        let file = Loose::open(&group[0])?;
        if !file.is_zoo() {
            return self.loose(context, predictor, input, asked, &group[0], &file);
        }
        if let Some(name) = &self.activation {
            let expected = "a file of weights alone (a zoo has its networks' own activations)";
            return Err(Error::invalid("--activation", expected, format!("{name} and a zoo")));
        }
        let zoo = Zoo::open_all(group)?;
        let rows = select::rows(&zoo, zoo.path(), self.epoch, input.input())?;
        let (table, finite) =
            self.table(context, predictor, input, &Features::Zoo { zoo: &zoo, rows: &rows }, zoo.path())?;
        Ok(Networks {
            table,
            finite,
            names: rows.iter().map(|&row| (u64::from(zoo.run()[row]), Some(zoo.epoch()[row]))).collect(),
            files: rows.iter().map(|&row| zoo.file_of(row).display().to_string()).collect(),
            measured: asked.target.values(&zoo, &rows, &asked.classes).into_iter().map(Some).collect(),
        })
    }

    /// The networks of a file that is no zoo; one that was exported from a zoo says which it is.
    fn loose(
        &self,
        context: &Context,
        predictor: &Predictor,
        input: &Fitted,
        asked: &Asked,
        path: &Path,
        file: &Loose,
    ) -> Result<Networks> {
        let Some(arch) = select::architecture(predictor) else {
            return Err(Error::unsuitable(&self.model, "a predictor fitted to networks of one shape", "another one"));
        };
        let weights = file.weights(&arch)?;
        let activation = self.activation(path, file, input.input())?;
        let features = Features::Loose { arch: &arch, weights: &weights, activation };
        let count = features.count();
        let (table, finite) = self.table(context, predictor, input, &features, path)?;
        let said = file.exported().filter(|_| count == 1).unwrap_or_default();
        let measured = said.test_accuracy.filter(|_| asked.target == Target::default());
        Ok(Networks {
            table,
            finite,
            names: (0..count as u64).map(|row| (said.run.unwrap_or(row), said.epoch)).collect(),
            files: vec![path.display().to_string(); count],
            measured: vec![measured; count],
        })
    }

    /// What a predictor sees of some networks, and which of these have weights that are all numbers.
    ///
    /// # Errors
    /// Those of [`Fitted::table`] and of [`select::same_columns`].
    fn table(
        &self,
        context: &Context,
        predictor: &Predictor,
        input: &Fitted,
        networks: &Features,
        path: &Path,
    ) -> Result<(Table, Vec<bool>)> {
        let is_finite = |network| networks.weights(network).iter().all(|weight| weight.is_finite());
        let finite: Vec<bool> = (0..networks.count()).map(is_finite).collect();
        let table = input.table(context, networks)?;
        select::same_columns(predictor, &table, networks.arch(), path)?;
        Ok((table, finite))
    }

    /// The activation of a file's networks: as the file says, else as the command line does.
    ///
    /// # Errors
    /// [`Error::Unknown`] and, where the two contradict each other, [`Error::Invalid`]; [`Error::Malformed`] where the input
    /// runs the networks and the file names an activation that cannot be computed.
    fn activation(&self, path: &Path, file: &Loose, input: &Input) -> Result<Option<Activation>> {
        let asked = self.activation.as_deref().map(Activation::parse).transpose()?;
        let told = file.exported().and_then(|network| network.activation);
        match (told, &self.activation) {
            (Some(told), Some(name)) if told != *name => {
                let expected = format!("{told}, as {} says", path.display());
                Err(Error::invalid("--activation", expected, name))
            }
            (Some(told), None) if input.runs_networks() => {
                let known = Activation::names().join(", ");
                let wrong = |_| Error::unsuitable(path, format!("a network with one of {known}"), &told);
                Activation::parse(&told).map(Some).map_err(wrong)
            }
            _ => Ok(asked),
        }
    }
}

/// What is told of networks.
struct Told<'a> {
    asked: &'a Asked,
    found: &'a Found,
    /// The parts that are told of.
    wanted: Vec<Part>,
    /// Whether there is more than one file.
    several: bool,
    /// Of the intervals.
    level: Option<f64>,
    /// Whether for programs; of tens of thousands of networks either form takes its memory.
    json: bool,
}

impl Told<'_> {
    /// Adds a line and an object for each network of the parts that are wanted; gives how many of these the fit used.
    fn print(&self, output: &mut Output) -> usize {
        let found = self.found;
        let interval = if self.level.is_some() { ",low,high" } else { "" };
        let probability = if self.asked.classes.is_empty() { "" } else { ",probability" };
        let file = if self.several { ",file" } else { "" };
        output.line(format!("run,epoch,predicted,measured{probability}{interval},outside,farther_than,part{file}"));
        let mut list = Vec::new();
        let wanted: Vec<usize> =
            (0..found.names.len()).filter(|&row| self.wanted.contains(&found.parts[row])).collect();
        for &row in &wanted {
            let (run, epoch) = found.names[row];
            let cells = self.cells(row);
            if self.json {
                let mut network = json!({ "run": run, "epoch": epoch });
                cells.iter().for_each(|(name, cell)| network[*name] = cell.json());
                list.push(network);
            } else {
                let names = [run.to_string(), epoch.map_or(String::new(), |epoch| epoch.to_string())];
                let cells = cells.iter().map(|(_, cell)| cell.text());
                output.line(names.into_iter().chain(cells).collect::<Vec<_>>().join(","));
            }
        }
        if self.json {
            output.json.insert("networks".into(), output::short(list.into()));
        }
        wanted.iter().filter(|&&row| found.parts[row].is_fitted()).count()
    }

    /// What is told of one network, in the order of the columns.
    fn cells(&self, row: usize) -> Vec<(&'static str, Cell<'_>)> {
        let (found, measured) = (self.found, self.found.measured[row]);
        let number = |x: Option<f32>| x.map_or(Cell::Nothing, Cell::Number);
        let mut cells = match &*self.asked.classes {
            [] => vec![("predicted", Cell::Number(found.predicted[row])), ("measured", number(measured))],
            names => {
                let name = |class: f32| names.get(class as usize).map_or(Cell::Nothing, |name| Cell::Name(name));
                let probabilities = &found.predicted[row * names.len()..][..names.len()];
                let class = most_probable(probabilities);
                let probability = probabilities[class];
                let predicted = if probability.is_nan() { Cell::Number(probability) } else { name(class as f32) };
                let measured = measured.filter(|class| class.is_finite()).map_or(Cell::Nothing, name);
                vec![("predicted", predicted), ("measured", measured), ("probability", Cell::Number(probability))]
            }
        };
        if let Some(interval) = found.intervals.get(row) {
            let [least, most] = self.asked.target.range();
            let [low, high] = interval.map(|end| end.clamp(least, most));
            cells.extend([("low", Cell::Number(low)), ("high", Cell::Number(high))]);
        }
        let place = found.places.get(row);
        cells.push(("outside", number(place.map(|place| place.outside))));
        cells.push(("farther_than", number(place.map(|place| place.farther_than))));
        cells.push(("part", Cell::Name(found.parts[row].name())));
        if self.several {
            cells.push(("file", Cell::Name(&found.files[row])));
        }
        cells
    }
}

/// What is told of a network in one column.
enum Cell<'a> {
    Number(f32),
    Name(&'a str),
    Nothing,
}

impl Cell<'_> {
    fn text(&self) -> String {
        match self {
            Cell::Number(number) => number.to_string(),
            Cell::Name(name) if name.contains([',', '"', '\n']) => format!("\"{}\"", name.replace('"', "\"\"")),
            Cell::Name(name) => (*name).to_owned(),
            Cell::Nothing => String::new(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Number(number) => (*number).into(),
            Cell::Name(name) => (*name).into(),
            Cell::Nothing => Value::Null,
        }
    }
}
