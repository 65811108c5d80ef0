//! A stage: a convolution or the dense layer as the shaders see it.

use super::abi;

/// A layer's sizes and places, which [`abi::Layer`] explains: channels in quads, places among the network's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    pub height: usize,
    pub width: usize,
    /// 0 for an image.
    pub inputs: usize,
    pub outputs: usize,
    pub stride: usize,
    pub top: usize,
    pub left: usize,
    pub p: usize,
    pub q: usize,
    /// Channels that are not filled up.
    pub real_inputs: usize,
    pub channels: usize,
    pub weights: usize,
    pub map: usize,
    pub words: usize,
    pub gradient: usize,
    pub parts: usize,
    pub taps: usize,
}

impl Stage {
    /// Rows of the kernel: taps and inputs, which are filled up to whole quads.
    pub fn rows(&self) -> usize {
        self.taps * (4 * self.inputs).max(1)
    }

    /// Quads of bias and kernel.
    pub fn quads(&self) -> usize {
        self.outputs * (1 + self.rows())
    }

    /// As the uniform buffer has it.
    pub fn words(self) -> abi::Layer {
        let Stage { height, width, inputs, outputs, stride, top, left, p, q, real_inputs, channels, .. } = self;
        let Stage { weights, map, words, gradient, parts, taps, .. } = self;
        let [height, width, inputs, outputs] = [height, width, inputs, outputs].map(|number| number as u32);
        let [stride, top, left, p, q] = [stride, top, left, p, q].map(|number| number as u32);
        let [real_inputs, channels, weights, map] = [real_inputs, channels, weights, map].map(|number| number as u32);
        let [words, gradient, parts, taps] = [words, gradient, parts, taps].map(|number| number as u32);
        let padding = [0; 3];
        abi::Layer {
            height,
            width,
            inputs,
            outputs,
            stride,
            top,
            left,
            p,
            q,
            real_inputs,
            channels,
            weights,
            map,
            words,
            gradient,
            parts,
            taps,
            padding,
        }
    }
}
