//! Stateless randomness: Philox4x32-10, a counter-based generator.
//!
//! Nothing is carried along and nothing needs saving: a number is a pure function of *what it is for* (seed, purpose, index,
//! step, position), so results do not depend on the number of threads, on the order of work or on an interruption.
//!
//! Source: Salmon, Moraes, Dror, Shaw, «Parallel random numbers: as easy as 1, 2, 3», SC'11.

pub use crate::kernels::random::philox;

/// The random numbers for one purpose and one index (a network, an image), in order.
///
/// Key = seed; counter = (block, step, index, purpose). A stream gives 2³⁴ words and then begins again.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
    spare: Option<f64>,
}

impl Stream {
    /// The stream of `seed` for `purpose` (a constant of the calling module) and `index`, at step 0.
    pub fn new(seed: u64, purpose: u32, index: u32) -> Stream {
        Stream::at_step(seed, purpose, index, 0)
    }

    /// The stream of one step of an index: an epoch or an update of a network.
    pub fn at_step(seed: u64, purpose: u32, index: u32, step: u32) -> Stream {
        let key = [seed as u32, (seed >> 32) as u32];
        Stream { key, counter: [0, step, index, purpose], block: [0; 4], used: 4, spare: None }
    }

    /// A uniform word.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// A uniform double word: the first word drawn is the high half.
    pub fn next_u64(&mut self) -> u64 {
        let high = u64::from(self.next_u32());
        high << 32 | u64::from(self.next_u32())
    }

    /// A uniform number in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniform number in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A uniform integer in 0..n without bias (Lemire's multiplication with rejection).
    ///
    /// Panics if `n` is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        assert!(n > 0, "no integer is below 0");
        let rejected = n.wrapping_neg() % n;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            if product as u32 >= rejected {
                return (product >> 32) as u32;
            }
        }
    }

    /// A standard normal number (Box and Muller, 1958), the same bits on every machine: the logarithm and the cosine are the
    /// crate `libm`'s, not the system's.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 1 − u lies in (0, 1]: its logarithm is finite
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.uniform());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Puts `items` into a uniformly random order (Fisher and Yates).
    ///
    /// Panics if there are 2³² items or more.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let n = u32::try_from(items.len()).expect("fewer than 2^32 items");
        for last in (1..n).rev() {
            items.swap(last as usize, self.below(last + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' library (Random123, kat_vectors, lines «philox4x32 10»).
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_stream_is_philox_over_successive_blocks() {
        let mut stream = Stream::at_step(0x0123_4567_89ab_cdef, 7, 11, 13);
        let words: Vec<u32> = (0..8).map(|_| stream.next_u32()).collect();
        let key = [0x89ab_cdef, 0x0123_4567];
        assert_eq!(words[..4], philox([0, 13, 11, 7], key));
        assert_eq!(words[4..], philox([1, 13, 11, 7], key));
    }

    #[test]
    fn streams_differ_in_seed_purpose_index_and_step() {
        let first = |mut stream: Stream| stream.next_u64();
        let base = first(Stream::at_step(1, 2, 3, 4));
        for other in [(5, 2, 3, 4), (1 << 32 | 1, 2, 3, 4), (1, 5, 3, 4), (1, 2, 5, 4), (1, 2, 3, 5)] {
            assert_ne!(base, first(Stream::at_step(other.0, other.1, other.2, other.3)), "{other:?}");
        }
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let (n, mut stream) = (200_000, Stream::new(1, 0, 0));
        let uniform: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
        let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
        let moment = |x: &[f64], k: i32| x.iter().map(|v| v.powi(k)).sum::<f64>() / n as f64;
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        // tolerances are six standard errors
        for (got, expected, tolerance) in [
            (moment(&uniform, 1), 1.0 / 2.0, 0.004),
            (moment(&uniform, 2), 1.0 / 3.0, 0.004),
            (moment(&normal, 1), 0.0, 0.014),
            (moment(&normal, 2), 1.0, 0.019),
            (moment(&normal, 3), 0.0, 0.052),
            (moment(&normal, 4), 3.0, 0.13),
        ] {
            assert!((got - expected).abs() < tolerance, "{got} is not {expected}");
        }
    }

    #[test]
    fn normal_has_the_same_bits_everywhere() {
        let mut stream = Stream::new(42, 1, 2);
        let bits: Vec<u64> = (0..3).map(|_| stream.normal().to_bits()).collect();
        // Python's math.log, cos, sin on the same words give the same bits
        assert_eq!(bits, NORMAL_BITS);
    }
    const NORMAL_BITS: [u64; 3] = [13833534017634224364, 13822350350912475331, 13830601523347698756];

    #[test]
    fn below_is_uniform_and_shuffle_permutes() {
        let mut stream = Stream::new(3, 0, 0);
        let mut counts = [0u32; 6];
        (0..60_000).for_each(|_| counts[stream.below(6) as usize] += 1);
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 600), "{counts:?}");
        assert_eq!(stream.below(1), 0);

        let mut items: Vec<u32> = (0..100).collect();
        stream.shuffle(&mut items);
        assert!(items.windows(2).any(|w| w[0] > w[1]));
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        stream.shuffle::<u32>(&mut []);
    }
}
