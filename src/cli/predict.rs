//! `zoometry predict`

use super::output::Output;
use super::{Machine, select};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use zoometry::predictor::Predictor;
use zoometry::zoo::{Weights, Zoo};
use zoometry::{Result, features};

/// Predict the accuracy of each network in a file
///
/// The file is a zoo, or any .safetensors file with a tensor `weights` (f32, networks × weights or one network) in the order of
/// the released Small CNN Zoo. Prints CSV: the network's run and epoch (or its row), the predicted accuracy, and the measured one
/// where the file has it.
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
    #[command(flatten)]
    pub machine: Machine,
}
