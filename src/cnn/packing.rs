//! `Packing`: a plan for kernels whose lanes are channels. Shapes in blocks of sixteen, windows of the working parameters.
//!
//! Working parameters are the flat vector in the kernels' order: per layer a bias of whole 16-lane blocks, then the kernel in
//! blocks ([`crate::kernels::conv`]); channels beyond the real ones stay zero. For 16 channels both orders are the same up to padding.

use super::Arch;
use super::layer::Pooling;
use super::plan::{Op, Plan};
use crate::kernels::conv::{self, Inputs};
use crate::kernels::random::Grid;
use crate::kernels::{LANES, Lanes, TILE, pool};
use std::ops::Range;

/// A step in the kernels' terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A convolution.
    Conv {
        /// The kernels' shape. That of a layer that reads the image has the border made part of the image.
        dims: conv::Dims,
        /// The bias among the working parameters, in lanes.
        bias: Range<usize>,
        /// The kernel among the working parameters, in lanes.
        kernel: Range<usize>,
    },
    /// Max-pooling.
    Max(pool::Dims),
    /// Average pooling.
    Average(pool::Dims),
    /// The sum with another map.
    Add {
        /// Its number.
        other: usize,
    },
}

/// The image as the first layer reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows and columns with the border.
    pub padded: [usize; 2],
    /// Zeros above and to the left.
    pub border: [usize; 2],
    /// Rows and columns of the image that are read: the first ones.
    pub read: [usize; 2],
    /// Columns of the whole image.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

/// A plan for the kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The plan.
    pub plan: Plan,
    /// Its steps.
    pub work: Vec<Work>,
    /// Its image.
    pub image: Image,
    /// Of each map the one that it is added to at the end of a residual block, if any.
    pub added_to: Vec<Option<usize>>,
    /// Length of the working parameters in lanes.
    pub lanes: usize,
    /// Stretches of the flat vector that lie together among the working parameters too, in order.
    stretches: Vec<Stretch>,
    /// Working parameters that stand for no real one and must stay zero.
    padding: Vec<usize>,
}

/// Neighbours in both orders.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    flat: Range<usize>,
    working: Range<usize>,
}

impl Packing {
    /// The packing of a checked shape.
    pub fn new(arch: &Arch) -> Packing {
        let plan = arch.plan();
        let mut lanes = 0;
        let mut image = None;
        let mut window = |length: usize| {
            lanes += length;
            lanes - length..lanes
        };
        let mut work = Vec::with_capacity(plan.steps.len());
        for (index, step) in plan.steps.iter().enumerate() {
            let (from, to) = (&plan.maps[step.from], &plan.maps[index + 1]);
            let blocks = from.channels.div_ceil(LANES);
            work.push(match step.op {
                Op::Conv { kernel, stride, before: [top, left], .. } => {
                    let mut dims = conv::Dims {
                        images: TILE,
                        height: from.rows,
                        width: from.columns,
                        inputs: Inputs::Map(blocks),
                        outputs: to.channels.div_ceil(LANES),
                        kernel,
                        stride,
                        top,
                        left,
                        p: to.rows,
                        q: to.columns,
                    };
                    if step.from == 0 {
                        dims = padded(dims, from.channels);
                        image = Some(Image {
                            padded: [dims.height, dims.width],
                            border: [top, left],
                            read: [from.rows, from.columns],
                            width: from.width,
                            channels: from.channels,
                        });
                    }
                    Work::Conv { dims, bias: window(dims.outputs), kernel: window(dims.w_len()) }
                }
                Op::Pool { pooling, size, stride } => {
                    let (height, width, p, q) = (from.rows, from.columns, to.rows, to.columns);
                    let dims = pool::Dims { height, width, channels: blocks, size, stride, p, q };
                    if pooling == Pooling::Max { Work::Max(dims) } else { Work::Average(dims) }
                }
                Op::Add { other } => Work::Add { other },
            });
        }
        let image = image.expect("the first step reads the image");
        let place = places(&plan, &work);
        let mut real = vec![false; lanes * LANES];
        place.iter().for_each(|&at| real[at] = true);
        let padding = (0..real.len()).filter(|&at| !real[at]).collect();
        let added_to = (0..plan.maps.len()).map(|map| plan.added_to(map)).collect();
        Packing { plan, work, image, added_to, lanes, stretches: stretches(&place), padding }
    }

    /// Blocks of a map; 0 for the image.
    pub fn blocks(&self, map: usize) -> usize {
        let of = &self.plan.maps[map];
        if map == 0 { 0 } else { of.rows * of.columns * of.channels.div_ceil(LANES) }
    }

    /// The positions of a map that dropout decides on.
    pub fn grid(&self, map: usize) -> Grid {
        let of = &self.plan.maps[map];
        Grid { rows: of.rows, columns: of.columns, across: of.width }
    }

