//! The kernels' blocked layouts as the dense `f64` arrays that definitions take.

use super::conv::Dims;
use crate::{Block, LANES, Lanes, TILE, conv};
use std::vec::Vec;

/// The shape of a whole tile's convolution, all [`TILE`] images, with channels counted singly.
pub fn dims(d: &conv::Dims) -> Dims {
    Dims {
        images: TILE,
        height: d.height,
        width: d.width,
        inputs: d.channels(),
        outputs: d.outputs * LANES,
        kernel: d.kernel,
        stride: d.stride,
        top: d.top,
        left: d.left,
        p: d.p,
        q: d.q,
    }
}

/// A tile's map of `blocks` channel blocks as N·M·C.
pub fn dense(map: &[Block], blocks: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(TILE * map.len() * LANES);
    for n in 0..TILE {
        for position in map.chunks_exact(blocks) {
            out.extend(position.iter().flat_map(|block| block[n].0).map(f64::from));
        }
    }
    out
}

/// A tile's images as N·M·C.
pub fn pixels(image: &[[f32; TILE]]) -> Vec<f64> {
    (0..TILE).flat_map(|n| image.iter().map(move |pixel| f64::from(pixel[n]))).collect()
}

/// A convolution's weights as U·V·I·O.
pub fn hwio(d: &conv::Dims, w: &[Lanes]) -> Vec<f64> {
    let (taps, inputs) = (d.kernel[0] * d.kernel[1], d.channels());
    let mut out = Vec::with_capacity(w.len() * LANES);
    for row in 0..taps * inputs {
        out.extend((0..d.outputs).flat_map(|o| w[o * taps * inputs + row].0).map(f64::from));
    }
    out
}

/// Lanes one after another.
pub fn flat(lanes: &[Lanes]) -> Vec<f64> {
    Lanes::flat(lanes).iter().map(|&x| f64::from(x)).collect()
}
