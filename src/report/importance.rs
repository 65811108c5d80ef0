//! Which columns matter to a predictor.

use super::axes::{Axis, Plot, Scale};
use super::figure::Figure;
use super::number;
use super::page::{Block, Section};
use super::palette::{AXIS, MUTED, STEPS, TEXT, ramp, series, step};
use super::rows::{Bar, bars, scale};
use super::svg::{Anchor, NORMAL, Panel, SMALL};
use super::view::{View, slug};
use crate::study::{Beeswarm, Importance};

/// Columns that are shown.
const TOP: usize = 15;

/// Rows of the SHAP picture, the height of one and of the name above its points, and how far these may leave their middle.
const ROWS: usize = 9;
const ROW: f64 = 37.0;
const NAME: f64 = 17.0;
const SPREAD: f64 = 9.5;

/// Width of the SHAP picture: as wide as the bars beside it, and a telephone has room for it.
const WIDTH: f64 = 380.0;

/// More points than this in a row are thinned evenly.
const MAX_POINTS: usize = 1200;

/// Importance by three measures, and the SHAP values themselves.
pub fn section(view: &View) -> Option<Section> {
    let all: Vec<&Importance> = view.study.importance.iter().filter(|of| !of.columns.is_empty()).collect();
    if all.is_empty() {
        return None;
    }
    let lead = format!(
        "Which columns gradient boosting relies on, the {TOP} first by three measures. Gain: the share of the reduction of \
         the training error by a column’s splits. Permutation: how far R² on the test networks falls when the column is \
         shuffled. SHAP: the mean size of a column’s part in a prediction, in units of accuracy. In the picture of SHAP \
         values, of the {ROWS} first, each point is a network: to the right the column raises its predicted accuracy, to the \
         left it lowers it; the colour says how high the network’s value of the column is among all."
    );
    let mut section = Section::new("importance", "What matters", lead);
    for of in all {
        section = section.with(Block::Heading(format!("{} · {}", of.zoo, of.input)));
        let end = slug(&format!("{} {}", of.zoo, of.input));
        let panels = vec![
            top("Gain", "share of the gain", of, &of.gain, series(0)),
            top("Permutation", "fall of R² on test networks", of, &of.permutation, series(2)),
            top("SHAP", "mean |SHAP value| (accuracy)", of, &of.shap, series(1)),
            swarm(&of.beeswarm),
        ];
        let panels: Vec<Panel> = panels.into_iter().flatten().collect();
        let title = format!("{} · {}", of.zoo, of.input);
        if !panels.is_empty() {
            let figure = Figure::new(format!("importance-{end}"), format!("Columns that matter: {title}"), panels);
            section = section.with(Block::Figure(figure));
        }
    }
    Some(section)
}

/// Bars of the columns with the largest values.
fn top(title: &str, axis: &str, of: &Importance, values: &[f64], colour: &str) -> Option<Panel> {
    let mut ranked: Vec<(&String, f64)> = of.columns.iter().zip(values.iter().copied()).collect();
    ranked.retain(|(_, value)| value.is_finite());
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(TOP);
    let bar = |(name, value): (&String, f64)| Bar {
        name: name.clone(),
        value,
        interval: None,
        ring: None,
        text: number::fixed(value, if value.abs() < 0.0995 { 4 } else { 3 }),
    };
    let shown: Vec<Bar> = ranked.into_iter().map(bar).collect();
    if shown.is_empty() { None } else { Some(bars(title, axis, scale(&shown, 4), &shown, colour)) }
}

/// SHAP values, a row for each column.
fn swarm(rows: &[Beeswarm]) -> Option<Panel> {
    let rows: Vec<&Beeswarm> = rows.iter().filter(|row| !row.shap.is_empty()).take(ROWS).collect();
    if rows.is_empty() {
        return None;
    }
    let unnamed = vec![String::new(); rows.len()];
    let values = rows.iter().flat_map(|row| row.shap.iter().map(|&value| f64::from(value)));
    let axis = Axis(Scale::around(values.chain([0.0]), 4), "SHAP value: change of the predicted accuracy");
    let mut plot = Plot::rows("SHAP values", axis, &unnamed, [WIDTH, ROW, 0.0]);
    let (zero, top, bottom) = (plot.px(0.0), plot.py(0.0), plot.py(rows.len() as f64));
    plot.panel().line([zero, top], [zero, bottom], AXIS, 1.0);
    // one path for each colour over all rows
    let mut specks: Vec<Vec<[f64; 2]>> = vec![Vec::new(); STEPS];
    for (number, row) in rows.iter().enumerate() {
        let (left, top) = (plot.px(f64::NEG_INFINITY), plot.py(number as f64));
        plot.panel().text([left, top + 12.0], Anchor::Start, NORMAL, TEXT, &row.column);
        let middle = top + NAME + (ROW - NAME) / 2.0;
        for (x, offset, rank) in spread(&plot, row) {
            specks[step(rank)].push([x, middle + offset]);
        }
    }
    for (step, points) in specks.into_iter().enumerate() {
        plot.panel().specks(points, 3.0, &ramp(step));
    }
    key(plot.panel());
    Some(plot.finish())
}

/// Place along the axis, offset from the row's middle and rank of each network: points in the same place stand above and below
/// each other, in the order of the networks.
fn spread(plot: &Plot, row: &Beeswarm) -> Vec<(f64, f64, f64)> {
    let every = row.shap.len().div_ceil(MAX_POINTS).max(1);
    let pairs = row.shap.iter().zip(&row.rank).step_by(every).filter(|(shap, _)| shap.is_finite());
    let points: Vec<(f64, f64)> = pairs.map(|(&shap, &rank)| (plot.px(f64::from(shap)), f64::from(rank))).collect();
    // no place is beyond the picture's width
    let column = |x: f64| (x.clamp(0.0, WIDTH) / 2.5) as usize;
    let mut count = vec![0usize; column(WIDTH) + 1];
    points.iter().for_each(|(x, _)| count[column(*x)] += 1);
    let mut used = vec![0usize; count.len()];
    let place = |(x, rank): (f64, f64)| {
        let bin = column(x);
        used[bin] += 1;
        let gap = (2.0 * SPREAD / count[bin] as f64).min(2.6);
        // 0, 1, −1, 2, −2 …
        let steps = (used[bin] / 2) as f64 * if used[bin].is_multiple_of(2) { 1.0 } else { -1.0 };
        (x, steps * gap, rank)
    };
    points.into_iter().map(place).collect()
}

/// The colours' meaning, at the upper right.
fn key(panel: &mut Panel) {
    let (right, y) = (panel.width - 48.0, 7.0);
    for step in 0..STEPS {
        panel.rect([right - 4.0 * (STEPS - step) as f64, y], [4.2, 11.0], &ramp(step));
    }
    let left = right - 4.0 * STEPS as f64;
    panel.text([left - 6.0, y + 10.0], Anchor::End, SMALL, MUTED, "column’s value: low");
    panel.text([right + 6.0, y + 10.0], Anchor::Start, SMALL, MUTED, "high");
}
