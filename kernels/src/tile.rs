//! Images side by side: what a network's first layer reads.

use crate::simd::{LANES, Simd};
use crate::{Cost, Isa, Kernel, TILE};

/// Images that are turned together; [`TILE`] is a multiple.
const GROUP: usize = 4;

/// Of [`interleave`] for images of so many values.
pub fn cost(values: usize) -> Cost {
    Cost { flops: 0, bytes: 2 * TILE * values * size_of::<f32>() }
}

/// Puts the pixels of a tile's images beside each other.
///
/// `y[k][n] = x[n][k]`
///
/// Shapes.   `x` [`TILE`] slices of one length, `y` as long.
/// Panics.   if a length differs.
/// Cost.     no arithmetic; reads each image once, writes y once.
/// Numerics. exact.
/// Source.   none; 4×4 blocks are turned in registers.
pub fn interleave(isa: Isa, x: [&[f32]; TILE], y: &mut [[f32; TILE]]) {
    assert!(x.iter().all(|image| image.len() == y.len()), "images of one size");
    isa.run(Interleave { x, y });
}

struct Interleave<'a> {
    x: [&'a [f32]; TILE],
    y: &'a mut [[f32; TILE]],
}

impl Kernel for Interleave<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (blocks, rest) = self.y.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for first in (0..TILE).step_by(GROUP) {
            let images: [&[[f32; LANES]]; GROUP] = core::array::from_fn(|n| self.x[first + n].as_chunks().0);
            for (k, y) in blocks.iter_mut().enumerate() {
                let mut x = [s.splat(0.0); GROUP];
                for n in 0..GROUP {
                    x[n] = s.load_array(&images[n][k]);
                }
                s.store_transposed(x, y, first);
            }
        }
        for (n, image) in self.x.iter().enumerate() {
            for (y, &pixel) in rest.iter_mut().zip(&image[done..]) {
                y[n] = pixel;
            }
        }
    }
}
