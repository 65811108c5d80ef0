//! Scores along an axis: train networks, epochs; and what stopping early would have cost.

use super::axes::{Axis, Plot, Scale};
use super::figure::{Figure, Key, Mark};
use super::page::{Block, Section};
use super::palette::PLAIN;
use super::svg::Panel;
use super::view::{Measure, USUAL, View, unique, what};
use crate::study::{Cell, MEASURED, Stopping};

/// Score against the number of train networks.
pub fn learning(view: &View) -> Option<Section> {
    let cells = view.cells("learning-curve");
    if cells.is_empty() {
        return None;
    }
    let lead = "How many networks are enough: scores on the same test networks against the number of train \
                networks (logarithmic). Bands are 95 % intervals; a point with fewer networks than there are is the \
                mean over several subsets.";
    let counts: Vec<usize> = cells.iter().map(|cell| cell.n_train).collect();
    let x = |cell: &Cell| cell.n_train as f64;
    let panels = curves(view, &cells, x, &|| Axis(Scale::log(&counts), "train networks"));
    if panels.is_empty() {
        return None;
    }
    let figure = pairs("learning-curves", "Scores against train networks", panels).with(legend(view, &cells));
    Some(Section::new("learning-curves", "Learning curves", lead).with(Block::Figure(figure)))
}

/// Score of early checkpoints, and the cost of stopping by them.
pub fn early(view: &View) -> Option<Section> {
    let cells = view.cells("early");
    if cells.is_empty() && view.study.stopping.is_empty() {
        return None;
    }
    let lead = "How early the end can be told: scores of the predicted final accuracy against the epoch of the \
                checkpoint that the predictor saw. Bands are 95 % intervals.";
    let mut section = Section::new("early", "Early prediction", lead);
    if !cells.is_empty() {
        let epochs: Vec<f64> = cells.iter().map(|cell| epoch(view, cell)).collect();
        let last = epochs.iter().copied().filter(|epoch| epoch.is_finite()).fold(1.0, f64::max);
        let panels =
            curves(view, &cells, |cell| epoch(view, cell), &|| Axis(Scale::whole(last, 6), "epoch of the checkpoint"));
        if !panels.is_empty() {
            let figure = pairs("early", "Scores of the final accuracy against the epoch seen", panels);
            section = section.with(Block::Figure(figure.with(legend(view, &cells))));
        }
    }
    Some(stopping(view, section))
}

/// The epoch that a cell's predictor saw; the zoo's last where it does not say.
fn epoch(view: &View, cell: &Cell) -> f64 {
    let zoo = view.study.zoos.iter().find(|zoo| zoo.name == cell.tested);
    let last = || zoo.and_then(|zoo| zoo.checkpoints.last().copied());
    cell.epoch.or_else(last).map_or(f64::NAN, f64::from)
}

/// R² and τ of a zoo, of two zoos a row.
fn pairs(name: &str, title: &str, panels: Vec<Panel>) -> Figure {
    let mut figure = Figure::new(name, title, panels);
    figure.columns = if figure.panels.len() > 2 { 4 } else { 2 };
    figure
}

/// What an input is called where it may be none.
fn called(name: &str) -> String {
    match name {
        MEASURED => "the accuracy measured then (test images are needed)".to_owned(),
        other => other.to_owned(),
    }
}

fn legend(view: &View, cells: &[&Cell]) -> Vec<Key> {
    let mut seen: Vec<(String, Key)> = Vec::new();
    for cell in cells {
        let name = called(&what(cell));
        if seen.iter().all(|(known, _)| *known != name) {
            let mark = match view.dash(&cell.predictor) {
                "" => Mark::Line,
                dash => Mark::Dashed(dash),
            };
            seen.push((name.clone(), Key::new(mark, view.colour(&cell.input), name)));
        }
    }
    seen.into_iter().map(|(_, key)| key).collect()
}

/// A panel for each zoo and measure, a line for each input and predictor.
fn curves(view: &View, cells: &[&Cell], x: impl Fn(&Cell) -> f64, axis: &dyn Fn() -> Axis<'static>) -> Vec<Panel> {
    let mut panels = Vec::new();
    for zoo in view.zoos(cells.iter().map(|cell| cell.tested.as_str())) {
        let own: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.tested == zoo).collect();
        for measure in Measure::BOTH {
            // one place along the axis is no curve
            if own.iter().all(|cell| x(cell) == x(own[0])) {
                continue;
            }
            let scale = Scale::scores(own.iter().map(|cell| measure.of(cell)));
            let title = format!("{zoo} · {}", measure.short());
            let mut plot = Plot::new(&title, axis(), Axis(scale, measure.long()));
            for name in unique(own.iter().map(|cell| what(cell))) {
                let mut line: Vec<&Cell> = own.iter().copied().filter(|cell| what(cell) == name).collect();
                line.sort_by(|a, b| x(a).total_cmp(&x(b)));
                curve(view, &mut plot, &line, &x, measure);
            }
            panels.push(plot.finish());
        }
    }
    panels
}

