//! `Arena`: all memory that a tile needs on its way through a network, allocated once.

use super::packing::{Packing, Work};
use crate::kernels::{Block, Isa, Lanes, TILE, tile};

/// One tile's maps and what the backward pass needs beside them.
pub struct Arena {
    /// Images of the tile; the places of the others hold whatever was there.
    pub images: usize,
    /// The padded images, `[position][channel][image]`.
    pub image: Vec<[f32; TILE]>,
    /// Each map, and its gradient in the backward pass; that of the image is empty.
    pub maps: Vec<Vec<Block>>,
    /// Of each step `z` where an activation's gradient needs it.
    pub z: Vec<Vec<Block>>,
    /// Of each max-pooling the tap that was largest.
    pub argmax: Vec<Vec<Block>>,
    /// Of each step with dropout what is kept.
    pub dropout_mask: Vec<Vec<[u16; TILE]>>,
}

impl Arena {
    /// Memory for networks of a packing with any activation; without a backward pass the masks are left out.
    pub fn new(packing: &Packing, training: bool) -> Arena {
        let plan = &packing.plan;
        let blocks = |count: usize| vec![[Lanes::ZERO; TILE]; count];
        let of_steps = |wanted: &dyn Fn(usize) -> bool| {
            let count = |step: usize| if wanted(step) { packing.blocks(step + 1) } else { 0 };
            (0..plan.steps.len()).map(count).collect::<Vec<usize>>()
        };
        let [rows, columns] = packing.image.padded;
        let z = of_steps(&|step| plan.steps[step].epilogue.function.is_some());
        let argmax = of_steps(&|step| matches!(packing.work[step], Work::Max(_)));
        let masks = of_steps(&|step| training && plan.steps[step].epilogue.dropout.is_some());
        Arena {
            images: TILE,
            image: vec![[0.0; TILE]; rows * columns * packing.image.channels],
            maps: (0..plan.maps.len()).map(|map| blocks(packing.blocks(map))).collect(),
            z: z.into_iter().map(blocks).collect(),
            argmax: argmax.into_iter().map(blocks).collect(),
            dropout_mask: masks.into_iter().map(|count| vec![[0; TILE]; count]).collect(),
        }
    }

    /// The logits.
    pub fn logits(&self) -> &[Block] {
        self.maps.last().map_or(&[], Vec::as_slice)
    }

    /// Copies a tile of images in, each row by row with its channels side by side.
    pub fn gather(&mut self, isa: Isa, packing: &Packing, images: [&[f32]; TILE]) {
        let of = &packing.image;
        let ([rows, columns], [top, left]) = (of.read, of.border);
        // without a border and with every column read an image is one run of pixels
        let (runs, run) = if columns == of.width && of.padded[1] == columns { (1, rows) } else { (rows, 1) };
        let length = run * columns * of.channels;
        for row in 0..runs {
            let from = row * of.width * of.channels;
            let to = ((row + top) * of.padded[1] + left) * of.channels;
            tile::interleave(isa, images.map(|image| &image[from..from + length]), &mut self.image[to..to + length]);
        }
    }
}
