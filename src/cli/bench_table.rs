//! What `zoometry bench` prints: the machine, a table of rows, CSV, changes.

use super::output::{Output, count, counted};
use zoometry::bench::report::{Card, Change};
use zoometry::bench::{Machine, Row, machine};
use zoometry::kernels::IsaKind;
use zoometry::{Error, Result};

/// The ISA of a GPU's rows.
const GPU: &str = "gpu";

/// The rows as CSV, with what is to be known before believing them.
pub fn csv(rows: &[Row]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let write = |error: csv::Error| Error::io("write", "stdout")(std::io::Error::other(error));
    for row in rows {
        // every column in every row, whatever is not known left empty
        csv.serialize((
            (
                &row.name,
                &row.shape,
                &row.isa,
                row.threads,
                row.seconds,
                row.seconds_best,
                row.spread,
                row.samples,
                row.gflops,
                row.gbs,
            ),
            (&row.bound, row.fraction_of_peak, row.fraction_of_roof),
            (row.speedup_over_portable, row.speedup_over_reference),
            (row.images_per_second.or(row.items_per_second), &row.items, row.error, row.executed),
            (row.hasty(), row.disturbed(), row.moved(), row.above_roof(), row.peak_beside, row.cpu_share),
        ))
        .map_err(write)?;
    }
    let body = csv.into_inner().map_err(|error| Error::io("write", "stdout")(error.into_error()))?;
    let head = "name,shape,isa,threads,seconds,seconds_best,spread,samples,gflops,gbs,bound,fraction_of_peak,fraction_of_roof,\
                speedup_over_portable,speedup_over_reference,items_per_second,items,error,executed,\
                few_samples,disturbed,peak_moved,above_roof,peak_beside,cpu_share\n";
    Ok(head.to_owned() + &String::from_utf8_lossy(&body))
}

pub fn describe(machine: &Machine, output: &mut Output) {
    output.line(format!("{}, {}", machine.processor, counted(machine.processors, "logical processor")));
    for kind in IsaKind::ALL {
        let Some(one) = machine.fma_gflops.get(kind.name()) else { continue };
        let all = machine.fma_gflops_threads.get(kind.name()).filter(|_| machine.threads > 1);
        let all = all.map_or(String::new(), |all| format!(", {all:.1} on {} threads", machine.threads));
        output.line(format!("  multiply-adds, {kind:8} {one:7.1} GFLOP/s a core{all}"));
    }
    for level in &machine.bandwidth {
        let all = if machine.threads == 1 {
            String::new()
        } else {
            format!(", {:.1} on {} threads", level.gbs_threads, machine.threads)
        };
        output.line(format!("  reading {:>8} {:12.1} GB/s a core{all}", machine::size(level.bytes), level.gbs));
    }
}

pub fn describe_card(machine: &Machine, card: &Card, output: &mut Output) {
    let software = if card.software { ", a program on this processor" } else { "" };
    output.line(format!("{} ({}{software}), {}", machine.processor, card.backend, card.driver));
    for peak in machine.fma_gflops.values() {
        output.line(format!("  multiply-adds {:9.3} TFLOP/s", peak / 1e3));
    }
    for copy in &machine.bandwidth {
        output.line(format!("  copy          {:9.1} GB/s", copy.gbs));
    }
    if let Some([before, after]) = card.clock_mhz {
        output.line(format!("  clock         {before} MHz before the rows, {after} MHz after them"));
    }
    if let Some(share) = card.end_to_end {
        output.line(format!("  a whole zoo   {:.0} % of the speed of its steps and evaluations alone", 100.0 * share));
    }
}

/// Columns of a row's name at least.
const MIN_WIDTH: usize = 28;

