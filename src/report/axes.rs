//! Axes: which values a picture spans, where its ticks are, and the frame in which marks are placed by value.

use super::number;
use super::palette::{AXIS, GRID, MUTED};
use super::svg::{Anchor, NORMAL, Panel, SMALL, shorten, width_of};

/// The values that an axis spans.
#[derive(Clone, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From 0 to 1.
    pub fn share() -> Scale {
        Scale::linear(0.0, 1.0, 5)
    }

    /// From 0 % to 100 %.
    pub fn percent() -> Scale {
        let mut scale = Scale::share();
        scale.as_percent();
        scale
    }

    /// Writes its ticks as per cent, without the sign.
    pub fn as_percent(&mut self) {
        self.ticks.iter_mut().for_each(|(value, text)| *text = number::fixed(100.0 * *value, 0));
    }

    /// Between two values, with about so many ticks at round numbers; anything where the values are none.
    pub fn linear(low: f64, high: f64, ticks: usize) -> Scale {
        let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        let high = if high > low { high } else { low + low.abs().max(1.0) * 1e-3 };
        let rough = (high - low) / ticks.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|k| k * power).find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(power * 10.0);
        let first = (low / step - 1e-6).ceil() as i64;
        let values = (first..first + 100).map(|k| k as f64 * step).take_while(|value| *value <= high + step * 1e-6);
        let ticks = values.map(|value| (value, number::tick(value, step))).collect();
        Scale { low, high, log: false, ticks }
    }

    /// From 0 on, with ticks at whole numbers alone.
    pub fn whole(high: f64, ticks: usize) -> Scale {
        let mut scale = Scale::linear(0.0, high, ticks);
        scale.ticks.retain(|(value, _)| value.fract() == 0.0);
        scale.ticks.iter_mut().for_each(|(value, text)| *text = number::fixed(*value, 0));
        scale
    }

    /// Around values that a picture shows, with some room on both sides.
    pub fn around(values: impl IntoIterator<Item = f64>, ticks: usize) -> Scale {
        let (low, high) = span(values);
        let room = 0.05 * (high - low).max(1e-9);
        Scale::linear(low - room, high + room, ticks)
    }

    /// For scores: up to 1, down to the lowest value but not below −0.5, where no detail is worth its room.
    pub fn scores(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, _) = span(values);
        let low = ((low.clamp(-0.5, 0.9) - 0.02) * 10.0).floor() / 10.0;
        Scale::linear(low, 1.0, 5)
    }

    /// Logarithmic, with ticks at these values themselves as far as their numbers do not meet.
    pub fn log(values: &[usize]) -> Scale {
        let mut values: Vec<f64> = values.iter().filter(|&&n| n > 0).map(|&n| n as f64).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let (low, high) = (values.first().copied().unwrap_or(1.0), values.last().copied().unwrap_or(10.0));
        let (low, high) = (low / 1.15, high * 1.15);
        let mut ticks: Vec<(f64, String)> = Vec::new();
        for value in values.into_iter().rev() {
            let apart = |last: &(f64, String)| (last.0 / value).ln() > 0.09 * (high / low).ln();
            if ticks.last().is_none_or(apart) {
                ticks.push((value, number::count(value as usize)));
            }
        }
        Scale { low, high, log: true, ticks }
    }

    /// Logarithmic between two values, with ticks at the powers of ten.
    #[cfg(feature = "bench")]
    pub fn decades(low: f64, high: f64) -> Scale {
        let first = low.log10().ceil() as i32;
        let powers = (first..first + 40).map(|k| 10f64.powi(k)).take_while(|value| *value <= high);
        Scale { low, high, log: true, ticks: powers.map(|value| (value, format!("{value}"))).collect() }
    }

    /// Where a value lies: 0 at the low end, 1 at the high one.
    pub fn at(&self, value: f64) -> f64 {
        match self.log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        }
    }

    /// Its low end.
    pub fn low(&self) -> f64 {
        self.low
    }
}

/// The smallest and the largest number of some; 0 and 1 where there is none.
fn span(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let numbers = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// An axis: what it spans and what it is called, with its unit.
pub struct Axis<'t>(pub Scale, pub &'t str);

/// Width of a panel that stands beside others, height of one without rows.
pub const WIDTH: f64 = 300.0;
pub const HEIGHT: f64 = 250.0;

/// Room of the title and of an axis title with its ticks.
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;

/// A picture with two axes; marks outside are drawn on its border.
pub struct Plot {
    panel: Panel,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Scale,
    y: Scale,
}

impl Plot {
    /// Both axes with numbers.
    pub fn new(title: &str, x: Axis, y: Axis) -> Plot {
        Plot::sized(title, [WIDTH, HEIGHT], x, y)
    }

    /// The same of another size.
    pub fn sized(title: &str, size: [f64; 2], x: Axis, y: Axis) -> Plot {
        let mut plot = Plot::frame(title, size, LEFT, x, y.0);
        let ticks = plot.y.ticks.clone();
        for (value, text) in &ticks {
            let py = plot.py(*value);
            plot.panel.line([plot.left, py], [plot.right, py], GRID, 1.0);
            plot.panel.text([plot.left - 7.0, py + 4.0], Anchor::End, SMALL, MUTED, text);
        }
        let middle = (plot.top + plot.bottom) / 2.0;
        plot.panel.turned([15.0, middle], Anchor::Middle, -90.0, MUTED, y.1);
        plot.panel.line([plot.left, plot.bottom], [plot.right, plot.bottom], AXIS, 1.0);
        plot
    }

