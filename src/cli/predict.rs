//! `zoometry predict`

use super::asked::Asked;
use super::output::{self, Output};
use super::{MachineArgs, STOP, files, parts, select};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use zoometry::cnn::choice::Choice;
use zoometry::eval::conformal;
use zoometry::eval::metrics::most_probable;
use zoometry::features::{Fitted, Input, Networks as Features};
use zoometry::kernels::{Isa, activation::Activation};
use zoometry::predictor::{Place, Predictor};
use zoometry::table::{Part, Table};
use zoometry::zoo::{Loose, Zoo};
use zoometry::{Error, Result};

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
    /// The zoo, in one file or several, or a file with weights; a name in quotes may have * and ? in its last part
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
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Whose accuracies are predicted.
struct Networks {
    table: Table,
    /// Run and epoch, or the row of a file that does not tell.
    names: Vec<(u64, Option<u32>)>,
    /// Whether all of a network's weights are numbers.
    finite: Vec<bool>,
}

impl Predict {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let predictor = Predictor::load(&self.model)?;
        let (input, asked) = (select::input(&predictor)?, Asked::of(&predictor, &self.model)?);
        self.interval.map(|level| self.check(&predictor, level)).transpose()?;
        let wanted = parts::named(&self.part, &Part::ALL)?;
        let (networks, predicted, intervals, places) = self.machine.run(|| -> Result<_> {
            let networks = self.networks(isa, &predictor, &input, &asked)?;
            let mut predicted = predictor.predict(isa, &networks.table)?;
            let broken = predicted.chunks_mut(predictor.model.outputs()).zip(&networks.finite);
            broken.filter(|(_, finite)| !**finite).for_each(|(values, _)| values.fill(f32::NAN));
            let around = |level| conformal::around(isa, &predictor, &networks.table, &predicted, level);
            let intervals = self.interval.map(around);
            let places = predictor.domain.as_ref().map(|domain| domain.places(&networks.table.x));
            Ok((networks, predicted, intervals, places))
        })?;
        if let broken @ 1.. = networks.finite.iter().filter(|finite| !**finite).count() {
            let (all, file) = (networks.finite.len(), files::shown(&self.file));
            output::tell(format!("{broken} of {all} networks of {file} have weights that are not finite: NaN"));
        }
        if let far @ 1.. = places.iter().flatten().filter(|place| place.is_far()).count() {
            let (all, file) = (networks.finite.len(), files::shown(&self.file));
            output::tell(format!(
                "{far} of {all} networks of {file} lie far from those that the predictor was fitted to (more than 5 % of the \
                 columns beyond their range, or farther from the nearest of them than 99 % of them from each other): what is \
                 predicted of these is a guess"
            ));
        }
        let mut output = Output::default();
        let part = |row: usize| match (&predictor.provenance, networks.table.origin.networks.get(row)) {
            (Some(provenance), Some(&network)) => provenance.part(network),
            _ => Part::Unknown,
        };
        let parts: Vec<Part> = (0..networks.names.len()).map(part).collect();
        let told =
            Told { asked: &asked, predicted: &predicted, intervals, places, parts, wanted, json: self.machine.json };
        let fitted = told.print(&networks, &mut output);
        if fitted > 0 && self.interval.is_some() {
            let file = files::shown(&self.file);
            output::tell(format!(
                "the predictor was fitted to {fitted} networks of {file}: of these intervals promise nothing"
            ));
        }
        output.set("fitted", fitted);
        if let Some(level) = self.interval {
            output.set("interval_level", level);
        }
        Ok(output)
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
            return Err(Error::malformed(&self.model, expected, got));
        }
        if count < fewest {
            let (most, model) = (count as f64 / (count + 1) as f64, self.model.display());
            let expected = format!("at most {most:.4}: {model} has {count} validation errors, {level} needs {fewest}");
            return Err(Error::invalid("--interval", expected, level));
        }
        Ok(())
    }

    /// The networks of a zoo, or of any file with a tensor `weights`.
    fn networks(&self, isa: Isa, predictor: &Predictor, input: &Fitted, asked: &Asked) -> Result<Networks> {
        let files = files::expand(&self.file)?;
        let file = Loose::open(&files[0])?;
        if file.is_zoo() || files.len() > 1 {
            if let Some(name) = &self.activation {
                let expected = "a file of weights alone (a zoo has its networks' own activations)";
                return Err(Error::invalid("--activation", expected, format!("{name} and a zoo")));
            }
            let zoo = Zoo::open_all(&files)?;
            let rows = select::rows(&zoo, zoo.path(), self.epoch, input.input())?;
            let names = rows.iter().map(|&row| (u64::from(zoo.run()[row]), Some(zoo.epoch()[row]))).collect();
            let mut found = self.table(isa, predictor, input, &Features::Zoo { zoo: &zoo, rows: &rows }, names)?;
            found.table.y = asked.target.values(&zoo, &rows, &asked.classes);
            return Ok(found);
        }
        let Some(arch) = select::architecture(predictor) else {
            return Err(Error::malformed(&self.model, "a predictor fitted to a zoo", "one fitted to a table"));
        };
        let weights = file.weights(&arch)?;
        let features =
            Features::Loose { arch: &arch, weights: &weights, activation: self.activation(&file, input.input())? };
        let names = (0..features.count() as u64).map(|row| (row, None)).collect();
        self.table(isa, predictor, input, &features, names)
    }

    /// What a predictor sees of some networks.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a single network whose weights are not finite; those of [`Fitted::table`] and of
    /// [`select::same_columns`].
    fn table(
        &self,
        isa: Isa,
        predictor: &Predictor,
        input: &Fitted,
        networks: &Features,
        names: Vec<(u64, Option<u32>)>,
    ) -> Result<Networks> {
        let is_finite = |network| networks.weights(network).iter().all(|weight| weight.is_finite());
        let finite: Vec<bool> = (0..networks.count()).map(is_finite).collect();
        if finite == [false] {
            return Err(Error::malformed(
                &self.file[0],
                "a network whose weights are finite",
                "NaN or infinite weights",
            ));
        }
        let table = input.table(isa, networks, &STOP)?;
        select::same_columns(predictor, &table, networks.arch(), &self.file[0])?;
        Ok(Networks { table, names, finite })
    }

    /// The activation of a file's networks: as the file says, else as the command line does.
    ///
    /// # Errors
    /// [`Error::Unknown`] and, where the two contradict each other, [`Error::Invalid`]; [`Error::Malformed`] where the input
    /// runs the networks and the file names an activation that cannot be computed.
    fn activation(&self, file: &Loose, input: &Input) -> Result<Option<Activation>> {
        let asked = self.activation.as_deref().map(Activation::parse).transpose()?;
        match (file.activation(), &self.activation) {
            (Some(told), Some(name)) if told != *name => {
                let expected = format!("{told}, as {} says", self.file[0].display());
                Err(Error::invalid("--activation", expected, name))
            }
            (Some(told), None) if input.runs_networks() => {
                let known = Activation::names().join(", ");
                let wrong = |_| Error::malformed(&self.file[0], format!("a network with one of {known}"), &told);
                Activation::parse(&told).map(Some).map_err(wrong)
            }
            _ => Ok(asked),
        }
    }
}

