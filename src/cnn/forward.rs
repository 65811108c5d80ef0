//! The forward pass of a tile: the same for training, evaluation and probes.

use super::arena::Arena;
use super::packing::{Packing, Work};
use crate::kernels::activation::{Activation, Dropout};
use crate::kernels::conv::{self, Inputs};
use crate::kernels::{Isa, Lanes, pool, residual};

/// Takes the tile in an arena through the network with working parameters `weights` and activation `own`; with `keep`, the
/// share of units that are kept, by the arena's dropout masks.
///
/// # Panics
/// If a length differs from the packing's.
pub fn forward(isa: Isa, packing: &Packing, own: Activation, weights: &[Lanes], keep: Option<f32>, arena: &mut Arena) {
    for (index, (work, step)) in packing.work.iter().zip(&packing.plan.steps).enumerate() {
        let (below, above) = arena.maps.split_at_mut(index + 1);
        let (x, y) = (&below[step.from], &mut above[0]);
        let (z, activation) = (&mut arena.z[index], step.epilogue.activation(own));
        let mask = &arena.dropout_mask[index];
        let dropout = step.epilogue.dropout.and(keep).map(|keep| Dropout { kept: mask, keep });
        match work {
            Work::Conv { dims, bias, kernel } => {
                let dims = &conv::Dims { images: arena.images, ..*dims };
                let (w, b) = (&weights[kernel.clone()], &weights[bias.clone()]);
                match dims.inputs {
                    Inputs::Image(_) => {
                        conv::forward_image(isa, dims, activation, dropout, &arena.image, w, b, z, y);
                    }
                    Inputs::Map(_) => conv::forward(isa, dims, activation, dropout, x, w, b, z, y),
                }
            }
            Work::Max(dims) => {
                pool::forward_max(isa, dims, activation, dropout, x, &mut arena.argmax[index], z, y);
            }
            Work::Average(dims) => pool::forward_average(isa, dims, activation, dropout, x, z, y),
            Work::Add { other } => residual::forward(isa, activation, dropout, x, &below[*other], z, y),
        }
    }
}
