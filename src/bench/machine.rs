//! The machine's roof: how many multiply-adds it does a second, how many bytes it reads.

use super::measure::{Contestant, interleave, together};
use crate::kernels::{Isa, Kernel, Lanes, simd::Simd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hint::black_box;

/// What a processor can do at most, as measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// Logical processors.
    pub processors: usize,
    /// Threads of the rows measured with more than one.
    pub threads: usize,
    /// GFLOP/s of one thread, by ISA.
    pub fma_gflops: BTreeMap<String, f64>,
    /// GFLOP/s of all [`Machine::threads`] together, by ISA.
    pub fma_gflops_threads: BTreeMap<String, f64>,
    /// Reading speed of one thread on its fastest ISA, by size of what is read, ascending.
    pub bandwidth: Vec<Bandwidth>,
}

/// Reading speed at one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Bytes that are read over and over.
    pub bytes: usize,
    /// GB/s of one thread.
    pub gbs: f64,
    /// GB/s of all threads together, each with bytes of its own.
    pub gbs_threads: f64,
}

/// Sizes of what is read: inside a first-level cache, a second-level one, third-level ones, memory.
const SIZES: [usize; 6] = [16 << 10, 192 << 10, 1 << 20, 4 << 20, 16 << 20, 256 << 20];

/// Rounds of multiply-adds in a call.
const ROUNDS: usize = 2000;

impl Machine {
    /// Measures this machine for about `seconds`.
    pub fn measure(isas: &[Isa], threads: usize, seconds: f64) -> Machine {
        let share = seconds / 4.0;
        let peaks = |threads: usize| {
            let mut contestants: Vec<Contestant> = isas.iter().map(|&isa| peak_on(isa, threads)).collect();
            let timings = interleave(&mut contestants, share);
            let gflops =
                |(isa, seconds): (&Isa, f64)| (isa.kind().to_string(), threads as f64 * flops(*isa) / seconds / 1e9);
            isas.iter().zip(timings.iter().map(|timing| timing.seconds)).map(gflops).collect::<BTreeMap<_, _>>()
        };
        let fma_gflops = peaks(1);
        let fma_gflops_threads = if threads == 1 { fma_gflops.clone() } else { peaks(threads) };
        let isa = isas.iter().copied().max_by_key(|isa| isa.kind()).unwrap_or(Isa::detect());
        let bandwidth = SIZES.map(|bytes| {
            let gbs = |threads| reading(isa, bytes, threads, share / SIZES.len() as f64);
            let one = gbs(1);
            Bandwidth { bytes, gbs: one, gbs_threads: if threads == 1 { one } else { gbs(threads) } }
        });
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Machine {
            processor: processor(),
            processors,
            threads,
            fma_gflops,
            fma_gflops_threads,
            bandwidth: bandwidth.to_vec(),
        }
    }

    /// GFLOP/s of an ISA.
    pub fn peak(&self, isa: Isa, threads: usize) -> f64 {
        let peaks = if threads == 1 { &self.fma_gflops } else { &self.fma_gflops_threads };
        peaks.get(isa.kind().name()).copied().unwrap_or(f64::NAN)
    }

    /// GB/s of reading something of `bytes` a thread.
    pub fn bandwidth(&self, bytes: f64, threads: usize) -> f64 {
        let level = self.bandwidth.iter().find(|level| level.bytes as f64 >= bytes).or(self.bandwidth.last());
        level.map_or(f64::NAN, |level| if threads == 1 { level.gbs } else { level.gbs_threads })
    }
}

/// Bytes as people read them.
pub fn size(bytes: usize) -> String {
    match bytes >> 10 {
        kib @ 0..1024 => format!("{kib} KiB"),
        kib => format!("{} MiB", kib >> 10),
    }
}

/// The processor's own name where the system tells it.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    name.map_or(std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The multiply-adds of an ISA, again and again.
pub(super) fn peak_on(isa: Isa, threads: usize) -> Contestant<'static> {
    let mut operands = vec![(); threads];
    Box::new(move |calls| together(&mut operands, &|()| _ = black_box(isa.run(MultiplyAdd)), calls))
}

/// GFLOP/s of calls of [`peak_on`] that take so long.
pub(super) fn peak_of(isa: Isa, threads: usize, seconds: f64) -> f64 {
    threads as f64 * flops(isa) / seconds / 1e9
}

/// Processes that wanted to run in the last minute, where the system tells.
pub fn load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// GFLOP/s of one thread on an ISA, measured again for about `seconds`: has the machine changed meanwhile?
pub fn peak_again(isa: Isa, seconds: f64) -> f64 {
    let timings = interleave(&mut [peak_on(isa, 1)], seconds);
    flops(isa) / timings[0].seconds / 1e9
}

/// Operations of a call of [`MultiplyAdd`].
fn flops(isa: Isa) -> f64 {
    struct Rows;
    impl Kernel for Rows {
        type Output = usize;
        #[inline(always)]
        fn run<S: Simd>(self, _: S) -> usize {
            S::ROWS
        }
    }
    (2 * 16 * ROUNDS * isa.run(Rows)) as f64
}

/// `a[r] ← a[r]·x + y` for as many independent `r` as fill the registers.
struct MultiplyAdd;

impl Kernel for MultiplyAdd {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        match S::ROWS {
            12 => multiply_add::<S, 12>(s),
            6 => multiply_add::<S, 6>(s),
            _ => multiply_add::<S, 3>(s),
        }
    }
}

#[inline(always)]
fn multiply_add<S: Simd, const R: usize>(s: S) -> f32 {
    let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(0.25)));
    let mut acc = [s.splat(1.0); R];
    for _ in 0..ROUNDS {
        for r in 0..R {
            acc[r] = s.fma(acc[r], x, y);
        }
    }
    acc.into_iter().map(|acc| s.sum(acc)).sum()
}

/// GB/s of reading `bytes` again and again on each of `threads` threads.
fn reading(isa: Isa, bytes: usize, threads: usize, seconds: f64) -> f64 {
    let lanes = bytes / size_of::<Lanes>();
    let mut operands: Vec<Vec<Lanes>> = (0..threads).map(|_| vec![Lanes([1.0; 16]); lanes]).collect();
    let call = |x: &mut Vec<Lanes>| _ = black_box(isa.run(Read(x)));
    let timings = interleave(&mut [Box::new(|calls| together(&mut operands, &call, calls))], seconds);
    (threads * bytes) as f64 / timings[0].seconds / 1e9
}

/// Adds everything up, in four sums.
struct Read<'a>(&'a [Lanes]);

impl Kernel for Read<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut acc = [s.splat(0.0); 4];
        for part in self.0.as_chunks::<4>().0 {
            for r in 0..4 {
                acc[r] = s.add(acc[r], s.load(&part[r]));
            }
        }
        acc.into_iter().map(|acc| s.sum(acc)).sum()
    }
}
