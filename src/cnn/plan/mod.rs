//! `Plan`: a network's steps and tensors as pure data, computed once; every walker reads it and nothing else.
//!
//! A step makes one map from an earlier one. An activation and a dropout right behind a step are its [`Epilogue`]; where they
//! stand elsewhere they are a step of their own, an average over windows of one position. Flattening is no step: a dense layer
//! that reads a flattened map is a convolution whose kernel is the whole map.
//!
//! *Units that nothing reads.* A convolution of stride 2 may leave the last row and column of its input unread, and what only
//! they need is unread too: at 28×28 the reference net's last map needs 5×5 of the second one's 6×6, these 11×11 of 13×13,
//! and these 23×23 pixels. Such units reach no output and have no gradient. [`Map::rows`] and [`Map::columns`] say what is
//! read, walking back from the last map: need = (need above − 1) · stride + kernel.

mod build;

use super::Arch;
use super::layer::Pooling;
use crate::Result;
use crate::kernels::activation::Activation;
use std::ops::Range;

/// A map: the image, or what a step makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// Rows that something reads: the first ones.
    pub rows: usize,
    /// Columns that something reads: the first ones.
    pub columns: usize,
}

impl Map {
    fn new(height: usize, width: usize, channels: usize) -> Map {
        Map { height, width, channels, rows: 0, columns: 0 }
    }

    fn whole(&mut self) {
        (self.rows, self.columns) = (self.height, self.width);
    }
}

/// An activation in a network's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The network's own, a hyperparameter.
    Own,
    /// This one.
    Fixed(Activation),
}

/// What happens to each unit that a step makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epilogue {
    /// Its activation.
    pub function: Option<Function>,
    /// The number of its dropout among the network's, from 0.
    pub dropout: Option<usize>,
}

impl Epilogue {
    /// The activation in a network whose own is `own`.
    pub fn activation(&self, own: Activation) -> Activation {
        match self.function {
            None => Activation::Identity,
            Some(Function::Own) => own,
            Some(Function::Fixed(activation)) => activation,
        }
    }
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A convolution, or a dense layer.
    Conv {
        /// Rows and columns of the kernel.
        kernel: [usize; 2],
        /// Step between positions.
        stride: usize,
        /// Zeros above and to the left.
        before: [usize; 2],
        /// Which of the layers with weights it is, from 0.
        weighted: usize,
    },
    /// Pooling.
    Pool {
        /// What is taken.
        pooling: Pooling,
        /// Rows and columns of a window.
        size: [usize; 2],
        /// Step between windows.
        stride: usize,
    },
    /// The sum with another map, the input of a residual block.
    Add {
        /// Its number.
        other: usize,
    },
}

/// A step: makes map `k + 1`, where `k` is its place in [`Plan::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it computes.
    pub op: Op,
    /// The map that it reads.
    pub from: usize,
    /// What happens to the result.
    pub epilogue: Epilogue,
    /// Its layer's number among those that are written, from 1, blocks before what is in them; the layer of the classes is one
    /// past the list.
    pub layer: usize,
}

/// What a tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A bias.
    Bias,
    /// The kernel of a convolution or the matrix of a dense layer.
    Kernel,
}

impl Role {
    /// `bias` or `kernel`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Bias => "bias",
            Role::Kernel => "kernel",
        }
    }
}

/// A tensor of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Which of the layers with weights it belongs to, from 0.
    pub weighted: usize,
    /// What it is.
    pub role: Role,
    /// `(out)` for a bias, `(rows, columns, in, out)` for a convolution's kernel, `(in, out)` for a dense layer's.
    pub shape: Vec<usize>,
    /// Its window in the flat vector.
    pub range: Range<usize>,
}

/// Multiplications and additions of one image, 2 for each weight at each position; activations, pooling and sums left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flops {
    /// Of the forward pass.
    pub forward: u64,
    /// Of a training step: forward, gradient of the weights, and gradient of the input of every layer but those that read the
    /// image.
    pub training: u64,
}

