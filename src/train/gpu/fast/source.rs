//! The texts of the fast path's pipelines: constants, what every shader has, and a plan with the unrolled loops inserted.

use super::layout::{Layout, Places, SECOND_PAIR, SECOND_ROW, Sums, THIRD_PAIR, THIRD_TAP};
use super::text::{Context, Kind, Options, Sync, saved_of_an_image};
use super::{Shape, backward, forward};
use crate::cnn::choice::Choice;
use crate::gpu::shader;
use crate::kernels::activation::Activation;
use std::fmt::Write;

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
