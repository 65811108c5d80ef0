//! What host and shaders must agree on, by name; a test reads the shaders and says what differs.

use bytemuck::{Pod, Zeroable};

/// `Network` of `shaders/job.wgsl`: what a workgroup trains or evaluates.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Network {
    /// Code of the activation.
    pub activation: u32,
    /// Code of the optimizer.
    pub optimizer: u32,
    /// Dropout: 16 random bits below it drop a unit.
    pub threshold: u32,
    /// Share of units that is kept.
    pub keep: f32,
    /// Seed.
    pub key: [u32; 2],
    /// Place of its weights in `state`, in its elements.
    pub state: u32,
    /// Training: place of its first image in `order`.
    pub order: u32,
    /// Training: where the images of a batch end that are looked at.
    pub end: u32,
    /// Training: number of steps.
    pub steps: u32,
    /// Training: steps made before.
    pub step: u32,
    /// Training: place of its first rate in `rates`.
    pub rates: u32,
    /// 2λ
    pub l2: f32,
    /// Its slot.
    pub slot: u32,
    /// General path: place of its part of `maps`.
    pub maps: u32,
    /// General path, training: the first image of a batch that is looked at.
    pub begin: u32,
}

/// `Segment` of `shaders/job.wgsl`: what a workgroup evaluates.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Segment {
    /// Which of the dispatch's networks.
    pub network: u32,
    /// Its first image in `order`.
    pub first: u32,
    /// One past its last image.
    pub end: u32,
    /// General path: place of its part of `maps`.
    pub maps: u32,
}

/// `Layer` of `shaders/network.wgsl`: a convolution or the dense layer, channels in quads, places among the network's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Layer {
    /// Rows of the input.
    pub height: u32,
    /// Columns of the input.
    pub width: u32,
    /// 0 for an image.
    pub inputs: u32,
    /// Output channels.
    pub outputs: u32,
    /// Step between positions.
    pub stride: u32,
    /// Zeros above.
    pub top: u32,
    /// Zeros to the left.
    pub left: u32,
    /// Rows of the output.
    pub p: u32,
    /// Columns of the output.
    pub q: u32,
    /// Input channels that are not filled up.
    pub real_inputs: u32,
    /// Output channels that are not filled up.
    pub channels: u32,
    /// Its bias among a network's weights; the kernel follows.
    pub weights: u32,
    /// Its output among an image's maps.
    pub map: u32,
    /// Its dropout decisions among an image's words.
    pub words: u32,
    /// Its gradients among a network's.
    pub gradient: u32,
    /// Partial sums of its gradient.
    pub parts: u32,
    /// 9, or 1 for the dense layer.
    pub taps: u32,
    /// Up to a multiple of 16 bytes.
    pub padding: [u32; 3],
}

/// Layers of a table: 64 convolutions and the dense layer, `MOST_LAYERS` in the shaders.
pub const MOST_LAYERS: usize = 65;

/// `Job` of `shaders/network.wgsl`: the shape that all networks have.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Job {
    /// Number of convolutions.
    pub convolutions: u32,
    /// Number of classes.
    pub classes: u32,
    /// Images of a tile.
    pub tile: u32,
    /// Images of a step.
    pub batch: u32,
    /// Quads of an image's maps.
    pub units: u32,
    /// Words of an image's decisions.
    pub words: u32,
    /// Quads of a network's weights.
    pub weights: u32,
    /// Quads of a network's gradients.
    pub gradients: u32,
    /// Pixels of an image.
    pub pixels: u32,
    /// Pooled channels among an image's maps.
    pub pooled: u32,
    /// Up to a multiple of 16 bytes.
    pub padding: [u32; 2],
    /// The layers, the rest of the table zero.
    pub layers: [Layer; MOST_LAYERS],
}

/// Bindings of group 0 that the host makes; a shader has those that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `job`
    Job = 0,
    /// `pixels`
    Pixels = 1,
    /// `networks`
    Networks = 2,
    /// `order`
    Order = 3,
    /// `state`
    State = 4,
    /// Training: `rates`; evaluation: `segments`.
    RatesOrSegments = 5,
    /// Training: `gradients`; evaluation: `results`.
    GradientsOrResults = 6,
    /// `outcomes`
    Outcomes = 7,
    /// `maps`, on the fast path `saved`
    Maps = 8,
}

/// A loss from here on counts as not finite, `DIVERGED` in the shaders.
pub const DIVERGED: f32 = 1e30;

