//! What the options of a search are drawn from.

use crate::rng::Stream;

/// A uniform integer, both ends included.
pub fn integer(stream: &mut Stream, low: u32, high: u32) -> u32 {
    low + stream.below(high - low + 1)
}

/// One of these, all equally likely.
pub fn pick<T: Copy, const N: usize>(stream: &mut Stream, values: [T; N]) -> T {
    values[stream.below(N as u32) as usize]
}

/// A number whose logarithm is uniform.
pub fn log_uniform(stream: &mut Stream, low: f64, high: f64) -> f64 {
    // rounding must not lead beyond the ends
    libm::exp(stream.range(libm::log(low), libm::log(high))).clamp(low, high)
}

/// Checks that some draws fill a range and stay in it.
#[cfg(test)]
pub fn assert_fills(values: impl Iterator<Item = f64>, [low, high]: [f64; 2]) {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    let slack = 0.03 * (high - low);
    assert!(low <= least && least <= low + slack && high - slack <= most && most <= high, "{least} {most}");
}
