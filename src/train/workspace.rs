//! `Workspace`: all memory that training one network needs, allocated once. It does not grow with the batch.

use crate::cnn::plan::Plan;
use crate::dataset::Split;
use crate::kernels::{Block, Isa, Lanes, TILE, tile};

/// Parameters, gradients and one tile's activations. Parameters are in the working order of a [`Plan`].
pub struct Workspace {
    pub(super) weights: Vec<Lanes>,
    pub(super) gradients: Vec<Lanes>,
    pub(super) first_moment: Vec<Lanes>,
    pub(super) second_moment: Vec<Lanes>,
    /// The kernels with input and output channels exchanged, in the kernels' windows.
    pub(super) transposed: Vec<Lanes>,
    /// The padded images, `[position][image]`.
    pub(super) image: Vec<[f32; TILE]>,
    /// The tile's labels.
    pub(super) labels: [u8; TILE],
    /// Each convolution's output, and its gradient in the backward pass.
    pub(super) maps: Vec<Vec<Block>>,
    /// Each convolution's `z` where the activation's gradient needs it.
    pub(super) inputs: Vec<Vec<Block>>,
    /// Each convolution's dropout decisions.
    pub(super) kept: Vec<Vec<[u16; TILE]>>,
    pub(super) pooled: Vec<Block>,
    pub(super) logits: Vec<Block>,
}

impl Workspace {
    /// Memory for networks of `plan` with any activation.
    pub fn new(plan: &Plan) -> Workspace {
        let lanes = || vec![Lanes::ZERO; plan.lanes];
        let blocks = |count: usize| vec![[Lanes::ZERO; TILE]; count];
        let dims = plan.layers[0].dims;
        Workspace {
            weights: lanes(),
            gradients: lanes(),
            first_moment: lanes(),
            second_moment: lanes(),
            transposed: lanes(),
            image: vec![[0.0; TILE]; dims.height * dims.width],
            labels: [0; TILE],
            maps: plan.convs().iter().map(|layer| blocks(layer.dims.y_len())).collect(),
            inputs: plan.convs().iter().map(|layer| blocks(layer.dims.y_len())).collect(),
            kept: plan.convs().iter().map(|layer| vec![[0; TILE]; layer.dims.y_len()]).collect(),
            pooled: blocks(plan.dense().dims.inputs),
            logits: blocks(plan.dense().dims.outputs),
        }
    }

    /// Forgets the optimizer's state.
    pub fn clear(&mut self) {
        self.first_moment.fill(Lanes::ZERO);
        self.second_moment.fill(Lanes::ZERO);
    }

    /// Copies up to [`TILE`] images and their labels in; the places of missing images are filled with the last one.
    pub fn gather(&mut self, isa: Isa, plan: &Plan, split: &Split, images: &[u32]) {
        let Some(&last) = images.last() else { return };
        let mut pixels = [split.image(last as usize); TILE];
        for (n, &image) in images.iter().enumerate() {
            self.labels[n] = split.labels[image as usize];
            pixels[n] = split.image(image as usize);
        }
        let width = plan.layers[0].dims.width;
        // without a border an image is one run of pixels
        let run = if width == split.width { split.height * width } else { split.width };
        let (top, left) = plan.image_border;
        for row in 0..split.height * split.width / run {
            let from = row * run;
            let to = (row + top) * width + left;
            tile::interleave(isa, pixels.map(|image| &image[from..from + run]), &mut self.image[to..to + run]);
        }
    }
}
