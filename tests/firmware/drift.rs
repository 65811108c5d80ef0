//! What flipped bits do to networks, and whether a predictor notices: the use of `tests/firmware`'s guard.
//!
//! `cargo run --release --example drift -- ZOO TABLE PICTURE.svg [DATA_DIR]`, TABLE from `zoometry fit ZOO --compact TABLE`
//!
//! Flips bits at random in the weights of networks of the zoo's test part, measures each network's accuracy on the first thousand
//! test images and predicts it from the changed weights. CSV goes to stdout, a summary to stderr, and to the picture the accuracy of
//! each network, measured and predicted, over the number of flipped bits.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::io::Write;
use std::path::Path;
use zoometry::cnn::packing::Packing;
use zoometry::dataset::{self, Dataset, Images};
use zoometry::eval::Division;
use zoometry::kernels::Isa;
use zoometry::kernels::compact::Compact;
use zoometry::out::{FileKind, Guard, replace};
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
    let [zoo, table, picture, rest @ ..] = &arguments[..] else {
        eprintln!("usage: drift ZOO TABLE PICTURE.svg [DATA_DIR]");
        return 2.into();
    };
    match run(Path::new(zoo), Path::new(table), Path::new(picture), rest.first().map(Path::new)) {
        Ok(()) => 0.into(),
        Err(error) => {
            eprintln!("{error}");
            1.into()
        }
    }
}

fn run(zoo_path: &Path, table_path: &Path, picture: &Path, data_dir: Option<&Path>) -> Result<()> {
    let place = Guard::new([zoo_path, table_path], false).file(picture, FileKind::Picture)?;
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
    let mut svg = String::new();
    // a string takes everything; what could fail is a file
    let _: Drawn<SVGBackend> = draw(&outcomes, &SVGBackend::with_string(&mut svg, SIZE).into_drawing_area());
    replace(&place, |file| file.write_all(svg.as_bytes()))
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

type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// What is drawn of an outcome.
type Value = fn(&Outcome) -> f32;

const SIZE: (u32, u32) = (760, 460);
const MEASURED: RGBColor = RGBColor(0, 114, 178);
const PREDICTED: RGBColor = RGBColor(213, 94, 0);

/// Every network as a dot, measured to the left and predicted to the right of its number of flips, and lines through the means.
fn draw<B: DrawingBackend>(outcomes: &[Outcome], area: &DrawingArea<B, Shift>) -> Drawn<B> {
    area.fill(&WHITE)?;
    let columns = FLIPS.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption("Flipped bits: accuracy and what is predicted of it", ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(-0.5..columns - 0.5, 0.0..1.0)?;
    let flips = |at: &f64| FLIPS.get(at.round() as usize).map_or(String::new(), usize::to_string);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(FLIPS.len())
        .x_label_formatter(&flips)
        .x_desc("bits flipped among the network's weights")
        .y_desc("accuracy")
        .light_line_style(WHITE)
        .draw()?;
    let series: [(&str, RGBColor, f64, Value); 2] = [
        ("measured", MEASURED, -0.12, |one| one.accuracy),
        ("predicted from the weights", PREDICTED, 0.12, |one| one.predicted),
    ];
    for (name, colour, shift, value) in series {
        let of = |at: usize| {
            let here = outcomes.iter().filter(move |outcome| outcome.flips == FLIPS[at]);
            here.map(value).filter(|value| value.is_finite()).map(f64::from)
        };
        // side by side, so that equal ones can be told apart
        let spread = |at: usize| move |(k, y): (usize, f64)| (at as f64 + shift + (k % 9) as f64 * 0.015 - 0.06, y);
        let dots = (0..FLIPS.len()).flat_map(|at| of(at).enumerate().map(spread(at)).collect::<Vec<_>>());
        chart.draw_series(dots.map(|place| Circle::new(place, 2, colour.mix(0.35).filled())))?;
        let mean = |at: usize| (at as f64 + shift, of(at).sum::<f64>() / of(at).count().max(1) as f64);
        chart
            .draw_series(LineSeries::new((0..FLIPS.len()).map(mean), colour.stroke_width(3)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()
}
