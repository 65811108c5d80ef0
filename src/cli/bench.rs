//! `zoometry bench`

use super::output::{self, Force, Output, counted};
use super::{STOP, bench_table, files, occupancy};
use clap::Args;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use zoometry::bench::report::{Change, rows};
use zoometry::bench::{Case, Machine, Report, machine};
use zoometry::kernels::Isa;
use zoometry::out::FileKind;
use zoometry::{Error, Result, catalog, par};

/// Share of the time that goes into measuring the machine itself.
const MACHINE_SHARE: f64 = 0.1;

/// Measure this machine, then every kernel on it, as a fraction of what the machine can do
///
/// Every answer is checked against a plain f64 definition before it is timed. A time is the median of at least five samples;
/// ISAs and definition take turns.
#[derive(Args)]
pub struct Bench {
    /// Only kernels whose name/shape contains one of these, such as `train_step` or `conv/forward/13x13`; with * and ? it must be
    /// like that as a whole
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Only list the kernels
    #[arg(long)]
    list: bool,
    /// Time for everything, about; the checks come on top
    #[arg(long, value_name = "S", default_value_t = 40.0, allow_negative_numbers = true, value_parser = seconds)]
    seconds: f64,
    /// Instruction set: portable, neon, avx2, avx512, or all of this machine [default: the fastest]
    #[arg(long, value_name = "ISA", env = "ZOOMETRY_ISA", hide_possible_values = true,
        value_parser = super::suggest::suggest(zoometry::kernels::IsaKind::ALL.map(|kind| kind.name())))]
    isa: Option<String>,
    /// Measure with one thread and with this many (CPU) [default: one only]
    #[arg(long, value_name = "T", default_value_t = 1, hide_default_value = true,
        value_parser = super::count_in::<u16>(1..=1024))]
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
    /// Compare with what `--json` printed before: a bootstrap over the samples of both says what is faster or slower
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// Fail where a row is slower by more than this, beyond the noise: 10% for instance
    #[arg(long, value_name = "SHARE", requires = "compare", value_parser = share)]
    fail_slower: Option<f64>,
    /// Keep the threads on processors of their own (Linux)
    #[arg(long)]
    pin: bool,
    #[command(flatten)]
    force: Force,
}

impl Bench {
    pub fn run(&self) -> Result<Output> {
        if self.list {
            return self.listed();
        }
        let old = self.compare.as_deref().map(read).transpose()?;
        let mut guard = self.force.guard(&self.compare);
        let picture = self.svg.as_ref().map(|path| guard.file(path, FileKind::Picture)).transpose()?;
        let report = if self.device == "gpu" { self.card()? } else { self.processor()? };
        if let Some(out) = &picture {
            output::picture(out, &zoometry::report::roofline::svg(&report))?;
        }
        let changes = old.map(|old| report.compare(&old));
        let mut output = self.output(&report, changes.as_deref())?;
        if let Some(share) = self.fail_slower {
            let slower = changes.iter().flatten().filter(|change| change.slower_by(share)).count();
            output.failed = slower > 0;
            if slower > 0 {
                let percent = 100.0 * share;
                output::tell(format!("{} slower by more than {percent:.0} %", output::counted(slower, "row")));
            }
        }
        Ok(output)
    }

    fn processor(&self) -> Result<Report> {
        if let Some(adapter) = &self.adapter {
            return Err(Error::invalid("--adapter", "--device gpu with it", adapter));
        }
        let (isas, cases) = (self.isas()?, self.cases()?);
        // pinned threads see the processors that they are pinned to, no others
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if self.pin {
            occupancy::pin(usize::from(self.threads))?;
        }
        let mut report = self.measure(&isas, &cases)?;
        report.machine.processors = processors;
        Ok(report)
    }

