//! `Shape`: a network's tables for the shaders, and how much of the GPU it needs.
//!
//! Working parameters are the flat vector with channels filled up to quads of four, per layer a bias and then the kernel
//! `[tap][input][quad]`; `shaders/network.wgsl` says the same.

use super::abi;
use super::stage::Stage;
use crate::Result;
use crate::cnn::Arch;
use crate::cnn::layer::Pooling;
use crate::cnn::plan::{Epilogue, Function, Map, Op, Plan, Step};
use crate::gpu::Gpu;

/// Invocations of a workgroup, `WIDTH` in the shaders.
pub(super) const WIDTH: usize = 128;
/// Images of a tile at most, `MOST_TILE` in the shaders.
pub(super) const MOST_TILE: usize = 8;
/// Images of a tile at most whose maps lie in storage memory: enough work for a workgroup, not more than a cache holds.
const OUTSIDE_TILE: usize = 2;
/// Workgroup memory that a tile should not exceed although the GPU has more: several workgroups then share a processor.
const ENOUGH: usize = 32 << 10;
/// Workgroup memory besides the tile's maps and decisions: sums, classes, the tile's images.
const RESERVE: usize = 1280;
/// Bytes of a quad.
pub const QUAD: usize = 16;

/// A 3×3 convolution with the network's activation and dropout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    pub stride: usize,
    /// Zeros above and to the left.
    pub before: [usize; 2],
    pub from: Map,
    pub to: Map,
}

/// The convolutions of a plan that the shaders know: grey images, convolutions one after another, the average of the last
/// map, the classes.
pub(super) fn convolutions(plan: &Plan) -> Option<Vec<Convolution>> {
    let [convolutions @ .., pool, _] = plan.steps.as_slice() else { return None };
    let last = &plan.maps[convolutions.len()];
    let global = Op::Pool { pooling: Pooling::Average, size: [last.height, last.width], stride: 1 };
    let is_known = pool.op == global && pool.epilogue == Epilogue::default() && plan.maps[0].channels == 1;
    let convolution = |(index, step): (usize, &Step)| match step.op {
        Op::Conv { kernel: [3, 3], stride: stride @ 1..=2, before, .. }
            if step.epilogue.function == Some(Function::Own) && step.epilogue.dropout.is_some() =>
        {
            Some(Convolution { stride, before, from: plan.maps[index], to: plan.maps[index + 1] })
        }
        _ => None,
    };
    (is_known && !convolutions.is_empty()).then(|| convolutions.iter().enumerate().map(convolution).collect()).flatten()
}

/// A network as the shaders see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of convolutions.
    pub convolutions: usize,
    /// Number of classes.
    pub classes: usize,
    /// Pixels of an image.
    pub pixels: usize,
    /// Images of a tile.
    pub tile: usize,
    /// Whether the maps lie in storage memory because those of one image do not fit into workgroup memory.
    pub outside: bool,
    /// Quads of one image's maps.
    pub units: usize,
    /// Words of one image's dropout decisions.
    pub words: usize,
    /// Quads of the working parameters.
    pub weights: usize,
    /// Quads of the partial gradients.
    pub gradients: usize,
    /// Place of the pooled channels among an image's maps.
    pub pooled: usize,
    /// The convolutions and the dense layer.
    pub(super) layers: Vec<Stage>,
    /// `place[k]`: number of the flat vector's parameter `k` among the working parameters.
    pub(super) place: Vec<usize>,
}

