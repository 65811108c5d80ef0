//! Pictures with a row for each name: bars, discs with their intervals.

use super::axes::{Axis, Plot, Scale};
use super::number;
use super::palette::{AXIS, CARD, MUTED, TEXT};
use super::svg::{Anchor, NORMAL, Panel, SMALL, shorten, width_of};

/// The least room that names take, and the most.
const ROOM: (f64, f64) = (46.0, 204.0);

/// Width of a picture of bars, and of one of points, which a telephone has room for.
const WIDTH: f64 = 380.0;
const NARROW: f64 = 340.0;

/// Between points of one row, and the height of their name above them.
const GAP: f64 = 11.0;
const NAME: f64 = 19.0;

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub name: String,
    pub value: f64,
    /// What is drawn as a line over its end.
    pub interval: Option<[f64; 2]>,
    /// Another measure, drawn as a ring.
    pub ring: Option<f64>,
    /// What is written at its end.
    pub text: String,
}

fn room(names: &[String]) -> f64 {
    names.iter().map(|name| width_of(name, NORMAL)).fold(ROOM.0, f64::max).min(ROOM.1)
}

/// Horizontal bars from 0 to their values, in the order given.
pub fn bars(title: &str, axis: &str, scale: Scale, bars: &[Bar], colour: &str) -> Panel {
    let names: Vec<String> = bars.iter().map(|bar| bar.name.clone()).collect();
    let mut plot = Plot::rows(title, Axis(scale, axis), &names, [WIDTH, 21.0, room(&names)]);
    let zero = plot.px(0.0);
    for (number, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.value.is_finite()) {
        let (end, middle) = (plot.px(bar.value), plot.py(number as f64 + 0.5));
        let mut reach = end.max(zero);
        plot.panel().rect([end.min(zero), middle - 7.0], [(end - zero).abs(), 14.0], colour);
        if let Some(interval) = bar.interval.filter(|ends| ends.iter().all(|end| end.is_finite())) {
            let [low, high] = interval.map(|value| plot.px(value));
            plot.panel().line([low, middle], [high, middle], TEXT, 1.5);
            reach = reach.max(high);
        }
        if let Some(ring) = bar.ring.filter(|ring| ring.is_finite()) {
            let x = plot.px(ring);
            plot.panel().ring([x, middle], 4.0, TEXT);
            reach = reach.max(x + 4.0);
        }
        // a value that has no room beside the bar stands at its foot
        match reach + 8.0 + width_of(&bar.text, SMALL) < WIDTH {
            true => plot.panel().text([reach + 6.0, middle + 4.0], Anchor::Start, SMALL, MUTED, &bar.text),
            false => plot.panel().text([zero + 6.0, middle + 4.0], Anchor::Start, SMALL, CARD, &bar.text),
        }
    }
    let (top, bottom) = (plot.py(0.0), plot.py(names.len() as f64));
    plot.panel().line([zero, top], [zero, bottom], AXIS, 1.0);
    plot.finish()
}

/// The scale of bars: from 0, or from the lowest value, to the highest, with room for a text.
pub fn scale(bars: &[Bar], ticks: usize) -> Scale {
    let numbers = bars.iter().flat_map(|bar| [Some(bar.value), bar.ring, bar.interval.map(|ends| ends[1])]);
    let numbers: Vec<f64> = numbers.flatten().filter(|value| value.is_finite()).collect();
    let high = numbers.iter().copied().fold(0.0, f64::max);
    let low = numbers.iter().copied().fold(0.0, f64::min).max(-high.max(0.1));
    Scale::linear(low, if high > low { high + 0.25 * (high - low) } else { 1.0 }, ticks)
}

/// A disc or a ring with an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub value: f64,
    pub interval: Option<[f64; 2]>,
    pub colour: &'static str,
    pub hollow: bool,
    /// What others found, drawn as a stroke.
    pub published: Option<f64>,
}

/// Rows of points, one below the other within a row, each under its name.
pub fn points(title: &str, axis: &str, scale: Scale, rows: &[(String, Vec<Point>)]) -> Panel {
    let most = rows.iter().map(|row| row.1.len()).max().unwrap_or(1).max(1);
    let step = NAME + GAP * most as f64 + 5.0;
    let unnamed = vec![String::new(); rows.len()];
    let mut plot = Plot::rows(title, Axis(scale, axis), &unnamed, [NARROW, step, 0.0]);
    let (left, right) = (plot.px(f64::NEG_INFINITY), plot.px(f64::INFINITY));
    for (number, (name, points)) in rows.iter().enumerate() {
        let top = plot.py(number as f64);
        if number > 0 {
            plot.panel().line([left, top], [right, top], super::palette::GRID, 1.0);
        }
        // beside the axis' first line, not on it
        let name = shorten(name, right - left - 6.0, NORMAL);
        plot.panel().text([left + 6.0, top + 14.0], Anchor::Start, NORMAL, TEXT, &name);
        for (place, point) in points.iter().enumerate().filter(|(_, point)| point.value.is_finite()) {
            mark(&mut plot, point, top + NAME + (place as f64 + 0.5) * GAP);
        }
    }
    plot.finish()
}

/// A point at a height; what lies below the axis is named beside it, and an interval that goes on there ends in an arrow.
fn mark(plot: &mut Plot, point: &Point, y: f64) {
    let x = plot.px(point.value);
    let mut end = x;
    if let Some(interval) = point.interval.filter(|ends| ends.iter().all(|end| end.is_finite())) {
        let [low, high] = interval.map(|value| plot.px(value));
        plot.panel().line([low, y], [high, y], point.colour, 2.0);
        if interval[0] < plot.low() {
            plot.panel().path(&[[low, y - 4.0], [low - 6.0, y], [low, y + 4.0]], point.colour, 2.0, "");
        }
        end = high.max(x);
    }
    match point.hollow {
        true => plot.panel().ring([x, y], 4.0, point.colour),
        false => plot.panel().dots([[x, y]], 4.5, point.colour, 1.0),
    }
    if let Some(published) = point.published.filter(|published| *published >= plot.low()) {
        let x = plot.px(published);
        plot.panel().line([x, y - 5.0], [x, y + 5.0], TEXT, 2.0);
    }
    if point.value < plot.low() {
        let text = number::score(point.value);
        plot.panel().text([end + 9.0, y + 4.0], Anchor::Start, SMALL, MUTED, &text);
    }
}