/// A shader's loss: NaN for what is not finite.
pub fn finite(loss: f32) -> f32 {
    if loss < DIVERGED { loss } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::choice::Choice;
    use crate::gpu::shader;
    use crate::kernels::activation::Activation;
    use crate::kernels::optimizer as rule;
    use crate::train::gpu::fast::{self, Kind, Options};
    use crate::train::gpu::shape;
    use crate::train::rules;
    use crate::train::run::Optimizer;
    use naga::{Literal, TypeInner};
    use std::mem::offset_of;

    /// The modules of both paths by name.
    fn modules() -> Vec<(&'static str, naga::Module)> {
        let base = [shader::JOB, shader::WIDE, shader::RANDOM, shader::ACTIVATION, shader::OPTIMIZER, shader::NETWORK]
            .concat();
        let layout = fast::Layout { tile: 8, placement: fast::Placement { second: true, third: true } };
        let shape = fast::Shape { height: 28, width: 28, channels: vec![16; 3], classes: 10 };
        let kind = Kind { activation: Activation::Gelu, dropout: true };
        let [train, evaluate] = fast::texts(&shape, layout, kind, Options::default());
        let texts = [
            ("step", base.clone() + shader::STEP),
            ("evaluate", base + shader::EVALUATE),
            ("fast_train", [shader::WIDE, shader::RANDOM, &train].concat()),
            ("fast_evaluate", evaluate),
        ];
        texts.map(|(name, text)| (name, naga::front::wgsl::parse_str(&text).unwrap())).into()
    }

    /// Names and offsets of a shader's struct, and its size.
    fn members(module: &naga::Module, name: &str) -> Option<(Vec<(String, usize)>, usize)> {
        let (_, found) = module.types.iter().find(|(_, found)| found.name.as_deref() == Some(name))?;
        let TypeInner::Struct { members, span } = &found.inner else { return None };
        let member = |member: &naga::StructMember| (member.name.clone().unwrap_or_default(), member.offset as usize);
        Some((members.iter().map(member).collect(), *span as usize))
    }

    macro_rules! fields {
        ($type:ident: $($field:ident)*) => {
            (stringify!($type), vec![$((stringify!($field).to_owned(), offset_of!($type, $field))),*], size_of::<$type>())
        };
    }

    #[test]
    fn structs_have_the_same_members_at_the_same_places() {
        let structs = [
            fields!(Network: activation optimizer threshold keep key state order end steps step rates l2 slot maps begin),
            fields!(Segment: network first end maps),
            fields!(Layer: height width inputs outputs stride top left p q real_inputs channels weights map words gradient parts taps),
            fields!(Job: convolutions classes tile batch units words weights gradients pixels pooled layers),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (path, module) in modules() {
            for (name, fields, size) in &structs {
                if let Some((members, span)) = members(&module, name) {
                    assert_eq!((&members, span), (fields, *size), "struct {name} of {path}");
                    seen.insert(*name);
                }
            }
        }
        assert_eq!(seen.len(), structs.len(), "{seen:?}");
    }

    #[test]
    fn bindings_have_the_same_numbers() {
        let number = |name: &str| match name {
            "job" => Some(Binding::Job),
            "pixels" => Some(Binding::Pixels),
            "networks" => Some(Binding::Networks),
            "order" => Some(Binding::Order),
            "state" => Some(Binding::State),
            "rates" | "segments" => Some(Binding::RatesOrSegments),
            "gradients" | "results" => Some(Binding::GradientsOrResults),
            "outcomes" => Some(Binding::Outcomes),
            "maps" | "saved" => Some(Binding::Maps),
            _ => None,
        };
        for (path, module) in modules() {
            let mut compared = 0;
            for (_, variable) in module.global_variables.iter() {
                let name = variable.name.as_deref().unwrap_or_default();
                if let (Some(binding), Some(expected)) = (&variable.binding, number(name)) {
                    assert_eq!((binding.group, binding.binding), (0, expected as u32), "{name} of {path}");
                    compared += 1;
                }
            }
            assert!(compared >= 6, "{path}: {compared} bindings");
        }
    }

    #[test]
    fn constants_have_the_same_values() {
        let code = |code: u8| f64::from(code);
        let expected = [
            ("WIDTH", shape::WIDTH as f64, "step"),
            ("MOST_TILE", shape::MOST_TILE as f64, "step"),
            ("MOST_LAYERS", MOST_LAYERS as f64, "step"),
            ("MOST_CLASSES", 256.0, "step"),
            ("RELU", code(Activation::Relu.code()), "step"),
            ("TANH", code(Activation::Tanh.code()), "step"),
            ("SIGMOID", code(Activation::Sigmoid.code()), "step"),
            ("GELU", code(Activation::Gelu.code()), "step"),
            ("SGD", code(Optimizer::Sgd.code()), "fast_train"),
            ("MOMENTUM", code(Optimizer::Momentum.code()), "fast_train"),
            ("RMSPROP", code(Optimizer::RmsProp.code()), "fast_train"),
            ("ADAM", code(Optimizer::Adam.code()), "fast_train"),
            ("MU", f64::from(crate::train::gpu::MOMENTUM), "step"),
            ("RHO", f64::from(rule::RHO), "step"),
            ("BETA_1", f64::from(rule::BETA_1), "step"),
            ("BETA_2", f64::from(rule::BETA_2), "step"),
            ("EPSILON", f64::from(rule::EPSILON), "step"),
            ("DROPOUT_PURPOSE", f64::from(rules::DROPOUT), "step"),
            ("DIVERGED", f64::from(DIVERGED), "fast_train"),
            ("CLASSES", 10.0, "fast_evaluate"),
        ];
        let modules = modules();
        for (name, value, path) in expected {
            let (_, module) = modules.iter().find(|(other, _)| *other == path).unwrap();
            let constant = module.constants.iter().find(|(_, constant)| constant.name.as_deref() == Some(name));
            let (_, constant) = constant.unwrap_or_else(|| panic!("{path} has no constant {name}"));
            let found = match module.global_expressions[constant.init] {
                naga::Expression::Literal(Literal::U32(number)) => f64::from(number),
                naga::Expression::Literal(Literal::F32(number)) => f64::from(number),
                ref other => panic!("{name} of {path} is {other:?}"),
            };
            assert_eq!(found, value, "{name} of {path}");
        }
    }
}
