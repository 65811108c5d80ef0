//! The head: what the study looked at, and one score of each zoo.

use super::number;
use super::page::{Block, Section, breakable, table};
use super::svg::escape;
use super::view::{USUAL, View};
use crate::study::{Cell, PLAIN, Protocol, WHOLE, ZooEntry};
use std::fmt::Write;

/// Zoos and headline figures.
pub fn section(view: &View) -> Option<Section> {
    let tiles = tiles(view);
    if view.study.zoos.is_empty() && tiles.is_empty() {
        return None;
    }
    let others = match view.study.header.protocol {
        Protocol::Clean => "that it has never seen",
        Protocol::Optimistic => "on which its number of trees or epochs was chosen",
    };
    let lead = format!(
        "Each zoo is a set of networks that differ in their hyperparameters and seeds. A predictor is fitted to some of \
         them and scored on others {others}: R² is the share of the variance of the test accuracy that it explains, \
         Kendall’s τ says how well it orders the networks (1 perfect, 0 by chance)."
    );
    let mut section = Section::new("zoos", "The zoos", lead);
    if !tiles.is_empty() {
        section = section.with(Block::Html(tiles));
    }
    if !view.study.zoos.is_empty() {
        let head = ["Zoo", "Data set", "#Networks", "Architecture", "Epochs kept", "Recipe", "#Seed"];
        let rows: Vec<Vec<String>> = view.study.zoos.iter().map(row).collect();
        section = section.with(Block::Html(table("", &head, &rows)));
    }
    Some(section)
}

fn row(zoo: &ZooEntry) -> Vec<String> {
    let epochs: Vec<String> = zoo.checkpoints.iter().map(u32::to_string).collect();
    let epochs = match epochs.as_slice() {
        [first, second, .., last] if epochs.len() > 9 => format!("{first}, {second} … {last}"),
        all => all.join(", "),
    };
    let seeds =
        if zoo.shared_seed { "<small>one for all networks</small>" } else { "<small>own for each network</small>" };
    let diverged = match zoo.diverged {
        0 => String::new(),
        n => format!("<small>and {} diverged</small>", number::count(n)),
    };
    let sample = zoo.sample.map_or(String::new(), |n| format!("<small>scores of {}</small>", number::count(n)));
    let set = match zoo.overrides.as_slice() {
        [] => String::new(),
        all => format!("<small>with {}</small>", breakable(&all.join(" "))),
    };
    vec![
        breakable(&zoo.name),
        escape(&zoo.dataset),
        format!("{}{sample}{diverged}", number::count(zoo.networks)),
        format!("{}<small>{} weights</small>", breakable(&zoo.arch), number::count(zoo.weights)),
        epochs,
        format!("{}{set}", escape(&zoo.recipe)),
        format!("{}{seeds}", zoo.seed),
    ]
}

/// A score of each zoo as a tile: of a predictor named beforehand, not of the one that did best on the test part.
fn tiles(view: &View) -> String {
    let cells = view.cells("table");
    let mut tiles = String::new();
    for zoo in view.zoos(cells.iter().map(|cell| cell.tested.as_str())) {
        let own = cells.iter().filter(|cell| cell.tested == zoo && cell.fitted == zoo && cell.score.r2.is_finite());
        if let Some(cell) = own.min_by_key(|cell| preference(cell)) {
            tile(&mut tiles, zoo, cell, view.study.header.protocol);
        }
    }
    if tiles.is_empty() { tiles } else { format!("<div class=\"tiles\">\n{tiles}</div>\n") }
}

/// The usual predictor on all that is known of networks, else on statistics and probes, else on statistics, else what comes first.
fn preference(cell: &Cell) -> usize {
    match &*cell.input {
        _ if cell.predictor != USUAL => 3,
        WHOLE => 0,
        PLAIN => 1,
        input if input.starts_with("wstats") => 2,
        _ => 3,
    }
}

fn tile(text: &mut String, zoo: &str, cell: &Cell, protocol: Protocol) {
    let protocol = match protocol {
        Protocol::Clean => "",
        Protocol::Optimistic => "; protocol optimistic",
    };
    let published = cell.published_r2.map_or(String::new(), |r2| format!("; published R² {}", number::score(r2)));
    let _ = writeln!(
        text,
        "<div class=\"tile\"><h3>{}</h3><p class=\"big\"><span>{} <small>R²</small></span> \
         <span>{} <small>τ</small></span></p><p>{}, {}</p><p>{} train and {} test networks{published}{protocol}</p></div>",
        escape(zoo),
        number::score(cell.score.r2),
        number::score(cell.score.tau),
        escape(&cell.input),
        escape(&cell.predictor),
        number::count(cell.n_train),
        number::count(cell.score.n),
    );
}