    /// Rows with names in place of the second axis, each `step` high; `room` is the names' width.
    pub fn rows(title: &str, x: Axis, names: &[String], [width, step, room]: [f64; 3]) -> Plot {
        let count = names.len() as f64;
        let rows = Scale { low: count, high: 0.0, log: false, ticks: Vec::new() };
        let mut plot = Plot::frame(title, [width, TOP + BOTTOM + step * count], room + 14.0, x, rows);
        for (number, name) in names.iter().enumerate() {
            let py = plot.py(number as f64 + 0.5);
            let short = shorten(name, room, NORMAL);
            plot.panel.text([plot.left - 8.0, py + 4.0], Anchor::End, NORMAL, super::palette::TEXT, &short);
        }
        plot
    }

    fn frame(title: &str, [width, height]: [f64; 2], left: f64, x: Axis, y: Scale) -> Plot {
        let panel = Panel::new(title, width, height);
        let (right, bottom) = (width - RIGHT, height - BOTTOM);
        let mut plot = Plot { panel, left, right, top: TOP, bottom, x: x.0, y };
        plot.panel.title(2.0, title);
        let ticks = plot.x.ticks.clone();
        for (value, text) in &ticks {
            let px = plot.px(*value);
            plot.panel.line([px, plot.top], [px, plot.bottom], GRID, 1.0);
            // the last one must not leave the picture
            let most = width - width_of(text, SMALL) / 2.0 - 1.0;
            plot.panel.text([px.min(most), plot.bottom + 16.0], Anchor::Middle, SMALL, MUTED, text);
        }
        // a long title begins further left than its axis
        let half = width_of(x.1, NORMAL) / 2.0;
        let middle = ((plot.left + plot.right) / 2.0).min(width - half).max(half);
        plot.panel.text([middle, plot.bottom + 36.0], Anchor::Middle, NORMAL, MUTED, x.1);
        plot
    }

    /// Where a value of the first axis is; on the border if it is outside.
    pub fn px(&self, x: f64) -> f64 {
        self.left + self.x.at(x).clamp(0.0, 1.0) * (self.right - self.left)
    }

    /// Where a value of the second axis, or the row whose middle is `number + 0.5`, is.
    pub fn py(&self, y: f64) -> f64 {
        self.bottom - self.y.at(y).clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Where a point is.
    pub fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.px(x), self.py(y)]
    }

    /// The low end of the first axis.
    pub fn low(&self) -> f64 {
        self.x.low()
    }

    /// A line through points, those that are no numbers left out.
    pub fn line(&mut self, points: &[[f64; 2]], stroke: &str, dash: &str) {
        let places: Vec<[f64; 2]> = points.iter().map(|&point| self.place(point)).collect();
        let places: Vec<[f64; 2]> = places.into_iter().filter(|place| place.iter().all(|p| p.is_finite())).collect();
        self.panel.path(&places, stroke, 2.0, dash);
    }

    /// The band between two lines over the same places, as (x, low, high).
    pub fn band(&mut self, points: &[[f64; 3]], fill: &str) {
        let whole = points.iter().filter(|point| point.iter().all(|p| p.is_finite()));
        let whole: Vec<&[f64; 3]> = whole.collect();
        let lower = whole.iter().map(|[x, low, _]| self.place([*x, *low]));
        let upper = whole.iter().rev().map(|[x, _, high]| self.place([*x, *high]));
        let outline: Vec<[f64; 2]> = lower.chain(upper).collect();
        self.panel.area(&outline, fill, 0.16);
    }

    /// Discs at points.
    pub fn dots(&mut self, points: &[[f64; 2]], radius: f64, fill: &str, opacity: f64) {
        let places: Vec<[f64; 2]> = points.iter().map(|&point| self.place(point)).collect();
        self.panel.dots(places, radius, fill, opacity);
    }

    /// Discs at points, each with the name of what it stands for.
    pub fn named_dots(&mut self, points: &[([f64; 2], String)], radius: f64, fill: &str, opacity: f64) {
        let places: Vec<([f64; 2], &str)> =
            points.iter().map(|(point, name)| (self.place(*point), name.as_str())).collect();
        self.panel.named_dots(places, radius, fill, opacity);
    }

    /// A note in the upper left corner.
    pub fn note(&mut self, text: &str) {
        self.panel.text([self.left + 8.0, self.top + 15.0], Anchor::Start, NORMAL, super::palette::TEXT, text);
    }

    /// The picture, to draw on it by place.
    pub fn panel(&mut self) -> &mut Panel {
        &mut self.panel
    }

    /// The finished picture.
    pub fn finish(self) -> Panel {
        self.panel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(texts(&Scale::share()), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&Scale::percent())[5], "100");
        assert_eq!(texts(&Scale::linear(-0.03, 0.11, 4)), ["0.00", "0.05", "0.10"]);
        assert_eq!(texts(&Scale::whole(3.0, 6)), ["0", "1", "2", "3"]);
        assert_eq!(texts(&Scale::whole(15.0, 6)), ["0", "5", "10", "15"]);
        assert_eq!(texts(&Scale::log(&[600, 25, 50, 48, 100, 0])), ["600", "100", "50", "25"]);
        assert_eq!(texts(&Scale::scores([0.62, f64::NAN])), ["0.6", "0.7", "0.8", "0.9", "1.0"]);
    }

    #[test]
    fn no_values_are_no_trouble() {
        for scale in [
            Scale::linear(f64::NAN, 1.0, 5),
            Scale::linear(3.0, 3.0, 5),
            Scale::around([], 5),
            Scale::around([f64::NAN, 2.0], 4),
            Scale::log(&[]),
            Scale::log(&[5]),
            Scale::scores([f64::NEG_INFINITY]),
            Scale::linear(-1e300, 1e300, 5),
            Scale::linear(0.0, 1e-300, 5),
        ] {
            assert!(scale.ticks.len() < 12 && scale.low < scale.high, "{scale:?}");
        }
    }
}
