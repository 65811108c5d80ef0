//! `zoometry predict`

use super::output::{self, Output};
use super::{MachineArgs, STOP, files, select};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use zoometry::cnn::choice::Choice;
use zoometry::eval::conformal;
use zoometry::features::{Fitted, Input, Networks as Features};
use zoometry::kernels::{Isa, activation::Activation};
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::{Loose, Zoo};
use zoometry::{Error, Result};

/// Predict the accuracy of each network in a file
///
/// The file is a zoo, or any .safetensors file with a tensor `weights` (f32, networks × weights or one network) in the order of
/// the released Small CNN Zoo, or with one network of PyTorch's (conv1.weight OIHW, conv1.bias … dense.weight, dense.bias; any
/// layer names in this order). Prints CSV: the network's run and epoch (or its row), the predicted accuracy, the measured one
/// where the file has it and, with --interval, the ends of an interval around the prediction. Of a network whose weights are
/// not finite nothing is predicted: NaN.
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
    /// predictor's errors on its validation part; early stopping used the same part, so they are a little too small; `evaluate`
    /// counts how much they hold). For networks of other zoos nothing is promised
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    interval: Option<f64>,
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
        let input = select::input(&predictor)?;
        let reach = self.interval.map(|level| self.reach(&predictor, level)).transpose()?;
        let (networks, predicted) = self.machine.run(|| -> Result<_> {
            let networks = self.networks(isa, &predictor, &input)?;
            let mut predicted = predictor.predict(isa, &networks.table)?;
            let broken = predicted.iter_mut().zip(&networks.finite).filter(|(_, finite)| !**finite);
            broken.for_each(|(value, _)| *value = f32::NAN);
            Ok((networks, predicted))
        })?;
        if let broken @ 1.. = networks.finite.iter().filter(|finite| !**finite).count() {
            let (all, file) = (predicted.len(), files::shown(&self.file));
            output::tell(format!("{broken} of {all} networks of {file} have weights that are not finite: NaN"));
        }
        let mut output = Output::default();
        print(&networks, &predicted, reach, &mut output);
        if let (Some(level), Some(reach)) = (self.interval, reach) {
            output.set("interval_level", level);
            output.set("interval_reach", reach);
        }
        Ok(output)
    }

    /// How far an interval of a level reaches to both sides.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a level that is none, or for which there are too few validation errors; [`Error::Malformed`] for
    /// a predictor without any.
    fn reach(&self, predictor: &Predictor, level: f64) -> Result<f32> {
        if !(level > 0.0 && level < 1.0) {
            return Err(Error::invalid("--interval", "a number above 0 and below 1", level));
        }
        let count = predictor.residuals.len();
        if count == 0 {
            let expected = "a predictor with the errors of its validation part, for intervals";
            return Err(Error::malformed(
                &self.model,
                expected,
                "one that was fitted without such a part, or long ago",
            ));
        }
        let reach = conformal::reach(&predictor.residuals, level);
        if reach.is_infinite() {
            let most = count as f64 / (count + 1) as f64;
            let (model, fewest) = (self.model.display(), conformal::fewest(level));
            let expected = format!("at most {most:.4}: {model} has {count} validation errors, {level} needs {fewest}");
            return Err(Error::invalid("--interval", expected, level));
        }
        Ok(reach)
    }

    /// The networks of a zoo, or of any file with a tensor `weights`.
    fn networks(&self, isa: Isa, predictor: &Predictor, input: &Fitted) -> Result<Networks> {
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
            return self.table(isa, predictor, input, &Features::Zoo { zoo: &zoo, rows: &rows }, names);
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

/// Adds a line and an object for each network.
fn print(networks: &Networks, predicted: &[f32], reach: Option<f32>, output: &mut Output) {
    let Networks { table, names, .. } = networks;
    output.line(if reach.is_some() { "run,epoch,predicted,measured,low,high" } else { "run,epoch,predicted,measured" });
    let mut list = Vec::with_capacity(names.len());
    for (row, (&(run, epoch), &value)) in names.iter().zip(predicted).enumerate() {
        let measured = table.y.get(row).copied();
        let epoch_text = epoch.map_or(String::new(), |epoch| epoch.to_string());
        let measured_text = measured.map_or(String::new(), |value| value.to_string());
        let mut line = format!("{run},{epoch_text},{value},{measured_text}");
        let mut network = json!({ "run": run, "epoch": epoch, "predicted": value, "measured": measured });
        if let Some(reach) = reach {
            let [low, high] = conformal::interval(value, reach);
            line += &format!(",{low},{high}");
            (network["low"], network["high"]) = (low.into(), high.into());
        }
        output.line(line);
        list.push(network);
    }
    output.set("networks", list);
}
