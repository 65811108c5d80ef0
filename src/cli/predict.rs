//! `zoometry predict`

use super::output::Output;
use super::{Machine, select};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use zoometry::cnn::Arch;
use zoometry::features::{Input, Networks as Features, networks};
use zoometry::kernels::Isa;
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::{Loose, Zoo};
use zoometry::{Error, Result};

/// Predict the accuracy of each network in a file
///
/// The file is a zoo, or any .safetensors file with a tensor `weights` (f32, networks × weights or one network) in the order of
/// the released Small CNN Zoo, or with one network of PyTorch's (conv1.weight OIHW, conv1.bias … dense.weight, dense.bias; any
/// layer names in this order). Prints CSV: the network's run and epoch (or its row), the predicted accuracy, and the measured
/// one where the file has it.
#[derive(Args)]
pub struct Predict {
    /// The fitted predictor
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The zoo, or a file with weights
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The checkpoint's epoch [default: the last]
    #[arg(long, value_name = "E")]
    epoch: Option<u32>,
    /// The networks' activation where the file has weights alone and the predictor's input is probes: relu, tanh, sigmoid or
    /// gelu
    #[arg(long, value_name = "NAME")]
    activation: Option<String>,
    #[command(flatten)]
    pub machine: Machine,
}

/// Whose accuracies are predicted.
struct Networks {
    table: Table,
    /// Run and epoch, or the row of a file that does not tell.
    names: Vec<(u64, Option<u32>)>,
}

impl Predict {
    pub fn run(&self) -> Result<Output> {
        let isa = self.machine.isa()?;
        let predictor = Predictor::load(&self.model)?;
        let input = select::input(&predictor, &self.model)?;
        let (networks, predicted) = self.machine.run(|| -> Result<_> {
            let networks = self.networks(isa, &predictor, &input)?;
            select::same_columns(&predictor, &networks.table, &self.file)?;
            let predicted = predictor.predict(isa, &networks.table)?;
            Ok((networks, predicted))
        })?;
        let Networks { table, names } = networks;
        let mut output = Output::default();
        let measured = |row: usize| table.y.get(row).copied();
        output.line("run,epoch,predicted,measured");
        let mut list = Vec::with_capacity(names.len());
        for (row, (&(run, epoch), &value)) in names.iter().zip(&predicted).enumerate() {
            let epoch_text = epoch.map_or(String::new(), |epoch| epoch.to_string());
            let measured_text = measured(row).map_or(String::new(), |value| value.to_string());
            output.line(format!("{run},{epoch_text},{value},{measured_text}"));
            list.push(json!({ "run": run, "epoch": epoch, "predicted": value, "measured": measured(row) }));
        }
        output.set("networks", list);
        Ok(output)
    }

    /// The networks of a zoo, or of any file with a tensor `weights`.
    fn networks(&self, isa: Isa, predictor: &Predictor, input: &Input) -> Result<Networks> {
        let file = Loose::open(&self.file)?;
        if file.is_zoo() {
            if let Some(name) = &self.activation {
                let expected = "a file of weights alone (a zoo has its networks' own activations)";
                return Err(Error::invalid("--activation", expected, format!("{name} and a zoo")));
            }
            let zoo = Zoo::open(&self.file)?;
            let rows = select::rows(&zoo, &self.file, self.epoch)?;
            let names = rows.iter().map(|&row| (u64::from(zoo.run()[row]), Some(zoo.epoch()[row]))).collect();
            return Ok(Networks { table: input.table(isa, &Features::Zoo { zoo: &zoo, rows: &rows })?, names });
        }
        let arch = predictor.info.get(select::ARCHITECTURE).and_then(|text| serde_json::from_str::<Arch>(text).ok());
        let Some(arch) = arch.filter(|arch| arch.check().is_ok()) else {
            return Err(Error::malformed(&self.model, "a predictor fitted to a zoo", "one fitted to a table"));
        };
        let weights = file.weights(&arch)?;
        let activation = self.activation.as_deref().map(networks::activation).transpose()?;
        let table = input.table(isa, &Features::Loose { arch: &arch, weights: &weights, activation })?;
        let names = (0..table.rows() as u64).map(|row| (row, None)).collect();
        Ok(Networks { table, names })
    }
}
