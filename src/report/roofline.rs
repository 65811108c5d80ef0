//! A benchmark's rows under the machine's roof (Williams, Waterman and Patterson, CACM 52(4), 2009), as a picture of its own: light
//! or dark as its reader has it.

use super::axes::{Axis, Plot, Scale};
use super::figure::{Figure, Key, Mark};
use super::palette::{MUTED, TEXT, series};
use super::svg::{Anchor, SMALL, escape};
use crate::bench::machine::size;
use crate::bench::{Report, Row};

/// Operations for each byte that are shown.
const INTENSITY: [f64; 2] = [0.05, 2000.0];

/// Width and height.
const SIZE: [f64; 2] = [900.0, 520.0];

/// Dashes that tell families apart that have the same colour: there are more of them than colours.
const RIMS: [Mark; 2] = [Mark::Disc, Mark::Ring];

/// The rows of the report's fastest ISA on one thread that do arithmetic, GFLOP/s over operations for each byte, as SVG. A row above
/// the roof is a ring on it, and its title says how far above.
pub fn svg(report: &Report) -> String {
    let machine = &report.machine;
    let best = machine.fma_gflops.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (kind, peak) = best.map_or((String::new(), 1.0), |(kind, &peak)| (kind.clone(), peak));
    let x = Axis(Scale::decades(INTENSITY[0], INTENSITY[1]), "operations for each byte (flop/B)");
    let y = Axis(Scale::decades(peak / 2000.0, 2.0 * peak), "GFLOP/s");
    let mut plot = Plot::sized("", SIZE, x, y);
    roof(report, peak, &mut plot);
    let shown = |row: &&Row| row.threads == 1 && row.isa == kind && row.gflops > 0.0 && row.gbs > 0.0;
    let rows: Vec<&Row> = report.rows.iter().filter(shown).collect();
    let mut families: Vec<&str> = Vec::new();
    for row in &rows {
        if !families.contains(&row.family()) {
            families.push(row.family());
        }
    }
    let mut legend = Vec::new();
    for (number, family) in families.into_iter().enumerate() {
        let (colour, mark) = (series(number), RIMS[number / 7 % RIMS.len()]);
        for row in rows.iter().filter(|row| row.family() == family) {
            // a row above the roof stands on it
            let above = row.fraction_of_roof.max(1.0);
            let [px, py] = plot.place([row.gflops / row.gbs, row.gflops / above]);
            let ring = above > 1.0 || mark == Mark::Ring;
            plot.panel().titled([px, py], 4.5, colour, ring, &title(row));
        }
        legend.push(Key::new(mark, colour, family));
    }
    if rows.iter().any(|row| row.fraction_of_roof > 1.0) {
        legend.push(Key::new(Mark::Ring, MUTED, "on the roof: faster than the roof was measured"));
    }
    let title = format!("{} · {kind}, one thread", machine.processor);
    Figure::new("roofline", escape(&title), vec![plot.finish()]).with(legend).svg_of_both_schemes()
}

fn title(row: &Row) -> String {
    let above = match row.fraction_of_roof {
        share if share > 1.0 => ", above the roof that was measured".to_owned(),
        share => format!(", {:.0} % of the roof", 100.0 * share),
    };
    format!("{}/{}: {:.1} GFLOP/s{above}", row.name, row.shape, row.gflops)
}

/// What the machine allows: bytes from the first-level cache and from memory, multiply-adds.
fn roof(report: &Report, peak: f64, plot: &mut Plot) {
    let levels = &report.machine.bandwidth;
    for level in [levels.first(), levels.last()].into_iter().flatten() {
        let at = |x: f64| [x, (x * level.gbs).min(peak)];
        let corner = (peak / level.gbs).clamp(INTENSITY[0], INTENSITY[1]);
        plot.line(&[at(INTENSITY[0]), at(corner), at(INTENSITY[1])], TEXT, "");
        let text = format!("{:.0} GB/s from {}", level.gbs, size(level.bytes));
        let [px, py] = plot.place(at(INTENSITY[0] * 1.4));
        plot.panel().text([px + 10.0, py + 4.0], Anchor::Start, SMALL, MUTED, &text);
    }
    let [px, py] = plot.place([INTENSITY[1], peak]);
    plot.panel().text([px - 6.0, py - 8.0], Anchor::End, SMALL, MUTED, &format!("{peak:.0} GFLOP/s"));
}
