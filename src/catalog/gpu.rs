//! What is measured on a card: its roof, each shader, and the training step over the number of networks in flight.
//!
//! Answers are compared with their definitions by the tests; here only time is looked at.

use super::noise;
use crate::Result;
use crate::bench::Cost;
use crate::cnn::{Arch, init, layout};
use crate::dataset::Split;
use crate::gpu::{Adapter, Dispatch, Gpu, shader};
use crate::kernels::reference::conv::Dims;
use crate::rng::Stream;
use crate::train::gpu::{Fleet, Part, Plan, Shape, Steps};
use crate::train::run::{Activation, Optimizer, Run};
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
    /// GB/s of a copy, reading and writing counted.
    pub copy_gbs: f64,
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

/// Convolutions of the reference net: side, input channels.
const CONVOLUTIONS: [(usize, usize); 3] = [(28, 1), (13, 16), (6, 16)];

/// Networks of a call of the statistics.
const NETWORKS: usize = 64;

/// Measures what contains `filter` for about `seconds`; `tell` hears of each row.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) where the card fails.
pub fn measure(gpu: Gpu, filter: &str, seconds: f64, tell: &mut dyn FnMut(&Row)) -> Result<Report> {
    let size = if gpu.adapter().software { SOFTWARE } else { CARD };
    let mut bench =
        Bench { size, filter, seconds: seconds / 20.0, peak: f64::NAN, copy: f64::NAN, rows: Vec::new(), tell };
    bench.roof(&gpu)?;
    bench.philox(&gpu)?;
    bench.convolutions(&gpu)?;
    bench.statistics(&gpu)?;
    let adapter = gpu.adapter().clone();
    bench.networks(gpu)?;
    let Bench { peak, copy, rows, .. } = bench;
    Ok(Report { adapter, peak_tflops: peak / 1e12, copy_gbs: copy / 1e9, rows })
}

