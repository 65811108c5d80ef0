//! Between a network's own vector and lanes of networks: transposition of sixteen slices.

use super::Lanes;
use crate::simd::{LANES, Simd};
use crate::{Isa, Kernel};

/// Rows that are transposed together.
const GROUP: usize = 4;

/// Puts sixteen slices (images, flat weight vectors) beside each other.
///
/// `y[k][l] = x[l][k]`
///
/// Shapes.   `x` 16 slices of one length, `y` as many lanes.
/// Panics.   if a length differs.
/// Cost.     no arithmetic; reads each slice once, writes y once.
/// Numerics. exact.
/// Source.   none; 4×4 blocks are transposed in registers.
pub fn gather(isa: Isa, x: [&[f32]; LANES], y: &mut [Lanes]) {
    assert!(x.iter().all(|x| x.len() == y.len()), "slices of one length");
    isa.run(Gather { x, y });
}

struct Gather<'a> {
    x: [&'a [f32]; LANES],
    y: &'a mut [Lanes],
}

impl Kernel for Gather<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (blocks, rest) = self.y.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        let x = self.x.map(|x| x.as_chunks::<LANES>().0);
        for (k, y) in blocks.iter_mut().enumerate() {
            let y: &mut [[f32; LANES]; LANES] = bytemuck::cast_mut(y);
            for first in (0..LANES).step_by(GROUP) {
                let mut rows = [s.splat(0.0); GROUP];
                for l in 0..GROUP {
                    rows[l] = s.load_array(&x[first + l][k]);
                }
                s.store_transposed(rows, y, first);
            }
        }
        for (l, x) in self.x.iter().enumerate() {
            for (y, &x) in rest.iter_mut().zip(&x[done..]) {
                y.0[l] = x;
            }
        }
    }
}

/// Takes lanes apart into sixteen slices; undoes [`gather`].
///
/// `y[l][k] = x[k][l]`
///
/// Shapes.   `y` 16 slices of one length, `x` as many lanes.
/// Panics.   if a length differs.
/// Cost.     no arithmetic; reads x once, writes each slice once.
/// Numerics. exact.
/// Source.   none; 4×4 blocks are transposed in registers.
pub fn scatter(isa: Isa, x: &[Lanes], y: [&mut [f32]; LANES]) {
    assert!(y.iter().all(|y| y.len() == x.len()), "slices of one length");
    isa.run(Scatter { x, y });
}

struct Scatter<'a> {
    x: &'a [Lanes],
    y: [&'a mut [f32]; LANES],
}

impl Kernel for Scatter<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (blocks, rest) = self.x.as_chunks::<LANES>();
        let done = blocks.len() * LANES;
        let mut turned = [[0.0; LANES]; LANES];
        for (block, x) in blocks.iter().enumerate() {
            for first in (0..LANES).step_by(GROUP) {
                let mut rows = [s.splat(0.0); GROUP];
                for k in 0..GROUP {
                    rows[k] = s.load(&x[first + k]);
                }
                s.store_transposed(rows, &mut turned, first);
            }
            for (y, row) in self.y.iter_mut().zip(&turned) {
                y[block * LANES..][..LANES].copy_from_slice(row);
            }
        }
        for (l, y) in self.y.iter_mut().enumerate() {
            for (y, x) in y[done..].iter_mut().zip(rest) {
                *y = x.0[l];
            }
        }
    }
}
