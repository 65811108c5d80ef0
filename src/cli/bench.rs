//! `zoometry bench`

use super::STOP;
use super::output::{self, Force, Output, count};
use clap::Args;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::bench::report::{Card, Change, rows};
use zoometry::bench::{Case, Machine, Report, Row, machine};
use zoometry::kernels::{Isa, IsaKind};
use zoometry::out::FileKind;
use zoometry::{Error, Result, catalog, par};

/// The ISA of a GPU's rows.
const GPU: &str = "gpu";

/// Share of the time that goes into measuring the machine itself.
const MACHINE_SHARE: f64 = 0.1;

/// Measure this machine, then every kernel on it, as a fraction of what the machine can do
///
/// Every answer is checked against a plain f64 definition before it is timed. A time is the median of at least five samples;
/// ISAs and definition take turns.
#[derive(Args)]
pub struct Bench {
    /// Only kernels whose name/shape contains this, such as `train_step` or `conv/forward/13x13`
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// Time for everything, about; the checks come on top
    #[arg(long, value_name = "S", default_value_t = 40.0)]
    seconds: f64,
    /// Instruction set: portable, neon, avx2, avx512, or all of this machine [default: the fastest]
    #[arg(long, value_name = "ISA", env = "ZOOMETRY_ISA")]
    isa: Option<String>,
    /// Measure with one thread and with this many (CPU) [default: one only]
    #[arg(long, value_name = "T", default_value_t = 1, hide_default_value = true,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// What to measure: cpu or gpu
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = ["cpu", "gpu"])]
    device: String,
    /// Which card: a part of its name, or its number in `zoometry info --devices` [default: the strongest]
    #[arg(long, value_name = "NAME|INDEX")]
    adapter: Option<String>,
    /// Print one JSON object on stdout
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print the rows as CSV on stdout
    #[arg(long)]
    csv: bool,
    /// Draw the rows under the machine's roof
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Compare with what `--json` printed before
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

impl Bench {
    pub fn run(&self) -> Result<Output> {
        if !(self.seconds.is_finite() && self.seconds > 0.0) {
            return Err(Error::invalid("--seconds", "a positive number", self.seconds));
        }
        let old = self.compare.as_deref().map(read).transpose()?;
        let mut guard = self.force.guard(&self.compare);
        let picture = self.svg.as_ref().map(|path| guard.file(path, FileKind::Picture)).transpose()?;
        let report = if self.device == "gpu" { self.card()? } else { self.processor()? };
        if let Some(out) = &picture {
            output::picture(out, &zoometry::report::roofline::svg(&report))?;
        }
        let changes = old.map(|old| report.compare(&old));
        self.output(&report, changes.as_deref())
    }

    fn processor(&self) -> Result<Report> {
        if let Some(adapter) = &self.adapter {
            return Err(Error::invalid("--adapter", "--device gpu with it", adapter));
        }
        self.measure(&self.isas()?, &self.cases()?)
    }

    /// A GPU has no ISAs and no threads.
    fn card(&self) -> Result<Report> {
        if self.threads != 1 {
            return Err(Error::invalid("--threads", "--device cpu with it", "gpu"));
        }
        #[cfg(feature = "gpu")]
        return super::bench_gpu::run(
            self.adapter.as_deref(),
            self.filter.as_deref().unwrap_or_default(),
            self.seconds,
        );
        #[cfg(not(feature = "gpu"))]
        Err(super::device::missing())
    }

    fn isas(&self) -> Result<Vec<Isa>> {
        match self.isa.as_deref() {
            Some("all") => Ok(Isa::available().collect()),
            name => Ok(vec![super::isa(name)?]),
        }
    }

    fn cases(&self) -> Result<Vec<Case>> {
        let all = catalog::cases();
        let Some(filter) = &self.filter else { return Ok(all) };
        let mut seen = HashSet::new();
        let names: Vec<&str> = all.iter().map(|case| case.name).filter(|name| seen.insert(*name)).collect();
        let unknown = Error::unknown("kernel", filter, names);
        let some: Vec<Case> = all.into_iter().filter(|case| case.path().contains(filter.as_str())).collect();
        if some.is_empty() { Err(unknown) } else { Ok(some) }
    }