impl Shape {
    /// The tables for networks of `arch` on a GPU.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) where the dropout decisions of one image do not fit into workgroup memory, or a
    /// tile needs more iterations of loops than a dispatch may make.
    pub fn new(arch: &Arch, gpu: &Gpu) -> Result<Shape> {
        if convolutions(&arch.plan()).is_none() {
            let known = "stacks of 3×3 convolutions, each with the network's activation and dropout, on grey images";
            return Err(gpu.fail(format!("the shaders know {known}, not {arch}")));
        }
        let limits = gpu.limits();
        if limits.invocations < WIDTH {
            return Err(gpu.fail(format!("workgroups of {WIDTH} are needed, {} are allowed", limits.invocations)));
        }
        let shape = Shape::within(arch, limits.workgroup_bytes).map_err(|needed| {
            let most = limits.workgroup_bytes;
            gpu.fail(format!("{arch} needs {needed} bytes of workgroup memory, {most} are allowed"))
        })?;
        let needed = shape.training_iterations() + shape.optimizer_iterations();
        match limits.iterations {
            Some(most) if needed > most => {
                Err(gpu.fail(format!("{arch} needs {needed} iterations of loops in a dispatch, {most} are allowed")))
            }
            _ => Ok(shape),
        }
    }

    /// The tables where a workgroup may have `most` bytes of its own, or how many bytes it would need.
    ///
    /// # Errors
    /// These bytes.
    pub fn within(arch: &Arch, most: usize) -> std::result::Result<Shape, usize> {
        let mut shape = Shape::tables(arch);
        let room = |bytes: usize, image: usize| bytes.saturating_sub(RESERVE + QUAD) / image.max(1);
        let (decisions, maps) = (4 * shape.words, shape.units * QUAD);
        let mut image = maps + decisions;
        if room(most, image) == 0 {
            (shape.outside, image) = (true, decisions);
        }
        if room(most, image) == 0 {
            return Err(image + RESERVE + QUAD);
        }
        let largest = if shape.outside { OUTSIDE_TILE } else { MOST_TILE };
        shape.tile = room(most.min(ENOUGH), image).clamp(1, largest);
        shape.share_gradients();
        Ok(shape)
    }

    fn tables(arch: &Arch) -> Shape {
        let plan = arch.plan();
        let convs = convolutions(&plan).unwrap_or_default();
        let mut shape = Shape {
            convolutions: convs.len(),
            classes: arch.classes,
            pixels: arch.height * arch.width,
            tile: 1,
            outside: false,
            units: 0,
            words: 0,
            weights: 0,
            gradients: 0,
            pooled: 0,
            layers: Vec::new(),
            place: Vec::with_capacity(plan.parameters()),
        };
        let (mut inputs, mut real_inputs) = (0, 1);
        for &Convolution { stride, before: [top, left], from, to } in &convs {
            let (height, width, p, q) = (from.height, from.width, to.height, to.width);
            let (channels, outputs, taps) = (to.channels, to.channels.div_ceil(4), 9);
            let dims = Stage { height, width, inputs, outputs, stride, top, left, p, q, ..Stage::default() };
            shape.push(Stage { real_inputs, channels, taps, ..dims });
            shape.units += p * q * outputs;
            shape.words += (p * q).div_ceil(8) * outputs;
            (inputs, real_inputs) = (outputs, channels);
        }
        shape.pooled = shape.units;
        shape.units += inputs;
        let (outputs, channels) = (arch.classes.div_ceil(4), arch.classes);
        let point = Stage { height: 1, width: 1, stride: 1, p: 1, q: 1, taps: 1, ..Stage::default() };
        shape.push(Stage { inputs, outputs, real_inputs, channels, ..point });
        shape.units += outputs;
        shape
    }

    /// Adds a layer whose maps, words and weights begin where the others end.
    fn push(&mut self, layer: Stage) {
        let layer = Stage { weights: self.weights, map: self.units, words: self.words, ..layer };
        let first = 4 * self.weights;
        self.place.extend((0..layer.channels).map(|channel| first + channel));
        for tap in 0..layer.taps {
            for input in 0..layer.real_inputs {
                let row = 1 + tap * (4 * layer.inputs).max(1) + input;
                self.place.extend((0..layer.channels).map(|channel| first + 4 * layer.outputs * row + channel));
            }
        }
        self.layers.push(layer);
        self.weights += layer.quads();
    }

