//! The text of a fast pipeline: constants, the plan from `shaders`, the unrolled loops.

use super::layout::{Layout, Places, SECOND_PAIR, SECOND_ROW, Sums, THIRD_PAIR, THIRD_TAP};
use super::{Numbers, Shape, backward, forward};
use crate::cnn::choice::Choice;
use crate::gpu::shader;
use crate::kernels::activation::Activation;
use crate::train::rules;
use crate::train::run::Run;
use std::fmt::Write;

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

fn saved_of_an_image(n: &Numbers, kind: Kind) -> usize {
    let map = 4 * n.columns * 32;
    match (kind.saves_map(), kind.saves_slopes()) {
        (_, true) => 2 * map + n.y2(),
        (true, _) => map,
        _ => 0,
    }
}

/// The source of a training pipeline but for Philox; its entry point is `train`.
pub(super) fn training(shape: &Shape, layout: Layout, kind: Kind, options: Options) -> String {
    source(shape, layout, kind, options, true)
}

/// The source of an evaluation pipeline; its entry point is `evaluate`.
pub(super) fn evaluation(shape: &Shape, layout: Layout, activation: Activation, options: Options) -> String {
    source(shape, layout, Kind { activation, dropout: false }, options, false)
}

fn source(shape: &Shape, layout: Layout, kind: Kind, options: Options, training: bool) -> String {
    let n = shape.numbers();
    let context = Context { n: &n, layout, kind, training, round: options.round };
    let (plan, sums) = if training { (shader::FAST_TRAIN, shader::FAST_SUMS) } else { (shader::FAST_EVALUATE, "") };
    let mut source = constants(shape, &context);
    source += match options.sync {
        Sync::Workgroup => "fn warp_sync() { workgroupBarrier(); }\n",
        Sync::Subgroup => "fn warp_sync() { subgroupBarrier(); }\n",
    };
    for part in [shader::JOB, shader::ACTIVATION, shader::OPTIMIZER, shader::FAST, sums] {
        source += part;
    }
    for line in plan.lines() {
        match line.trim().strip_prefix("//@ ") {
            Some(name) => source += &inserted(name, &context),
            None => source = source + line + "\n",
        }
    }
    source
}

/// What takes the place of a line `//@ name`.
fn inserted(name: &str, context: &Context) -> String {
    match name {
        "pixels" => forward::pixels(context),
        "first_convolution" => forward::first_convolution(context, true),
        "first_convolution_again" => forward::first_convolution(context, false),
        "second_convolution" => forward::second_convolution(context),
        "second_map" => forward::second_map(context),
        "third_convolution" => forward::third_convolution(context),
        "logits" => forward::logits(context),
        "softmax" => forward::softmax(context),
        "declare_sums" => backward::declare_sums(context),
        "third_map_gradient" => backward::third_map_gradient(context),
        "dense_kernel_gradient" => backward::dense_kernel_gradient(context),
        "third_kernel_gradient" => backward::third_kernel_gradient(context),
        "second_map_gradient" => backward::second_map_gradient(context),
        "store_second_map_gradient" => backward::store_second_map_gradient(context),
        "second_kernel_gradient" => backward::second_kernel_gradient(context),
        "first_map_gradient" => backward::first_map_gradient(context),
        "first_kernel_gradient" => backward::first_kernel_gradient(context),
        "store_sums" => backward::store_sums(context),
        other => unreachable!("the shaders ask for «{other}»"),
    }
}

/// The shape and everything that follows from it, as constants.
fn constants(shape: &Shape, context: &Context) -> String {
    let Context { n, layout, kind, training, .. } = *context;
    let places = Places::new(n);
    let sums = Sums::new(n, layout.tile);
    let [first, second, third] = n.needed;
    let [first_groups, second_groups, third_groups] = n.groups();
    let [second_length, third_length] = layout.placement.lengths();
    let y1 = if training { n.y1() } else { n.y1_evaluation() };
    // in evaluation the second map lies at the beginning of a warp's part of y1s, and then the third one
    let y3_at = if training { 0 } else { n.y2() };
    let numbers = [
        ("TILE", layout.tile),
        ("WIDTH", layout.width()),
        ("SIDE", n.side),
        ("FIRST_SIDE", first),
        ("SECOND_SIDE", second),
        ("THIRD_SIDE", third),
        ("COLUMNS", n.columns),
        ("CLASSES", shape.classes),
        ("CLASS_PAIRS", n.class_pairs),
        ("FIRST_GROUPS", first_groups),
        ("SECOND_GROUPS", second_groups),
        ("THIRD_GROUPS", third_groups),
        ("Y1_PAIR", n.y1_pair),
        ("Y1", y1),
        ("Y2_ROW", n.y2_row),
        ("Y2", n.y2()),
        ("Y3_AT", y3_at),
        ("Y3", n.y3()),
        ("LOGITS_AT", if training { 2 * n.y3() } else { y3_at + n.y3() }),
        ("SECOND", places.second),
        ("THIRD", places.third),
        ("FIRST", places.first),
        ("SECOND_BIAS", places.second_bias),
        ("THIRD_BIAS", places.third_bias),
        ("DENSE", places.dense),
        ("DENSE_BIAS", places.dense_bias),
        ("PARAMETERS", places.end),
        ("SECOND_SUMS", sums.second),
        ("THIRD_SUMS", sums.third),
        ("SECOND_BIAS_SUMS", sums.second_bias),
        ("THIRD_BIAS_SUMS", sums.third_bias),
        ("FIRST_SUMS", sums.first),
        ("DENSE_SUMS", sums.dense),
        ("SUMS", sums.end),
        ("FIRST_PARTS", sums.parts[0]),
        ("SECOND_PARTS", sums.parts[1]),
        ("THIRD_PARTS", sums.parts[2]),
        ("SAVED", saved_of_an_image(n, kind)),
        ("SECOND_LENGTH", second_length),
        ("THIRD_LENGTH", third_length),
        ("SECOND_PAIR", SECOND_PAIR),
        ("SECOND_ROW", SECOND_ROW),
        ("THIRD_TAP", THIRD_TAP),
        ("THIRD_PAIR", THIRD_PAIR),
        ("ACTIVATION", usize::from(kind.activation.code())),
    ];
    let flags = [
        ("DROPOUT", context.dropout()),
        ("SAVES_MAP", training && kind.saves_map()),
        ("SAVES_SLOPES", training && kind.saves_slopes()),
        ("SECOND_INSIDE", layout.placement.second),
        ("THIRD_INSIDE", layout.placement.third),
    ];
    let mut text = String::new();
    for (name, number) in numbers {
        let _ = writeln!(text, "const {name} = {number}u;");
    }
    for (name, flag) in flags {
        let _ = writeln!(text, "const {name} = {flag};");
    }
    text
}
