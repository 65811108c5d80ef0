//! The probes of the reference network: what it answers to images in flash, in plain loops one image at a time.

use crate::network::{CLASSES, Plain};
use zoometry_kernels::activation::Activation;
use zoometry_kernels::probes::{NUMBERS, PROBES, Response, numbers, output, response_len, scratch_len};
use zoometry_kernels::{Isa, LANES};

/// Rows of a probe, what one unit of the last convolution sees, and of the three maps.
const SIDES: [usize; 4] = [15, 7, 3, 1];
const PIXELS: usize = SIDES[0] * SIDES[0];

/// Memory for what the hidden layers and the last one answer.
pub struct Bench {
    layers: [[f64; response_len(LANES)]; 3],
    logits: [f64; PROBES * CLASSES],
    scratch: [f64; scratch_len(LANES)],
}

impl Bench {
    /// All zeros.
    pub const EMPTY: Bench = Bench {
        layers: [[0.0; response_len(LANES)]; 3],
        logits: [0.0; PROBES * CLASSES],
        scratch: [0.0; scratch_len(LANES)],
    };

    /// Shows the network the probes, which lie one after another: the numbers that the desktop has.
    pub fn run(
        &mut self,
        isa: Isa,
        own: Activation,
        flat: &[f32],
        probes: &[f32],
        plain: &mut Plain,
    ) -> [f32; NUMBERS] {
        let Bench { layers, logits, scratch } = self;
        let mut layers = layers.each_mut().map(Response::new);
        let images = probes.as_chunks::<PIXELS>().0.iter().zip(logits.as_chunks_mut::<CLASSES>().0);
        for (n, (image, logits)) in images.enumerate() {
            let (maps, answer) = plain.run(isa, own, flat, SIDES, image);
            layers.iter_mut().zip(maps).for_each(|(layer, map)| layer.add(n, map, own));
            *logits = answer.map(f64::from);
        }
        let layers = layers.map(|layer| layer.numbers(isa, scratch));
        numbers(&layers, &output(isa, CLASSES, logits, scratch))
    }
}
