//! From a list of layers to steps and tensors: what fits, and what is refused with its number.

use super::{Epilogue, Function, Map, Op, Plan, Role, Step, Tensor};
use crate::cnn::Arch;
use crate::cnn::layer::{self, Conv, Layer, Pool, Pooling};
use crate::{Error, Result};

/// Sides of kernels and windows, and strides, at most.
const MAX_KERNEL: usize = 7;
const MAX_STRIDE: usize = 4;
/// Channels of a map and units of a dense layer at most.
const MAX_CHANNELS: usize = 1024;
/// Weights of a network at most: a thread that trains has six copies of them.
const MAX_WEIGHTS: usize = 1 << 25;
/// Units of a network's maps at most: a thread that trains has about 100 bytes of each.
const MAX_UNITS: usize = 1 << 22;
/// Elements of a list of layers at most.
const MAX_LAYERS: usize = 256;

/// The steps and tensors of a shape; what is read of the maps is not marked yet.
///
/// # Errors
/// Those of [`Plan::new`].
pub(super) fn plan(arch: &Arch) -> Result<Plan> {
    check(arch)?;
    let mut builder = Builder {
        plan: Plan {
            maps: vec![Map::new(arch.height, arch.width, arch.channels)],
            steps: Vec::new(),
            tensors: Vec::new(),
            names: Vec::new(),
            dropouts: 0,
            classes: arch.classes,
        },
        layer: 0,
        written: layer::written(&arch.layers),
        flat: false,
        kept: None,
        convolutions: 0,
    };
    builder.list(&arch.layers)?;
    builder.layer += 1;
    builder.dense(arch.classes)?;
    let mut plan = builder.plan;
    check_size(&plan)?;
    plan.names = names(&plan, builder.convolutions);
    Ok(plan)
}

/// Names of the layers with weights.
fn names(plan: &Plan, convolutions: usize) -> Vec<String> {
    let mut names = Vec::new();
    let dense = plan.tensors.len() / 2 - convolutions;
    let mut counts = [0; 2];
    for tensor in plan.tensors.iter().filter(|tensor| tensor.role == Role::Kernel) {
        let is_dense = tensor.shape.len() == 2;
        let count = &mut counts[usize::from(is_dense)];
        *count += 1;
        names.push(match (is_dense, dense) {
            (false, _) => format!("conv{count}"),
            (true, 1) => "dense".into(),
            (true, _) => format!("dense{count}"),
        });
    }
    names
}

/// Refuses what would take gigabytes to train, before anything is allocated for it.
fn check_size(plan: &Plan) -> Result<()> {
    let units: usize = plan.maps.iter().map(|map| map.height * map.width * map.channels).sum();
    for (what, most, got) in [("weights", MAX_WEIGHTS, plan.parameters()), ("units of all maps", MAX_UNITS, units)] {
        if got > most {
            return Err(Error::invalid(format!("{what} of a network"), format!("at most {most}"), got));
        }
    }
    Ok(())
}

/// What a shape must have before its layers are looked at.
fn check(arch: &Arch) -> Result<()> {
    if !(1..=256).contains(&arch.classes) {
        return Err(Error::invalid("classes", "1 to 256", arch.classes));
    }
    let (height, width) = (arch.height, arch.width);
    if height == 0 || width == 0 || height > 4096 || width > 4096 {
        return Err(Error::invalid("image size", "1×1 to 4096×4096", format!("{height}×{width}")));
    }
    if arch.channels != 1 && arch.channels != 3 {
        return Err(Error::invalid("channels of an image", "1 (grey) or 3 (colour)", arch.channels));
    }
    Ok(())
}

struct Builder {
    plan: Plan,
    /// Number of the layer in hand among those that are written, from 1.
    layer: usize,
    /// The list as it is written: what is understood has no number.
    written: Vec<Layer>,
    /// Whether the map is a vector.
    flat: bool,
    /// The map that a residual block begins with: it must stay as it is.
    kept: Option<usize>,
    convolutions: usize,
}

impl Builder {
    fn at(&self) -> usize {
        self.plan.maps.len() - 1
    }

    fn map(&self) -> Map {
        self.plan.maps[self.at()]
    }