    fn measure(&self, isas: &[Isa], cases: &[Case]) -> Result<Report> {
        let threads: Vec<usize> = [1, usize::from(self.threads)][..if self.threads == 1 { 1 } else { 2 }].to_vec();
        let most = threads[threads.len() - 1];
        let progress = super::progress::bench(cases.len() * threads.len());
        progress.set_message("the machine");
        let best = isas.iter().copied().max_by_key(|isa| isa.kind()).unwrap_or(Isa::detect());
        let machine_seconds = MACHINE_SHARE * self.seconds;
        let machine = Machine::measure(isas, most, machine_seconds);
        let start = Instant::now();
        let mut spent = 0.0;
        let mut all = Vec::new();
        for (done, case) in cases.iter().enumerate() {
            progress.set_message(case.path());
            let checked = isas.iter().map(|&isa| Ok((isa, check(case, isa)?))).collect::<Result<Vec<_>>>()?;
            for &threads in &threads {
                if STOP.requested() {
                    return Err(Error::Cancelled);
                }
                // what quick rows leave over goes to the slower ones after them
                let left = (self.seconds - machine_seconds - spent) / ((cases.len() - done) * most.min(2)) as f64;
                let began = Instant::now();
                let measure = || rows(case, &machine, &checked, threads, left.max(0.0));
                all.extend(par::with_threads(threads, measure));
                spent += began.elapsed().as_secs_f64();
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        output::tell(format!("{} rows in {:.1} s", all.len(), machine_seconds + start.elapsed().as_secs_f64()));
        let version = env!("CARGO_PKG_VERSION").into();
        Ok(Report { version, machine, peak_at_end: machine::peak_again(best, 0.2), rows: all, card: None })
    }

    fn output(&self, report: &Report, changes: Option<&[Change]>) -> Result<Output> {
        let mut output = Output::default();
        if self.csv {
            output.text = csv(&report.rows)?;
            return Ok(output);
        }
        let Ok(serde_json::Value::Object(json)) = serde_json::to_value(report) else {
            return Err(Error::invalid("report", "an object", "something else"));
        };
        output.json = json;
        output.set("warnings", report.warnings());
        if let Some(changes) = changes {
            output.set("changes", changes);
        }
        match &report.card {
            Some(card) => describe_card(&report.machine, card, &mut output),
            None => describe(&report.machine, &mut output),
        }
        table(&report.rows, &mut output);
        for warning in report.warnings() {
            output.line(format!("warning: {warning}"));
        }
        if let Some(changes) = changes {
            compared(changes, &mut output);
        }
        if let Some(path) = &self.svg {
            output.line(format!("{}: the rows under the roof", path.display()));
        }
        Ok(output)
    }
}

/// Compares a kernel's answer with its definition.
fn check(case: &Case, isa: Isa) -> Result<f64> {
    let error = case.error(isa);
    if error <= case.tolerance {
        return Ok(error);
    }
    let what = format!("{} on {}", case.path(), isa.kind());
    let expected = format!("an answer within {:e} of its definition", case.tolerance);
    Err(Error::Wrong { what, expected, got: format!("one that is {error:e} off") })
}

fn read(path: &Path) -> Result<Report> {
    let text = zoometry::bytes::text(path)?;
    let malformed =
        |error: serde_json::Error| Error::malformed(path, "what `zoometry bench --json` prints", error.to_string());
    serde_json::from_str(&text).map_err(malformed)
}

fn csv(rows: &[Row]) -> Result<String> {
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
        ))
        .map_err(write)?;
    }
    let body = csv.into_inner().map_err(|error| Error::io("write", "stdout")(error.into_error()))?;
    let head = "name,shape,isa,threads,seconds,seconds_best,spread,samples,gflops,gbs,bound,fraction_of_peak,fraction_of_roof,\
                speedup_over_portable,speedup_over_reference,items_per_second,items,error,executed\n";
    Ok(head.to_owned() + &String::from_utf8_lossy(&body))
}

fn describe(machine: &Machine, output: &mut Output) {
    output.line(format!("{}, {} logical processors", machine.processor, machine.processors));
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

fn describe_card(machine: &Machine, card: &Card, output: &mut Output) {
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
fn table(rows: &[Row], output: &mut Output) {
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
        output.line(format!(
            "\n{:<width$}{:>9} {:>4} {:>7} {:>6} {:>5} {:>5} {:>5} {:>6} {:>6} {:>6}",
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
    output.line("\nroof: speed relative to what the measured multiply-adds or bytes a second allow; ×port.: relative");
    output.line("to the portable ISA; ×f64: to the plain definition on one thread; ±: distance of the quartiles of");
    output.line("the time, ! where it is large, ? of few samples; rate: images, networks, rows, numbers … a second");
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
    let mark = if row.hasty() {
        '?'
    } else if row.disturbed() {
        '!'
    } else {
        '%'
    };
    let gflops = if row.gflops > 0.0 { format!("{:.1}", row.gflops) } else { String::new() };
    let peak = if row.gflops > 0.0 { format!("{:.3}", row.fraction_of_peak) } else { String::new() };
    let rate = row.images_per_second.or(row.items_per_second).map_or(String::new(), rate);
    format!(
        "{:<width$}{:>9} {:>3.0}{mark} {gflops:>7} {:>6.1} {:>5} {peak:>5} {:>5.2} {:>6} {:>6} {rate:>6}",
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

fn compared(changes: &[Change], output: &mut Output) {
    if changes.is_empty() {
        output.line("\nno row is in both reports");
        return;
    }
    output
        .line(format!("\n{:<38}{:>9} {:>8} {:>8} {:>7}", "against the old report", "ISA", "threads", "speed", "noise"));
    for change in changes {
        output.line(format!(
            "{:<38}{:>9} {:>8} {:>7.2}× {:>5.0} %  {}",
            format!("{}/{}", change.name, change.shape),
            change.isa,
            change.threads,
            change.speedup,
            100.0 * change.noise,
            if change.verdict == "same" { "" } else { change.verdict }
        ));
    }
    let slower = changes.iter().filter(|change| change.verdict == "slower").count();
    output.line(format!("{slower} of {} rows are slower beyond the noise", changes.len()));
}
