//! The forward pass of the reference network (three 3×3 convolutions of 16 channels, stride 2, each with its activation → mean →
//! dense) in two ways: by the kernels, twelve images of 28×28 side by side, and one image of any size up to that at a time in plain
//! loops, which a processor without vectors prefers. Both sum in one order, so both give the same bits.

use zoometry_kernels::activation::{self, Activation};
use zoometry_kernels::conv::{self, Dims, Inputs};
use zoometry_kernels::pool::{self, Dims as Pool};
use zoometry_kernels::{Block, Isa, LANES, Lanes, TILE, tile};

/// Weights of the network, the only one that this firmware can run.
pub const WEIGHTS: usize = 4970;
pub const PIXELS: usize = 28 * 28;
pub const CLASSES: usize = 10;
/// Rows of the image and of the three maps.
pub const SIDES: [usize; 4] = [28, 13, 6, 2];
/// Where bias and kernel of each layer begin in the flat vector.
const BIASES: [usize; 4] = [0, 160, 2480, 4800];
const KERNELS: [usize; 4] = [16, 176, 2496, 4810];

/// Twelve images by the kernels.
pub struct Tile {
    weights: [Lanes; 9 + 2 * 144 + LANES],
    biases: [Lanes; 4],
    image: [[f32; TILE]; PIXELS],
    maps: ([Block; 13 * 13], [Block; 6 * 6], [Block; 2 * 2]),
    mean: [Block; 1],
    logits: [Block; 1],
}

impl Tile {
    /// All zeros.
    pub const EMPTY: Tile = Tile {
        weights: [Lanes::ZERO; 9 + 2 * 144 + LANES],
        biases: [Lanes::ZERO; 4],
        image: [[0.0; TILE]; PIXELS],
        maps: ([[Lanes::ZERO; TILE]; 13 * 13], [[Lanes::ZERO; TILE]; 6 * 6], [[Lanes::ZERO; TILE]; 2 * 2]),
        mean: [[Lanes::ZERO; TILE]; 1],
        logits: [[Lanes::ZERO; TILE]; 1],
    };

    /// Puts a flat vector into lanes: as it is, but that the dense layer's ten columns become sixteen.
    pub fn load(&mut self, flat: &[f32]) {
        for (layer, bias) in self.biases.iter_mut().enumerate() {
            let channels = if layer == 3 { CLASSES } else { LANES };
            bias.0[..channels].copy_from_slice(&flat[BIASES[layer]..][..channels]);
        }
        let (convolutions, dense) = self.weights.split_at_mut(9 + 2 * 144);
        let (own, rest) = Lanes::flat_mut(convolutions).split_at_mut(144);
        own.copy_from_slice(&flat[KERNELS[0]..][..144]);
        let (second, third) = rest.split_at_mut(2304);
        second.copy_from_slice(&flat[KERNELS[1]..][..2304]);
        third.copy_from_slice(&flat[KERNELS[2]..][..2304]);
        for (lanes, row) in dense.iter_mut().zip(flat[KERNELS[3]..].as_chunks::<CLASSES>().0) {
            lanes.0[..CLASSES].copy_from_slice(row);
        }
    }

