//! Tables drawn as coloured cells.

use super::number;
use super::palette::{MUTED, TEXT, cell};
use super::svg::{Anchor, NORMAL, Panel, SMALL, shorten, width_of};

const WIDTH: f64 = 360.0;

/// Room of the rows' names.
const ROOM: f64 = 100.0;

/// Room of names that are turned, along them.
const TURNED: f64 = 90.0;

/// A cell for each pair of names; `value` between 0 and 1 is coloured, below 0 in one colour of its own.
pub fn heat(title: &str, rows: &[&str], columns: &[&str], value: impl Fn(&str, &str) -> f64) -> Panel {
    let width = (WIDTH - ROOM - 6.0) / columns.len().max(1) as f64;
    let (width, height) = (width.min(96.0), width.clamp(24.0, 40.0));
    let longest = columns.iter().map(|name| width_of(name, NORMAL)).fold(0.0, f64::max);
    // names that are wider than a cell are turned
    let flat = longest < width - 4.0;
    let top = if flat { 72.0 } else { 64.0 + 0.77 * longest.min(TURNED) };
    let mut panel = Panel::new(title, WIDTH, top + height * rows.len() as f64 + 10.0);
    panel.title(2.0, title);
    panel.text([ROOM - 10.0, top - 8.0], Anchor::End, SMALL, MUTED, "fitted to ↓");
    panel.text([ROOM, 46.0], Anchor::Start, SMALL, MUTED, "tested on →");
    for (column, name) in columns.iter().enumerate() {
        let x = ROOM + (column as f64 + 0.5) * width;
        match flat {
            true => panel.text([x, top - 8.0], Anchor::Middle, NORMAL, TEXT, name),
            false => panel.turned([x + 3.0, top - 8.0], Anchor::Start, -50.0, TEXT, &shorten(name, TURNED, NORMAL)),
        }
    }
    for (row, name) in rows.iter().enumerate() {
        let y = top + row as f64 * height;
        let middle = y + height / 2.0 + 4.0;
        panel.text([ROOM - 8.0, middle], Anchor::End, NORMAL, TEXT, &shorten(name, ROOM - 12.0, NORMAL));
        for (column, other) in columns.iter().enumerate() {
            let value = value(name, other);
            let (fill, ink) = cell(value);
            let x = ROOM + column as f64 * width;
            panel.rect([x + 1.0, y + 1.0], [width - 2.0, height - 2.0], &fill);
            let text = number::short(value);
            let size = if width_of(&text, NORMAL + 1.0) < width - 4.0 { NORMAL + 1.0 } else { SMALL - 1.0 };
            panel.text([x + width / 2.0, middle], Anchor::Middle, size, &ink, &text);
        }
    }
    panel
}
