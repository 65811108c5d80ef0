//! The text of a fast pipeline: constants, the plan from `shaders`, the unrolled loops.

use super::Numbers;
use super::layout::{Layout, SECOND_PAIR, SECOND_ROW, THIRD_PAIR, THIRD_TAP};
use crate::cnn::choice::choice;
use crate::kernels::activation::Activation;
use crate::train::rules;
use crate::train::run::Run;

/// What a pipeline is made for: networks that differ in it cannot share a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Activation of the convolutions.
    pub activation: Activation,
    /// Whether units are dropped.
    pub dropout: bool,
}

impl Kind {
    /// The kind of a network.
    pub fn of(run: &Run) -> Kind {
        Kind { activation: run.activation, dropout: rules::threshold(run) > 0 }
    }

    /// Whether the first map is kept for the backward pass; without dropout it is computed again, which is faster.
    pub(super) fn saves_map(self) -> bool {
        self.dropout || self.saves_slopes()
    }

    /// Whether slopes are kept too: GELU's follows from z alone, and a dropped unit of tanh looks like one with slope 1.
    pub(super) fn saves_slopes(self) -> bool {
        self.activation == Activation::Gelu || (self.activation == Activation::Tanh && self.dropout)
    }
}

/// How the lanes of a warp wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// `workgroupBarrier`: right everywhere.
    #[default]
    Workgroup,
    /// `subgroupBarrier`: faster, and right where subgroups have at least 32 invocations and the barrier orders workgroup
    /// memory, which WGSL does not promise.
    Subgroup,
}

choice!(Sync, "barriers", Sync::Workgroup = "workgroup", Sync::Subgroup = "subgroup");

/// Choices that change speed alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How the lanes of a warp wait for each other.
    pub sync: Sync,
    /// Pairs of channels in a round of the first map's gradient: 1, 2, 4 or 8.
    pub round: usize,
    /// Whether the shaders run without bounds checks; see [`crate::gpu::Checks`].
    pub checks: crate::gpu::Checks,
}

impl Default for Options {
    fn default() -> Options {
        Options { sync: Sync::Workgroup, round: 2, checks: crate::gpu::Checks::Off }
    }
}

/// A text in which the unrolled loops are written.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Adds a line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    /// Adds lines that belong together.
    pub(super) fn lines<L: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = L>) {
        lines.into_iter().for_each(|line| self.line(line));
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// All that the writers of loops look at.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) n: &'a Numbers,
    pub(super) layout: Layout,
    pub(super) kind: Kind,
    pub(super) training: bool,
    pub(super) round: usize,
}

impl Context<'_> {
    /// Whether units are dropped: in training alone.
    pub(super) fn dropout(&self) -> bool {
        self.training && self.kind.dropout
    }

    /// The array of the second map.
    pub(super) fn y2(&self) -> &'static str {
        if self.training { "y2s" } else { "y1s" }
    }

    /// A pair of the second kernel: row of a pair of inputs, tap, input, all as texts.
    pub(super) fn second(&self, at: &str, offset: usize) -> String {
        self.weight(self.layout.placement.second, "second_kernel", "SECOND", at, offset)
    }

    /// A pair of the third kernel.
    pub(super) fn third(&self, at: &str, offset: usize) -> String {
        self.weight(self.layout.placement.third, "third_kernel", "THIRD", at, offset)
    }

    fn weight(&self, inside: bool, name: &str, place: &str, at: &str, offset: usize) -> String {
        if inside {
            format!("{name}[{at} + {offset}u]")
        } else {
            format!("state[weights + {place} + {at} + {offset}u]")
        }
    }

    /// Distances in the second kernel: pair of inputs, row of taps.
    pub(super) fn second_strides(&self) -> [usize; 2] {
        if self.layout.placement.second { [SECOND_PAIR, SECOND_ROW] } else { [144, 48] }
    }

    /// Distances in the third kernel: tap, pair of inputs.
    pub(super) fn third_strides(&self) -> [usize; 2] {
        if self.layout.placement.third { [THIRD_TAP, THIRD_PAIR] } else { [128, 16] }
    }
}

/// `vec4f`s of a workgroup's kept maps, in training.
pub(super) fn saved(n: &Numbers, tile: usize, kind: Kind) -> usize {
    tile * saved_of_an_image(n, kind)
}

pub(super) fn saved_of_an_image(n: &Numbers, kind: Kind) -> usize {
    let map = 4 * n.columns * 32;
    match (kind.saves_map(), kind.saves_slopes()) {
        (_, true) => 2 * map + n.y2(),
        (true, _) => map,
        _ => 0,
    }
}