    /// A GPU has no ISAs and no threads.
    fn card(&self) -> Result<Report> {
        if self.threads != 1 {
            return Err(Error::invalid("--threads", "--device cpu with it", "gpu"));
        }
        if self.filter.len() > 1 || self.pin {
            return Err(Error::invalid("--device", "cpu with several filters, or --pin", "gpu"));
        }
        #[cfg(feature = "gpu")]
        return super::bench_gpu::run(
            self.adapter.as_deref(),
            self.filter.first().map_or("", String::as_str),
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

    /// The kernels asked for; each filter must let some through.
    fn cases(&self) -> Result<Vec<Case>> {
        let all = catalog::cases();
        let lets = |filter: &str, case: &Case| match filter.contains(['*', '?']) {
            true => files::matches(filter.as_bytes(), case.path().as_bytes()),
            false => case.path().contains(filter),
        };
        if let Some(filter) = self.filter.iter().find(|filter| !all.iter().any(|case| lets(filter, case))) {
            let mut seen = HashSet::new();
            let names: Vec<&str> = all.iter().map(|case| case.name).filter(|name| seen.insert(*name)).collect();
            return Err(Error::unknown("kernel", filter, names));
        }
        let wanted = |case: &Case| self.filter.is_empty() || self.filter.iter().any(|filter| lets(filter, case));
        Ok(all.into_iter().filter(wanted).collect())
    }

    fn listed(&self) -> Result<Output> {
        let mut output = Output::default();
        let paths: Vec<String> = self.cases()?.iter().map(Case::path).collect();
        paths.iter().for_each(|path| output.line(path));
        output.set("kernels", paths);
        Ok(output)
    }

    fn measure(&self, isas: &[Isa], cases: &[Case]) -> Result<Report> {
        let threads: Vec<usize> = [1, usize::from(self.threads)][..if self.threads == 1 { 1 } else { 2 }].to_vec();
        let most = threads[threads.len() - 1];
        let progress = super::progress::bench(cases.len() * threads.len());
        progress.set_message("the machine");
        let best = isas.iter().copied().max_by_key(|isa| isa.kind()).unwrap_or(Isa::detect());
        let machine_seconds = MACHINE_SHARE * self.seconds;
        let load = machine::load();
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
                let (began, cpu) = (Instant::now(), occupancy::cpu_time());
                let measure = || rows(case, &machine, &checked, threads, left.max(0.0));
                let mut measured = par::with_threads(threads, measure);
                let wall = began.elapsed().as_secs_f64();
                let cpu = occupancy::cpu_time().zip(cpu).map(|(now, then)| (now - then).as_secs_f64());
                measured.iter_mut().for_each(|row| row.cpu_share = cpu.map(|cpu| cpu / wall));
                all.extend(measured);
                spent += wall;
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        output::tell(format!(
            "{} in {:.1} s",
            counted(all.len(), "row"),
            machine_seconds + start.elapsed().as_secs_f64()
        ));
        let peak_at_end = machine::peak_again(best, 0.2);
        let load = load.zip(machine::load()).map(|(before, after)| [before, after]);
        let mut report = Report::new(machine, peak_at_end, all);
        (report.load, report.pinned) = (load, self.pin);
        Ok(report)
    }

    fn output(&self, report: &Report, changes: Option<&[Change]>) -> Result<Output> {
        let mut output = Output::default();
        if self.csv {
            output.text = bench_table::csv(&report.rows)?;
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
            Some(card) => bench_table::describe_card(&report.machine, card, &mut output),
            None => bench_table::describe(&report.machine, &mut output),
        }
        if let Some([before, after]) = report.load {
            let pinned = if report.pinned { ", threads pinned" } else { "" };
            output.line(format!("  load {before:.2} before, {after:.2} after the rows{pinned}"));
        }
        bench_table::table(&report.rows, &mut output);
        for warning in report.warnings() {
            output.line(format!("warning: {warning}"));
        }
        if let Some(changes) = changes {
            bench_table::compared(changes, &mut output);
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
    zoometry::json::read(path, "what `zoometry bench --json` prints")
}

/// A time.
fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "expected a positive number".to_owned())
}

/// How much slower a row may be.
fn share(text: &str) -> std::result::Result<f64, String> {
    let share = super::share(text).filter(|share| (0.0..10.0).contains(share));
    share.ok_or_else(|| "expected a share, such as 10% or 0.1".to_owned())
}
