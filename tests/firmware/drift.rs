//! What flipped bits do to networks, and whether a predictor notices: the use of `tests/firmware`'s guard.
//!
//! `cargo run --release --example drift -- ZOO TABLE [DATA_DIR]`, TABLE from `zoometry fit ZOO --compact TABLE`
//!
//! Flips bits at random in the weights of networks of the zoo's test part, measures each network's accuracy on the first thousand
//! test images and predicts it from the changed weights. CSV goes to stdout, a summary to stderr.

use std::path::Path;
use zoometry::cnn::packing::Packing;
use zoometry::dataset::{self, Dataset, Images};
use zoometry::eval::Division;
use zoometry::kernels::Isa;
use zoometry::kernels::compact::Compact;
use zoometry::rng::Stream;
use zoometry::train::network::Network;
use zoometry::train::run::Run;
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

const NETWORKS: usize = 100;
const IMAGES: usize = 1000;
const FLIPS: [usize; 7] = [0, 1, 3, 10, 30, 100, 300];
/// Only networks that have something to lose.
const AT_LEAST: f32 = 0.5;

/// A network after some flips.
struct Outcome {
    flips: usize,
    accuracy: f32,
    /// NaN where weights are not finite.
    predicted: f32,
    /// Statistics that no training network had.
    outside: usize,
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [zoo, table, rest @ ..] = &arguments[..] else {
        eprintln!("usage: drift ZOO TABLE [DATA_DIR]");
        return 2.into();
    };
    match run(Path::new(zoo), Path::new(table), rest.first().map(Path::new)) {
        Ok(()) => 0.into(),
        Err(error) => {
            eprintln!("{error}");
            1.into()
        }
    }
}

fn run(zoo_path: &Path, table_path: &Path, data_dir: Option<&Path>) -> Result<()> {
    let zoo = Zoo::open(zoo_path)?;
    let bytes = zoometry::bytes::read(table_path)?;
    let table = Compact::new(&bytes).map_err(|refusal| Error::malformed(table_path, "a table", refusal.to_string()))?;
    let data = dataset::load(&zoo.schema().dataset, data_dir, Images::default())?;
    if data.digest != zoo.schema().digest {
        return Err(Error::malformed(zoo_path, "a zoo of grey symmetric images that are there", "one of others"));
    }
    let rows = zoo.final_rows();
    let numbers: Vec<u64> = rows.iter().map(|&row| u64::from(zoo.run()[row])).collect();
    let test = Division::Seed(0).split(&numbers)?.test;
    let rows = test.iter().map(|&at| rows[at]).filter(|&row| zoo.test_accuracy()[row] >= AT_LEAST);
    let outcomes = study(&zoo, &table, &data, rows.take(NETWORKS));
    summary(&outcomes, table.reach().unwrap_or(f32::NAN));
    Ok(())
}

fn study(zoo: &Zoo, table: &Compact, data: &Dataset, rows: impl Iterator<Item = usize>) -> Vec<Outcome> {
    let isa = Isa::detect();
    let packing = Packing::new(&zoo.schema().arch);
    let (mut scratch, mut columns) = (vec![0.0; table.scratch_len()], vec![0.0; table.columns()]);
    let mut outcomes = Vec::new();
    println!("run,flips,accuracy,predicted,outside");
    for row in rows {
        let number = zoo.run()[row];
        let mut network = Network::new(isa, &packing, Run::from(&zoo.config(number as usize)));
        for flips in FLIPS {
            let mut weights = zoo.weights(row).to_vec();
            let mut stream = Stream::new(u64::from(number), flips as u32, 0);
            for _ in 0..flips {
                let weight = &mut weights[stream.below(table.weights() as u32) as usize];
                *weight = f32::from_bits(weight.to_bits() ^ 1 << stream.below(32));
            }
            table.summarize(isa, &weights, &mut scratch, &mut columns);
            network.load(&weights);
            let accuracy = network.evaluate(&data.test, IMAGES.min(data.test.len())).accuracy;
            let predicted = table.predict(&columns);
            let outside = table.outside(&columns);
            println!("{number},{flips},{accuracy},{predicted},{outside}");
            outcomes.push(Outcome { flips, accuracy, predicted, outside });
        }
    }
    outcomes
}

/// For each number of flips: means, how many networks lost much, and how many of these and of the others are noticed by the
/// prediction that fell, and by statistics that no training network had and the network had not before.
fn summary(outcomes: &[Outcome], reach: f32) {
    let sound: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.flips == 0).collect();
    let networks = sound.len();
    eprintln!("{networks} networks; lost: accuracy fell by more than .1; fell: the prediction by more than {reach:.3}");
    eprintln!("flips  accuracy  predicted  lost  fell  strange  others  fell  strange");
    for flips in FLIPS {
        let now: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.flips == flips).collect();
        let (mut accuracy, mut predicted, mut finite) = (0.0, 0.0, 0.0);
        let mut counts = [[0; 3]; 2];
        for (now, before) in now.iter().zip(&sound) {
            accuracy += now.accuracy / networks as f32;
            if !now.predicted.is_nan() {
                (predicted, finite) = (predicted + now.predicted, finite + 1.0);
            }
            let of = &mut counts[usize::from(before.accuracy - now.accuracy <= 0.1)];
            let fell = now.predicted.is_nan() || before.predicted - now.predicted > reach;
            let strange = now.outside > before.outside;
            of.iter_mut().zip([true, fell, strange]).for_each(|(count, holds)| *count += usize::from(holds));
        }
        let ([lost, fell, strange], [others, fell_too, strange_too]) = (counts[0], counts[1]);
        eprintln!(
            "{flips:5}  {accuracy:8.3}  {:9.3}  {lost:4}  {fell:4}  {strange:7}  {others:6}  {fell_too:4}  {strange_too:7}",
            predicted / finite
        );
    }
}
