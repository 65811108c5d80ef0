//! `zoometry bench --device gpu`

use super::bench::{rate, time};
use super::output::Output;
use zoometry::catalog::gpu::{Report, Row, measure};
use zoometry::gpu::Gpu;
use zoometry::{Error, Result};

/// Measures a card and prints its table; rows appear on stderr as they come.
pub fn run(adapter: Option<&str>, filter: &str, seconds: f64) -> Result<Output> {
    let gpu = Gpu::open(adapter)?;
    super::output::tell(format!("measuring {}", gpu.adapter().name));
    let progress = super::progress::rows_of_a_card();
    let tell = &mut |row: &Row| progress.set_message(format!("{}/{}", row.name, row.shape));
    let report = measure(gpu, filter, seconds, tell, &super::STOP)?;
    progress.finish_and_clear();
    if report.rows.is_empty() {
        return Err(Error::unknown("shader", filter, ["random", "conv", "statistics", "train_step", "evaluate"]));
    }
    let mut output = Output::default();
    describe(&report, &mut output);
    for row in &report.rows {
        output.line(line(row));
    }
    output
        .line("\nroof: speed relative to what the measured multiply-adds or bytes a second allow; ±: distance of the");
    output.line("quartiles of the time; rate: images, networks, blocks a second");
    if let Ok(serde_json::Value::Object(json)) = serde_json::to_value(&report) {
        output.json = json;
    }
    Ok(output)
}

fn describe(report: &Report, output: &mut Output) {
    let software = if report.adapter.software { ", a program on this processor" } else { "" };
    output.line(format!("{} ({}{software}), {}", report.adapter.name, report.adapter.backend, report.adapter.driver));
    output.line(format!("  multiply-adds {:9.3} TFLOP/s ±{:.0}%", report.peak_tflops, 100.0 * report.peak_spread));
    output.line(format!("  copy          {:9.1} GB/s    ±{:.0}%", report.copy_gbs, 100.0 * report.copy_spread));
    output.line(format!(
        "\n{:<44}{:>9} {:>4} {:>8} {:>7} {:>5} {:>5} {:>7}",
        "shader", "time", "±", "TFLOP/s", "GB/s", "bound", "roof", "rate"
    ));
}

fn line(row: &Row) -> String {
    let tflops = if row.tflops > 0.0 { format!("{:.4}", row.tflops) } else { String::new() };
    format!(
        "{:<44}{:>9} {:>3.0}% {tflops:>8} {:>7.1} {:>5} {:>5.2} {:>7}",
        format!("{}/{}", row.name, row.shape),
        time(row.seconds),
        100.0 * row.spread,
        row.gbs,
        row.bound,
        row.fraction_of_roof,
        rate(row.items_per_second),
    )
}
