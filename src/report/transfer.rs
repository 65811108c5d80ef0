//! Predictors on zoos that they were not fitted to: other data sets, other architectures.

use super::axes::Scale;
use super::figure::{Figure, Key, Mark};
use super::heat::heat;
use super::page::{Block, Section};
use super::palette::MUTED;
use super::rows::{Point, points};
use super::svg::Panel;
use super::view::{Measure, View, unique, what};
use crate::study::Cell;

/// Fitted × tested, a table of colours for each input, predictor and measure.
pub fn section(view: &View) -> Option<Section> {
    let cells = view.cells("transfer");
    if cells.is_empty() {
        return None;
    }
    let lead = "Each row is the zoo that a predictor was fitted to, each column the zoo whose test networks it was \
                scored on; the brighter or greener a cell, the higher the score, and cells below 0 have a colour of \
                their own. High τ with low R² means that the order of the networks carries over though the accuracies \
                themselves are other ones.";
    let section = Section::new("transfer", "Transfer between data sets", lead);
    let section = section.with(Block::Figure(tables("transfer", "Transfer between zoos", &cells, view)));
    let anew = view.cells("transductive");
    if anew.is_empty() {
        return Some(section);
    }
    let lead = "<p class=\"lead\">The same, with images and consensus of the zoo that is tested: those of its training networks \
                ask and are asked that the predictor without them takes for the best. No accuracy there is looked at.</p>\n";
    let figure = tables("transductive", "Transfer with images of the zoo tested", &anew, view);
    let heading = Block::Heading("Images of the zoo tested".into());
    Some(section.with(heading).with(Block::Html(lead.into())).with(Block::Figure(figure)))
}

/// Fitted × tested, a table for each input and measure.
fn tables(name: &str, title: &str, cells: &[&Cell], view: &View) -> Figure {
    let fitted = view.zoos(cells.iter().map(|cell| cell.fitted.as_str()));
    let tested = view.zoos(cells.iter().map(|cell| cell.tested.as_str()));
    let mut panels = Vec::new();
    for name in unique(cells.iter().map(|cell| what(cell))) {
        for measure in [Measure::Tau, Measure::R2] {
            let value = |row: &str, column: &str| {
                let wanted = |cell: &&&Cell| cell.fitted == row && cell.tested == column && what(cell) == name;
                cells.iter().find(wanted).map_or(f64::NAN, |cell| measure.of(cell))
            };
            panels.push(heat(&format!("{} · {name}", measure.short()), &fitted, &tested, value));
        }
    }
    let mut figure = Figure::new(name, title, panels);
    figure.columns = 2;
    figure
}

/// Fitted to the reference's shape and tested on others, beside those fitted to their own zoo.
pub fn architectures(view: &View) -> Option<Section> {
    let cells = view.cells("architectures");
    if cells.is_empty() {
        return None;
    }
    let lead = "Rows are zoos of other widths and depths, each kind of predictor has its own picture. Discs: fitted to \
                another zoo, of the reference’s shape, which is named in brackets where there are several. Rings: fitted \
                to networks of the row’s own zoo. Lines are 95 % intervals, an arrow says that one goes on below the \
                axis; the nearer disc and ring, the less is lost by the other shape.";
    let mut legend: Vec<Key> = unique(cells.iter().map(|cell| cell.input.as_str()))
        .into_iter()
        .map(|input| Key::new(Mark::Line, view.colour(input), input))
        .collect();
    legend.push(Key::new(Mark::Disc, MUTED, "fitted to another shape"));
    legend.push(Key::new(Mark::Ring, MUTED, "fitted to its own zoo"));
    let predictors = unique(cells.iter().map(|cell| cell.predictor.as_str()));
    let panels = predictors.iter().flat_map(|predictor| {
        let own: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.predictor == *predictor).collect();
        Measure::BOTH.map(|measure| shapes(view, &own, predictor, measure))
    });
    let mut figure = Figure::new("architectures", "Transfer between architectures", panels.collect()).with(legend);
    figure.columns = 2;
    Some(Section::new("architectures", "Transfer between architectures", lead).with(Block::Figure(figure)))
}

fn shapes(view: &View, cells: &[&Cell], predictor: &str, measure: Measure) -> Panel {
    let several = unique(cells.iter().filter(|cell| cell.fitted != cell.tested).map(|cell| &cell.fitted)).len() > 1;
    let mut rows: Vec<(String, Vec<Point>)> = Vec::new();
    for zoo in view.zoos(cells.iter().map(|cell| cell.tested.as_str())) {
        let own: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.tested == zoo).collect();
        let sources = unique(own.iter().filter(|cell| cell.fitted != zoo).map(|cell| cell.fitted.as_str()));
        let label = |source: &str| if several { format!("{zoo} ({source})") } else { zoo.to_owned() };
        for source in &sources {
            let row = own.iter().filter(|cell| cell.fitted == *source || cell.fitted == zoo);
            rows.push((label(source), marks(view, row.copied().collect(), zoo, measure)));
        }
        if sources.is_empty() {
            rows.push((zoo.to_owned(), marks(view, own, zoo, measure)));
        }
    }
    let scale = Scale::scores(cells.iter().flat_map(|cell| [measure.of(cell), measure.interval(cell)[0]]));
    points(&format!("{} · {predictor}", measure.short()), measure.long(), scale, &rows)
}

/// Disc and ring of an input next to each other.
fn marks(view: &View, mut cells: Vec<&Cell>, zoo: &str, measure: Measure) -> Vec<Point> {
    let inputs = unique(cells.iter().map(|cell| cell.input.as_str()));
    cells.sort_by_key(|cell| (inputs.iter().position(|input| *input == cell.input), cell.fitted == zoo));
    let point = |cell: &Cell| Point {
        value: measure.of(cell),
        interval: Some(measure.interval(cell)),
        colour: view.colour(&cell.input),
        hollow: cell.fitted == zoo,
        published: None,
    };
    cells.into_iter().map(point).collect()
}