/// A network's steps and tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The image, then what each step makes; the last one are the logits.
    pub maps: Vec<Map>,
    /// First to last.
    pub steps: Vec<Step>,
    /// In the order of the flat vector: layer by layer, bias before kernel.
    pub tensors: Vec<Tensor>,
    /// Names of the layers with weights: `conv1`, `conv2`, `dense`; `dense1`, `dense2` … where there are several.
    pub names: Vec<String>,
    /// Number of dropouts.
    pub dropouts: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Plan {
    /// The plan of a shape.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) where a layer does not fit: its number in the list and what it meets.
    pub fn new(arch: &Arch) -> Result<Plan> {
        let mut plan = build::plan(arch)?;
        plan.mark_what_is_read();
        Ok(plan)
    }

    /// Length of the flat vector.
    pub fn parameters(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// The logits' map.
    pub fn logits(&self) -> usize {
        self.steps.len()
    }

    /// Bias and kernel of a layer with weights.
    pub fn weights_of(&self, weighted: usize) -> (&Tensor, &Tensor) {
        (&self.tensors[2 * weighted], &self.tensors[2 * weighted + 1])
    }

    /// A tensor's name: `conv1.bias`, `dense.kernel`.
    pub fn name(&self, tensor: &Tensor) -> String {
        format!("{}.{}", self.names[tensor.weighted], tensor.role.name())
    }

    /// The sum that map `map` is the other part of, if any: the number of the map that it makes.
    pub fn added_to(&self, map: usize) -> Option<usize> {
        let sum = self.steps.iter().position(|step| step.op == Op::Add { other: map });
        sum.map(|step| step + 1)
    }

    /// Flop of one image with every unit of every map, what papers count; and of the units that something reads alone, what is
    /// executed.
    pub fn flops(&self) -> (Flops, Flops) {
        let (mut nominal, mut executed) = (Flops::default(), Flops::default());
        for (step, map) in self.steps.iter().zip(&self.maps[1..]) {
            let Op::Conv { weighted, .. } = step.op else { continue };
            let weights = self.weights_of(weighted).1.range.len() as u64;
            let products = if step.from == 0 { 2 } else { 3 };
            for (flops, positions) in [(&mut nominal, map.height * map.width), (&mut executed, map.rows * map.columns)]
            {
                let forward = 2 * positions as u64 * weights;
                flops.forward += forward;
                flops.training += products * forward;
            }
        }
        (nominal, executed)
    }

    /// Walks back from the logits.
    fn mark_what_is_read(&mut self) {
        let last = self.logits();
        self.maps[last].whole();
        for (index, step) in self.steps.iter().enumerate().rev() {
            let (span, stride, before) = match step.op {
                Op::Conv { kernel, stride, before, .. } => (kernel, stride, before),
                Op::Pool { size, stride, .. } => (size, stride, [0; 2]),
                Op::Add { other } => {
                    // all three are read alike; blocks rarely have unread units
                    [other, step.from, index + 1].into_iter().for_each(|map| self.maps[map].whole());
                    continue;
                }
            };
            let above = self.maps[index + 1];
            let need = |positions: usize, axis: usize| (positions - 1) * stride + span[axis] - before[axis];
            let map = &mut self.maps[step.from];
            map.rows = map.rows.max(need(above.rows, 0).min(map.height));
            map.columns = map.columns.max(need(above.columns, 1).min(map.width));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::layer;

    fn plan(side: usize, channels: usize, layers: &str, classes: usize) -> Result<Plan> {
        Plan::new(&Arch { height: side, width: side, channels, layers: layer::parse(layers).unwrap(), classes })
    }

    fn read(plan: &Plan) -> Vec<usize> {
        plan.maps.iter().map(|map| map.rows).collect()
    }

    #[test]
    fn what_nothing_reads_is_left_out() {
        let reference = "16s2,16s2,16s2";
        assert_eq!(read(&plan(28, 1, reference, 10).unwrap()), [23, 11, 5, 2, 1, 1]);
        assert_eq!(read(&plan(32, 1, reference, 10).unwrap()), [31, 15, 7, 3, 1, 1]);
        // a padded layer reads all of its input
        assert_eq!(read(&plan(28, 1, "16s2same,16s1same", 10).unwrap()), [28, 14, 14, 1, 1]);
        // 5 rows of windows of 2 at a stride of 2 read 10 of 11 rows; these need 10·2 + 1 pixels
        assert_eq!(read(&plan(23, 1, "16s2,max2,act", 10).unwrap()), [21, 10, 5, 1, 1]);
        let (nominal, executed) = plan(28, 1, reference, 10).unwrap().flops();
        assert_eq!((nominal.forward, nominal.training), (233_312, 651_264));
        assert_eq!((executed.forward, executed.training), (168_800, 471_552));
    }

    #[test]
    fn the_model_zoos_have_their_published_sizes() {
        let small = "8k5,max2,act,drop,6k5,max2,act,drop,4k2,act,flatten,20,act,drop";
        let large = "16k3,max2,act,drop,32k3,max2,act,drop,15k3,max2,act,drop,flatten,20,act,drop";
        for (side, channels, layers, parameters) in [(28, 1, small, 2464), (28, 3, small, 2864), (32, 3, large, 10_853)]
        {
            assert_eq!(plan(side, channels, layers, 10).unwrap().parameters(), parameters);
        }
    }

    #[test]
    fn what_would_take_gigabytes_is_refused() {
        for (layers, says) in [("1024k1,flatten,1024", "weights of a network"), ("1024k7same,1024k7s4", "weights of")] {
            let error = plan(28, 1, layers, 10).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("at most"), "{error}");
        }
        assert!(plan(500, 1, "64s1", 10).unwrap_err().to_string().contains("units of all maps"));
    }

    #[test]
    fn epilogues_belong_to_the_step_before() {
        let plan = plan(28, 1, "8k5,max2,relu,drop,4k3,act,drop,act,flatten,20,act", 10).unwrap();
        let epilogues: Vec<_> = plan.steps.iter().map(|step| (step.epilogue.function, step.epilogue.dropout)).collect();
        let (relu, own) = (Some(Function::Fixed(Activation::Relu)), Some(Function::Own));
        let want = [(None, None), (relu, Some(0)), (own, Some(1)), (own, None), (own, None), (None, None)];
        assert_eq!(epilogues, want);
        assert_eq!(plan.names, ["conv1", "conv2", "dense1", "dense2"]);
    }

    #[test]
    fn a_residual_block_adds_its_input() {
        let plan = plan(8, 1, "16s1same,[act,16s1same],act", 10).unwrap();
        // the block's own activation is a step: its input stays as it is
        assert_eq!(plan.steps[0].epilogue, Epilogue::default());
        assert_eq!(plan.steps[1].op, Op::Pool { pooling: Pooling::Average, size: [1; 2], stride: 1 });
        assert_eq!((plan.steps[3].op.clone(), plan.steps[3].from), (Op::Add { other: 1 }, 3));
        assert_eq!((plan.steps[3].epilogue.function, plan.added_to(1)), (Some(Function::Own), Some(4)));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_number() {
        for (layers, says) in [
            ("16s2,16s2,16s2,16s2", "layer 4 (16s2)"),
            ("8k5,flatten,20,[20,21]", "layer 4 ("),
            ("16s2,max7,max7", "layer 3 (max7)"),
            ("flatten,act,20", "layer 2 (act)"),
            ("[16s1same]", "layer 1 ([16s1same,act,drop])"),
            ("8k9", "layer 1 (8k9)"),
            ("8k5s5", "kernel of 1 to 7 and a stride of 1 to 4, got 5 and 5"),
            ("0s1", "1 to 1024 channels, got 0"),
            ("8k3,max2s9", "layer 2 (max2s9): expected windows and a stride of 1 to 7, got 2 and 9"),
            ("flatten,8k5", "got a vector of 784"),
            ("8k3,[flatten]", "26×26×8 of its input, got a vector of 5408"),
            ("8s4,8s4,8k2,[gap,8]", "1×1×8 of its input, got a vector of 8"),
            ("8k5,gap,gap", "layer 3 (gap)"),
            ("16s1same,[[16s1same]]", "layer 3 ("),
        ] {
            let error = plan(28, 1, layers, 10).unwrap_err().to_string();
            assert!(error.contains(says), "{layers}: {error}");
        }
        assert!(plan(28, 1, "8s2,gap,flatten", 10).unwrap_err().to_string().contains("layer 3 (flatten)"));
        assert!(
            plan(28, 2, "8s2", 10).is_err() && plan(0, 1, "8s1same", 10).is_err() && plan(28, 1, "8s2", 0).is_err()
        );
    }
}
