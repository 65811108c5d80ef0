//! A picture of rows under the machine's roof (Williams, Waterman and Patterson, CACM 52(4), 2009).

use super::machine::size;
use super::{Report, Row};
use plotters::coord::Shift;
use plotters::prelude::*;

type Failure = DrawingAreaErrorKind<std::io::Error>;

const SIZE: (u32, u32) = (960, 600);

/// Operations for each byte that are shown.
const INTENSITY: std::ops::Range<f64> = 0.05..2000.0;

const COLORS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
];

/// The rows of the report's fastest ISA on one thread that do arithmetic, GFLOP/s over operations for each byte, as SVG.
pub fn svg(report: &Report) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        // a string takes everything; what could fail is a file
        let _: Result<(), Failure> = draw(report, &area);
    }
    text
}

fn draw<B: DrawingBackend>(
    report: &Report,
    area: &DrawingArea<B, Shift>,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let machine = &report.machine;
    let peaks = machine.fma_gflops.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let (kind, peak) = peaks.map_or((String::new(), 1.0), |(kind, &peak)| (kind.clone(), peak));
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{} · {kind}, one thread", machine.processor), ("sans-serif", 20))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(INTENSITY.log_scale(), (peak / 2000.0..2.0 * peak).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("operations for each byte (flop/B)")
        .y_desc("GFLOP/s")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 16))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .light_line_style(WHITE)
        .draw()?;
    for level in [machine.bandwidth.first(), machine.bandwidth.last()].into_iter().flatten() {
        let roof = |x: f64| (x, (x * level.gbs).min(peak));
        let corner = peak / level.gbs;
        let line = [INTENSITY.start, corner.clamp(INTENSITY.start, INTENSITY.end), INTENSITY.end].map(roof);
        chart.draw_series(LineSeries::new(line, BLACK.stroke_width(2)))?;
        let text = format!("{:.0} GB/s from {}", level.gbs, size(level.bytes));
        chart.draw_series([Text::new(
            text,
            (INTENSITY.start * 1.2, roof(INTENSITY.start).1 * 2.2),
            ("sans-serif", 14),
        )])?;
    }
    let text = format!("{peak:.0} GFLOP/s");
    chart.draw_series([Text::new(text, (INTENSITY.end / 8.0, peak * 1.35), ("sans-serif", 14))])?;

    let rows: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| row.threads == 1 && row.isa == kind && row.gflops > 0.0 && row.gbs > 0.0)
        .collect();
    let mut families: Vec<&str> = rows.iter().map(|row| family(&row.name)).collect();
    families.dedup();
    for (index, wanted) in families.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        let points = rows.iter().filter(|row| family(&row.name) == *wanted);
        let points = points.map(|row| Circle::new((row.gflops / row.gbs, row.gflops), 5, color.mix(0.7).filled()));
        chart.draw_series(points)?.label(*wanted).legend(move |(x, y)| Circle::new((x + 8, y), 5, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 14))
        .draw()?;
    area.present()
}

/// `conv` of `conv/forward`.
fn family(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

fn number(value: &f64) -> String {
    format!("{value}")
}
