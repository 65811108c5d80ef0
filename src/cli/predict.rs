//! `zoometry predict`

use super::asked::Asked;
use super::output::{self, Force, Output, counted};
use super::suggest::suggest;
use super::told::{Found, Named, Told};
use super::{MachineArgs, files, parts, select};
use clap::Args;
use std::path::{Path, PathBuf};
use zoometry::cnn::choice::Choice;
use zoometry::eval::conformal;
use zoometry::features::{Fitted, Input, Networks};
use zoometry::kernels::activation::Activation;
use zoometry::out::{FileKind, replace};
use zoometry::predictor::{Measure, Predictor};
use zoometry::table::{Identity, Part, Table, read};
use zoometry::zoo::{Loose, Target, Zoo};
use zoometry::{Context, Error, Result};

/// Predict the accuracy of each network in a file
///
/// The file is a zoo, or any .safetensors file with a tensor `weights` (f32, networks × weights or one network) in the order of
/// the released Small CNN Zoo, or with one network of PyTorch's (conv1.weight OIHW, conv1.bias … dense.weight, dense.bias; any
/// layer names in this order); or a table with the predictor's columns, as `features` writes it. Prints CSV: the network's run and
/// epoch (or its row), the predicted accuracy, the measured one where the file has it and, with --interval, the ends of an interval around the prediction. Then how far the network lies from
/// those that the predictor was fitted to: the share of columns outside of their range, and the share of them that are nearer to
/// their nearest neighbour than it is to its own. Last the part of the fit that the network was in: train or validation, which the
/// predictor was fitted to and which no score should be made of; test; unseen, none of the fit's; unknown, where the predictor's file
/// does not say. Networks are told by their weights. Of a network whose weights are not finite nothing is predicted: NaN.
#[derive(Args)]
pub struct Predict {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Zoos, files with weights or tables of features; of several each network's file is in the last column. A name in quotes may
    /// have * and ? in its last part
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E", allow_negative_numbers = true, value_parser = super::number::<u32>)]
    epoch: Option<u32>,
    /// The networks' activation where the file does not tell it and the predictor's input runs them (probes, consensus, synthetic): relu, tanh, sigmoid, gelu,
    /// leaky_relu or silu
    #[arg(long, value_name = "NAME")]
    activation: Option<String>,
    /// Add intervals that hold the accuracy with this probability, 0.9 for instance (split-conformal prediction, from the
    /// predictor's errors on its validation part, or CV+, from those on the folds of a bag; early stopping used the same
    /// networks, so they are a little too small; `evaluate` counts how much they hold). For networks of other zoos nothing is
    /// promised
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true, value_parser = level)]
    interval: Option<f64>,
    /// Only the networks of this part: train, validation, test, unseen or unknown; several joined by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',', hide_possible_values = true, value_parser = suggest(Part::ALL.map(Part::name)))]
    part: Vec<String>,
    /// Where the table goes [default: stdout]
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// A probability: `0.9` or `90%`.
fn level(text: &str) -> std::result::Result<f64, String> {
    let level = super::share(text).filter(|level| *level > 0.0 && *level < 1.0);
    level.ok_or_else(|| "expected a probability above 0 and below 1, such as 0.9 or 90%".to_owned())
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
        let measure = self.machine.run(|| predictor.domain.as_ref().map(|domain| domain.measure()));
        let seer = Seer { context, predictor: &predictor, input: &input, measure, level: self.interval };
        let mut found = Found::default();
        self.machine.run(|| -> Result<()> {
            let mut groups = self.groups(&files)?.into_iter();
            groups.try_for_each(|group| self.add(&seer, &asked, &files, &group, &mut found))
        })?;
        parts::some_in(&found.parts, &wanted, &files[0])?;
        self.warn(&found);
        let names = files.iter().map(|file| file.display().to_string());
        let files = if files.len() > 1 { names.collect() } else { Vec::new() };
        let told = Told { asked, found, wanted, files, intervals: self.interval.is_some() };
        let fitted = told.fitted();
        if fitted > 0 && self.interval.is_some() {
            let (networks, file) = (counted(fitted, "network"), files::shown(&self.file));
            output::tell(format!(
                "the predictor was fitted to {networks} of {file}: of these intervals promise nothing"
            ));
        }
        let mut output = Output::default();
        output.set("fitted", fitted);
        if let Some(level) = self.interval {
            output.set("interval_level", level);
        }
        match &out {
            Some(out) => {
                replace(out, |file| told.csv(file, str::to_owned))?;
                let networks = counted(told.rows().count(), "network");
                output.line(format!("{}: predictions of {networks}", out.path().display()));
                output.path("out", out.path());
            }
            None => output.long = Some(Box::new(told)),
        }
        Ok(output)
    }

    /// The files that are read together: those of one zoo, or each for itself.
    fn groups(&self, files: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
        match files.iter().all(|file| FileKind::of(file) == FileKind::Zoo) {
            true => files::groups(files),
            false => Ok(files.iter().map(|file| vec![file.clone()]).collect()),
        }
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
    /// [`Error::Invalid`] for a level for which there are too few errors; [`Error::Unsuitable`] for a predictor without any.
    fn check(&self, predictor: &Predictor, level: f64) -> Result<()> {
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
            let [count, fewest] = [count, fewest].map(|errors| output::count(errors as u64));
            let expected = format!("at most {most:.4}: {model} has {count} validation errors, {level} needs {fewest}");
            return Err(Error::invalid("--interval", expected, level));
        }
        Ok(())
    }

    /// Adds what is found of the networks of one zoo's files, or of any file with weights; `files` are all that are read.
    fn add(&self, seer: &Seer, asked: &Asked, files: &[PathBuf], group: &[PathBuf], found: &mut Found) -> Result<()> {
        let place = |path: &Path| files.iter().position(|file| file == path).unwrap_or(0) as u32;
        if read::is_table(&group[0]) {
            return self.add_table(seer, asked, &group[0], place(&group[0]), found);
        }
        let file = Loose::open(&group[0])?;
        if !file.is_zoo() {
            return self.add_loose(seer, asked, &group[0], place(&group[0]), &file, found);
        }
        if let Some(name) = &self.activation {
            let expected = "a file of weights alone (a zoo has its networks' own activations)";
            return Err(Error::invalid("--activation", expected, format!("{name} and a zoo")));
        }
        let zoo = Zoo::open_all(group)?;
        let rows = select::rows(&zoo, zoo.path(), self.epoch, seer.input.input())?;
        let places: Vec<u32> = zoo.paths().map(place).collect();
        let named = |&row: &usize| Named {
            run: u64::from(zoo.run()[row]),
            epoch: Some(zoo.epoch()[row]),
            file: places[zoo.file_number(row)],
        };
        found.networks.extend(rows.iter().map(named));
        found.measured.extend(asked.target.values(&zoo, &rows, &asked.classes).into_iter().map(Some));
        seer.add(&Networks::Zoo { zoo: &zoo, rows: &rows }, zoo.path(), found)
    }

    /// Adds those of a file that is no zoo; one that was exported from a zoo says which it is.
    fn add_loose(
        &self,
        seer: &Seer,
        asked: &Asked,
        path: &Path,
        place: u32,
        file: &Loose,
        found: &mut Found,
    ) -> Result<()> {
        let Some(arch) = select::architecture(seer.predictor) else {
            return Err(Error::unsuitable(&self.model, "a predictor fitted to networks of one shape", "another one"));
        };
        let kind = FileKind::of(path);
        if !matches!(kind, FileKind::Network | FileKind::Other(_)) {
            return Err(Error::other_kind(path, "a zoo or a file with networks' weights", kind));
        }
        let weights = file.weights(&arch)?;
        let activation = self.activation(path, file, seer.input.input())?;
        let networks = Networks::Loose { arch: &arch, weights: &weights, activation };
        let count = networks.count();
        let said = file.exported().filter(|_| count == 1).unwrap_or_default();
        let named = |row| Named { run: said.run.unwrap_or(row), epoch: said.epoch, file: place };
        found.networks.extend((0..count as u64).map(named));
        let measured = said.test_accuracy.filter(|_| asked.target == Target::default());
        found.measured.extend(std::iter::repeat_n(measured, count));
        seer.add(&networks, path, found)
    }

    /// Adds the rows of a table, which are taken for what they say: columns of the predictor's names.
    fn add_table(&self, seer: &Seer, asked: &Asked, path: &Path, place: u32, found: &mut Found) -> Result<()> {
        let table = read::features(path)?.table;
        if table.columns != seer.predictor.columns {
            let [expected, got] = [&seer.predictor.columns, &table.columns].map(|columns| select::columns(columns));
            return Err(Error::Mismatch { path: path.into(), field: "input of the predictor".into(), expected, got });
        }
        let measured = |row: usize| table.y.get(row).copied().filter(|_| asked.target == Target::default());
        found.networks.extend(table.group.iter().map(|&run| Named { run, epoch: None, file: place }));
        found.measured.extend((0..table.rows()).map(measured));
        let finite = table.x.chunks(table.width()).map(|row| row.iter().all(|x| !x.is_infinite())).collect();
        seer.see(&table, vec![Part::Unknown; table.rows()], finite, found)
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

/// A predictor at work.
struct Seer<'a> {
    context: &'a Context,
    predictor: &'a Predictor,
    input: &'a Fitted,
    /// Where the file says what it was fitted to.
    measure: Option<Measure<'a>>,
    /// Of the intervals.
    level: Option<f64>,
}

