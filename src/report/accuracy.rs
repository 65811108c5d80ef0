//! How accurate the networks are, and how near the predictions come.

use super::axes::{Axis, Plot, Scale};
use super::figure::Figure;
use super::number;
use super::page::{Block, Section};
use super::palette::{MUTED, TEXT, series};
use super::svg::{Anchor, Panel, SMALL};
use super::view::View;
use crate::eval::Score;
use crate::study::{Networks, Predictions};

/// Bars of a histogram.
const BINS: usize = 40;

/// More points than this are thinned evenly: the picture would not change.
const MAX_POINTS: usize = 4000;

/// Histograms of the test accuracy, test against training accuracy.
pub fn section(view: &View) -> Option<Section> {
    let zoos: Vec<&Networks> = view.networks().collect();
    if zoos.is_empty() {
        return None;
    }
    let lead = "How many networks of each zoo reach which accuracy on the test images (a share of images, 0…1; the \
                dashed line is the median), and how that relates to the accuracy on the images that each was trained \
                on: below the diagonal a network does worse on new images than on its own.";
    let mut histograms: Vec<Panel> = zoos.iter().map(|zoo| histogram(zoo)).collect();
    let mut scatters: Vec<Panel> =
        zoos.iter().filter(|zoo| !zoo.train_accuracy.is_empty()).map(|zoo| scatter(zoo)).collect();
    if zoos.len() == 1 {
        // side by side
        histograms.append(&mut scatters);
    }
    let mut section = Section::new("accuracy", "Accuracy of the networks", lead).with(Block::Figure(Figure::new(
        "accuracy",
        "Networks by test accuracy",
        histograms,
    )));
    if !scatters.is_empty() {
        section = section.with(Block::Figure(Figure::new("train-test", "Test against training accuracy", scatters)));
    }
    Some(section)
}

fn histogram(zoo: &Networks) -> Panel {
    let mut counts = [0usize; BINS];
    let mut values: Vec<f32> = zoo.test_accuracy.iter().copied().filter(|value| value.is_finite()).collect();
    for value in &values {
        counts[((value * BINS as f32) as usize).min(BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let y = Axis(Scale::linear(0.0, most * 1.08, 5), "networks");
    let mut plot = Plot::new(&zoo.zoo, Axis(Scale::share(), "accuracy on the test images"), y);
    for (bin, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let [left, top] = plot.place([bin as f64 / BINS as f64, count as f64]);
        let [right, bottom] = plot.place([(bin + 1) as f64 / BINS as f64, 0.0]);
        plot.panel().rect([left + 0.5, top], [right - left - 1.0, bottom - top], series(0));
    }
    values.sort_unstable_by(f32::total_cmp);
    if let Some(&median) = values.get(values.len() / 2) {
        let median = f64::from(median);
        let (from, to) = (plot.place([median, 0.0]), plot.place([median, most * 1.08]));
        plot.panel().path(&[from, to], TEXT, 1.4, "5 4");
        // beside the line, on the side that has room
        let (anchor, x) = if median < 0.6 { (Anchor::Start, to[0] + 6.0) } else { (Anchor::End, to[0] - 6.0) };
        plot.panel().text([x, to[1] + 12.0], anchor, SMALL, MUTED, &format!("median {}", number::fixed(median, 3)));
    }
    plot.finish()
}

fn scatter(zoo: &Networks) -> Panel {
    let pairs = zoo.train_accuracy.iter().zip(&zoo.test_accuracy);
    let points: Vec<[f64; 2]> = pairs.map(|(&x, &y)| [f64::from(x), f64::from(y)]).collect();
    let x = Axis(Scale::share(), "accuracy on its own training images");
    let mut plot = Plot::new(&zoo.zoo, x, Axis(Scale::share(), "accuracy on the test images"));
    diagonal(&mut plot);
    let named: Vec<([f64; 2], String)> = points.iter().zip(&zoo.run).map(|(&point, run)| (point, name(*run))).collect();
    cloud(&mut plot, &named, series(0));
    plot.finish()
}

fn diagonal(plot: &mut Plot) {
    let ends = [plot.place([0.0, 0.0]), plot.place([1.0, 1.0])];
    plot.panel().path(&ends, MUTED, 1.0, "4 4");
}

/// Points, fainter the more there are.
fn cloud(plot: &mut Plot, points: &[([f64; 2], String)], colour: &str) {
    let every = points.len().div_ceil(MAX_POINTS).max(1);
    let some: Vec<([f64; 2], String)> = points.iter().step_by(every).cloned().collect();
    let opacity = if some.len() > 600 { 0.35 } else { 0.5 };
    plot.named_dots(&some, 2.3, colour, opacity);
}

/// What a point says where a mouse rests on it.
pub fn name(run: u32) -> String {
    format!("network {run}")
}

/// Predicted against measured accuracy of the test part.
pub fn predicted(view: &View) -> Option<Section> {
    let zoos = view.networks().flat_map(|zoo| zoo.predictions.iter().map(move |predictions| (zoo, predictions)));
    let panels: Vec<Panel> = zoos.map(|(zoo, predictions)| against(view, zoo, predictions)).collect();
    if panels.is_empty() {
        return None;
    }
    let lead = "Each point is a network that the predictor (gradient boosting) was not fitted to: to the right the \
                accuracy measured on the test images, upwards the one predicted from the weights. On the diagonal the \
                prediction is right.";
    let columns = view.networks().map(|zoo| zoo.predictions.len()).max().unwrap_or(1).clamp(1, 4);
    let mut figure = Figure::new("predicted", "Predicted against measured accuracy", panels);
    if columns > 1 {
        figure.columns = columns;
    }
    Some(Section::new("predicted", "Predicted against measured", lead).with(Block::Figure(figure)))
}

fn against(view: &View, zoo: &Networks, predictions: &Predictions) -> Panel {
    let measured =
        predictions.network.iter().map(|&network| zoo.test_accuracy.get(network).copied().unwrap_or(f32::NAN));
    let points: Vec<[f64; 2]> =
        measured.zip(&predictions.predicted).map(|(x, &y)| [f64::from(x), f64::from(y)]).collect();
    let title = format!("{} · {}", zoo.zoo, predictions.input);
    let x = Axis(Scale::share(), "measured accuracy");
    let mut plot = Plot::new(&title, x, Axis(Scale::share(), "predicted accuracy"));
    diagonal(&mut plot);
    let run = |network: &usize| zoo.run.get(*network).map_or_else(String::new, |&run| name(run));
    let named = points.iter().copied().zip(predictions.network.iter().map(run));
    cloud(&mut plot, &named.collect::<Vec<_>>(), view.colour(&predictions.input));
    let known = points.iter().filter(|point| point.iter().all(|value| value.is_finite()));
    let (measured, predicted): (Vec<f32>, Vec<f32>) = known.map(|[x, y]| (*x as f32, *y as f32)).unzip();
    let score = Score::new(&predicted, &measured);
    plot.note(&format!("R² {}, τ {}", number::score(score.r2), number::score(score.tau)));
    plot.finish()
}
