//! How often the shaders' loops go round, for adapters that end all loops of a dispatch after a number of iterations.
//!
//! lavapipe does so: loops that have gone round 65,535 times, all of an invocation's together, are left, whatever they have
//! done by then. What a dispatch does is therefore kept below that, and the shaders count what they have done.

use super::shape::{MOST_TILE, Shape, WIDTH};
use std::ops::Range;

/// Iterations of `n` rounds with `body` iterations of other loops in each; the last look at the condition counts.
fn rounds(n: usize, body: usize) -> usize {
    n * (body + 1) + 1
}

/// Iterations of an invocation that takes every [`WIDTH`]-th of `items`.
fn shared(items: usize, body: usize) -> usize {
    rounds(items.div_ceil(WIDTH), body)
}

impl Shape {
    /// Iterations of a tile's forward pass with its loss.
    pub fn forward_iterations(&self) -> usize {
        let mut sum = 0;
        for layer in self.convolutions() {
            let pairs = layer.q.div_ceil(2);
            sum +=
                1 + shared(self.tile * layer.p * pairs * layer.outputs, rounds(3, rounds(3, rounds(layer.inputs, 0))));
        }
        let [last, head] = self.ends();
        let classes = rounds(self.classes, 0) + 2 * rounds(head.outputs, 0);
        sum + shared(self.tile * last.outputs, rounds(last.p * last.q, 0))
            + shared(self.tile * head.outputs, rounds(head.inputs, 0))
            + classes
    }

    /// Iterations of a tile's training: dropout, forward and backward pass.
    pub fn training_iterations(&self) -> usize {
        let [last, head] = self.ends();
        let mut sum = self.forward_iterations()
            + shared((head.inputs + 1) * head.outputs, rounds(self.tile, 0))
            + shared(self.tile * head.inputs, rounds(head.outputs, 0))
            + shared(self.tile * last.p * last.q * last.outputs, 0);
        for layer in self.convolutions() {
            let words = (layer.p * layer.q).div_ceil(8) * layer.outputs;
            let philox = rounds(4, rounds(10, 0));
            let rows = rounds((self.tile * layer.p).div_ceil(layer.parts), rounds(layer.q, 0));
            let (row, column) = (layer.height.div_ceil(layer.stride), layer.width.div_ceil(2 * layer.stride));
            let inputs = layer.stride * layer.stride * self.tile * row * column * layer.inputs;
            sum += 2
                + shared(self.tile * words, philox)
                + shared(layer.parts * layer.outputs, rows)
                + shared(layer.parts * 3 * layer.inputs * layer.outputs, rows)
                + shared(inputs, rounds(3, rounds(3, rounds(layer.outputs, 0))));
        }
        sum + 1
    }

    /// Iterations of an optimizer's step and of a step's loss.
    pub fn optimizer_iterations(&self) -> usize {
        let layers = self.layers.iter().map(|layer| 1 + shared(layer.quads(), rounds(layer.parts, 0)));
        layers.sum::<usize>() + rounds(MOST_TILE, 0) + rounds(self.classes + 2, 0)
    }
}

/// What a dispatch does of some steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first step.
    pub first: usize,
    /// Steps.
    pub count: usize,
    /// Images of each step's batch.
    pub images: Range<usize>,
}

/// Dispatches that make `steps` steps within a limit: all of them, some whole ones each, or a part of one's images each.
pub fn pieces(shape: &Shape, limit: Option<usize>, batch: usize, steps: usize) -> Vec<Piece> {
    let (tile, end) = (shape.training_iterations(), shape.optimizer_iterations());
    let whole = batch.div_ceil(shape.tile) * tile + end;
    if steps == 0 || limit.is_none_or(|limit| limit >= whole) {
        return whole_steps(whole, limit, batch, steps);
    }
    let images = limit.map_or(batch, |limit| limit.saturating_sub(end) / tile * shape.tile).max(shape.tile);
    let of_a_step = |first| {
        (0..batch).step_by(images).map(move |begin| Piece { first, count: 1, images: begin..batch.min(begin + images) })
    };
    (0..steps).flat_map(of_a_step).collect()
}

/// Dispatches that make `steps` whole steps of `iterations` each within a limit that allows one at least.
pub fn whole_steps(iterations: usize, limit: Option<usize>, batch: usize, steps: usize) -> Vec<Piece> {
    let together = limit.map_or(steps, |limit| limit / iterations).max(1);
    let firsts = (0..steps).step_by(together);
    firsts.map(|first| Piece { first, count: together.min(steps - first), images: 0..batch }).collect()
}

/// Images that a workgroup may evaluate in a dispatch within a limit.
pub fn segment(shape: &Shape, limit: Option<usize>) -> usize {
    // besides the tiles: classes, the sum of the losses, the last count
    let rest = 2 * rounds(shape.classes, 0) + rounds(MOST_TILE, 0) + rounds(shape.classes + 2, 0);
    let tiles = |limit: usize| limit.saturating_sub(rest) / (shape.forward_iterations() + 1);
    limit.map_or(usize::MAX, |limit| (tiles(limit) * shape.tile).max(shape.tile))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::Arch;

    #[test]
    fn pieces_are_all_steps_in_order_and_within_the_limit() {
        for stack in ["16s2,16s2,16s2", "8s1same", "64s2,30s2,7s1same"] {
            let shape = Shape::within(&Arch::grey(28, 28, stack, 10).unwrap(), 32 << 10).unwrap();
            let (tile, end) = (shape.training_iterations(), shape.optimizer_iterations());
            for limit in [None, Some(tile + end), Some(5 * tile), Some(65_535), Some(1 << 30)] {
                for (batch, steps) in [(512, 3), (1, 64), (7, 0)] {
                    let mut at = (0, 0);
                    for piece in pieces(&shape, limit, batch, steps) {
                        assert_eq!((piece.first, piece.images.start), at);
                        let tiles = piece.images.len().div_ceil(shape.tile);
                        let needed = piece.count * (tiles * tile + end);
                        assert!(piece.images.start % shape.tile == 0 && limit.is_none_or(|most| needed <= most));
                        assert!(piece.count == 1 || piece.images == (0..batch));
                        at = match piece.images.end == batch {
                            true => (piece.first + piece.count, 0),
                            false => (piece.first, piece.images.end),
                        };
                    }
                    assert_eq!(at, (steps, 0), "{stack} {limit:?}");
                }
            }
        }
    }
}
