//! What is measured on a card: its roof, each shader, training steps and evaluations on every path, and a whole zoo.
//!
//! Answers are compared with their definitions before anything is timed, and the GPU is kept busy before: one that has been
//! idle for a second runs at a fraction of its clock.

mod networks;
mod shaders;
mod whole;

use crate::bench::measure::Timing;
use crate::bench::report::Card;
use crate::bench::{Cost, Machine, Report, Row, machine::Bandwidth};
use crate::gpu::{Dispatch, Gpu, shader};
use crate::{Context, Error, Result};
use std::collections::BTreeMap;
use std::time::Instant;

/// How much is put into a dispatch: software gets little.
#[derive(Clone, Copy)]
struct Size {
    images: usize,
    batch: usize,
    steps: usize,
    /// Networks of a dispatch, in widths of the GPU.
    widths: usize,
    blocks: usize,
    groups: [usize; 2],
    /// Networks, training images and epochs of the whole zoo.
    zoo: [usize; 3],
    /// Seconds for which a row's work is done before it is timed.
    warm_up: f64,
}

const CARD: Size = Size {
    images: 512,
    batch: 512,
    steps: 2,
    widths: 8,
    blocks: 1 << 22,
    groups: [1 << 13, 1 << 15],
    zoo: [2000, 60_000, 3],
    warm_up: 0.3,
};

const SOFTWARE: Size = Size {
    images: 8,
    batch: 16,
    steps: 1,
    widths: 2,
    blocks: 1 << 12,
    groups: [8, 1 << 10],
    zoo: [4, 640, 3],
    warm_up: 0.0,
};

/// The ISA of a GPU's rows.
pub const LEG: &str = "gpu";

/// Measures what contains `filter` for about `seconds`; `on_row` hears of each row, `clock` says the GPU's clock in MHz if
/// anybody knows.
///
/// # Errors
/// [`Error::Device`] where the GPU fails, [`Error::Wrong`] where an answer is, [`Error::Unknown`] where nothing contains
/// `filter`, [`Error::Cancelled`] where a stop was requested.
pub fn measure(
    context: &Context,
    gpu: Gpu,
    filter: &str,
    seconds: f64,
    on_row: &mut dyn FnMut(&Row),
    clock: &dyn Fn() -> Option<u32>,
) -> Result<Report> {
    let size = if gpu.adapter().software { SOFTWARE } else { CARD };
    let roof = Roof::default();
    let (rows, names) = (Vec::new(), Vec::new());
    let mut bench =
        Bench { size, filter, seconds: seconds / 20.0, roof, rows, names, end_to_end: None, on_row, context };
    bench.roof = bench.measure_roof(&gpu)?;
    let before = clock();
    bench.philox(&gpu)?;
    bench.convolutions(&gpu)?;
    bench.statistics(&gpu)?;
    let gpu = bench.networks(gpu)?;
    let gpu = bench.whole(gpu)?;
    let again = bench.measure_roof(&gpu)?;
    let after = clock();
    let adapter = gpu.adapter();
    if bench.rows.is_empty() {
        return Err(Error::unknown("shader", filter, bench.names));
    }
    let peak: BTreeMap<String, f64> = BTreeMap::from([(LEG.to_owned(), bench.roof.peak / 1e9)]);
    let copy = bench.roof.copy / 1e9;
    Ok(Report {
        version: env!("CARGO_PKG_VERSION").into(),
        machine: Machine {
            processor: adapter.name.clone(),
            processors: 1,
            threads: 1,
            fma_gflops: peak.clone(),
            fma_gflops_threads: peak,
            bandwidth: vec![Bandwidth { bytes: 2 * bench.copied(), gbs: copy, gbs_threads: copy }],
        },
        peak_at_end: again.peak / 1e9,
        load: None,
        pinned: false,
        rows: bench.rows,
        card: Some(Card {
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            software: adapter.software,
            clock_mhz: before.zip(after).map(|(before, after)| [before, after]),
            end_to_end: bench.end_to_end,
        }),
    })
}

/// What the GPU can do at most: flop and bytes a second.
#[derive(Clone, Copy, Default)]
struct Roof {
    peak: f64,
    copy: f64,
}

struct Bench<'a> {
    size: Size,
    filter: &'a str,
    /// Time for a row.
    seconds: f64,
    roof: Roof,
    rows: Vec<Row>,
    /// Every row there is.
    names: Vec<String>,
    /// Speed of the whole zoo relative to that of its training steps and evaluations.
    end_to_end: Option<f64>,
    on_row: &'a mut dyn FnMut(&Row),
    context: &'a Context,
}

/// What is measured.
struct Work<'a> {
    name: &'a str,
    shape: &'a str,
    cost: Cost,
    items: &'a str,
    /// Share of the cost's operations that are really made.
    executed: f64,
    /// Largest difference of the answer to its definition that is right, relative to the definition's largest value.
    tolerance: f64,
}