struct Bench<'a> {
    size: Size,
    filter: &'a str,
    /// Time for a row.
    seconds: f64,
    peak: f64,
    copy: f64,
    rows: Vec<Row>,
    tell: &'a mut dyn FnMut(&Row),
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
        let (seconds, spread) = sample(self.seconds, once)?;
        let (compute, memory) = (cost.flops / self.peak, cost.bytes / self.copy);
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
    fn roof(&mut self, gpu: &Gpu) -> Result<()> {
        let [groups, copies] = self.size.groups;
        let bytes = 4096 * copies;
        let (from, to) = (gpu.zeros("from", bytes as u64)?, gpu.zeros("to", bytes as u64)?);
        gpu.write(&from, 0, &[0.5f32, 0.25, 0.125, 0.75, 0.5, 0.25, 0.125, 0.75]);
        let bindings = [(0, &from), (1, &to)];
        let multiply = gpu.pipeline(&[shader::ROOF], "multiply_add", &[])?;
        let copy = gpu.pipeline(&[shader::ROOF], "copy", &[])?;
        let time = |pipeline, groups| {
            let dispatch = Dispatch { pipeline, bindings: &bindings, groups: [groups, 1] };
            sample(self.seconds, &mut |times| gpu.time(&dispatch, times))
        };
        // 256 invocations, 512 rounds, 32 multiply-adds
        self.peak = (groups * 256 * 512 * 64) as f64 / time(&multiply, groups)?.0;
        self.copy = (2 * bytes) as f64 / time(&copy, copies)?.0;
        Ok(())
    }

    fn philox(&mut self, gpu: &Gpu) -> Result<()> {
        let count = self.size.blocks;
        let counters: Vec<[u32; 4]> = (0..count as u32).map(|n| [n, 0, 0, 0]).collect();
        let blocks = gpu.uniform("blocks", &[1, 2, count as u32, 0])?;
        let (from, to) = (gpu.upload("counters", &counters)?, gpu.zeros("words", 16 * count as u64)?);
        let pipeline = gpu.pipeline(&[shader::RANDOM], "philox_blocks", &[])?;
        let bindings = [(0, &blocks), (1, &from), (2, &to)];
        // rows of a dispatch are shorter than the number of its workgroups may be
        let groups = [count.div_ceil(64).min(gpu.limits().groups), 1];
        let cost =
            Cost { flops: 0.0, bytes: 32.0 * (groups[0] * 64).min(count) as f64, items: (groups[0] * 64) as f64 };
        let dispatch = Dispatch { pipeline: &pipeline, bindings: &bindings, groups };
        self.row("random/philox", &count.to_string(), cost, "blocks", &mut |times| gpu.time(&dispatch, times))
    }

    fn convolutions(&mut self, gpu: &Gpu) -> Result<()> {
        let images = self.size.images;
        for (side, inputs) in CONVOLUTIONS {
            let (p, outputs) = ((side - 3) / 2 + 1, 16);
            let d = Dims {
                images,
                height: side,
                width: side,
                inputs,
                outputs,
                kernel: 3,
                stride: 2,
                top: 0,
                left: 0,
                p,
                q: p,
            };
            let (x, y, w) = (images * side * side * inputs, images * p * p * outputs, 9 * inputs * outputs);
            let cost =
                Cost { flops: (2 * y * 9 * inputs) as f64, bytes: (4 * (x + y + w)) as f64, items: images as f64 };
            let upload = |n: usize| gpu.upload("operand", &noise(n));
            let zeros = |n: usize| gpu.zeros("answer", 4 * n as u64);
            let (bx, bw, bb, bdy) = (upload(x)?, upload(w)?, upload(outputs)?, upload(y)?);
            let (by, bdx, bdw, bdb) = (zeros(y)?, zeros(x)?, zeros(w)?, zeros(outputs)?);
            let shape = format!("n{images}_{side}x{side}x{inputs}_{outputs}");
            let rows = |items: usize| [items.div_ceil(64).min(1 << 12), items.div_ceil(64).div_ceil(1 << 12)];
            let (forward, input) = (rows(y / 4), rows(x));
            let jobs = [gpu.uniform("dims", &words(&d, forward[0]))?, gpu.uniform("dims", &words(&d, input[0]))?];
            let operands: [(&str, [usize; 2], Vec<(u32, &crate::gpu::Buffer)>); 3] = [
                ("forward", forward, vec![(0, &jobs[0]), (1, &bx), (2, &bw), (3, &bb), (4, &by)]),
                ("backward_input", input, vec![(0, &jobs[1]), (2, &bw), (5, &bdy), (6, &bdx)]),
                (
                    "backward_weight",
                    [9 * inputs + 1, outputs / 4],
                    vec![(0, &jobs[0]), (1, &bx), (5, &bdy), (7, &bdw), (8, &bdb)],
                ),
            ];
            for (entry, groups, bindings) in operands {
                let pipeline = gpu.pipeline(&[shader::CONV], entry, &[])?;
                let dispatch = Dispatch { pipeline: &pipeline, bindings: &bindings, groups };
                self.row(&format!("conv/{entry}"), &shape, cost, "images", &mut |times| gpu.time(&dispatch, times))?;
            }
        }
        Ok(())
    }

    fn statistics(&mut self, gpu: &Gpu) -> Result<()> {
        let arch = reference();
        let tensors: Vec<[u32; 2]> =
            layout::tensors(&arch).iter().map(|t| [t.start_idx as u32, (t.end_idx - t.start_idx) as u32]).collect();
        let shape = gpu.uniform("shape", &[tensors.len() as u32, NETWORKS as u32, arch.parameters() as u32, 0])?;
        let table = gpu.upload("tensors", &tensors)?;
        let weights = gpu.upload("weights", &noise(NETWORKS * arch.parameters()))?;
        let to = gpu.zeros("statistics", (NETWORKS * tensors.len() * 28) as u64)?;
        let pipeline = gpu.pipeline(&[shader::STATISTICS], "weight_statistics", &[])?;
        let bindings = [(0, &shape), (1, &table), (2, &weights), (3, &to)];
        let dispatch = Dispatch { pipeline: &pipeline, bindings: &bindings, groups: [tensors.len(), NETWORKS] };
        let bytes = (NETWORKS * (arch.parameters() + 56) * 4) as f64;
        let cost = Cost { flops: 0.0, bytes, items: NETWORKS as f64 };
        let shape = format!("{NETWORKS}x{}", arch.parameters());
        self.row("statistics", &shape, cost, "networks", &mut |times| gpu.time(&dispatch, times))
    }

    /// Training steps and an evaluation of the reference net, many networks side by side.
    fn networks(&mut self, gpu: Gpu) -> Result<()> {
        let arch = reference();
        let Size { batch, steps, networks, .. } = self.size;
        let split = split(batch * steps);
        let shape = Shape::new(&arch, &gpu)?;
        let slots = networks[networks.len() - 1];
        let plan = Plan { arch: &arch, train: &split, test: &split, batch, slots, gelu: false };
        let fleet = Fleet::new(gpu, shape, &plan)?;
        let mut flat = vec![0.0; arch.parameters()];
        let order: Vec<u32> = (0..split.len() as u32).collect();
        for slot in 0..slots {
            let run = run(slot as u64, 0.0);
            init::fill(&arch, run.w_init, run.init_std, run.seed, &mut flat);
            fleet.load(slot, &flat);
            fleet.set_order(slot, &order);
        }
        for (name, dropout) in [("28x28_relu", 0.0), ("28x28_relu_drop", 0.3)] {
            for &count in networks {
                let work: Vec<Steps> = (0..count)
                    .map(|slot| Steps { slot, run: run(slot as u64, dropout), first: 0, before: 0, count: steps })
                    .collect();
                let images = count * batch * steps;
                let cost = Cost {
                    flops: (images as u64 * arch.training_flops()) as f64,
                    bytes: (images * 784 * 4 + count * steps * 6 * arch.parameters() * 4) as f64,
                    items: images as f64,
                };
                let shape = format!("{name}/{count}_networks");
                self.row("train_step", &shape, cost, "images", &mut |times| fleet.time(&work, times))?;
            }
        }
        let work: Vec<(usize, Run, usize)> = (0..slots).map(|slot| (slot, run(0, 0.0), split.len())).collect();
        let images = slots * split.len();
        let cost = Cost {
            flops: (images as u64 * arch.forward_flops()) as f64,
            bytes: (images * 784 * 4) as f64,
            items: images as f64,
        };
        // the host's share is in it: results come back after each call
        self.row("evaluate", &format!("28x28_relu/{slots}_networks"), cost, "images", &mut |times| {
            let start = Instant::now();
            for _ in 0..times {
                fleet.evaluate(Part::Train, &work)?;
            }
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

fn reference() -> Arch {
    Arch { height: 28, width: 28, convs: crate::cnn::reference_stack(), classes: 10 }
}

fn words(d: &Dims, rows: usize) -> Vec<u32> {
    let Dims { images, height, width, inputs, outputs, kernel, stride, top, left, p, q } = *d;
    let numbers = [images, height, width, inputs, outputs, kernel, stride, top, left, p, q, rows];
    numbers.iter().map(|&number| number as u32).collect()
}

fn run(seed: u64, dropout: f32) -> Run {
    Run {
        optimizer: Optimizer::Adam,
        activation: Activation::Relu,
        w_init: init::Init::HeNormal,
        learning_rate: 1e-4,
        l2reg: 0.0,
        dropout,
        init_std: 0.1,
        train_fraction: 1.0,
        seed,
    }
}

fn split(images: usize) -> Split {
    let mut stream = Stream::new(1, 0, 0);
    Split {
        images: (0..images * 784).map(|_| stream.range(-1.0, 1.0) as f32).collect(),
        labels: (0..images).map(|n| (n % 10) as u8).collect(),
        height: 28,
        width: 28,
    }
}

/// A sample is at least this long, so that the clock's resolution does not matter.
const SAMPLE: f64 = 2e-3;

/// Median and spread of the time of one call within about `seconds`.
fn sample(seconds: f64, once: &mut dyn FnMut(usize) -> Result<f64>) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut times = 1;
    while once(times)? < SAMPLE && times < 1 << 12 {
        times *= 2;
    }
    let mut samples = Vec::new();
    while samples.is_empty() || start.elapsed().as_secs_f64() < seconds {
        samples.push(once(times)? / times as f64);
    }
    samples.sort_unstable_by(f64::total_cmp);
    let at = |quarters: usize| samples[(samples.len() - 1) * quarters / 4];
    Ok((at(2), (at(3) - at(1)) / at(2)))
}
