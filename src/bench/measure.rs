//! Time: medians of samples that competitors take in turn.

use super::{Case, Work};
use crate::kernels::Isa;
use std::sync::Barrier;
use std::time::Instant;

/// A sample is at least this long, so that neither the clock's resolution matters nor what the contestant before left in the
/// caches.
const SAMPLE: f64 = 5e-3;

/// Samples that a figure needs to be believed.
pub const FEWEST: usize = 5;

/// The time of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Median of the samples, in seconds.
    pub seconds: f64,
    /// The shortest sample, in seconds: what is left where others use the machine too.
    pub best: f64,
    /// Distance between the quartiles, relative to the median.
    pub spread: f64,
    /// Number of samples.
    pub samples: usize,
    /// The samples, in seconds, ascending.
    pub all: Vec<f64>,
}

impl Timing {
    /// Median and spread of some seconds.
    pub fn new(mut seconds: Vec<f64>) -> Timing {
        seconds.sort_unstable_by(f64::total_cmp);
        let at = |quarters: usize| seconds[(seconds.len() - 1) * quarters / 4];
        let (median, best, spread) = (at(2), at(0), (at(3) - at(1)) / at(2));
        Timing { seconds: median, best, spread, samples: seconds.len(), all: seconds }
    }
}

/// Something that can be called a number of times and says how many seconds that took.
pub type Contestant<'c> = Box<dyn FnMut(usize) -> f64 + 'c>;

/// Times contestants in turn for about `seconds` altogether, so that a disturbance meets all of them.
pub fn interleave(contestants: &mut [Contestant], seconds: f64) -> Vec<Timing> {
    let calls: Vec<usize> = contestants.iter_mut().map(calls_in_a_sample).collect();
    let mut samples = vec![Vec::new(); contestants.len()];
    let start = Instant::now();
    loop {
        for ((contestant, &calls), samples) in contestants.iter_mut().zip(&calls).zip(&mut samples) {
            samples.push(contestant(calls) / calls as f64);
        }
        let (rounds, spent) = (samples[0].len(), start.elapsed().as_secs_f64());
        // a call that takes longer than all the time there is gets one round
        if spent >= seconds && (rounds >= FEWEST || spent >= 2.0 * seconds) {
            return samples.into_iter().map(Timing::new).collect();
        }
    }
}

/// Warms up and finds how many calls make a sample.
fn calls_in_a_sample(contestant: &mut Contestant) -> usize {
    let mut calls = 1;
    loop {
        let seconds = contestant(calls);
        if seconds >= SAMPLE {
            return calls;
        }
        calls = (calls * 2).max((calls as f64 * 1.1 * SAMPLE / seconds.max(1e-9)).min(1e6) as usize);
    }
}

/// A contestant that makes calls of its own on each of `threads` threads at once; the slowest one's time counts.
pub fn on_threads(case: &Case, isa: Isa, threads: usize) -> Contestant<'static> {
    let callers = if case.spreads { 1 } else { threads };
    let mut works: Vec<Box<dyn Work>> = (0..callers).map(|_| (case.make)(isa)).collect();
    Box::new(move |calls| together(&mut works, &|work| work.run(), calls))
}

/// A contestant on this thread.
pub fn alone<'c>(mut call: impl FnMut() + 'c) -> Contestant<'c> {
    Box::new(move |calls| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed().as_secs_f64()
    })
}

/// Makes `calls` calls with each operand, each on a thread of its own, started together.
pub fn together<T: Send>(operands: &mut [T], call: &(impl Fn(&mut T) + Sync), calls: usize) -> f64 {
    let timed = |operand: &mut T| {
        let start = Instant::now();
        for _ in 0..calls {
            call(operand);
        }
        start.elapsed().as_secs_f64()
    };
    if let [operand] = operands {
        return timed(operand);
    }
    let gate = Barrier::new(operands.len());
    let started = &|operand| {
        gate.wait();
        timed(operand)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = operands.iter_mut().map(|operand| scope.spawn(move || started(operand))).collect();
        let seconds = threads.into_iter().map(|thread| match thread.join() {
            Ok(seconds) => seconds,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        seconds.fold(0.0, f64::max)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread_are_those_of_the_samples() {
        let timing = Timing::new(vec![5.0, 1.0, 2.0, 4.0, 3.0]);
        assert_eq!(
            timing,
            Timing { seconds: 3.0, best: 1.0, spread: 2.0 / 3.0, samples: 5, all: vec![1.0, 2.0, 3.0, 4.0, 5.0] }
        );
    }

    #[test]
    fn everyone_gets_the_same_number_of_turns() {
        let mut turns = [0, 0];
        let [a, b] = &mut turns;
        let timings = interleave(&mut [alone(|| *a += 1), alone(|| *b += 1)], 0.0);
        assert_eq!((timings[0].samples, timings[1].samples), (1, 1));
        assert!(turns.iter().all(|&turns| turns > 1) && timings.iter().all(|timing| timing.seconds >= 0.0));
    }

    #[test]
    fn every_thread_makes_every_call() {
        let mut counts = [0; 3];
        together(&mut counts, &|count| *count += 1, 7);
        assert_eq!(counts, [7; 3]);
    }
}
