//! The probe images: made from formulas, the same for every network and every data set.
//!
//! On pixel centres x, y in (−½, ½), values in −1 … 1 as the networks' own images have. Structured images tell more of a
//! network's accuracy than noise of any spectrum did, so there is no noise among them.

use crate::kernels::probes::PROBES;
use std::f64::consts::{PI, TAU};

/// Height, width and, of the longer side, pixels.
struct Canvas {
    height: usize,
    width: usize,
    side: f64,
}

impl Canvas {
    /// An image from a function of x and y, cut off at −1 and 1.
    fn draw(&self, value: impl Fn(f64, f64) -> f64) -> Vec<f32> {
        let at = |index: usize, size: usize| (index as f64 + 0.5) / size as f64 - 0.5;
        let rows = 0..self.height;
        rows.flat_map(|row| (0..self.width).map(move |column| (row, column)))
            .map(|(row, column)| value(at(column, self.width), at(row, self.height)).clamp(-1.0, 1.0) as f32)
            .collect()
    }

    /// A step through the centre from dark to bright, in the direction of `angle`.
    fn edge(&self, angle: f64) -> Vec<f32> {
        let (sin, cos) = libm::sincos(angle);
        self.draw(|x, y| (x * cos + y * sin) * self.side)
    }

    /// `frequency` periods across the image.
    fn grating(&self, frequency: f64, angle: f64) -> Vec<f32> {
        let (sin, cos) = libm::sincos(angle);
        self.draw(|x, y| libm::sin(TAU * frequency * (x * cos + y * sin) + PI / 4.0))
    }

    /// A bright ellipse (even `k`) or bar (odd `k`) on dark ground; size, place, direction and brightness follow from `k` in
    /// 0 … 5.
    fn object(&self, k: usize) -> Vec<f32> {
        let t = k as f64;
        let (sin, cos) = libm::sincos(t * PI / 6.0);
        let (cy, cx) = libm::sincos(t * TAU / 6.0);
        let (length, breadth, brightness) = (0.2 + 0.05 * t, 0.1 + 0.04 * t, 0.8 + 0.24 * t);
        self.draw(|x, y| {
            let (x, y) = (x - 0.1 * cx, y - 0.1 * cy);
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            let outside = match k % 2 {
                0 => breadth * (((u / length) * (u / length) + (v / breadth) * (v / breadth)).sqrt() - 1.0),
                _ => (u.abs() - length).max(v.abs() - breadth),
            };
            -1.0 + brightness * (0.5 - outside * self.side).clamp(0.0, 1.0)
        })
    }
}

/// The probes: 4 constants, 8 edges, 6 gratings, 6 objects; row-major.
pub fn images(height: usize, width: usize) -> Vec<Vec<f32>> {
    let canvas = Canvas { height, width, side: height.max(width) as f64 };
    let mut images = Vec::with_capacity(PROBES);
    images.extend([-1.0, -1.0 / 3.0, 1.0 / 3.0, 1.0].map(|value| canvas.draw(|_, _| value)));
    images.extend((0..8).map(|k| canvas.edge(TAU * f64::from(k) / 8.0)));
    for frequency in [1.0, 2.0, 4.0] {
        images.extend([0.0, PI / 2.0].map(|angle| canvas.grating(frequency, angle)));
    }
    images.extend((0..6).map(|k| canvas.object(k)));
    debug_assert_eq!(images.len(), PROBES);
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_in_range_and_differ() {
        for (height, width) in [(15, 15), (3, 3), (28, 7), (1, 1)] {
            let images = images(height, width);
            assert_eq!(images.len(), PROBES);
            for (n, image) in images.iter().enumerate() {
                assert_eq!(image.len(), height * width);
                assert!(image.iter().all(|x| (-1.0..=1.0).contains(x)), "{n}");
                assert!(height < 15 || !images[..n].contains(image), "{n} is there before");
            }
        }
    }
}
