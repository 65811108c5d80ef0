//! Figures: panels side by side under one legend, in the page or as one file.

#[cfg(feature = "bench")]
use super::palette::{CARD, variables};
use super::palette::{MUTED, TEXT, explicit};
use super::svg::{Anchor, NORMAL, Panel, escape, width_of};
use std::fmt::Write;

/// The mark of a legend's entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    Disc,
    Ring,
    Stroke,
    Line,
    /// With these dashes.
    Dashed(&'static str),
}

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub colour: &'static str,
    pub mark: Mark,
    pub text: String,
}

impl Key {
    /// An entry.
    pub fn new(mark: Mark, colour: &'static str, text: impl Into<String>) -> Key {
        Key { colour, mark, text: text.into() }
    }

    /// The mark, 22 wide, round the height 0.
    fn draw(&self, panel: &mut Panel, [x, y]: [f64; 2]) {
        match self.mark {
            Mark::Disc => panel.dots([[x + 11.0, y]], 5.0, self.colour, 1.0),
            Mark::Ring => panel.ring([x + 11.0, y], 4.5, self.colour),
            Mark::Stroke => panel.line([x + 11.0, y - 5.5], [x + 11.0, y + 5.5], self.colour, 2.0),
            Mark::Line => panel.path(&[[x + 1.0, y], [x + 21.0, y]], self.colour, 2.5, ""),
            Mark::Dashed(dash) => panel.path(&[[x + 1.0, y], [x + 21.0, y]], self.colour, 2.5, dash),
        }
    }
}

/// Panels that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The file's name without extension: lower case, digits, hyphens.
    pub name: String,
    /// What the file says above the panels.
    pub title: String,
    /// The legend of all panels.
    pub legend: Vec<Key>,
    /// The panels.
    pub panels: Vec<Panel>,
    /// Panels in a row of the file.
    pub columns: usize,
}

/// What a telephone shows whole and legibly.
const NARROW: f64 = 420.0;

/// Room round and between panels in a file.
const GAP: f64 = 20.0;
const FONT: &str = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

impl Figure {
    /// A figure without a legend.
    pub fn new(name: impl Into<String>, title: impl Into<String>, panels: Vec<Panel>) -> Figure {
        let wide = panels.iter().any(|panel| panel.width > 320.0);
        let columns = match panels.len() {
            4 if wide => 2,
            5 | 6 | 9 => 3,
            n => n.clamp(1, 4),
        };
        Figure { name: name.into(), title: title.into(), legend: Vec::new(), panels, columns }
    }

    /// The same with a legend.
    pub fn with(mut self, legend: Vec<Key>) -> Figure {
        self.legend = legend;
        self
    }

    /// The figure in the page: panels flow, each as wide as the page allows.
    pub fn html(&self) -> String {
        let mut text = String::from("<figure>\n");
        if !self.legend.is_empty() {
            text.push_str("<ul class=\"legend\">");
            for key in &self.legend {
                let mut mark = Panel::new("", 22.0, 12.0);
                key.draw(&mut mark, [0.0, 6.0]);
                let _ = write!(
                    text,
                    r#"<li><svg width="22" height="12" aria-hidden="true">{}</svg> {}</li>"#,
                    mark.body,
                    escape(&key.text)
                );
            }
            text.push_str("</ul>\n");
        }
        // a panel is not made smaller than can be read, nor much larger than it was drawn
        let widest = self.panels.iter().map(|panel| panel.width).fold(1.0, f64::max);
        // four wide ones stand two by two
        let least = if self.panels.len() == 4 && widest > 320.0 { 450.0 } else { 0.88 * widest };
        // few may be larger, since the page has the room
        let most = widest
            * match self.panels.len() {
                1 if widest < 320.0 => 1.6,
                2 if widest < 320.0 => 1.4,
                _ => 1.2,
            };
        // what a telephone is too narrow for is moved under its window
        let legible = if widest > NARROW { 0.85 * widest } else { 0.0 };
        let count = self.panels.len();
        let _ = writeln!(
            text,
            r#"<div class="panels" style="--count:{count};--most:{most:.0}px;--least:{least:.0}px;--legible:{legible:.0}px">"#
        );
        for panel in &self.panels {
            let (width, height, label) = (panel.width, panel.height, escape(&panel.label));
            let _ = writeln!(
                text,
                r#"<svg viewBox="0 0 {width} {height:.1}" role="img" aria-label="{label}">{}</svg>"#,
                panel.body
            );
        }
        text + "</div>\n</figure>\n"
    }

    /// The figure as a file of its own: white, with explicit colours.
    pub fn svg(&self) -> String {
        let (head, body) = self.sheet();
        format!("{head}<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n", explicit(&body))
    }

    /// The figure as a file of its own, light or dark as its reader has it; for browsers, which know CSS variables.
    #[cfg(feature = "bench")]
    pub fn svg_of_both_schemes(&self) -> String {
        let (head, body) = self.sheet();
        let [light, dark] = [0, 1].map(variables);
        format!(
            "{head}<style>:root{{color-scheme:light dark;{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{CARD}\"/>\n{body}</svg>\n"
        )
    }

    /// The beginning of a file, and what is drawn.
    fn sheet(&self) -> (String, String) {
        let columns = self.columns.max(1);
        let widest = |from: f64| self.panels.iter().map(|panel| panel.width).fold(from, f64::max);
        let cell = widest(200.0) + GAP;
        let width =
            (cell * columns.min(self.panels.len().max(1)) as f64 + GAP).max(width_of(&self.title, 19.0) + 2.0 * GAP);
        let mut sheet = Panel::new("", width, 0.0);
        let mut y = self.head(&mut sheet);
        for row in self.panels.chunks(columns) {
            for (number, panel) in row.iter().enumerate() {
                let x = GAP + number as f64 * cell;
                let _ = writeln!(sheet.body, r#"<g transform="translate({x:.1} {y:.1})">{}</g>"#, panel.body);
            }
            y += row.iter().map(|panel| panel.height).fold(0.0, f64::max) + GAP;
        }
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{y:.0}\" viewBox=\"0 0 {width:.0} {y:.0}\" \
             font-family=\"{FONT}\">\n<title>{}</title>\n",
            escape(&self.title)
        );
        (head, sheet.body)
    }

    /// Title and legend; gives the height that they take.
    fn head(&self, sheet: &mut Panel) -> f64 {
        let width = sheet.width;
        sheet.text([GAP, 32.0], Anchor::Start, 18.0, TEXT, &self.title);
        let (mut x, mut y) = (GAP, 56.0);
        for key in &self.legend {
            let needed = 30.0 + width_of(&key.text, NORMAL * 1.05) + 18.0;
            if x > GAP && x + needed > width - GAP {
                (x, y) = (GAP, y + 20.0);
            }
            key.draw(sheet, [x, y]);
            sheet.text([x + 28.0, y + 4.0], Anchor::Start, NORMAL, MUTED, &key.text);
            x += needed;
        }
        if self.legend.is_empty() { 48.0 } else { y + 18.0 }
    }
}
