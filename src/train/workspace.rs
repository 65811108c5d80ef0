//! `Workspace`: all memory that training one network needs, allocated once. It does not grow with the batch.

use crate::cnn::arena::Arena;
use crate::cnn::backward::Transposed;
use crate::cnn::packing::Packing;
use crate::dataset::Examples;
use crate::kernels::{Isa, Lanes, TILE};

/// Parameters, gradients and one tile's activations. Parameters are in the working order of a [`Packing`].
pub struct Workspace {
    pub(super) weights: Vec<Lanes>,
    pub(super) gradients: Vec<Lanes>,
    pub(super) first_moment: Vec<Lanes>,
    pub(super) second_moment: Vec<Lanes>,
    /// The kernels with input and output channels exchanged.
    pub(super) transposed: Transposed,
    /// The tile's labels.
    pub(super) labels: [u8; TILE],
    /// The tile.
    pub(super) arena: Arena,
    /// The weights as a flat vector, where the loss needs them.
    pub(super) flat: Vec<f32>,
}

impl Workspace {
    /// Memory for networks of `packing` with any activation.
    pub fn new(packing: &Packing) -> Workspace {
        let lanes = || vec![Lanes::ZERO; packing.lanes];
        Workspace {
            weights: lanes(),
            gradients: lanes(),
            first_moment: lanes(),
            second_moment: lanes(),
            transposed: Transposed::new(packing, false),
            labels: [0; TILE],
            arena: Arena::new(packing, true),
            flat: vec![0.0; packing.plan.parameters()],
        }
    }

    /// Forgets the optimizer's state.
    pub fn clear(&mut self) {
        self.first_moment.fill(Lanes::ZERO);
        self.second_moment.fill(Lanes::ZERO);
    }

    /// Copies up to [`TILE`] images and their labels in; the places of missing images are filled with the last one.
    pub fn gather(&mut self, isa: Isa, packing: &Packing, split: &Examples, images: &[u32]) {
        let Some(&last) = images.last() else { return };
        let mut pixels = [split.image(last as usize); TILE];
        for (n, &image) in images.iter().enumerate() {
            self.labels[n] = split.labels[image as usize];
            pixels[n] = split.image(image as usize);
        }
        self.arena.images = images.len();
        self.arena.gather(isa, packing, pixels);
    }
}