    /// Splits each layer's gradient into as many partial sums as there are invocations for.
    fn share_gradients(&mut self) {
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let items = if index == 0 { layer.outputs } else { 3 * layer.inputs * layer.outputs };
            layer.parts = if index == last { 1 } else { (WIDTH / items).clamp(1, self.tile * layer.p) };
            layer.gradient = self.gradients;
            self.gradients += layer.parts * layer.quads();
        }
    }

    /// The convolutions.
    pub(super) fn convolutions(&self) -> impl Iterator<Item = Stage> {
        self.layers[..self.convolutions].iter().copied()
    }

    /// The last convolution and the dense layer.
    pub(super) fn ends(&self) -> [Stage; 2] {
        [self.layers[self.convolutions - 1], self.layers[self.convolutions]]
    }

    /// Values of the shaders' `override` constants.
    pub fn constants(&self) -> [(&'static str, f64); 3] {
        let space = if self.outside { 1 } else { self.tile * self.units + 1 };
        let words = (self.tile * self.words).max(1);
        [("SPACE", space as f64), ("WORDS", words as f64), ("OUTSIDE", f64::from(u8::from(self.outside)))]
    }

    /// Quads of storage memory for a workgroup's maps.
    pub fn maps(&self) -> usize {
        if self.outside { self.tile * self.units + 1 } else { 0 }
    }

    /// [`Shape::maps`] with what GELU's gradient needs.
    pub fn training_maps(&self, gelu: bool) -> usize {
        self.maps() + if gelu { self.tile * self.units } else { 0 }
    }

    /// The table for batches of `batch` images.
    pub fn job(&self, batch: usize) -> abi::Job {
        let mut layers = [abi::Layer::default(); abi::MOST_LAYERS];
        layers.iter_mut().zip(&self.layers).for_each(|(place, layer)| *place = layer.words());
        abi::Job {
            convolutions: self.convolutions as u32,
            classes: self.classes as u32,
            tile: self.tile as u32,
            batch: batch as u32,
            units: self.units as u32,
            words: self.words as u32,
            weights: self.weights as u32,
            gradients: self.gradients as u32,
            pixels: self.pixels as u32,
            pooled: self.pooled as u32,
            padding: [0; 2],
            layers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arch(stack: &str, classes: usize) -> Arch {
        Arch::grey(28, 28, stack, classes).unwrap()
    }

    #[test]
    fn every_parameter_has_a_place_of_its_own() {
        for (stack, classes) in [("16s2,16s2,16s2", 10), ("8s2same,10s1,5s2same", 26), ("3s1", 3)] {
            let arch = arch(stack, classes);
            let shape = Shape::within(&arch, 1 << 20).unwrap();
            let places: std::collections::HashSet<usize> = shape.place.iter().copied().collect();
            assert_eq!((places.len(), shape.place.len()), (arch.parameters(), arch.parameters()));
            assert!(places.iter().all(|&place| place < 4 * shape.weights));
        }
    }

    #[test]
    fn the_reference_net_takes_the_memory_that_was_counted() {
        let reference = arch("16s2,16s2,16s2", 10);
        let shape = Shape::within(&reference, 32 << 10).unwrap();
        assert_eq!((shape.tile, shape.units, shape.words), (2, 843, 112));
        assert_eq!(shape.weights * 4, 16 * 10 + 2 * 16 * 145 + 12 * 17);
        assert_eq!(Shape::within(&reference, 48 << 10).unwrap(), shape);
        assert_eq!(Shape::within(&reference, 16 << 10).unwrap().tile, 1);
    }

    #[test]
    fn large_maps_lie_outside_and_larger_ones_are_refused() {
        let shape = Shape::within(&arch("64s2,64s2,64s2", 10), 32 << 10).unwrap();
        assert!(shape.outside && shape.maps() == 2 * shape.units + 1);
        assert!(Shape::within(&arch("1024s1", 10), 64 << 10).unwrap_err() > 85 << 10);
    }
}
