//! What a benchmark found: rows beside the machine's roof, and two such reports compared.

use super::measure::{Contestant, FEWEST, Timing, alone, interleave, on_threads};
use super::{Case, Machine, machine};
use crate::kernels::{Isa, IsaKind};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};

/// A spread above which a figure is called disturbed.
pub const DISTURBED: f64 = 0.10;

/// A change of the machine's peak beside a row above which nothing is said of the row's.
pub const MOVED: f64 = 0.05;

/// A share of the roof above which a row is marked: the roof was measured too low, or the row's cost counts what padding saves.
pub const ABOVE: f64 = 1.02;

/// What the bootstrap draws for.
const PURPOSE: u32 = u32::from_be_bytes(*b"pace");

/// Resamples of the bootstrap.
const RESAMPLES: usize = 2000;

/// One kernel at one shape on one ISA.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Row {
    /// Operator and direction.
    pub name: String,
    /// The shape.
    pub shape: String,
    /// The ISA's name.
    pub isa: String,
    /// Threads that worked at once, each on operands of its own unless the kernel spreads its work itself.
    pub threads: usize,
    /// Median time of a call.
    pub seconds: f64,
    /// Time of a call in the shortest sample.
    pub seconds_best: f64,
    /// Distance between the quartiles of the time, relative to the median.
    pub spread: f64,
    /// Number of samples.
    pub samples: usize,
    /// GFLOP/s of all threads.
    pub gflops: f64,
    /// GB/s of all threads, each operand counted once.
    pub gbs: f64,
    /// What the roof is: `fma` or `bytes`.
    pub bound: String,
    /// GFLOP/s relative to the measured peak of the ISA and the number of threads.
    pub fraction_of_peak: f64,
    /// Speed relative to the roof: the longer of the times that its operations and its bytes need at least.
    pub fraction_of_roof: f64,
    /// Speed relative to the portable ISA on as many threads, where that was measured.
    pub speedup_over_portable: Option<f64>,
    /// Speed of one thread relative to the plain `f64` definition, where there is one that is quick enough to be timed.
    pub speedup_over_reference: Option<f64>,
    /// Images a second of all threads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub images_per_second: Option<f64>,
    /// Networks, rows, numbers … a second of all threads.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub items_per_second: Option<f64>,
    /// What the items are.
    pub items: String,
    /// Largest difference to the definition, relative to the definition's largest value.
    pub error: f64,
    /// Share of the counted operations that are really made, where some that nothing depends on are left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub executed: Option<f64>,
    /// Time of a call in each sample, ascending, in seconds.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub sample_seconds: Vec<f64>,
    /// The machine's peak while this was measured, in turn with it, relative to that of [`Report::machine`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peak_beside: Option<f64>,
    /// CPU time of the measurement divided by its wall time: far below the number of threads others had the processors too, or
    /// threads waited. The definition, which takes turns with the rows, has one thread.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cpu_share: Option<f64>,
}

impl Row {
    /// Whether something else used the machine while this was measured.
    pub fn disturbed(&self) -> bool {
        self.spread > DISTURBED
    }

    /// Whether there was time for a few samples only.
    pub fn hasty(&self) -> bool {
        self.samples < FEWEST
    }

    /// Whether the machine was another than when its roof was measured.
    pub fn moved(&self) -> bool {
        self.peak_beside.is_some_and(|peak| (peak - 1.0).abs() > MOVED)
    }

    /// Whether it is faster than the roof that was measured allows.
    pub fn above_roof(&self) -> bool {
        self.fraction_of_roof > ABOVE
    }

    /// `conv` of `conv/forward`.
    pub fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }

    /// What tells rows apart.
    fn key(&self) -> (&str, &str, &str, usize) {
        (&self.name, &self.shape, &self.isa, self.threads)
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The program's version.
    pub version: String,
    /// The roof.
    pub machine: Machine,
    /// GFLOP/s of the fastest ISA on one thread, measured again at the end.
    pub peak_at_end: f64,
    /// Processes that wanted to run, in the minute before the rows and in that before their end, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<[f64; 2]>,
    /// Whether the threads were kept on processors of their own.
    #[serde(default)]
    pub pinned: bool,
    /// The rows, in the catalog's order.
    pub rows: Vec<Row>,
    /// What is known of a GPU.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub card: Option<Card>,
}

/// A GPU that was measured; its name is the machine's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// Its driver with its version.
    pub driver: String,
    /// Whether it is a program on the processor.
    pub software: bool,
    /// Its clock before and after the rows, where anybody knows.
    pub clock_mhz: Option<[u32; 2]>,
    /// Speed of a whole zoo relative to that of its training steps and evaluations alone.
    pub end_to_end: Option<f64>,
}

