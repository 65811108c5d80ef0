//! The forward pass of a tile: the same for training, evaluation and probes.

use super::plan::Plan;
use crate::kernels::activation::{Activation, Dropout};
use crate::kernels::{Block, Isa, Lanes, TILE, conv, pool};

/// One tile on its way through a network: what is read and what is written.
pub struct Tile<'a> {
    /// The padded images, `[position][image]`.
    pub image: &'a [[f32; TILE]],
    /// Each convolution's output.
    pub maps: &'a mut [Vec<Block>],
    /// Each convolution's `z` where the activation's gradient needs it.
    pub inputs: &'a mut [Vec<Block>],
    /// The means over the last map.
    pub pooled: &'a mut [Block],
    /// The dense layer's output.
    pub logits: &'a mut [Block],
}

/// Takes a tile through the network with working parameters `weights`; `dropout` gives that of each convolution.
///
/// # Panics
/// If a length differs from the plan's.
pub fn forward<'k>(
    isa: Isa,
    plan: &Plan,
    activation: Activation,
    weights: &[Lanes],
    dropout: impl Fn(usize) -> Option<Dropout<'k>>,
    tile: Tile,
) {
    for (index, layer) in plan.convs().iter().enumerate() {
        let (below, above) = tile.maps.split_at_mut(index);
        let (w, b) = (&weights[layer.kernel.clone()], &weights[layer.bias.clone()]);
        let (z, y, dropout) = (&mut tile.inputs[index], &mut above[0], dropout(index));
        match below.last() {
            None => conv::forward_image(isa, &layer.dims, activation, dropout, tile.image, w, b, z, y),
            Some(x) => conv::forward(isa, &layer.dims, activation, dropout, x, w, b, z, y),
        }
    }
    let dense = plan.dense();
    let (w, b) = (&weights[dense.kernel.clone()], &weights[dense.bias.clone()]);
    pool::forward(isa, &tile.maps[tile.maps.len() - 1], tile.pooled);
    conv::forward(isa, &dense.dims, Activation::Identity, None, tile.pooled, w, b, &mut [], tile.logits);
}
