//! A zoo as a map: similar networks lie near each other.

use super::accuracy::name;
use super::axes::{Axis, Plot, Scale};
use super::figure::Figure;
use super::number;
use super::page::{Block, Section};
use super::palette::{MUTED, STEPS, ramp, step};
use super::svg::{Anchor, Panel, SMALL};
use super::view::View;
use crate::study::Networks;

/// More points than this are thinned evenly.
const MAX_POINTS: usize = 4000;

/// Share of the networks at either end of an axis that may lie on the border.
const OUTLIERS: f64 = 0.005;

/// The first two principal components of each zoo, coloured by test accuracy.
pub fn section(view: &View) -> Option<Section> {
    let panels: Vec<Panel> = view.networks().filter(|zoo| !zoo.map.is_empty()).map(map).collect();
    if panels.is_empty() {
        return None;
    }
    let lead = "Each point is a network, placed by the first two principal components of its standardised weight \
                statistics, without any look at its accuracy; the axes name the share of the variance that each \
                holds. The colour is the accuracy on the test images: where colours lie in regions, the weights tell \
                the accuracy. The few networks beyond the axes lie on the border.";
    Some(Section::new("map", "Map of the networks", lead).with(Block::Figure(Figure::new(
        "map",
        "Networks by their weight statistics, coloured by test accuracy",
        panels,
    ))))
}

/// The range of most values, with some room.
fn most(values: impl Iterator<Item = f32>) -> Scale {
    let mut sorted: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let cut = (sorted.len() as f64 * OUTLIERS) as usize;
    let ends = [sorted.get(cut), sorted.get(sorted.len().saturating_sub(1 + cut))];
    Scale::around(ends.into_iter().flatten().map(|&end| f64::from(end)), 5)
}

fn map(zoo: &Networks) -> Panel {
    let [first, second] = zoo.map_share.map(|share| number::percent(share, 0));
    let titles = [format!("first component ({first} of the variance)"), format!("second component ({second})")];
    let axis = |k: usize| Axis(most(zoo.map.iter().map(|point| point[k])), &titles[k]);
    let mut plot = Plot::new(&zoo.zoo, axis(0), axis(1));
    let known = zoo.test_accuracy.iter().copied().filter(|accuracy| accuracy.is_finite());
    let (low, high) = known.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), a| (low.min(a), high.max(a)));
    let range = (high - low).max(1e-6);
    let mut groups: Vec<Vec<([f64; 2], String)>> = vec![Vec::new(); STEPS];
    let every = zoo.map.len().div_ceil(MAX_POINTS).max(1);
    for ((point, accuracy), run) in zoo.map.iter().zip(&zoo.test_accuracy).zip(&zoo.run).step_by(every) {
        groups[step(f64::from((accuracy - low) / range))].push((point.map(f64::from), name(*run)));
    }
    for (step, points) in groups.iter().enumerate().filter(|(_, points)| !points.is_empty()) {
        plot.named_dots(points, 2.6, &ramp(step), 0.8);
    }
    if low <= high {
        key(plot.panel(), f64::from(low), f64::from(high));
    }
    plot.finish()
}

/// The colour bar, at the upper right.
fn key(panel: &mut Panel, low: f64, high: f64) {
    let (right, y) = (panel.width - 42.0, 7.0);
    let left = right - 2.5 * STEPS as f64;
    for step in 0..STEPS {
        panel.rect([left + 2.5 * step as f64, y], [2.7, 11.0], &ramp(step));
    }
    panel.text([left - 5.0, y + 10.0], Anchor::End, SMALL, MUTED, &number::fixed(low, 2));
    panel.text([right + 5.0, y + 10.0], Anchor::Start, SMALL, MUTED, &number::fixed(high, 2));
}
