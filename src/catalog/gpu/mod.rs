//! What is measured on a card: its roof, each shader, and the training step over the number of networks in flight.
//!
//! Answers are compared with their definitions by the tests; here only time is looked at.

mod networks;
mod shaders;

use crate::bench::Cost;
use crate::cnn::Arch;
use crate::gpu::{Adapter, Dispatch, Gpu, shader};
use crate::par::Stop;
use crate::{Error, Result};
use serde::Serialize;
use std::time::Instant;

/// One shader at one shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Operator and direction.
    pub name: String,
    /// The shape.
    pub shape: String,
    /// Median time of a dispatch.
    pub seconds: f64,
    /// Distance between the quartiles of the time, relative to the median.
    pub spread: f64,
    /// TFLOP/s.
    pub tflops: f64,
    /// GB/s, each operand counted once.
    pub gbs: f64,
    /// What the roof is: `fma` or `bytes`.
    pub bound: String,
    /// Speed relative to the roof.
    pub fraction_of_roof: f64,
    /// Images, networks … a second.
    pub items_per_second: f64,
    /// What the items are.
    pub items: String,
}

/// A card's roof and rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The card.
    pub adapter: Adapter,
    /// TFLOP/s of multiply-adds in registers.
    pub peak_tflops: f64,
    /// Distance between the quartiles of its time, relative to the median.
    pub peak_spread: f64,
    /// GB/s of a copy, reading and writing counted.
    pub copy_gbs: f64,
    /// Distance between the quartiles of its time, relative to the median.
    pub copy_spread: f64,
    /// The rows.
    pub rows: Vec<Row>,
}

/// How much is put into a dispatch: software gets little.
struct Size {
    images: usize,
    batch: usize,
    steps: usize,
    networks: &'static [usize],
    blocks: usize,
    groups: [usize; 2],
}

const CARD: Size = Size {
    images: 512,
    batch: 512,
    steps: 2,
    networks: &[1, 16, 64, 128, 256, 512, 1024, 2048],
    blocks: 1 << 22,
    groups: [1 << 13, 1 << 15],
};

const SOFTWARE: Size =
    Size { images: 8, batch: 16, steps: 1, networks: &[1, 2, 4], blocks: 1 << 12, groups: [8, 1 << 10] };

/// Measures what contains `filter` for about `seconds`; `tell` hears of each row.
///
/// # Errors
/// [`Error::Device`] where the card fails, [`Error::Cancelled`] where `stop` was requested.
pub fn measure(gpu: Gpu, filter: &str, seconds: f64, tell: &mut dyn FnMut(&Row), stop: &Stop) -> Result<Report> {
    let size = if gpu.adapter().software { SOFTWARE } else { CARD };
    let roof = Roof::default();
    let mut bench = Bench { size, filter, seconds: seconds / 20.0, roof, rows: Vec::new(), tell, stop };
    bench.roof = bench.measure_roof(&gpu)?;
    bench.philox(&gpu)?;
    bench.convolutions(&gpu)?;
    bench.statistics(&gpu)?;
    let adapter = gpu.adapter().clone();
    bench.networks(gpu)?;
    let Bench { roof, rows, .. } = bench;
    Ok(Report {
        adapter,
        peak_tflops: roof.peak / 1e12,
        peak_spread: roof.peak_spread,
        copy_gbs: roof.copy / 1e9,
        copy_spread: roof.copy_spread,
        rows,
    })
}

/// What the card can do at most: flop and bytes a second, and their spread.
#[derive(Clone, Copy, Default)]
struct Roof {
    peak: f64,
    peak_spread: f64,
    copy: f64,
    copy_spread: f64,
}

struct Bench<'a> {
    size: Size,
    filter: &'a str,
    /// Time for a row.
    seconds: f64,
    roof: Roof,
    rows: Vec<Row>,
    tell: &'a mut dyn FnMut(&Row),
    stop: &'a Stop,
}

impl Bench<'_> {
    fn wants(&self, name: &str, shape: &str) -> bool {
        format!("{name}/{shape}").contains(self.filter)
    }

    /// Times a row; `once` runs a number of dispatches and says how long they took.
    fn row(
        &mut self,
        name: &str,
        shape: &str,
        cost: Cost,
        items: &str,
        once: &mut dyn FnMut(usize) -> Result<f64>,
    ) -> Result<()> {
        if !self.wants(name, shape) {
            return Ok(());
        }
        let (seconds, spread) = sample(self.seconds, self.stop, once)?;
        let (compute, memory) = (cost.flops / self.roof.peak, cost.bytes / self.roof.copy);
        let row = Row {
            name: name.into(),
            shape: shape.into(),
            seconds,
            spread,
            tflops: cost.flops / seconds / 1e12,
            gbs: cost.bytes / seconds / 1e9,
            bound: if compute >= memory { "fma" } else { "bytes" }.into(),
            fraction_of_roof: compute.max(memory) / seconds,
            items_per_second: cost.items / seconds,
            items: items.into(),
        };
        (self.tell)(&row);
        self.rows.push(row);
        Ok(())
    }

    /// Multiply-adds and bytes a second.
    fn measure_roof(&self, gpu: &Gpu) -> Result<Roof> {
        let [groups, copies] = self.size.groups;
        let bytes = 4096 * copies;
        let (from, to) = (gpu.zeros("from", bytes as u64)?, gpu.zeros("to", bytes as u64)?);
        gpu.write(&from, 0, &[0.5f32, 0.25, 0.125, 0.75, 0.5, 0.25, 0.125, 0.75]);
        let bindings = [(0, &from), (1, &to)];
        let multiply = gpu.pipeline(&[shader::ROOF], "multiply_add", &[])?;
        let copy = gpu.pipeline(&[shader::ROOF], "copy", &[])?;
        let time = |pipeline, groups| {
            let dispatch = Dispatch { pipeline, bindings: &bindings, groups: [groups, 1] };
            sample(self.seconds, self.stop, &mut |times| gpu.time(&[dispatch], times))
        };
        let ((compute, peak_spread), (memory, copy_spread)) = (time(&multiply, groups)?, time(&copy, copies)?);
        // 256 invocations, 128 rounds, 128 multiply-adds
        let peak = (groups * 256 * 128 * 256) as f64 / compute;
        Ok(Roof { peak, peak_spread, copy: (2 * bytes) as f64 / memory, copy_spread })
    }
}

fn reference() -> Arch {
    Arch { height: 28, width: 28, convs: crate::cnn::reference_stack(), classes: 10 }
}

/// A sample is at least this long, so that the clock's resolution does not matter.
const SAMPLE: f64 = 2e-3;

/// Median and spread of the time of one call within about `seconds`.
fn sample(seconds: f64, stop: &Stop, once: &mut dyn FnMut(usize) -> Result<f64>) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut times = 1;
    while once(times)? < SAMPLE && times < 1 << 12 {
        times *= 2;
    }
    let mut samples = Vec::new();
    while samples.is_empty() || start.elapsed().as_secs_f64() < seconds {
        if stop.requested() {
            return Err(Error::Cancelled);
        }
        samples.push(once(times)? / times as f64);
    }
    samples.sort_unstable_by(f64::total_cmp);
    let at = |quarters: usize| samples[(samples.len() - 1) * quarters / 4];
    Ok((at(2), (at(3) - at(1)) / at(2)))
}
