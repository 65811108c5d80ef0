//! Scores of inputs and predictors on the zoos that they were fitted to.

use super::axes::Scale;
use super::figure::{Figure, Key, Mark};
use super::number;
use super::page::{Block, Section, breakable, table};
use super::palette::{TEXT, series};
use super::rows::{Bar, Point, bars, points};
use super::svg::Panel;
use super::view::{Measure, View, unique, what};
use crate::study::Cell;

/// The table of results and its picture.
pub fn section(view: &View) -> Option<Section> {
    let cells = view.cells("table");
    if cells.is_empty() {
        return None;
    }
    let published = cells.iter().any(|cell| cell.published_r2.is_some());
    let mut lead = String::from(
        "R² on the test part of the zoo that each predictor was fitted to; lines and small figures are intervals that hold \
         95 % of the bootstrap replicates, an arrow says that one goes on below the axis, a number beside a point that \
         the point itself lies there. MSE is the mean squared error of the accuracy (a share); a green bar stands beside \
         the highest R² of a table.",
    );
    if published {
        lead += " Published figures are for the same input and predictor on the released zoo of the same data set: 15,000 \
             train networks, 86 epochs.";
    }
    let mut section = Section::new("results", "What each input tells", lead);
    let predictors = unique(cells.iter().map(|cell| cell.predictor.as_str()));
    let mut legend: Vec<Key> =
        predictors.iter().map(|name| Key::new(Mark::Disc, series(view.number(name)), *name)).collect();
    if published {
        legend.push(Key::new(Mark::Stroke, TEXT, "published of the same predictor, with far more networks"));
    }
    let scale = Scale::scores(cells.iter().flat_map(|cell| [cell.score.r2, cell.r2_interval[0]]));
    let zoos = view.zoos(cells.iter().map(|cell| cell.tested.as_str()));
    let of = |zoo: &str| -> Vec<&Cell> { cells.iter().copied().filter(|cell| cell.tested == zoo).collect() };
    let panels = zoos.iter().map(|zoo| forest(view, zoo, &of(zoo), scale.clone())).collect();
    let title = "R² on test networks, by input and predictor";
    section = section.with(Block::Figure(Figure::new("results", title, panels).with(legend)));
    let tables: String = zoos.iter().map(|zoo| scores(zoo, &of(zoo), &predictors)).collect();
    // as wide as its columns, so that none is cut off where two tables stand side by side
    let width = 80 + 140 * predictors.len();
    Some(section.with(Block::Html(format!("<div class=\"tables\" style=\"--least:{width}px\">\n{tables}</div>\n"))))
}

fn forest(view: &View, zoo: &str, cells: &[&Cell], scale: Scale) -> Panel {
    let point = |cell: &&Cell| Point {
        value: cell.score.r2,
        interval: Some(cell.r2_interval),
        colour: series(view.number(&cell.predictor)),
        hollow: false,
        published: cell.published_r2,
    };
    let row = |input: &str| (input.to_owned(), cells.iter().filter(|cell| cell.input == input).map(point).collect());
    let rows: Vec<_> = unique(cells.iter().map(|cell| cell.input.as_str())).into_iter().map(row).collect();
    points(zoo, "R² on test networks (1 is perfect)", scale, &rows)
}