fn curve(view: &View, plot: &mut Plot, line: &[&Cell], x: &impl Fn(&Cell) -> f64, measure: Measure) {
    let Some(first) = line.first() else { return };
    let (colour, dash) = (view.colour(&first.input), view.dash(&first.predictor));
    let bounds = line.iter().map(|cell| (x(cell), measure.interval(cell)));
    let band: Vec<[f64; 3]> = bounds.map(|(x, [low, high])| [x, low, high]).collect();
    let points: Vec<[f64; 2]> = line.iter().map(|cell| [x(cell), measure.of(cell)]).collect();
    plot.band(&band, colour);
    plot.line(&points, colour, dash);
    plot.dots(&points, if first.predictor == USUAL { 3.2 } else { 2.4 }, colour, 1.0);
}

fn stopping(view: &View, section: Section) -> Section {
    let curves: Vec<&Stopping> = view.study.stopping.iter().filter(|curve| !curve.points.is_empty()).collect();
    if curves.is_empty() {
        return section;
    }
    let text = "<h3>Stopping hopeless runs</h3>\n<p class=\"lead\">Had the runs with the lowest predicted final \
                accuracy been stopped at that epoch: to the right the share of all epochs that is saved, upwards the \
                share of the tenth that ends best that is lost with it. The lower a curve the better; the dashed line \
                is what stopping by lot costs. Where curves lie upon each other, the smaller discs are on the larger.</p>\n";
    let inputs = unique(curves.iter().map(|curve| curve.input.as_str()));
    let mut legend: Vec<Key> =
        inputs.iter().map(|input| Key::new(Mark::Line, view.colour(input), called(input))).collect();
    legend.push(Key::new(Mark::Dashed("4 4"), PLAIN, "by lot"));
    let mut panels = Vec::new();
    let mut columns = 1;
    for zoo in view.zoos(curves.iter().map(|curve| curve.zoo.as_str())) {
        let own: Vec<&Stopping> = curves.iter().copied().filter(|curve| curve.zoo == zoo).collect();
        let epochs = unique(own.iter().map(|curve| (curve.epoch, curve.epochs)));
        columns = columns.max(epochs.len());
        for at in epochs {
            let at_epoch: Vec<&Stopping> = own.iter().copied().filter(|c| (c.epoch, c.epochs) == at).collect();
            panels.push(stopping_panel(view, zoo, at, &at_epoch));
        }
    }
    let mut figure = Figure::new("stopping", "Epochs saved against good networks lost", panels).with(legend);
    figure.columns = columns.min(4);
    section.with(Block::Html(text.into())).with(Block::Figure(figure))
}

fn stopping_panel(view: &View, zoo: &str, (epoch, epochs): (u32, u32), curves: &[&Stopping]) -> Panel {
    let title = format!("{zoo} · epoch {epoch} of {epochs}");
    let most = 1.0 - f64::from(epoch) / f64::from(epochs.max(1));
    let shown =
        curves.iter().flat_map(|curve| &curve.points).map(|point| point.saved).filter(|saved| saved.is_finite());
    let high = shown.fold(0.05, f64::max);
    let mut x = Scale::linear(0.0, high, 5);
    x.as_percent();
    let mut plot = Plot::new(&title, Axis(x, "epochs saved, % of all"), Axis(Scale::percent(), "best tenth lost, %"));
    if most > 0.0 {
        let end = high.min(most);
        plot.line(&[[0.0, 0.0], [end, end / most]], PLAIN, "4 4");
    }
    // curves may lie upon each other: what is measured goes below, and each further one is narrower
    let (below, above): (Vec<&Stopping>, Vec<&Stopping>) = curves.iter().partition(|curve| curve.input == MEASURED);
    for (number, curve) in below.into_iter().chain(above).enumerate() {
        let points: Vec<[f64; 2]> = curve.points.iter().map(|point| [point.saved, point.best_lost]).collect();
        plot.line(&points, view.colour(&curve.input), "");
        plot.dots(&points, (4.4 - 1.1 * number as f64).max(1.8), view.colour(&curve.input), 1.0);
    }
    plot.finish()
}
