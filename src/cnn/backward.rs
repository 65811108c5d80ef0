//! The backward pass of a tile: the gradient of the weights, for training, or of the image, for images that are made.

use super::arena::Arena;
use super::packing::{Packing, Work};
use crate::kernels::activation::{Activation, Below, Dropout};
use crate::kernels::conv::{self, Inputs};
use crate::kernels::{Isa, Lanes, TILE, pool, residual};

/// What a backward pass is for.
pub enum Wanted<'a> {
    /// The gradient of the working parameters, which is added to these.
    Weights(&'a mut [Lanes]),
    /// That of the padded image, `[position][channel][image]`, which is added to this.
    Image(&'a mut [[f32; TILE]]),
}

/// Kernels with input and output channels exchanged.
pub struct Transposed {
    /// Of convolutions of maps, in the kernels' windows.
    maps: Vec<Lanes>,
    /// Of the convolution that reads the image; empty where its gradient is not wanted.
    image: Vec<Lanes>,
}

impl Transposed {
    /// Memory for networks of a packing, with what the image's gradient needs or without.
    pub fn new(packing: &Packing, image: bool) -> Transposed {
        let reads_image = |work: &Work| match work {
            Work::Conv { dims, .. } if matches!(dims.inputs, Inputs::Image(_)) => Some(dims.wt_image_len()),
            _ => None,
        };
        let length = packing.work.iter().find_map(reads_image).filter(|_| image).unwrap_or(0);
        Transposed { maps: vec![Lanes::ZERO; packing.lanes], image: vec![Lanes::ZERO; length] }
    }

    /// Takes working parameters.
    pub fn fill(&mut self, packing: &Packing, weights: &[Lanes]) {
        for work in &packing.work {
            let Work::Conv { dims, kernel, .. } = work else { continue };
            match dims.inputs {
                Inputs::Map(_) => conv::transpose(dims, &weights[kernel.clone()], &mut self.maps[kernel.clone()]),
                Inputs::Image(_) if self.image.is_empty() => {}
                Inputs::Image(_) => conv::transpose_image(dims, &weights[kernel.clone()], &mut self.image),
            }
        }
    }
}

/// Adds the tile's gradient to what is wanted. The arena holds the logits' gradient and the maps, which are overwritten by their
/// gradients from the last to the first; `own` and `keep` are those of [`super::forward::forward`].
///
/// # Panics
/// If a length differs from the packing's, or the image is wanted of [`Transposed::new`] without it.
pub fn backward(
    isa: Isa,
    packing: &Packing,
    own: Activation,
    transposed: &Transposed,
    keep: Option<f32>,
    arena: &mut Arena,
    mut wanted: Wanted,
) {
    let plan = &packing.plan;
    for (index, (work, step)) in packing.work.iter().zip(&plan.steps).enumerate().rev() {
        let (lower, upper) = arena.maps.split_at_mut(step.from + 1);
        let above = |map: usize| &upper[map - step.from - 1];
        let dy = above(index + 1);
        // what the map below knows of the step that made it; the image was made by none
        let below = step.from.checked_sub(1).map(|made_by| {
            let epilogue = &plan.steps[made_by].epilogue;
            let mask = &arena.dropout_mask[made_by];
            Below {
                activation: epilogue.activation(own),
                dropout: epilogue.dropout.and(keep).map(|keep| Dropout { kept: mask, keep }),
                z: &arena.z[made_by],
                residual: packing.added_to[step.from].map(|sum| above(sum).as_slice()),
            }
        });
        let x = &mut lower[step.from];
        match (work, below) {
            (Work::Conv { dims, bias, kernel }, below) => {
                let dims = &conv::Dims { images: arena.images, ..*dims };
                if let Wanted::Weights(gradients) = &mut wanted {
                    let (db, dw) = gradients[bias.start..kernel.end].split_at_mut(bias.len());
                    match dims.inputs {
                        Inputs::Image(_) => conv::backward_weight_image(isa, dims, &arena.image, dy, dw, db),
                        Inputs::Map(_) => conv::backward_weight(isa, dims, x, dy, dw, db),
                    }
                }
                match (below, &mut wanted) {
                    (Some(below), _) => {
                        conv::backward_input(isa, dims, below, dy, &transposed.maps[kernel.clone()], x);
                    }
                    (None, Wanted::Image(dx)) => conv::backward_input_image(isa, dims, dy, &transposed.image, dx),
                    (None, Wanted::Weights(_)) => {}
                }
            }
            (Work::Max(dims), Some(below)) => pool::backward_max(isa, dims, below, dy, &arena.argmax[index], x),
            (Work::Average(dims), Some(below)) => pool::backward_average(isa, dims, below, dy, x),
            (Work::Add { .. }, Some(below)) => residual::backward(isa, below, dy, x),
            (_, None) => unreachable!("only convolutions read the image"),
        }
    }
}
