//! The shaders that stand alone.

use super::{Bench, Work, difference};
use crate::Result;
use crate::bench::Cost;
use crate::catalog::{noise, wide};
use crate::cnn::Arch;
use crate::gpu::{Buffer, Dispatch, Gpu, shader};
use crate::kernels::random::philox;
use crate::kernels::reference::conv::{self, Dims};
use crate::kernels::reference::{quantile, reduce};

/// Convolutions of the reference net: side, input channels.
const CONVOLUTIONS: [(usize, usize); 3] = [(28, 1), (13, 16), (6, 16)];

/// Networks of a call of the statistics.
const NETWORKS: usize = 64;

/// Random blocks that are compared with the CPU's.
const CHECKED: usize = 1 << 10;

/// Buffers by their binding.
type Bindings<'a> = Vec<(u32, &'a Buffer)>;

impl Bench<'_> {
    pub(super) fn philox(&mut self, gpu: &Gpu) -> Result<()> {
        let count = self.size.blocks;
        let counters: Vec<[u32; 4]> = (0..count as u32).map(|n| [n, 0, 0, 0]).collect();
        let blocks = gpu.uniform("blocks", &[1, 2, count as u32, 0])?;
        let (from, to) = (gpu.upload("counters", &counters)?, gpu.zeros("words", 16 * count as u64)?);
        let pipeline = gpu.pipeline(&gpu.random(), "philox_blocks", &[])?;
        let bindings = [(0, &blocks), (1, &from), (2, &to)];
        // rows of a dispatch are shorter than the number of its workgroups may be
        let groups = [count.div_ceil(64).min(gpu.limits().groups), 1];
        let cost =
            Cost { flops: 0.0, bytes: 32.0 * (groups[0] * 64).min(count) as f64, items: (groups[0] * 64) as f64 };
        let dispatch = Dispatch { pipeline: &pipeline, bindings: &bindings, groups };
        let shape = count.to_string();
        let work = Work { name: "random/philox", shape: &shape, cost, items: "blocks", executed: 1.0, tolerance: 0.0 };
        let mut check = || {
            gpu.submit(&dispatch);
            let found: Vec<[u32; 4]> = gpu.download(&to, 0, counters.len().min(CHECKED))?;
            let wrong = found.iter().zip(&counters).filter(|(found, counter)| **found != philox(**counter, [1, 2]));
            Ok(wrong.count() as f64)
        };
        self.row(&work, &mut check, &mut |times| gpu.time(&[dispatch], times))
    }

    pub(super) fn convolutions(&mut self, gpu: &Gpu) -> Result<()> {
        let images = self.size.images;
        for (side, inputs) in CONVOLUTIONS {
            let (p, outputs) = ((side - 3) / 2 + 1, 16);
            let d = Dims {
                images,
                height: side,
                width: side,
                inputs,
                outputs,
                kernel: [3; 2],
                stride: 2,
                top: 0,
                left: 0,
                p,
                q: p,
            };
            let (x, y, w) = (images * side * side * inputs, images * p * p * outputs, 9 * inputs * outputs);
            let cost = Cost::of(d.cost(), images);
            let upload = |n: usize| gpu.upload("operand", &noise(n));
            let zeros = |n: usize| gpu.zeros("answer", 4 * n as u64);
            let (bx, bw, bb, bdy) = (upload(x)?, upload(w)?, upload(outputs)?, upload(y)?);
            let (by, bdx, bdw, bdb) = (zeros(y)?, zeros(x)?, zeros(w)?, zeros(outputs)?);
            let shape = format!("{side}x{side}x{inputs}_{outputs}/{images}_images");
            let rows = |items: usize| [items.div_ceil(64).min(1 << 12), items.div_ceil(64).div_ceil(1 << 12)];
            let (forward, input) = (rows(y / 4), rows(x));
            let jobs = [gpu.uniform("dims", &words(&d, forward[0]))?, gpu.uniform("dims", &words(&d, input[0]))?];
            let operands: [(&str, [usize; 2], Bindings); 3] = [
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
                let name = format!("conv/{entry}");
                let work = Work { name: &name, shape: &shape, cost, items: "images", executed: 1.0, tolerance: 1e-5 };
                let mut check = || {
                    gpu.submit(&dispatch);
                    let (answer, expected) = match entry {
                        "forward" => (gpu.download(&by, 0, y)?, defined(&d, entry)),
                        "backward_input" => (gpu.download(&bdx, 0, x)?, defined(&d, entry)),
                        _ => (gpu.download(&bdw, 0, w)?, defined(&d, entry)),
                    };
                    Ok(difference(&answer, &expected))
                };
                self.row(&work, &mut check, &mut |times| gpu.time(&[dispatch], times))?;
            }
        }
        Ok(())
    }

    pub(super) fn statistics(&mut self, gpu: &Gpu) -> Result<()> {
        let arch = Arch::reference(28, 28, 10)?;
        let tensors: Vec<[u32; 2]> =
            arch.plan().tensors.iter().map(|t| [t.range.start as u32, t.range.len() as u32]).collect();
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
        let work = Work { name: "statistics", shape: &shape, cost, items: "networks", executed: 1.0, tolerance: 1e-5 };
        let mut check = || {
            gpu.submit(&dispatch);
            let found: Vec<[f32; 7]> = gpu.download(&to, 0, tensors.len())?;
            let weights = noise(NETWORKS * arch.parameters());
            let errors = found.iter().zip(&tensors).map(|(found, &[start, count])| {
                difference(found, &seven(&weights[start as usize..][..count as usize]))
            });
            Ok(errors.fold(0.0, f64::max))
        };
        self.row(&work, &mut check, &mut |times| gpu.time(&[dispatch], times))
    }
}

fn words(d: &Dims, rows: usize) -> Vec<u32> {
    let Dims { images, height, width, inputs, outputs, kernel, stride, top, left, p, q } = *d;
    let numbers = [images, height, width, inputs, outputs, kernel[0], stride, top, left, p, q, rows];
    numbers.iter().map(|&number| number as u32).collect()
}

/// A convolution by definition, on the operands of [`Bench::convolutions`].
fn defined(d: &Dims, entry: &str) -> Vec<f64> {
    let (x, y) = (d.images * d.height * d.width * d.inputs, d.images * d.p * d.q * d.outputs);
    let w = d.kernel[0] * d.kernel[1] * d.inputs * d.outputs;
    let [x, y, w, b] = [x, y, w, d.outputs].map(|n| wide(&noise(n)));
    let mut answer = vec![
        0.0;
        if entry == "forward" {
            y.len()
        } else if entry == "backward_input" {
            x.len()
        } else {
            w.len()
        }
    ];
    match entry {
        "forward" => conv::forward(d, &x, &w, &b, &mut answer),
        "backward_input" => conv::backward_input(d, &y, &w, &mut answer),
        _ => conv::backward_weight(d, &x, &y, &mut answer, &mut vec![0.0; d.outputs]),
    }
    answer
}

/// The seven statistics by definition.
fn seven(x: &[f32]) -> [f64; 7] {
    let (moments, [q25, median, q75]) = (reduce::moments(x), quantile::quartiles(x));
    let (min, max) = (f64::from(moments.min), f64::from(moments.max));
    [min, q25, median, q75, max, moments.variance.sqrt(), moments.mean]
}