    /// `layer 3 (8k5)`: what is refused because of what it meets.
    fn refuse(&self, layer: &dyn std::fmt::Display, expected: &str) -> Error {
        let Map { height, width, channels, .. } = self.map();
        let met = match (self.flat, self.at()) {
            (true, _) => format!("a vector of {}", height * width * channels),
            (false, 0) => format!("the image, {height}×{width}×{channels}"),
            (false, _) => format!("{height}×{width}×{channels}"),
        };
        self.wrong(layer, expected, met)
    }

    /// A layer that is refused with what it has instead.
    fn wrong(&self, layer: &dyn std::fmt::Display, expected: &str, got: impl std::fmt::Display) -> Error {
        Error::invalid(format!("layer {} ({layer})", self.layer), expected, got)
    }

    fn list(&mut self, layers: &[Layer]) -> Result<()> {
        layers.iter().try_for_each(|layer| self.one(layer))
    }

    fn one(&mut self, layer: &Layer) -> Result<()> {
        let understood = match layer {
            // without any of these an activation and a dropout behind each layer with weights are understood
            Layer::Activation(None) | Layer::Dropout => !layer::has_activation(&self.written),
            Layer::GlobalAverage => !self.written.contains(&Layer::GlobalAverage),
            _ => false,
        };
        self.layer += usize::from(!understood);
        if self.layer > MAX_LAYERS {
            return Err(Error::invalid("layers", format!("at most {MAX_LAYERS}"), "more"));
        }
        match layer {
            Layer::Conv(conv) => self.convolution(conv, layer),
            Layer::Pool(pool) => self.pool(*pool, layer),
            Layer::GlobalAverage => {
                if self.flat || self.at() == 0 {
                    return Err(self.refuse(layer, "a map that a convolution or pooling has made"));
                }
                let Map { height, width, channels, .. } = self.map();
                self.flat = true;
                let op = Op::Pool { pooling: Pooling::Average, size: [height, width], stride: 1 };
                self.push(op, Map::new(1, 1, channels));
                if understood {
                    // it belongs to the layer of the classes
                    let last = self.plan.steps.len() - 1;
                    self.plan.steps[last].layer += 1;
                }
                Ok(())
            }
            Layer::Flatten if self.flat => Err(self.refuse(layer, "a map, not a vector")),
            Layer::Flatten => {
                self.flat = true;
                Ok(())
            }
            Layer::Dense(units) => {
                if !(1..=MAX_CHANNELS).contains(units) {
                    return Err(self.wrong(layer, &format!("1 to {MAX_CHANNELS} units"), units));
                }
                self.dense(*units)
            }
            Layer::Activation(function) => {
                let function = function.map_or(Function::Own, Function::Fixed);
                let taken = |epilogue: &Epilogue| epilogue.function.is_some() || epilogue.dropout.is_some();
                self.epilogue(layer, taken)?.function = Some(function);
                Ok(())
            }
            Layer::Dropout => {
                let number = self.plan.dropouts;
                self.epilogue(layer, |epilogue| epilogue.dropout.is_some())?.dropout = Some(number);
                self.plan.dropouts += 1;
                Ok(())
            }
            Layer::Residual(inner) => self.residual(inner, layer),
        }
    }

    fn push(&mut self, op: Op, map: Map) {
        let step = Step { op, from: self.at(), epilogue: Epilogue::default(), layer: self.layer };
        self.plan.steps.push(step);
        self.plan.maps.push(map);
    }

    fn convolution(&mut self, conv: &Conv, layer: &Layer) -> Result<()> {
        let Map { height, width, .. } = self.map();
        if self.flat {
            return Err(self.refuse(layer, "a map, not a vector: convolutions come before gap and flatten"));
        }
        if !(1..=MAX_CHANNELS).contains(&conv.channels) {
            return Err(self.wrong(layer, &format!("1 to {MAX_CHANNELS} channels"), conv.channels));
        }
        if !(1..=MAX_KERNEL).contains(&conv.kernel) || !(1..=MAX_STRIDE).contains(&conv.stride) {
            let expected = format!("a kernel of 1 to {MAX_KERNEL} and a stride of 1 to {MAX_STRIDE}");
            return Err(self.wrong(layer, &expected, format!("{} and {}", conv.kernel, conv.stride)));
        }
        let (p, q) = (conv.output(height), conv.output(width));
        if p == 0 || q == 0 {
            return Err(self.refuse(layer, &format!("an input of at least {0}×{0}", conv.kernel)));
        }
        self.convolutions += 1;
        let before = [conv.before(height), conv.before(width)];
        self.weighted([conv.kernel; 2], conv.stride, before, Map::new(p, q, conv.channels), false);
        Ok(())
    }