/// Inputs × predictors of a zoo.
fn scores(zoo: &str, cells: &[&Cell], predictors: &[&str]) -> String {
    let n = cells.first().map_or(0, |cell| cell.score.n);
    let train = cells.first().map_or(0, |cell| cell.n_train);
    let best = cells.iter().map(|cell| cell.score.r2).filter(|r2| r2.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let mut rows = Vec::new();
    for input in unique(cells.iter().map(|cell| cell.input.as_str())) {
        let mut row = vec![breakable(input)];
        for predictor in predictors {
            let found = cells.iter().find(|cell| cell.input == input && cell.predictor == *predictor);
            row.push(found.map_or_else(|| "–".into(), |cell| entry(cell, cell.score.r2 == best)));
        }
        rows.push(row);
    }
    let head: Vec<&str> = std::iter::once("Input").chain(predictors.iter().copied()).collect();
    let caption = format!("{zoo}: {} train and {} test networks", number::count(train), number::count(n));
    table(&caption, &head, &rows)
}

fn entry(cell: &Cell, best: bool) -> String {
    let published =
        cell.published_r2.map_or(String::new(), |r2| format!("<small>published R² {}</small>", number::fixed(r2, 4)));
    let text = format!(
        "<b>{}</b><small>{}</small><small>τ {}</small><small>MSE {}</small>{published}",
        number::score(cell.score.r2),
        number::interval(cell.r2_interval),
        number::score(cell.score.tau),
        number::small(cell.score.mse)
    );
    if best { format!("<span class=\"best\">{text}</span>") } else { text }
}

/// What single layers and hyperparameters tell.
pub fn ablation(view: &View) -> Option<Section> {
    let cells = view.cells("ablation");
    if cells.is_empty() {
        return None;
    }
    let lead = "Gradient boosting (gbm) on parts of what it could see. Bars are R² on test networks with their 95 % \
                intervals, rings Kendall’s τ; the longer the bar, the more that part alone tells.";
    let all: Vec<Bar> = cells.iter().map(|cell| bar(cell)).collect();
    // room for the numbers at the bars' ends
    let low = all.iter().map(|bar| bar.value).fold(0.0, f64::min).max(-0.5);
    let scale = Scale::linear(low, 1.24, 5);
    let panel = |zoo: &&str| {
        let mut own: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.tested == **zoo).collect();
        own.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
        let own: Vec<Bar> = own.into_iter().map(bar).collect();
        bars(zoo, "R² (bar) and τ (ring) on test networks", scale.clone(), &own, series(0))
    };
    let panels = view.zoos(cells.iter().map(|cell| cell.tested.as_str())).iter().map(panel).collect();
    let figure = Figure::new("ablation", "What parts of the networks tell", panels);
    Some(Section::new("ablation", "What parts tell", lead).with(Block::Figure(figure)))
}

/// Its place among bars: those without a number last.
fn rank(cell: &Cell) -> f64 {
    if cell.score.r2.is_nan() { f64::NEG_INFINITY } else { cell.score.r2 }
}

fn bar(cell: &Cell) -> Bar {
    let (value, ring) = (cell.score.r2, Some(cell.score.tau));
    Bar { name: what(cell), value, interval: Some(cell.r2_interval), ring, text: number::score(value) }
}

/// Own seeds against one seed for all.
pub fn seeds(view: &View) -> Option<Section> {
    let cells = view.cells("seeds");
    if cells.is_empty() {
        return None;
    }
    let lead = "Where all networks share one seed, as in the released zoo, they also share initial weights, and a \
                predictor may recognise them in the raw weights. The same inputs on a zoo of own seeds and on one \
                with a shared seed, each fitted to as many networks; last, a predictor of one on networks of the other: \
                R², its 95 % interval and Kendall’s τ on test networks.";
    let kind = |zoo: &str| match view.study.zoos.iter().find(|entry| entry.name == zoo) {
        Some(entry) if entry.shared_seed => "one seed",
        _ => "own seeds",
    };
    let mut pairs = unique(cells.iter().map(|cell| (cell.fitted.as_str(), cell.tested.as_str())));
    pairs.sort_by_key(|(fitted, tested)| fitted != tested);
    let heads = pairs.iter().map(|&(fitted, tested)| match fitted == tested {
        true => format!("{} ({fitted})", kind(fitted)),
        false => format!("{} → {}", kind(fitted), kind(tested)),
    });
    let heads: Vec<String> = heads.collect();
    let mut rows = Vec::new();
    for name in unique(cells.iter().map(|cell| what(cell))) {
        let mut row = vec![breakable(&name)];
        for pair in &pairs {
            let mut own = cells.iter().filter(|cell| (cell.fitted.as_str(), cell.tested.as_str()) == *pair);
            let found = own.find(|cell| what(cell) == name);
            row.push(found.map_or_else(|| "–".into(), |cell| seed_entry(cell)));
        }
        rows.push(row);
    }
    let head: Vec<&str> = std::iter::once("Input").chain(heads.iter().map(String::as_str)).collect();
    Some(Section::new("seeds", "Own seeds and one seed for all", lead).with(Block::Html(table("", &head, &rows))))
}

fn seed_entry(cell: &Cell) -> String {
    let interval = number::interval(Measure::R2.interval(cell));
    format!(
        "<b>{}</b><small>{interval}</small><small>τ {}</small>",
        number::score(cell.score.r2),
        number::score(cell.score.tau)
    )
}