    /// Writes the flat vector into the working parameters.
    pub fn unpack(&self, flat: &[f32], working: &mut [Lanes]) {
        let working = Lanes::flat_mut(working);
        working.fill(0.0);
        for stretch in &self.stretches {
            working[stretch.working.clone()].copy_from_slice(&flat[stretch.flat.clone()]);
        }
    }

    /// Reads the flat vector out of the working parameters.
    pub fn pack(&self, working: &[Lanes], flat: &mut [f32]) {
        let working = Lanes::flat(working);
        for stretch in &self.stretches {
            flat[stretch.flat.clone()].copy_from_slice(&working[stretch.working.clone()]);
        }
    }

    /// Clears the gradients of working parameters that stand for no real one. Padded channels of some activations are not
    /// zero (σ(0) = ½), so the kernels give them a gradient; no weight may follow it.
    pub fn clear_padding(&self, gradients: &mut [Lanes]) {
        let gradients = Lanes::flat_mut(gradients);
        for &at in &self.padding {
            gradients[at] = 0.0;
        }
    }
}

/// The shape of a layer that reads the image, with the border made part of it.
fn padded(dims: conv::Dims, channels: usize) -> conv::Dims {
    let span = |positions: usize, kernel: usize| (positions - 1) * dims.stride + kernel;
    conv::Dims {
        height: span(dims.p, dims.kernel[0]).max(dims.top + dims.height),
        width: span(dims.q, dims.kernel[1]).max(dims.left + dims.width),
        inputs: Inputs::Image(channels),
        top: 0,
        left: 0,
        ..dims
    }
}

/// Parameters of the flat vector that follow each other among the working parameters, taken together.
fn stretches(place: &[usize]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, &at) in place.iter().enumerate() {
        match stretches.last_mut() {
            Some(last) if last.working.end == at => (last.flat.end, last.working.end) = (index + 1, at + 1),
            _ => stretches.push(Stretch { flat: index..index + 1, working: at..at + 1 }),
        }
    }
    stretches
}

/// Where each parameter of the flat vector lies among the working parameters.
fn places(plan: &Plan, work: &[Work]) -> Vec<usize> {
    let mut place = Vec::with_capacity(plan.parameters());
    for (index, work) in work.iter().enumerate() {
        let Work::Conv { dims, bias, kernel } = work else { continue };
        let (inputs, outputs) = (plan.maps[plan.steps[index].from].channels, plan.maps[index + 1].channels);
        place.extend((0..outputs).map(|output| bias.start * LANES + output));
        let taps = dims.kernel[0] * dims.kernel[1];
        let rows = match dims.inputs {
            Inputs::Image(channels) => channels,
            Inputs::Map(blocks) => blocks * LANES,
        };
        for tap in 0..taps {
            for input in 0..inputs {
                for output in 0..outputs {
                    let row = ((output / LANES) * taps + tap) * rows + input;
                    place.push((kernel.start + row) * LANES + output % LANES);
                }
            }
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::layer;

    fn packing(layers: &str, channels: usize, classes: usize) -> Packing {
        Packing::new(&Arch::new(28, 28, channels, layer::parse(layers).unwrap(), classes).unwrap())
    }

    #[test]
    fn packing_inverts_unpacking_and_padding_is_the_rest() {
        for (layers, channels, classes) in [
            ("16s2,16s2,16s2", 1, 10),
            ("8s2same,40s1,5s2same", 1, 26),
            ("16s1", 3, 3),
            ("8k5,max2,act,[8k3same],4k2,act,flatten,20,act", 3, 10),
            ("flatten,20,30", 1, 10),
        ] {
            let packing = packing(layers, channels, classes);
            let flat: Vec<f32> = (1..=packing.plan.parameters()).map(|k| k as f32).collect();
            let mut working = vec![Lanes([7.0; LANES]); packing.lanes];
            packing.unpack(&flat, &mut working);
            let mut back = vec![0.0; flat.len()];
            packing.pack(&working, &mut back);
            assert_eq!(flat, back);
            packing.clear_padding(&mut working);
            packing.pack(&working, &mut back);
            assert_eq!(flat, back, "a real parameter was taken for padding");
            assert_eq!(packing.padding.len() + flat.len(), packing.lanes * LANES);
        }
    }

    #[test]
    fn the_first_input_is_padded_so_that_every_tap_lies_inside() {
        let image = |layers: &str| packing(layers, 1, 10).image;
        let padded = image("16s2same,16s1same");
        assert_eq!((padded.padded, padded.border, padded.read), ([29, 29], [0, 0], [28, 28]));
        assert_eq!((image("16s1same").padded, image("16s1same").border), ([30, 30], [1, 1]));
        let unread = image("16s2,16s2,16s2");
        assert_eq!((unread.padded, unread.read, unread.width), ([23, 23], [23, 23], 28));
    }
}
