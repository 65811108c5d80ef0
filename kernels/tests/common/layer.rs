//! Tiles of a layer with activation and dropout, beside what the definitions make of them.

use super::Numbers;
use zoometry_kernels::activation::{Activation, Below, Dropout};
use zoometry_kernels::reference::{activation, layout::dense};
use zoometry_kernels::{Block, LANES, Lanes, TILE};

pub const ACTIVATIONS: [Activation; 7] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Gelu,
    Activation::LeakyRelu,
    Activation::Silu,
];

/// The share of units that dropout keeps.
const KEEP: f32 = 0.75;

pub fn zeros(n: usize) -> Vec<Block> {
    vec![[Lanes::ZERO; TILE]; n]
}

/// A map whose places of images that are not there hold `other`.
pub fn of_images(images: usize, other: f32, map: &[Block]) -> Vec<Block> {
    map.iter().map(|block| std::array::from_fn(|n| if n < images { block[n] } else { Lanes([other; LANES]) })).collect()
}

/// A dense N·M·C array as a tile's map.
pub fn tile(values: &[f64], blocks: usize) -> Vec<Block> {
    let channels = blocks * LANES;
    let positions = values.len() / TILE / channels;
    let mut map = zeros(positions * blocks);
    for (index, &value) in values.iter().enumerate() {
        let (c, m, n) = (index % channels, index / channels % positions, index / channels / positions);
        map[m * blocks + c / LANES][n].0[c % LANES] = value as f32;
    }
    map
}

/// What follows a layer's sums.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue {
    pub activation: Activation,
    pub dropout: bool,
}

/// A layer's output of some blocks: the decisions of its dropout, its `z`, and another gradient of it.
pub struct Layer {
    pub epilogue: Epilogue,
    blocks: usize,
    kept: Vec<[u16; TILE]>,
    z: Vec<Block>,
    residual: Option<Vec<Block>>,
}

impl Layer {
    /// A layer of `len` blocks, `blocks` of them at each position.
    pub fn new(numbers: &mut Numbers, epilogue: Epilogue, residual: bool, len: usize, blocks: usize) -> Layer {
        let kept = (0..len).map(|_| std::array::from_fn(|_| (numbers.next() * 40_000.0) as i32 as u16)).collect();
        let (z, residual) = (numbers.blocks(len), residual.then(|| numbers.blocks(len)));
        Layer { epilogue, blocks, kept, z, residual }
    }

    pub fn dropout(&self) -> Option<Dropout<'_>> {
        self.epilogue.dropout.then_some(Dropout { kept: &self.kept, keep: KEEP })
    }

    pub fn below(&self) -> Below<'_> {
        let (activation, residual) = (self.epilogue.activation, self.residual.as_deref());
        Below { activation, dropout: self.dropout(), z: &self.z, residual }
    }

    /// What the layer makes of sums, a dense array.
    pub fn finish(&self, sums: &mut [f64]) {
        sums.iter_mut().for_each(|z| *z = activation::apply(self.epilogue.activation, *z));
        self.drop(sums);
    }

    /// What it made of its own `z`, as a backward kernel finds it.
    pub fn output(&self) -> Vec<Block> {
        let mut y = dense(&self.z, self.blocks);
        self.finish(&mut y);
        tile(&y, self.blocks)
    }

    /// The gradient of its `z`, from that of its output that the kernel under test computes.
    pub fn backward(&self, gradient: &mut [f64]) {
        if let Some(residual) = &self.residual {
            gradient.iter_mut().zip(dense(residual, self.blocks)).for_each(|(dy, other)| *dy += other);
        }
        let slopes = dense(&self.z, self.blocks).into_iter().map(|z| activation::slope(self.epilogue.activation, z));
        gradient.iter_mut().zip(slopes).for_each(|(dy, slope)| *dy *= slope);
        self.drop(gradient);
    }

    fn drop(&self, values: &mut [f64]) {
        if !self.epilogue.dropout {
            return;
        }
        let channels = self.blocks * LANES;
        let positions = self.kept.len() / self.blocks;
        for (index, value) in values.iter_mut().enumerate() {
            let (c, m, n) = (index % channels, index / channels % positions, index / channels / positions);
            let bit = self.kept[m * self.blocks + c / LANES][n] >> (c % LANES) & 1;
            *value *= f64::from(bit) / f64::from(KEEP);
        }
    }
}
