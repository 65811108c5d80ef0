//! What host and shaders must agree on, by name; a test reads the shaders and says what differs.

use bytemuck::{Pod, Zeroable};

/// `Network` of `shaders/job.wgsl`: what a workgroup trains or evaluates.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Network {
    /// Code of the activation.
    pub activation: u32,
    /// Code of the optimizer.
    pub optimizer: u32,
    /// Dropout: 16 random bits below it drop a unit.
    pub threshold: u32,
    /// Share of units that is kept.
    pub keep: f32,
    /// Seed.
    pub key: [u32; 2],
    /// Place of its weights in `state`, in its elements.
    pub state: u32,
    /// Training: place of its first image in `order`.
    pub order: u32,
    /// Training: where the images of a batch end that are looked at.
    pub end: u32,
    /// Training: number of steps.
    pub steps: u32,
    /// Training: steps made before.
    pub step: u32,
    /// Training: place of its first rate in `rates`.
    pub rates: u32,
    /// 2λ
    pub l2: f32,
    /// Its slot.
    pub slot: u32,
    /// General path: place of its part of `maps`.
    pub maps: u32,
    /// General path, training: the first image of a batch that is looked at.
    pub begin: u32,
}

/// `Segment` of `shaders/job.wgsl`: what a workgroup evaluates.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Segment {
    /// Which of the dispatch's networks.
    pub network: u32,
    /// Its first image in `order`.
    pub first: u32,
    /// One past its last image.
    pub end: u32,
    /// General path: place of its part of `maps`.
    pub maps: u32,
}

/// `Layer` of `shaders/network.wgsl`: a convolution or the dense layer, channels in quads, places among the network's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Layer {
    /// Rows of the input.
    pub height: u32,
    /// Columns of the input.
    pub width: u32,
    /// 0 for an image.
    pub inputs: u32,
    /// Output channels.
    pub outputs: u32,
    /// Step between positions.
    pub stride: u32,
    /// Zeros above.
    pub top: u32,
    /// Zeros to the left.
    pub left: u32,
    /// Rows of the output.
    pub p: u32,
    /// Columns of the output.
    pub q: u32,
    /// Input channels that are not filled up.
    pub real_inputs: u32,
    /// Output channels that are not filled up.
    pub channels: u32,
    /// Its bias among a network's weights; the kernel follows.
    pub weights: u32,
    /// Its output among an image's maps.
    pub map: u32,
    /// Its dropout decisions among an image's words.
    pub words: u32,
    /// Its gradients among a network's.
    pub gradient: u32,
    /// Partial sums of its gradient.
    pub parts: u32,
    /// 9, or 1 for the dense layer.
    pub taps: u32,
    /// Up to a multiple of 16 bytes.
    pub padding: [u32; 3],
}

/// Layers of a table: 64 convolutions and the dense layer, `MOST_LAYERS` in the shaders.
pub const MOST_LAYERS: usize = 65;

/// `Job` of `shaders/network.wgsl`: the shape that all networks have.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Job {
    /// Number of convolutions.
    pub convolutions: u32,
    /// Number of classes.
    pub classes: u32,
    /// Images of a tile.
    pub tile: u32,
    /// Images of a step.
    pub batch: u32,
    /// Quads of an image's maps.
    pub units: u32,
    /// Words of an image's decisions.
    pub words: u32,
    /// Quads of a network's weights.
    pub weights: u32,
    /// Quads of a network's gradients.
    pub gradients: u32,
    /// Pixels of an image.
    pub pixels: u32,
    /// Pooled channels among an image's maps.
    pub pooled: u32,
    /// Up to a multiple of 16 bytes.
    pub padding: [u32; 2],
    /// The layers, the rest of the table zero.
    pub layers: [Layer; MOST_LAYERS],
}

/// Bindings of group 0 that the host makes; a shader has those that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `job`
    Job = 0,
    /// `pixels`
    Pixels = 1,
    /// `networks`
    Networks = 2,
    /// `order`
    Order = 3,
    /// `state`
    State = 4,
    /// Training: `rates`; evaluation: `segments`.
    RatesOrSegments = 5,
    /// Training: `gradients`; evaluation: `results`.
    GradientsOrResults = 6,
    /// `outcomes`
    Outcomes = 7,
    /// `maps`, on the fast path `saved`
    Maps = 8,
}

/// A loss from here on counts as not finite, `DIVERGED` in the shaders.
pub const DIVERGED: f32 = 1e30;