impl Bench<'_> {
    fn wants(&mut self, name: &str, shape: &str) -> bool {
        let path = format!("{name}/{shape}");
        let wanted = path.contains(self.filter);
        self.names.push(path);
        wanted
    }

    /// Checks and times a row; `check` says how wrong the answer is, `once` runs a number of dispatches and says how long they
    /// took.
    fn row(
        &mut self,
        work: &Work,
        check: &mut dyn FnMut() -> Result<f64>,
        once: &mut dyn FnMut(usize) -> Result<f64>,
    ) -> Result<()> {
        if !self.wants(work.name, work.shape) {
            return Ok(());
        }
        let error = check()?;
        if error.is_nan() || error > work.tolerance {
            let what = format!("{}/{}", work.name, work.shape);
            let expected = format!("an answer within {:e} of its definition", work.tolerance);
            return Err(Error::Wrong { what, expected, got: format!("one that is {error:e} off") });
        }
        let timing = sample(self.context, self.seconds, self.size.warm_up, once)?;
        self.push(work, timing, error);
        Ok(())
    }

    fn push(&mut self, work: &Work, timing: Timing, error: f64) {
        let cost = work.cost;
        let (compute, memory) = (cost.flops / self.roof.peak, cost.bytes / self.roof.copy);
        let rate = cost.items / timing.seconds;
        let images = work.items == "images";
        let row = Row {
            name: work.name.into(),
            shape: work.shape.into(),
            isa: LEG.into(),
            threads: 1,
            seconds: timing.seconds,
            seconds_best: timing.best,
            spread: timing.spread,
            samples: timing.samples,
            gflops: cost.flops / timing.seconds / 1e9,
            gbs: cost.bytes / timing.seconds / 1e9,
            bound: if compute >= memory { "fma" } else { "bytes" }.into(),
            fraction_of_peak: cost.flops / timing.seconds / self.roof.peak,
            fraction_of_roof: compute.max(memory) / timing.seconds,
            speedup_over_portable: None,
            speedup_over_reference: None,
            images_per_second: images.then_some(rate),
            items_per_second: (!images).then_some(rate),
            items: work.items.into(),
            error,
            executed: (work.executed < 1.0).then_some(work.executed),
            sample_seconds: timing.all,
            ..Row::default()
        };
        (self.on_row)(&row);
        self.rows.push(row);
    }

    /// Bytes of a copy.
    fn copied(&self) -> usize {
        4096 * self.size.groups[1]
    }

    /// Multiply-adds and bytes a second.
    fn measure_roof(&self, gpu: &Gpu) -> Result<Roof> {
        let [groups, copies] = self.size.groups;
        let bytes = self.copied();
        let (from, to) = (gpu.zeros("from", bytes as u64)?, gpu.zeros("to", bytes as u64)?);
        gpu.write(&from, 0, &[0.5f32, 0.25, 0.125, 0.75, 0.5, 0.25, 0.125, 0.75]);
        let bindings = [(0, &from), (1, &to)];
        let multiply = gpu.pipeline(&[shader::ROOF], "multiply_add", &[])?;
        let copy = gpu.pipeline(&[shader::ROOF], "copy", &[])?;
        let time = |pipeline, groups| {
            let dispatch = Dispatch { pipeline, bindings: &bindings, groups: [groups, 1] };
            sample(self.context, self.seconds / 4.0, self.size.warm_up, &mut |times| gpu.time(&[dispatch], times))
        };
        let (compute, memory) = (time(&multiply, groups)?, time(&copy, copies)?);
        // 256 invocations, 128 rounds, 128 multiply-adds
        let peak = (groups * 256 * 128 * 256) as f64 / compute.seconds;
        Ok(Roof { peak, copy: (2 * bytes) as f64 / memory.seconds })
    }
}

/// The largest difference relative to the largest expected value.
fn difference(got: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
    let differences = got.iter().zip(expected).map(|(&got, expected)| (f64::from(got) - expected).abs());
    differences.fold(0.0, |worst: f64, d| if d.is_nan() { f64::INFINITY } else { worst.max(d) }) / largest
}

/// A sample is at least this long, so that the clock's resolution does not matter.
const SAMPLE: f64 = 2e-3;

/// Times calls for about `seconds` after `warm_up` seconds of them.
fn sample(context: &Context, seconds: f64, warm_up: f64, once: &mut dyn FnMut(usize) -> Result<f64>) -> Result<Timing> {
    let start = Instant::now();
    let mut times = 1;
    while once(times)? < SAMPLE && times < 1 << 12 {
        times *= 2;
    }
    while start.elapsed().as_secs_f64() < warm_up {
        once(times)?;
    }
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.is_empty() || start.elapsed().as_secs_f64() < seconds {
        if context.stop.requested() {
            return Err(Error::Cancelled);
        }
        samples.push(once(times)? / times as f64);
    }
    Ok(Timing::new(samples))
}