/// What is told of networks.
struct Told<'a> {
    asked: &'a Asked,
    /// A number, or of each class its probability.
    predicted: &'a [f32],
    intervals: Option<Vec<[f32; 2]>>,
    places: Option<Vec<Place>>,
    /// Of the fit, and those that are told of.
    parts: Vec<Part>,
    wanted: Vec<Part>,
    /// Whether for programs; of tens of thousands of networks either form takes its memory.
    json: bool,
}

impl Told<'_> {
    /// Adds a line and an object for each network of the parts that are wanted; gives how many of these the fit used.
    fn print(&self, networks: &Networks, output: &mut Output) -> usize {
        let interval = if self.intervals.is_some() { ",low,high" } else { "" };
        let probability = if self.asked.classes.is_empty() { "" } else { ",probability" };
        output.line(format!("run,epoch,predicted,measured{probability}{interval},outside,farther_than,part"));
        let mut list = Vec::new();
        let wanted: Vec<usize> =
            (0..networks.names.len()).filter(|&row| self.wanted.contains(&self.parts[row])).collect();
        for &row in &wanted {
            let (run, epoch) = networks.names[row];
            let cells = self.cells(row, networks.table.y.get(row).copied());
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
        output.json.insert("networks".into(), list.into());
        wanted.iter().filter(|&&row| self.parts[row].is_fitted()).count()
    }

    /// What is told of one network, in the order of the columns.
    fn cells(&self, row: usize, measured: Option<f32>) -> Vec<(&'static str, Cell<'_>)> {
        let number = |x: Option<f32>| x.map_or(Cell::Nothing, Cell::Number);
        let mut cells = match &*self.asked.classes {
            [] => vec![("predicted", Cell::Number(self.predicted[row])), ("measured", number(measured))],
            names => {
                let name = |class: f32| names.get(class as usize).map_or(Cell::Nothing, |name| Cell::Name(name));
                let probabilities = &self.predicted[row * names.len()..][..names.len()];
                let class = most_probable(probabilities);
                let probability = probabilities[class];
                let predicted = if probability.is_nan() { Cell::Number(probability) } else { name(class as f32) };
                let measured = measured.filter(|class| class.is_finite()).map_or(Cell::Nothing, name);
                vec![("predicted", predicted), ("measured", measured), ("probability", Cell::Number(probability))]
            }
        };
        if let Some(intervals) = &self.intervals {
            let [least, most] = self.asked.target.range();
            let [low, high] = intervals[row].map(|end| end.clamp(least, most));
            cells.extend([("low", Cell::Number(low)), ("high", Cell::Number(high))]);
        }
        let place = self.places.as_ref().map(|places| places[row]);
        cells.push(("outside", number(place.map(|place| place.outside))));
        cells.push(("farther_than", number(place.map(|place| place.farther_than))));
        cells.push(("part", Cell::Name(self.parts[row].name())));
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
