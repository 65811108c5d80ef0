//! Dropout decisions of sixteen networks: one counter, sixteen keys; the numbers are those of [`crate::random`].

use crate::random::Grid;
use crate::simd::{LANES, Simd};
use crate::{Isa, Kernel};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The keys of Philox's rounds, each network's in its lane.
type Schedule<S> = [[<S as Simd>::U; 2]; ROUNDS];

#[inline(always)]
fn schedule<S: Simd>(s: S, keys: &[[u32; 2]; LANES]) -> Schedule<S> {
    let mut round = [s.load_u(&keys.map(|[k, _]| k)), s.load_u(&keys.map(|[_, k]| k))];
    let mut rounds = [round; ROUNDS];
    for next in &mut rounds[1..] {
        round = [s.add_u(round[0], s.splat_u(WEYL[0])), s.add_u(round[1], s.splat_u(WEYL[1]))];
        *next = round;
    }
    rounds
}

/// Philox4x32-10 of one counter under sixteen keys.
#[inline(always)]
fn philox<S: Simd>(s: S, counter: [u32; 4], rounds: &Schedule<S>) -> [S::U; 4] {
    let [mut a, mut b, mut c, mut d] =
        [s.splat_u(counter[0]), s.splat_u(counter[1]), s.splat_u(counter[2]), s.splat_u(counter[3])];
    let (m0, m1) = (s.splat_u(MULTIPLIERS[0]), s.splat_u(MULTIPLIERS[1]));
    for key in rounds {
        let (x_high, x_low) = s.mul_wide(a, m0);
        let (y_high, y_low) = s.mul_wide(c, m1);
        a = s.xor_u(s.xor_u(y_high, b), key[0]);
        c = s.xor_u(s.xor_u(x_high, d), key[1]);
        (b, d) = (y_low, x_low);
    }
    [a, b, c, d]
}

/// Positions that share a block of random numbers: 4 words, 2 decisions a word.
const SHARED: usize = 8;

/// Decides for each unit of one image which networks keep it.
///
/// The 16 bits of unit (position `m = row·across + column`, channel `c`) are half `m mod 8` (low half first) of the four words
/// `philox([⌊m/8⌋·C + c, image, step, purpose], key)`, `C` the channels rounded up to a multiple of 16; a network drops the
/// unit if they are below its threshold, `round(65536 · dropout)`: 0 keeps everything.
///
/// Shapes.   `kept` rows·columns·channels words, `[row][column][channel]`; bit `l` is network `l`; `counter` is step and
///           purpose.
/// Panics.   if `kept` has another length, `across < columns`, or a threshold is above 65536.
/// Cost.     one Philox block (10 rounds of sixteen lanes) for each 8 positions and channel.
/// Numerics. exact.
/// Source.   [`crate::reference::random::dropout`].
pub fn dropout(
    isa: Isa,
    keys: &[[u32; 2]; LANES],
    counter: [u32; 2],
    thresholds: &[u32; LANES],
    image: u32,
    channels: usize,
    grid: Grid,
    kept: &mut [u16],
) {
    assert!(kept.len() == grid.rows * grid.columns * channels && grid.across >= grid.columns, "shape of kept");
    assert!(thresholds.iter().all(|&threshold| threshold <= 65536), "a threshold above 65536");
    isa.run(Dropout { keys, counter, thresholds, image, channels, grid, kept });
}

struct Dropout<'a> {
    keys: &'a [[u32; 2]; LANES],
    counter: [u32; 2],
    thresholds: &'a [u32; LANES],
    image: u32,
    channels: usize,
    grid: Grid,
    kept: &'a mut [u16],
}

impl Kernel for Dropout<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Grid { rows, columns, across } = self.grid;
        let rounds = schedule(s, self.keys);
        let thresholds = s.load_u(self.thresholds);
        let (one, low_half) = (s.splat_u(1), s.splat_u(0xffff));
        let padded = self.channels.next_multiple_of(LANES);
        let [step, purpose] = self.counter;
        for group in 0..(rows * across).div_ceil(SHARED) {
            let mut units = [None; SHARED];
            for (k, unit) in units.iter_mut().enumerate() {
                let (row, column) = ((group * SHARED + k) / across, (group * SHARED + k) % across);
                *unit = (row < rows && column < columns).then_some((row * columns + column) * self.channels);
            }
            if units == [None; SHARED] {
                continue;
            }
            for c in 0..self.channels {
                let words = philox(s, [(group * padded + c) as u32, self.image, step, purpose], &rounds);
                for (k, unit) in units.iter().enumerate() {
                    let Some(first) = unit else { continue };
                    let word = words[k / 2];
                    let bits = if k % 2 == 0 { s.and_u(word, low_half) } else { s.shr_u::<16>(word) };
                    self.kept[first + c] = s.bits(s.gt_u(s.add_u(bits, one), thresholds));
                }
            }
        }
    }
}