impl Report {
    /// Rows under a roof, measured by this program.
    pub fn new(machine: Machine, peak_at_end: f64, rows: Vec<Row>) -> Report {
        let version = env!("CARGO_PKG_VERSION").into();
        Report { version, machine, peak_at_end, load: None, pinned: false, rows, card: None }
    }

    /// What to know before believing the figures.
    pub fn warnings(&self) -> Vec<String> {
        let peak = self.machine.fma_gflops.values().copied().fold(0.0, f64::max);
        let change = self.peak_at_end / peak - 1.0;
        let disturbed = self.rows.iter().filter(|row| row.disturbed()).count();
        let hasty = self.rows.iter().filter(|row| row.hasty()).count();
        let mut warnings = Vec::new();
        if hasty > 0 {
            let rows = self.rows.len();
            warnings.push(format!("{hasty} of {rows} rows have fewer than {FEWEST} samples (?): give --seconds more"));
        }
        if change.abs() > 0.05 {
            let percent = 100.0 * change;
            warnings.push(format!("the machine's peak changed by {percent:+.0} % while the rows were measured"));
        }
        let moved = self.rows.iter().filter(|row| row.moved()).count();
        if moved > 0 {
            let (rows, percent) = (self.rows.len(), 100.0 * MOVED);
            warnings.push(format!(
                "the machine's peak was another by more than {percent:.0} % beside {moved} of {rows} rows (~)"
            ));
        }
        let above = self.rows.iter().filter(|row| row.above_roof()).count();
        if above > 0 {
            warnings.push(format!(
                "{above} of {} rows are above the roof (^): measured too low, or saved work is counted",
                self.rows.len()
            ));
        }
        if let Some([before, _]) = self.load.filter(|[before, _]| *before > 0.3 * self.machine.processors as f64) {
            let processors = self.machine.processors;
            warnings.push(format!(
                "others used the machine: a load of {before:.1} on {processors} processors before the rows"
            ));
        }
        if disturbed > 0 {
            warnings.push(format!(
                "{disturbed} of {} rows are disturbed (!): their times spread over more than {:.0} %",
                self.rows.len(),
                100.0 * DISTURBED
            ));
        }
        warnings
    }

    /// The rows that both reports have, with the other's time divided by this one's and whether that is beyond the noise.
    pub fn compare(&self, old: &Report) -> Vec<Change> {
        let pairs = self.rows.iter().filter_map(|row| Some((row, old.rows.iter().find(|old| old.key() == row.key())?)));
        pairs.map(|(new, old)| Change::new(new, old)).collect()
    }
}

/// A row now and before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Operator and direction.
    pub name: String,
    /// The shape.
    pub shape: String,
    /// The ISA's name.
    pub isa: String,
    /// Number of threads.
    pub threads: usize,
    /// Time before divided by time now: above 1 is faster.
    pub speedup: f64,
    /// Of a bootstrap over the samples of both: 99 % of its speedups are between these. Nothing where there are too few samples,
    /// or an older report has none.
    pub interval: Option<[f64; 2]>,
    /// `faster`, `slower` or `same`; `unknown` without an interval, or where the machine was another.
    pub verdict: &'static str,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl Change {
    fn new(new: &Row, old: &Row) -> Change {
        let speedup = old.seconds / new.seconds;
        let interval = interval(&old.sample_seconds, &new.sample_seconds);
        let reason = match interval {
            _ if new.hasty() || old.hasty() => Some("few samples"),
            _ if new.moved() || old.moved() => Some("peak moved"),
            None => Some("no samples"),
            Some(_) => None,
        };
        let verdict = match interval.filter(|_| reason.is_none()) {
            None => "unknown",
            Some([low, _]) if low > 1.0 + QUIET => "faster",
            Some([_, high]) if high < 1.0 / (1.0 + QUIET) => "slower",
            Some(_) => "same",
        };
        Change {
            name: new.name.clone(),
            shape: new.shape.clone(),
            isa: new.isa.clone(),
            threads: new.threads,
            speedup,
            interval,
            verdict,
            reason,
        }
    }

    /// Whether it is slower by more than a share, beyond the noise.
    pub fn slower_by(&self, share: f64) -> bool {
        self.reason.is_none() && self.interval.is_some_and(|[_, high]| high < 1.0 / (1.0 + share))
    }
}

/// What two runs on a quiet machine differ by: code lies elsewhere in memory, for instance.
const QUIET: f64 = 0.02;