impl Seer<'_> {
    /// Adds what the predictor says of networks, block by block.
    ///
    /// # Errors
    /// Those of [`Fitted::table`] and of [`select::same_columns`].
    fn add(&self, networks: &Networks, path: &Path, found: &mut Found) -> Result<()> {
        for block in networks.blocks(self.predictor.columns.len()) {
            let networks = networks.part(block);
            let finite = networks.finite();
            let table = self.input.table(self.context, &networks)?;
            select::same_columns(self.predictor, &table, networks.arch(), path)?;
            let known = self.predictor.provenance.as_ref();
            let part = |network: &Identity| known.map_or(Part::Unknown, |known| known.part(*network));
            let parts = table.origin.networks.iter().map(part).collect();
            self.see(&table, parts, finite, found)?;
        }
        Ok(())
    }

    /// Adds what the predictor says of the rows of a table; of each its part, and whether anything can be said of it.
    fn see(&self, table: &Table, parts: Vec<Part>, finite: Vec<bool>, found: &mut Found) -> Result<()> {
        let mut predicted = self.predictor.predict(self.context, table)?;
        let broken = predicted.chunks_mut(self.predictor.model.outputs()).zip(&finite);
        broken.filter(|(_, finite)| !**finite).for_each(|(values, _)| values.fill(f32::NAN));
        if let Some(level) = self.level {
            found.intervals.extend(conformal::around(self.context, self.predictor, table, &predicted, level));
        }
        found.places.extend(self.measure.iter().flat_map(|measure| measure.places(&table.x)));
        found.parts.extend(parts);
        found.finite.extend(finite);
        found.predicted.extend(predicted);
        Ok(())
    }
}
