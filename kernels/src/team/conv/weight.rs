//! The gradient of the weights and of the bias.

use super::Dims;
use super::span::Axis;
use super::sums::CHANNELS;
use crate::simd::Simd;
use crate::simd::tile::{Products, Walk};
use crate::team::parts;
use crate::{Isa, Kernel, Lanes};

/// Adds the images' gradient of the weights and of the bias.
///
/// `dw[u,v,i,o] += Σ_{n,p,q} x[n, S·p+u−T, S·q+v−L, i] · dy[n,p,q,o]`, `db[o] += Σ_{n,p,q} dy[n,p,q,o]`
///
/// Shapes.   `x` N·H·W·I, `dy` N·P·Q·O, `dw` U·V·I·O, `db` O lanes.
/// Panics.   if a slice length differs from its shape, or P, Q or S is 0.
/// Cost.     2·N·P·Q·U·V·I·O·16 flop (fewer at a border); reads x and dy many times from cache, reads and writes dw
///           once a group of images.
/// Numerics. as many images as stay in a close cache (a group; how many follows from the shape) are summed over n, p, q in this
///           order, then one addition to dw: a batch is summed in two levels. db is one sum over all images, then one addition.
/// Source.   [`crate::reference::conv::backward_weight`], lane by lane.
pub fn backward_weight(isa: Isa, dims: &Dims, x: &[Lanes], dy: &[Lanes], dw: &mut [Lanes], db: &mut [Lanes]) {
    assert!(x.len() == dims.x_len() && dy.len() == dims.y_len(), "shape of x or dy");
    assert!(dw.len() == dims.w_len() && db.len() == dims.outputs, "shape of dw or db");
    assert!(dims.p > 0 && dims.q > 0 && dims.stride > 0, "no positions");
    isa.run(BackwardWeight { dims: dims.flattened(), x, dy, dw, db });
}

/// Lanes of the maps of images that are summed together: what stays close while tile after tile runs over it.
const CACHED: usize = 1024;

struct BackwardWeight<'a> {
    dims: Dims,
    x: &'a [Lanes],
    dy: &'a [Lanes],
    dw: &'a mut [Lanes],
    db: &'a mut [Lanes],
}

/// What a tile sums over, and its first place in `x`, `dy` and `dw`.
#[derive(Clone, Copy)]
struct Place<'a> {
    walk: &'a Walk,
    x: usize,
    dy: usize,
    dw: usize,
}

impl Kernel for BackwardWeight<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let d = self.dims;
        for (o, channels) in parts(d.outputs, CHANNELS) {
            match channels {
                4 => self.bias::<S, 4>(s, o),
                3 => self.bias::<S, 3>(s, o),
                2 => self.bias::<S, 2>(s, o),
                1 => self.bias::<S, 1>(s, o),
                _ => unreachable!("a tile of {channels} channels"),
            }
        }
        let group = CACHED / (d.height * d.width * d.inputs + d.p * d.q * d.outputs).max(1);
        for image in (0..d.images).step_by(group.max(1)) {
            self.images(s, image, group.max(1).min(d.images - image));
        }
    }
}

impl BackwardWeight<'_> {
    /// The gradient of `images` images from `image`: sums over all of them, one addition to dw.
    #[inline(always)]
    fn images<S: Simd>(&mut self, s: S, image: usize, images: usize) {
        let d = self.dims;
        let [vertical, horizontal] = Axis::of(&d);
        for (u0, taps, p, rows) in vertical.taps() {
            for u in u0..u0 + taps {
                for (v, taps, q, columns) in horizontal.taps() {
                    if rows == 0 || columns == 0 {
                        continue;
                    }
                    let (down, right) = (d.width * d.inputs, d.stride * d.inputs);
                    let x = [d.height * down, d.stride * down, right].map(|step| step as isize);
                    let dy = [d.p * d.q * d.outputs, d.q * d.outputs, d.outputs];
                    let walk = Walk::new([images, rows, columns], x, dy);
                    let x = image * d.height + p * d.stride + u - d.top;
                    let x = (x * d.width + q * d.stride + v - d.left) * d.inputs;
                    for (j, items) in parts(taps * d.inputs, S::ITEMS) {
                        let dw = ((u * d.kernel[1] + v) * d.inputs + j) * d.outputs;
                        for (o, channels) in parts(d.outputs, CHANNELS) {
                            let dy = ((image * d.p + p) * d.q + q) * d.outputs + o;
                            self.items(s, Place { walk: &walk, x: x + j, dy, dw: dw + o }, items, channels);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn items<S: Simd>(&mut self, s: S, place: Place, items: usize, channels: usize) {
        match items {
            6 => self.channels::<S, 6>(s, place, channels),
            5 => self.channels::<S, 5>(s, place, channels),
            4 => self.channels::<S, 4>(s, place, channels),
            3 => self.channels::<S, 3>(s, place, channels),
            2 => self.channels::<S, 2>(s, place, channels),
            1 => self.channels::<S, 1>(s, place, channels),
            _ => unreachable!("a tile of {items} items"),
        }
    }

    #[inline(always)]
    fn channels<S: Simd, const R: usize>(&mut self, s: S, place: Place, channels: usize) {
        match channels {
            4 => self.tile::<S, R, 4>(s, place),
            3 => self.tile::<S, R, 3>(s, place),
            2 => self.tile::<S, R, 2>(s, place),
            1 => self.tile::<S, R, 1>(s, place),
            _ => unreachable!("a tile of {channels} channels"),
        }
    }

    /// `R` pairs of tap and input channel × `C` output channels.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, s: S, place: Place) {
        let at: [usize; R] = core::array::from_fn(|r| place.x + r);
        let products = Products::<R, C>::new(place.walk, self.x, at, &self.dy[place.dy..], 1);
        for part in 0..S::PARTS {
            let mut acc = [[s.splat_r(0.0); R]; C];
            products.accumulate(s, part, &mut acc);
            for r in 0..R {
                let dw = &mut self.dw[place.dw + r * self.dims.outputs..][..C];
                for c in 0..C {
                    s.store_r(s.add_r(s.load_r(&dw[c], part), acc[c][r]), &mut dw[c], part);
                }
            }
        }
    }

    /// `db[o] += Σ_{n,p,q} dy[n,p,q,o]` of `C` channels.
    #[inline(always)]
    fn bias<S: Simd, const C: usize>(&mut self, s: S, o: usize) {
        let mut acc = [s.splat(0.0); C];
        for dy in self.dy.chunks_exact(self.dims.outputs) {
            for c in 0..C {
                acc[c] = s.add(acc[c], s.load(&dy[o + c]));
            }
        }
        for c in 0..C {
            let db = &mut self.db[o + c];
            s.store(s.add(s.load(db), acc[c]), db);
        }
    }
}
