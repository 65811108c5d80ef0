//! What one layer answers.

use super::answers::{Answers, SILENT, deviation, ln, mean};
use super::{LAYER, PROBES};
use crate::activation::Activation;
use crate::simd::Simd;
use crate::{Block, Isa, Kernel, LANES, TILE};

/// Numbers of memory that the [`Response`] of a layer of so many units needs.
pub const fn response_len(units: usize) -> usize {
    (PROBES + 1) * units
}

/// A layer's answers to all probes, gathered from its maps in memory `V` of [`response_len`] numbers.
pub struct Response<V> {
    /// Mean over the map, `PROBES` × units; then of each unit the share of the map where the activation is not flat, summed over
    /// probes.
    values: V,
    /// Mean square over the map, summed over probes and units.
    square: f64,
}

impl<V: AsRef<[f64]> + AsMut<[f64]>> Response<V> {
    /// Nothing is gathered yet.
    ///
    /// # Panics
    /// If the memory is not that of a layer of one unit or more.
    pub fn new(values: V) -> Response<V> {
        let len = values.as_ref().len();
        assert!(len > 0 && len.is_multiple_of(response_len(1)), "memory of a response");
        let mut response = Response { values, square: 0.0 };
        response.clear();
        response
    }

    /// Forgets what was gathered.
    pub fn clear(&mut self) {
        self.square = 0.0;
        self.values.as_mut().fill(0.0);
    }

    fn units(&self) -> usize {
        self.values.as_ref().len() / response_len(1)
    }

    /// Adds the layer's map of tile number `tile`, behind its activation.
    ///
    /// Shapes. `map` positions × blocks of 16 units; channels beyond the real ones are left out.
    /// Panics. if `map` is of other blocks, or there is no such tile.
    pub fn add_tile(&mut self, isa: Isa, tile: usize, map: &[Block], activation: Activation) {
        let blocks = self.units().div_ceil(LANES);
        assert!(!map.is_empty() && map.len().is_multiple_of(blocks), "shape of the map");
        for block in 0..blocks {
            let sums = isa.run(TileSums { map: &map[block..], blocks, bounds: sloping(activation) });
            for (n, sums) in sums.iter().enumerate() {
                self.gather(tile * TILE + n, block, sums, map.len() / blocks);
            }
        }
    }

    /// Adds the layer's map of one probe: up to 16 units the same bits as probe by probe in tiles.
    ///
    /// Shapes. `map` positions × blocks of 16 units.
    /// Panics. if `map` is of other blocks, or there is no such probe.
    pub fn add(&mut self, probe: usize, map: &[[f32; LANES]], activation: Activation) {
        let blocks = self.units().div_ceil(LANES);
        assert!(!map.is_empty() && map.len().is_multiple_of(blocks), "shape of the map");
        for block in 0..blocks {
            let sums = Sums::of(map[block..].iter().step_by(blocks), sloping(activation));
            self.gather(probe, block, &sums, map.len() / blocks);
        }
    }

    /// Adds a block's sums over a map of so many positions.
    fn gather(&mut self, probe: usize, block: usize, sums: &Sums, positions: usize) {
        let units = self.units();
        let share = 1.0 / positions as f64;
        let (means, responsive) = self.values.as_mut().split_at_mut(PROBES * units);
        let means = &mut means[probe * units..(probe + 1) * units];
        for (c, unit) in (block * LANES..units.min((block + 1) * LANES)).enumerate() {
            means[unit] = f64::from(sums.sum[c]) * share;
            self.square += f64::from(sums.square[c]) * share;
            responsive[unit] += f64::from(sums.between[c]) * share;
        }
    }

    /// The numbers of a layer whose maps of all probes were added, see [`LAYER`].
    ///
    /// Shapes. `scratch` at least [`super::scratch_len`] of the units, contents irrelevant.
    pub fn numbers(&self, isa: Isa, scratch: &mut [f64]) -> [f64; LAYER.len()] {
        let (means, responsive) = self.values.as_ref().split_at(PROBES * self.units());
        describe(isa, means, self.square, responsive, scratch)
    }
}

/// The same for every kind of memory.
fn describe(isa: Isa, means: &[f64], square: f64, responsive: &[f64], scratch: &mut [f64]) -> [f64; LAYER.len()] {
    let units = responsive.len();
    let answers = Answers::new(isa, units, means, scratch);
    let scale = libm::sqrt(square / (PROBES * units) as f64);
    let responsive = responsive.iter().map(|sum| sum / PROBES as f64);
    let silent = answers.deviation.iter().filter(|&&deviation| deviation <= SILENT * scale).count();
    [
        ln(scale),
        mean(answers.centre.iter().copied()),
        ln(answers.spread()),
        ln(answers.spread()) - ln(scale),
        ln(deviation(answers.centre.iter().copied())),
        silent as f64 / units as f64,
        mean(responsive.clone()),
        deviation(responsive),
        answers.rank,
        answers.cosine,
    ]
}

/// Between which outputs an activation is not flat: its slope is at least about a tenth of its largest.
fn sloping(activation: Activation) -> (f32, f32) {
    match activation {
        Activation::Identity => (f32::NEG_INFINITY, f32::INFINITY),
        Activation::Relu | Activation::LeakyRelu | Activation::Gelu | Activation::Silu => (0.0, f32::INFINITY),
        Activation::Tanh => (-0.95, 0.95),
        Activation::Sigmoid => (0.025, 0.975),
    }
}

/// Sums over an image's map of 16 channels: of outputs, of their squares, and how many lie between two bounds.
#[derive(Clone, Copy)]
struct Sums {
    sum: [f32; LANES],
    square: [f32; LANES],
    between: [f32; LANES],
}

impl Sums {
    #[inline(always)]
    fn of<'a>(positions: impl Iterator<Item = &'a [f32; LANES]>, (low, high): (f32, f32)) -> Sums {
        let (mut sum, mut square, mut between) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
        for y in positions {
            for c in 0..LANES {
                sum[c] += y[c];
                square[c] += y[c] * y[c];
                between[c] += if y[c] > low && y[c] < high { 1.0 } else { 0.0 };
            }
        }
        Sums { sum, square, between }
    }
}

/// [`Sums`] of each image of a tile, for one block of channels.
struct TileSums<'a> {
    map: &'a [Block],
    blocks: usize,
    bounds: (f32, f32),
}

impl Kernel for TileSums<'_> {
    type Output = [Sums; TILE];
    /// Plain loops, compiled for each ISA.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> [Sums; TILE] {
        let mut all = [Sums { sum: [0.0; LANES], square: [0.0; LANES], between: [0.0; LANES] }; TILE];
        for (n, sums) in all.iter_mut().enumerate() {
            *sums = Sums::of(self.map.iter().step_by(self.blocks).map(|position| &position[n].0), self.bounds);
        }
        all
    }
}
