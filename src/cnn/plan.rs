//! `Plan`: a network's steps as pure data. Shapes for the kernels, windows of the working parameters, sizes of the arena.
//!
//! Working parameters are the flat vector in the kernels' order: per layer a bias of whole 16-lane blocks, then the kernel in
//! blocks ([`crate::kernels::conv`]); channels beyond the real ones stay zero. For 16 channels both orders are the same up to padding.

use super::{Arch, KERNEL, layout};
use crate::kernels::{LANES, Lanes, conv::Dims};
use std::ops::Range;

/// One layer: a convolution, or the dense layer as a 1×1 convolution of a 1×1 map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The kernels' shape. The first layer's input is the padded image.
    pub dims: Dims,
    /// Real output channels.
    pub channels: usize,
    /// The bias among the working parameters, in lanes.
    pub bias: Range<usize>,
    /// The kernel among the working parameters, in lanes.
    pub kernel: Range<usize>,
}

/// A network's steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The shape it was made from.
    pub arch: Arch,
    /// The convolutions, then the dense layer.
    pub layers: Vec<Layer>,
    /// Zeros above and to the left of an image in the first layer's input.
    pub image_border: (usize, usize),
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

impl Plan {
    /// The steps of a checked architecture.
    pub fn new(arch: &Arch) -> Plan {
        let maps = arch.maps();
        let mut layers: Vec<Layer> = Vec::new();
        let (mut inputs, mut lanes) = (0, 0);
        let mut push = |dims: Dims, channels: usize| {
            let bias = lanes..lanes + dims.outputs;
            let kernel = bias.end..bias.end + dims.w_len();
            lanes = kernel.end;
            layers.push(Layer { dims, channels, bias, kernel });
        };
        for (conv, (&(height, width), &(p, q))) in arch.convs.iter().zip(maps.iter().zip(&maps[1..])) {
            let (top, left) = (conv.before(height), conv.before(width));
            let outputs = conv.channels.div_ceil(LANES);
            let (stride, kernel) = (conv.stride, KERNEL);
            let dims = Dims { height, width, inputs, outputs, kernel, stride, top, left, p, q };
            push(if inputs == 0 { padded(dims) } else { dims }, conv.channels);
            inputs = outputs;
        }
        push(Dims::dense(inputs, arch.classes.div_ceil(LANES)), arch.classes);
        let image_border = (arch.convs[0].before(arch.height), arch.convs[0].before(arch.width));
        let place = places(arch, &layers);
        let mut real = vec![false; lanes * LANES];
        place.iter().for_each(|&at| real[at] = true);
        let padding = (0..real.len()).filter(|&at| !real[at]).collect();
        Plan { arch: arch.clone(), layers, image_border, lanes, stretches: stretches(&place), padding }
    }

    /// The convolutions.
    pub fn convs(&self) -> &[Layer] {
        &self.layers[..self.layers.len() - 1]
    }

    /// The dense layer.
    pub fn dense(&self) -> &Layer {
        &self.layers[self.layers.len() - 1]
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

/// The first layer's shape with the border made part of the image.
fn padded(dims: Dims) -> Dims {
    let span = |positions: usize| (positions - 1) * dims.stride + dims.kernel;
    Dims {
        height: span(dims.p).max(dims.top + dims.height),
        width: span(dims.q).max(dims.left + dims.width),
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
fn places(arch: &Arch, layers: &[Layer]) -> Vec<usize> {
    let tensors = layout::tensors(arch);
    let mut place = Vec::with_capacity(arch.parameters());
    let mut inputs = 1;
    for (layer, kernel) in layers.iter().zip(tensors.iter().skip(1).step_by(2)) {
        place.extend((0..layer.channels).map(|channel| layer.bias.start * LANES + channel));
        let taps = layer.dims.kernel * layer.dims.kernel;
        let rows = if layer.dims.inputs == 0 { 1 } else { layer.dims.inputs * LANES };
        for tap in 0..taps {
            for input in 0..inputs {
                for output in 0..layer.channels {
                    let row = ((output / LANES) * taps + tap) * rows + input;
                    place.push((layer.kernel.start + row) * LANES + output % LANES);
                }
            }
        }
        debug_assert_eq!(place.len(), kernel.end_idx);
        inputs = layer.channels;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arch(stack: &str, classes: usize) -> Arch {
        let convs = stack.split(',').map(|conv| conv.parse().unwrap()).collect();
        Arch::new(28, 28, convs, classes).unwrap()
    }

    #[test]
    fn packing_inverts_unpacking_and_padding_is_the_rest() {
        for (stack, classes) in [("16s2,16s2,16s2", 10), ("8s2same,40s1,5s2same", 26), ("16s1", 3)] {
            let plan = Plan::new(&arch(stack, classes));
            let flat: Vec<f32> = (1..=plan.arch.parameters()).map(|k| k as f32).collect();
            let mut working = vec![Lanes([7.0; LANES]); plan.lanes];
            plan.unpack(&flat, &mut working);
            let mut back = vec![0.0; flat.len()];
            plan.pack(&working, &mut back);
            assert_eq!(flat, back);
            plan.clear_padding(&mut working);
            plan.pack(&working, &mut back);
            assert_eq!(flat, back, "a real parameter was taken for padding");
            assert_eq!(plan.padding.len() + flat.len(), plan.lanes * LANES);
        }
    }

    #[test]
    fn the_first_input_is_padded_so_that_every_tap_lies_inside() {
        let plan = Plan::new(&arch("16s2same,16s2", 10));
        let dims = plan.layers[0].dims;
        assert_eq!((dims.height, dims.width, dims.p, dims.q, plan.image_border), (29, 29, 14, 14, (0, 0)));
        let plan = Plan::new(&arch("16s1same,16s2", 10));
        assert_eq!((plan.layers[0].dims.height, plan.image_border), (30, (1, 1)));
    }
}
