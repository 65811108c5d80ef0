//! `Layer`: a convolution or the dense layer as the shaders see it.

/// Words of a layer in `Job` of `shaders/network.wgsl`.
pub const WORDS: usize = 20;

/// `Layer` of `shaders/network.wgsl`: channels in quads, places among the network's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
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

impl Layer {
    /// Rows of the kernel: taps and inputs, which are filled up to whole quads.
    pub fn rows(&self) -> usize {
        self.taps * (4 * self.inputs).max(1)
    }

    /// Quads of bias and kernel.
    pub fn quads(&self) -> usize {
        self.outputs * (1 + self.rows())
    }

    /// As the uniform buffer has it.
    pub fn to_words(self) -> [u32; WORDS] {
        let Layer { height, width, inputs, outputs, stride, top, left, p, q, real_inputs, channels, .. } = self;
        let Layer { weights, map, words, gradient, parts, taps, .. } = self;
        let dims = [height, width, inputs, outputs, stride, top, left, p, q, real_inputs, channels];
        let places = [weights, map, words, gradient, parts, taps, 0, 0, 0];
        let mut all = [0; WORDS];
        all.iter_mut().zip(dims.into_iter().chain(places)).for_each(|(word, number)| *word = number as u32);
        all
    }
}