/// One table for each ISA and number of threads.
pub fn table(rows: &[Row], output: &mut Output) {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        if !groups.contains(&(&row.isa, row.threads)) {
            groups.push((&row.isa, row.threads));
        }
    }
    for (isa, threads) in groups {
        let s = if threads == 1 { "" } else { "s" };
        let group = || rows.iter().filter(|row| row.isa == isa && row.threads == threads);
        let width = group().map(|row| row.name.len() + row.shape.len() + 2).max().unwrap_or(0).max(MIN_WIDTH);
        output.line("");
        output.line(format!(
            "{:<width$}{:>9} {:>4} {:>7} {:>6} {:>5} {:>5} {:>5} {:>6} {:>6} {:>6}",
            if isa == GPU { isa.to_owned() } else { format!("{isa}, {threads} thread{s}") },
            "time",
            "±",
            "GFLOP/s",
            "GB/s",
            "bound",
            "peak",
            "roof",
            "×port.",
            "×f64",
            "rate"
        ));
        group().for_each(|row| output.line(line(row, width)));
    }
    output.line("");
    output.line("roof: speed relative to what the measured multiply-adds or bytes a second allow; ×port.: relative");
    output.line("to the portable ISA; ×f64: to the plain definition on one thread; ±: distance of the quartiles of");
    output.line("the time, ! where it is large, ? of few samples, ~ where the machine was another; ^: above the roof");
    output.line("rate: images, networks, rows, numbers … a second");
    output.line("peak: counted operations relative to the measured multiply-adds");
    let mut shares: Vec<String> =
        rows.iter().filter_map(|row| Some(format!("{:.0} %", 100.0 * row.executed?))).collect();
    shares.sort_unstable();
    shares.dedup();
    if !shares.is_empty() {
        let shares = shares.join(", ");
        output.line(format!("the fast path makes {shares} of what is counted: it leaves out units that nothing reads"));
    }
}

fn line(row: &Row, width: usize) -> String {
    let times = |speedup: Option<f64>| {
        speedup.map_or("".into(), |speedup| match speedup {
            s if s < 9.95 => format!("{s:.1}"),
            s => count(s.round() as u64),
        })
    };
    let mark = match row {
        row if row.hasty() => '?',
        row if row.moved() => '~',
        row if row.disturbed() => '!',
        _ => '%',
    };
    let above = if row.above_roof() { '^' } else { ' ' };
    let gflops = if row.gflops > 0.0 { format!("{:.1}", row.gflops) } else { String::new() };
    let peak = if row.gflops > 0.0 { format!("{:.3}", row.fraction_of_peak) } else { String::new() };
    let rate = row.images_per_second.or(row.items_per_second).map_or(String::new(), rate);
    format!(
        "{:<width$}{:>9} {:>3.0}{mark} {gflops:>7} {:>6.1} {:>5} {peak:>5} {:>5.2}{above}{:>6} {:>6} {rate:>6}",
        format!("{}/{}", row.name, row.shape),
        time(row.seconds),
        100.0 * row.spread,
        row.gbs,
        row.bound,
        row.fraction_of_roof,
        times(row.speedup_over_portable),
        times(row.speedup_over_reference),
    )
}

/// Seconds as people read them.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A number a second as people read it.
fn rate(rate: f64) -> String {
    match rate {
        r if r < 1e3 => format!("{r:.0}"),
        r if r < 1e6 => format!("{:.1}k", r / 1e3),
        r if r < 1e9 => format!("{:.1}M", r / 1e6),
        r => format!("{:.1}G", r / 1e9),
    }
}

pub fn compared(changes: &[Change], output: &mut Output) {
    if changes.is_empty() {
        output.line("");
        output.line("no row is in both reports");
        return;
    }
    output.line("");
    output.line(format!(
        "{:<38}{:>9} {:>8} {:>8} {:>15}",
        "against the old report", "ISA", "threads", "speed", "99 % interval"
    ));
    for change in changes {
        let interval = change.interval.map_or(String::new(), |[low, high]| format!("{low:.2} to {high:.2}"));
        let verdict = match (change.verdict, change.reason) {
            ("same", _) => "",
            (_, Some(reason)) => reason,
            (verdict, None) => verdict,
        };
        output.line(format!(
            "{:<38}{:>9} {:>8} {:>7.2}× {interval:>15}  {verdict}",
            format!("{}/{}", change.name, change.shape),
            change.isa,
            change.threads,
            change.speedup,
        ));
    }
    let with = |verdict: &str| changes.iter().filter(|change| change.verdict == verdict).count();
    let [faster, slower, unknown] = ["faster", "slower", "unknown"].map(with);
    output.line(format!(
        "of {} rows {faster} are faster and {slower} slower beyond the noise; of {unknown} nothing can be said",
        changes.len()
    ));
}