/// The ends of 99 % of the ratios of medians of resamples, old by new.
fn interval(old: &[f64], new: &[f64]) -> Option<[f64; 2]> {
    if old.len().min(new.len()) < FEWEST {
        return None;
    }
    let mut stream = Stream::new(0, PURPOSE, 0);
    let mut median = |samples: &[f64]| {
        let mut drawn: Vec<f64> =
            samples.iter().map(|_| samples[stream.below(samples.len() as u32) as usize]).collect();
        drawn.sort_unstable_by(f64::total_cmp);
        drawn[(drawn.len() - 1) / 2]
    };
    let mut ratios: Vec<f64> = (0..RESAMPLES).map(|_| median(old) / median(new)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    Some([0.005, 0.995].map(|share| ratios[(share * (RESAMPLES - 1) as f64).round() as usize]))
}

/// A call of a definition may take this long to be timed.
const SLOWEST_DEFINITION: f64 = 0.25;

/// Measures a case on some ISAs, in turn with the portable ISA and the definition, for about `seconds` altogether.
///
/// The answers must have been checked: `checked` has the largest error of each ISA.
pub fn rows(case: &Case, roof: &Machine, checked: &[(Isa, f64)], threads: usize, seconds: f64) -> Vec<Row> {
    let portable = Isa::new(IsaKind::Portable).filter(|portable| checked.iter().all(|(isa, _)| isa != portable));
    let isas: Vec<Isa> = checked.iter().map(|&(isa, _)| isa).chain(portable).collect();
    let mut twin = (case.make)(Isa::detect());
    let share = twin.share();
    let mut contestants: Vec<Contestant> = isas.iter().map(|&isa| on_threads(case, isa, threads)).collect();
    let mut define = alone(|| drop(twin.definition()));
    let once = define(1);
    let timed = once > 0.0 && once < SLOWEST_DEFINITION.min(seconds);
    if timed {
        contestants.push(define);
    }
    // the roof takes turns with the rows: a machine that drifts is seen
    let best = isas.iter().copied().max_by_key(|isa| isa.kind()).unwrap_or(Isa::detect());
    contestants.push(machine::peak_on(best, threads));
    let mut timings = interleave(&mut contestants, seconds);
    let beside = timings.pop().map(|timing| machine::peak_of(best, threads, timing.seconds) / roof.peak(best, threads));
    let reference = match timings.last() {
        Some(timing) if timed => timing.seconds / share,
        // too slow to take turns: once is all it gets
        _ => once / share,
    };
    let at = |kind: IsaKind| isas.iter().position(|isa| isa.kind() == kind).map(|index| timings[index].seconds);
    let rows = checked.iter().zip(&timings);
    rows.map(|(&(isa, error), timing)| {
        let row = row(case, roof, isa, threads, timing, at(IsaKind::Portable), Some(reference), error);
        Row { peak_beside: beside.filter(|share| share.is_finite()), ..row }
    })
    .collect()
}

fn row(
    case: &Case,
    machine: &Machine,
    isa: Isa,
    threads: usize,
    timing: &Timing,
    portable: Option<f64>,
    reference: Option<f64>,
    error: f64,
) -> Row {
    // calls that go on at once
    let calls = if case.spreads { 1.0 } else { threads as f64 };
    let (flops, bytes) = (calls * case.cost.flops, calls * case.cost.bytes);
    let gflops = flops / timing.seconds / 1e9;
    let gbs = bytes / timing.seconds / 1e9;
    let peak = machine.peak(isa, threads);
    let bandwidth = machine.bandwidth(case.cost.bytes, threads);
    let (compute, memory) = (flops / peak / 1e9, bytes / bandwidth / 1e9);
    let rate = calls * case.cost.items / timing.seconds;
    let images = case.items == "images";
    Row {
        name: case.name.into(),
        shape: case.shape.clone(),
        isa: isa.kind().to_string(),
        threads,
        seconds: timing.seconds,
        seconds_best: timing.best,
        spread: timing.spread,
        samples: timing.samples,
        gflops,
        gbs,
        bound: if compute >= memory { "fma" } else { "bytes" }.into(),
        fraction_of_peak: gflops / peak,
        fraction_of_roof: compute.max(memory) / timing.seconds,
        speedup_over_portable: portable.map(|seconds| seconds / timing.seconds),
        speedup_over_reference: reference.map(|seconds| calls * seconds / timing.seconds),
        images_per_second: (images && rate > 0.0).then_some(rate),
        items_per_second: (!images && rate > 0.0).then_some(rate),
        items: case.items.into(),
        error,
        sample_seconds: timing.all.clone(),
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::machine::Bandwidth;
    use crate::bench::{Cost, Work};
    use std::collections::BTreeMap;

    /// A kernel that adds 1 to nothing.
    struct Idle(f64);

    impl Work for Idle {
        fn run(&mut self) {
            self.0 = 1.0;
            std::hint::black_box(&self.0);
        }
        fn output(&mut self) -> Vec<f64> {
            vec![self.0]
        }
        fn definition(&mut self) -> Vec<f64> {
            vec![1.0]
        }
    }

    fn machine() -> Machine {
        let peaks = |peak| IsaKind::ALL.map(|kind| (kind.to_string(), peak)).into_iter().collect::<BTreeMap<_, _>>();
        Machine {
            processor: "test".into(),
            processors: 2,
            threads: 2,
            fma_gflops: peaks(100.0),
            fma_gflops_threads: peaks(200.0),
            bandwidth: vec![Bandwidth { bytes: 1024, gbs: 50.0, gbs_threads: 80.0 }],
        }
    }

    fn case(flops: f64) -> Case {
        Case {
            name: "idle",
            shape: "1".into(),
            cost: Cost { flops, bytes: 100.0, items: 3.0 },
            items: "images",
            tolerance: 0.0,
            spreads: false,
            make: Box::new(|_| Box::new(Idle(0.0))),
        }
    }

    fn timing(seconds: f64) -> Timing {
        let all = (0..9).map(|k| seconds * (0.996 + 0.001 * f64::from(k))).collect();
        Timing { seconds, best: seconds, spread: 0.01, samples: 9, all }
    }

    #[test]
    fn rates_and_fractions_follow_from_the_time() {
        let isa = Isa::new(IsaKind::Portable).unwrap();
        let row = |flops, threads| row(&case(flops), &machine(), isa, threads, &timing(1e-6), Some(2e-6), None, 0.0);
        let one = row(50_000.0, 1);
        assert_eq!((one.gflops, one.gbs, &*one.bound), (50.0, 0.1, "fma"));
        assert!((one.fraction_of_peak - 0.5).abs() < 1e-12 && (one.fraction_of_roof - 0.5).abs() < 1e-12);
        assert_eq!((one.images_per_second, one.speedup_over_portable), (Some(3e6), Some(2.0)));
        let two = row(50_000.0, 2);
        assert_eq!((two.gflops, two.images_per_second), (100.0, Some(6e6)));
        assert!((two.fraction_of_peak - 0.5).abs() < 1e-12);
        let idle = row(0.0, 1);
        assert_eq!((&*idle.bound, idle.fraction_of_peak), ("bytes", 0.0));
        assert!((idle.fraction_of_roof - 0.002).abs() < 1e-12);
    }

    #[test]
    fn a_case_is_checked_and_measured() {
        let isa = Isa::new(IsaKind::Portable).unwrap();
        assert_eq!(case(1.0).error(isa), 0.0);
        let rows = rows(&case(1.0), &machine(), &[(isa, 0.0)], 1, 0.0);
        assert!(rows.len() == 1 && rows[0].seconds > 0.0 && rows[0].samples > 0);
    }

    #[test]
    fn changes_within_the_noise_are_none() {
        let isa = Isa::new(IsaKind::Portable).unwrap();
        let report = |seconds| Report {
            version: "1".into(),
            machine: machine(),
            peak_at_end: 100.0,
            rows: vec![row(&case(1.0), &machine(), isa, 1, &timing(seconds), None, None, 0.0)],
            load: None,
            pinned: false,
            card: None,
        };
        let verdict = |now, before| report(now).compare(&report(before))[0].verdict;
        assert_eq!((verdict(1.0, 1.02), verdict(1.0, 1.2), verdict(1.2, 1.0)), ("same", "faster", "slower"));
        let change = report(1.2).compare(&report(1.0)).remove(0);
        assert!(change.slower_by(0.1) && !change.slower_by(0.25), "{change:?}");
        // what cannot be known is not said
        let told = |change: fn(&mut Row)| {
            let mut now = report(1.2);
            change(&mut now.rows[0]);
            let found = now.compare(&report(1.0)).remove(0);
            assert!(!found.slower_by(0.0));
            (found.verdict, found.reason)
        };
        assert_eq!(told(|row| row.samples = 4), ("unknown", Some("few samples")));
        assert_eq!(told(|row| row.peak_beside = Some(0.9)), ("unknown", Some("peak moved")));
        assert_eq!(told(|row| row.sample_seconds.clear()), ("unknown", Some("no samples")));
        assert!(report(1.0).warnings().is_empty());
        let mut slowed = report(1.0);
        slowed.peak_at_end = 80.0;
        slowed.rows[0].spread = 0.3;
        assert_eq!(slowed.warnings().len(), 2);
    }
}