    /// The logits of twelve images.
    pub fn run(&mut self, isa: Isa, activation: Activation, images: [&[f32]; TILE]) -> &Block {
        let Tile { weights, biases, image, maps, mean, logits } = self;
        tile::interleave(isa, images, image);
        let dims = |layer: usize, inputs| {
            let (side, to) = (SIDES[layer], SIDES[layer + 1]);
            let kernel = [3, 3];
            Dims {
                images: TILE,
                height: side,
                width: side,
                inputs,
                outputs: 1,
                kernel,
                stride: 2,
                top: 0,
                left: 0,
                p: to,
                q: to,
            }
        };
        let (first, weights) = weights.split_at(9);
        let (second, weights) = weights.split_at(144);
        let (third, dense) = weights.split_at(144);
        let first_dims = dims(0, Inputs::Image(1));
        conv::forward_image(isa, &first_dims, activation, None, image, first, &biases[..1], &mut [], &mut maps.0);
        let map = Inputs::Map(1);
        conv::forward(isa, &dims(1, map), activation, None, &maps.0, second, &biases[1..2], &mut [], &mut maps.1);
        conv::forward(isa, &dims(2, map), activation, None, &maps.1, third, &biases[2..3], &mut [], &mut maps.2);
        let none = Activation::Identity;
        pool::forward_average(isa, &Pool::global(2, 2, 1), none, None, &maps.2, &mut [], mean);
        conv::forward(isa, &Dims::dense(1, 1), none, None, mean, dense, &biases[3..], &mut [], logits);
        &logits[0]
    }
}

pub type Pixel = [f32; LANES];

/// One image in plain loops, weights where they lie.
pub struct Plain {
    maps: ([Pixel; 13 * 13], [Pixel; 6 * 6], [Pixel; 2 * 2]),
}

impl Plain {
    /// All zeros.
    pub const EMPTY: Plain = Plain { maps: ([[0.0; LANES]; 13 * 13], [[0.0; LANES]; 6 * 6], [[0.0; LANES]; 2 * 2]) };

    /// The three maps behind their activations and the logits of an image; `sides` are the rows of image and maps.
    pub fn run(
        &mut self,
        isa: Isa,
        activation: Activation,
        flat: &[f32],
        sides: [usize; 4],
        image: &[f32],
    ) -> ([&[Pixel]; 3], [f32; CLASSES]) {
        let [_, first, second, third] = sides.map(|side| side * side);
        let maps = (&mut self.maps.0[..first], &mut self.maps.1[..second], &mut self.maps.2[..third]);
        convolve(flat, 0, sides, image.as_chunks::<1>().0, maps.0);
        activation::apply(isa, activation, maps.0);
        convolve(flat, 1, sides, maps.0, maps.1);
        activation::apply(isa, activation, maps.1);
        convolve(flat, 2, sides, maps.1, maps.2);
        activation::apply(isa, activation, maps.2);
        let mut logits = [0.0; CLASSES];
        logits.copy_from_slice(&flat[BIASES[3]..][..CLASSES]);
        let share = 1.0 / third as f32;
        for (i, weights) in flat[KERNELS[3]..].as_chunks::<CLASSES>().0.iter().enumerate() {
            let sum = maps.2.iter().fold(0.0, |sum, pixel| sum + pixel[i]);
            let mean = sum * share;
            logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += mean * weight);
        }
        ([maps.0, maps.1, maps.2], logits)
    }
}

/// One convolution of `C` channels, without its activation.
fn convolve<const C: usize>(flat: &[f32], layer: usize, sides: [usize; 4], x: &[[f32; C]], y: &mut [Pixel]) {
    let (side, to) = (sides[layer], sides[layer + 1]);
    let bias = flat[BIASES[layer]..].first_chunk::<LANES>().expect("a bias");
    let kernel = flat[KERNELS[layer]..].as_chunks::<LANES>().0;
    for p in 0..to {
        for q in 0..to {
            let sums = &mut y[p * to + q];
            *sums = *bias;
            for u in 0..3 {
                for v in 0..3 {
                    let pixel = &x[(2 * p + u) * side + 2 * q + v];
                    let weights = &kernel[(3 * u + v) * C..][..C];
                    for i in 0..C {
                        for o in 0..LANES {
                            sums[o] += pixel[i] * weights[i][o];
                        }
                    }
                }
            }
        }
    }
}

/// Fills images with noise.
pub fn fill(images: &mut [[f32; PIXELS]; TILE]) {
    let mut state = 1u32;
    for pixel in images.as_flattened_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *pixel = (state >> 24) as f32 / 127.5 - 1.0;
    }
}
