//! Philox4x32-10: stateless random numbers, sixteen counters at a time; dropout decisions.
//!
//! Source. Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC'11).

use crate::{Cost, Isa, Kernel, LANES, TILE, simd::Simd};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Philox4x32-10 of one counter: four random words.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let x = u64::from(MULTIPLIERS[0]) * u64::from(a);
        let y = u64::from(MULTIPLIERS[1]) * u64::from(c);
        (a, b, c, d) = ((y >> 32) as u32 ^ b ^ k0, y as u32, (x >> 32) as u32 ^ d ^ k1, x as u32);
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    [a, b, c, d]
}

/// Philox4x32-10 of sixteen counters.
#[inline(always)]
fn philox_lanes<S: Simd>(s: S, counter: [S::U; 4], key: [u32; 2]) -> [S::U; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k0, mut k1]) = (counter, key);
    let (m0, m1) = (s.splat_u(MULTIPLIERS[0]), s.splat_u(MULTIPLIERS[1]));
    for _ in 0..10 {
        let (x_high, x_low) = s.mul_wide(a, m0);
        let (y_high, y_low) = s.mul_wide(c, m1);
        a = s.xor_u(s.xor_u(y_high, b), s.splat_u(k0));
        c = s.xor_u(s.xor_u(x_high, d), s.splat_u(k1));
        (b, d) = (y_low, x_low);
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    [a, b, c, d]
}

/// Positions that share a block of random numbers: 4 words, 2 decisions a word.
const SHARED: usize = 8;

/// The decisions of one layer in one step of one network.
#[derive(Clone, Copy, Debug)]
pub struct DropoutKey {
    /// The network's seed.
    pub key: [u32; 2],
    /// The last two words of the counter: training step, and purpose with layer.
    pub counter: [u32; 2],
    /// Units are dropped whose 16 random bits are below this: `round(65536 · dropout)`.
    pub threshold: u32,
}

/// The positions of a layer that need decisions: the first rows and columns of its map.
///
/// Units that nothing reads are left out; the others keep the numbers that they have in the whole map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows that are needed.
    pub rows: usize,
    /// Columns that are needed.
    pub columns: usize,
    /// Columns of the whole map: position (row, column) has the number `row·across + column`.
    pub across: usize,
}

impl Grid {
    /// A map that is needed from its first to its last position.
    pub fn whole(rows: usize, columns: usize) -> Grid {
        Grid { rows, columns, across: columns }
    }
}

/// Of [`dropout`] for a map of so many blocks: integer operations are not counted.
pub fn cost(blocks: usize) -> Cost {
    Cost { flops: 0, bytes: blocks * size_of::<[u16; TILE]>() }
}

/// Decides for each unit of a layer's tile whether it is kept.
///
/// The 16 bits of unit (position number m, channel c, image n of the batch) are half `m mod 8` (low half first) of the four
/// words `philox([⌊m/8⌋·C + c, n, step, purpose and layer], seed)`, C the channels rounded up to whole blocks.
///
/// Shapes.   `kept` rows·columns·(C/16) rows; `[position][channel block][image]`, bit `c` of a word is channel `c` of the block.
/// Panics.   if `kept` has another length, or the grid is empty or wider than its map.
/// Cost.     one Philox block (10 rounds) for each channel, image and 8 numbers of positions of which one is needed.
/// Numerics. exact.
/// Source.   [`crate::reference::random::dropout`].
pub fn dropout(isa: Isa, key: DropoutKey, first_image: u32, blocks: usize, grid: Grid, kept: &mut [[u16; TILE]]) {
    assert!(grid.rows > 0 && (1..=grid.across).contains(&grid.columns), "columns of the grid");
    assert!(blocks > 0 && kept.len() == grid.rows * grid.columns * blocks, "shape of kept");
    assert!((1..=65536).contains(&key.threshold), "a threshold of 0 drops nothing: no mask is needed");
    isa.run(Dropout { key, first_image, blocks, grid, kept });
}

struct Dropout<'a> {
    key: DropoutKey,
    first_image: u32,
    blocks: usize,
    grid: Grid,
    kept: &'a mut [[u16; TILE]],
}

impl Kernel for Dropout<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Grid { rows, columns, across } = self.grid;
        let last = (rows - 1) * across + columns - 1;
        let (mut row, mut column) = (0, 0);
        for group in 0..=last / SHARED {
            let mut places = [None; SHARED];
            for place in &mut places {
                *place = (row < rows && column < columns).then_some(row * columns + column);
                (row, column) = if column + 1 < across { (row, column + 1) } else { (row + 1, 0) };
            }
            if places.iter().any(Option::is_some) {
                self.group(s, group, &places);
            }
        }
    }
}

impl Dropout<'_> {
    /// The decisions of the positions that share random numbers, those of them that have a place.
    #[inline(always)]
    fn group<S: Simd>(&mut self, s: S, group: usize, places: &[Option<usize>; SHARED]) {
        let lanes = s.load_u(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        let below = s.splat_u(self.key.threshold.wrapping_sub(1));
        let low_half = s.splat_u(0xffff);
        let [step, purpose] = self.key.counter;
        let needed = places.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let mut decisions = [[0; TILE]; SHARED];
        for block in 0..self.blocks {
            let channels = s.add_u(lanes, s.splat_u(((group * self.blocks + block) * LANES) as u32));
            for n in 0..TILE {
                let image = s.splat_u(self.first_image + n as u32);
                let words = philox_lanes(s, [channels, image, s.splat_u(step), s.splat_u(purpose)], self.key.key);
                for half in 0..needed {
                    let word = words[half / 2];
                    let bits = if half % 2 == 0 { s.and_u(word, low_half) } else { s.shr_u::<16>(word) };
                    decisions[half][n] = s.bits(s.gt_u(bits, below));
                }
            }
            for (place, decisions) in places.iter().zip(&decisions) {
                if let Some(position) = place {
                    self.kept[position * self.blocks + block] = *decisions;
                }
            }
        }
    }
}
