//! `Design`: the fast path for one shape on one card: layouts, memory, loops.

use super::layout::{Layout, PAIR, Places, Sums};
use super::source;
use super::text::{self, Kind, Options};
use super::{Numbers, Shape};
use crate::cnn::Arch;
use crate::gpu::{Gpu, Limits};
use crate::kernels::activation::Activation;

/// Images that a workgroup evaluates: a multiple of every tile up to twelve but seven and eleven.
const SEGMENT: usize = 600;

/// See the head of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// What the networks are.
    pub shape: Shape,
    /// Layout of training.
    pub training: Layout,
    /// Layout of evaluation.
    pub evaluation: Layout,
}

impl Design {
    /// The design for networks of `arch` on a GPU, with a layout of one's own for training or the best one; none where the
    /// shape is not of the family, workgroup memory too small or a step too long for the loops of a dispatch.
    pub fn of(arch: &Arch, limits: Limits, batch: usize, own: Option<Layout>) -> Option<Design> {
        let shape = Shape::of(arch)?;
        let (bytes, invocations) = (limits.workgroup_bytes, limits.invocations);
        let training = own.or_else(|| Layout::training(&shape, bytes, invocations))?;
        let evaluation = Layout::evaluation(&shape, bytes, invocations)?;
        let design = Design { shape, training, evaluation };
        limits.iterations.is_none_or(|most| design.step_iterations(batch) < most).then_some(design)
    }

    fn numbers(&self) -> Numbers {
        self.shape.numbers()
    }

    /// `place[k]`: number of the flat vector's parameter `k` among the weights.
    pub fn place(&self) -> Vec<usize> {
        Places::new(&self.numbers()).table(&self.shape)
    }

    /// Numbers of a network's weights.
    pub fn weights(&self) -> usize {
        2 * Places::new(&self.numbers()).end
    }

    /// Bytes of a workgroup's partial gradients.
    pub fn gradients(&self) -> usize {
        PAIR * Sums::new(&self.numbers(), self.training.tile).end
    }

    /// Bytes of a workgroup's kept maps.
    pub fn maps(&self, kind: Kind) -> usize {
        2 * PAIR * text::saved(&self.numbers(), self.training.tile, kind)
    }

    /// Source of a training pipeline; its entry point is `train`.
    pub fn training_text(&self, gpu: &Gpu, kind: Kind, options: Options) -> String {
        gpu.random().concat() + &source::training(&self.shape, self.training, kind, options)
    }

    /// Source of an evaluation pipeline; its entry point is `evaluate`.
    pub fn evaluation_text(&self, activation: Activation, options: Options) -> String {
        source::evaluation(&self.shape, self.evaluation, activation, options)
    }

    /// Iterations of an invocation's loops in a step, at most.
    pub fn step_iterations(&self, batch: usize) -> usize {
        let n = self.numbers();
        let decisions = 16 * n.groups().iter().sum::<usize>();
        let draw = decisions.div_ceil(32) * 12 + 1;
        let third_kernel = 2 * (n.needed[2] + 2) + 1;
        let turns = 4 * (n.needed[1].div_ceil(2) + 2 + 2 * 9) + 1;
        let tile = 1 + draw + self.forward_iterations() + third_kernel + 9 + turns;
        let parts = Sums::new(&n, self.training.tile).parts.into_iter().max().unwrap_or(0).max(self.training.tile);
        let optimizer = Places::new(&n).end.div_ceil(self.training.width()) * (parts + 2) + 1;
        batch.div_ceil(self.training.tile) * tile + optimizer + self.weight_iterations() + self.training.tile + 12
    }

    /// Iterations of a tile's forward pass: chunks, taps of the third convolution.
    fn forward_iterations(&self) -> usize {
        5 + 3 * 5 + 1
    }

    fn weight_iterations(&self) -> usize {
        1152 / 32 + 4
    }

    /// Images that a workgroup may evaluate.
    pub fn segment(&self, limit: Option<usize>) -> usize {
        let rest = self.weight_iterations() + 40;
        let tiles = |limit: usize| limit.saturating_sub(rest) / (self.forward_iterations() + 1);
        let tile = self.evaluation.tile;
        let most = SEGMENT / tile * tile;
        limit.map_or(most, |limit| most.min(tiles(limit).max(1) * tile))
    }
}