    fn dense(&mut self, units: usize) -> Result<()> {
        if !self.flat {
            return Err(self.refuse(&Layer::Dense(units), "gap or flatten before a dense layer"));
        }
        let Map { height, width, .. } = self.map();
        self.weighted([height, width], 1, [0; 2], Map::new(1, 1, units), true);
        Ok(())
    }

    /// A step with a bias and a kernel.
    fn weighted(&mut self, kernel: [usize; 2], stride: usize, before: [usize; 2], map: Map, dense: bool) {
        let inputs = self.map().channels;
        let weighted = self.plan.tensors.len() / 2;
        let shape = match dense {
            true => vec![kernel[0] * kernel[1] * inputs, map.channels],
            false => vec![kernel[0], kernel[1], inputs, map.channels],
        };
        for (role, shape) in [(Role::Bias, vec![map.channels]), (Role::Kernel, shape)] {
            let start = self.plan.parameters();
            let range = start..start + shape.iter().product::<usize>();
            self.plan.tensors.push(Tensor { weighted, role, shape, range });
        }
        self.push(Op::Conv { kernel, stride, before, weighted }, map);
    }

    fn pool(&mut self, pool: Pool, layer: &Layer) -> Result<()> {
        let Map { height, width, channels, .. } = self.map();
        if self.flat || self.at() == 0 {
            return Err(self.refuse(layer, "a map that a convolution has made"));
        }
        if !(1..=MAX_KERNEL).contains(&pool.size) || !(1..=MAX_KERNEL).contains(&pool.stride) {
            let expected = format!("windows and a stride of 1 to {MAX_KERNEL}");
            return Err(self.wrong(layer, &expected, format!("{} and {}", pool.size, pool.stride)));
        }
        if pool.size > height || pool.size > width {
            return Err(self.refuse(layer, &format!("an input of at least {0}×{0}", pool.size)));
        }
        let positions = |size: usize| (size - pool.size) / pool.stride + 1;
        let op = Op::Pool { pooling: pool.pooling, size: [pool.size; 2], stride: pool.stride };
        self.push(op, Map::new(positions(height), positions(width), channels));
        Ok(())
    }

    /// The epilogue of the last step, or of a new one that does nothing else where that is `taken` or its map must stay.
    fn epilogue(&mut self, layer: &Layer, taken: impl Fn(&Epilogue) -> bool) -> Result<&mut Epilogue> {
        if self.at() == 0 {
            return Err(self.refuse(layer, "a layer with weights before it"));
        }
        let last = self.plan.steps.len() - 1;
        if self.kept == Some(self.at()) || taken(&self.plan.steps[last].epilogue) {
            let Map { height, width, channels, .. } = self.map();
            let op = Op::Pool { pooling: Pooling::Average, size: [1; 2], stride: 1 };
            self.push(op, Map::new(height, width, channels));
        }
        let last = self.plan.steps.len() - 1;
        Ok(&mut self.plan.steps[last].epilogue)
    }

    fn residual(&mut self, inner: &[Layer], layer: &Layer) -> Result<()> {
        let (begin, before, flat) = (self.at(), self.map(), self.flat);
        if begin == 0 || self.kept == Some(begin) {
            return Err(self.refuse(layer, "a layer before a residual block"));
        }
        let (outer, number) = (self.kept.replace(begin), self.layer);
        self.list(inner)?;
        self.kept = outer;
        let after = self.map();
        if self.at() == begin || after != before || self.flat != flat {
            self.layer = number;
            let Map { height, width, channels, .. } = before;
            return Err(self.refuse(layer, &format!("a block that makes {height}×{width}×{channels} of its input")));
        }
        let inner = std::mem::replace(&mut self.layer, number);
        self.push(Op::Add { other: begin }, after);
        self.layer = inner;
        Ok(())
    }
}
