//! How a letter is bent: a smooth displacement, then an affine map from the letter's square to the pixels.

use super::alphabet::Point;
use super::canvas::SIDE;
use crate::rng::Stream;
use std::f64::consts::TAU;

/// Pixels of half the letter's square before scaling.
const HALF: f64 = 9.0;

/// A random map of the plane.
pub struct Warp {
    waves: [Wave; 3],
    /// Rows of the affine map: x, y and 1 to x or y.
    affine: [[f64; 3]; 2],
}

/// A displacement that varies as a sine along one direction.
struct Wave {
    frequency: Point,
    phase: f64,
    amplitude: Point,
}

impl Wave {
    fn new(random: &mut Stream) -> Wave {
        Wave {
            frequency: [random.range(-0.45, 0.45), random.range(-0.45, 0.45)],
            phase: random.range(0.0, TAU),
            amplitude: [0.06 * random.normal(), 0.06 * random.normal()],
        }
    }
}

impl Warp {
    /// Draws a map: size, proportions, rotation, slant, place and three waves.
    pub fn new(random: &mut Stream) -> Warp {
        let waves = [Wave::new(random), Wave::new(random), Wave::new(random)];
        let size = HALF * random.range(0.85, 1.15);
        let stretch = libm::exp(0.12 * random.normal());
        let (sin, cos) = libm::sincos(0.15 * random.normal());
        let slant = 0.15 * random.normal();
        let (width, height) = (size * stretch, size / stretch);
        let centre = 0.5 * (SIDE as f64 - 1.0);
        let mut place = || centre + random.range(-2.5, 2.5);
        // rotation · [[width, slant · height], [0, height]]
        let affine = [
            [cos * width, (cos * slant - sin) * height, place()],
            [sin * width, (sin * slant + cos) * height, place()],
        ];
        Warp { waves, affine }
    }

    /// Bends a path from the letter's square into pixels.
    pub fn bend(&self, path: &[Point]) -> Vec<Point> {
        path.iter().map(|&point| self.map(point)).collect()
    }

    fn map(&self, [x, y]: Point) -> Point {
        let (mut u, mut v) = (x, y);
        for wave in &self.waves {
            let shift = libm::sin(TAU * (wave.frequency[0] * x + wave.frequency[1] * y) + wave.phase);
            u += wave.amplitude[0] * shift;
            v += wave.amplitude[1] * shift;
        }
        self.affine.map(|[by_x, by_y, constant]| by_x * u + by_y * v + constant)
    }
}
