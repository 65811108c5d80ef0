//! The ten letters, each a few strokes in the square [−1, 1]², x to the right and y down.
//!
//! A network that averages over positions sees only what is near: letters differ in their corners, crossings, ends and
//! curvatures, not only in where those are.

/// A point, x and y.
pub type Point = [f64; 2];

/// A line of the pen.
pub enum Stroke<'a> {
    /// Straight from point to point.
    Straight(&'a [Point]),
    /// A smooth curve through the points (uniform Catmull–Rom spline).
    Curve(&'a [Point]),
    /// Part of an ellipse.
    Arc {
        /// Its centre.
        centre: Point,
        /// Its half axes.
        radii: Point,
        /// Where it starts and ends, in turns: 0 is right, ¼ below.
        turns: [f64; 2],
    },
}

use Stroke::{Arc, Curve, Straight};

/// The letters by class.
pub const LETTERS: [&[Stroke]; 10] = [
    // ring
    &[Arc { centre: [0.0, 0.0], radii: [0.8, 0.9], turns: [0.0, 1.0] }],
    // cross
    &[Straight(&[[-0.8, 0.1], [0.8, -0.1]]), Straight(&[[-0.1, -0.9], [0.1, 0.9]])],
    // zigzag
    &[Straight(&[[-0.7, -0.9], [0.7, -0.45], [-0.7, 0.0], [0.7, 0.45], [-0.7, 0.9]])],
    // spiral
    &[Curve(&[
        [0.05, 0.1],
        [0.3, -0.15],
        [0.0, -0.45],
        [-0.45, -0.05],
        [-0.05, 0.55],
        [0.7, 0.2],
        [0.6, -0.75],
        [-0.3, -0.95],
    ])],
    // triangle
    &[Straight(&[[0.0, -0.9], [0.85, 0.75], [-0.85, 0.75], [0.0, -0.9]])],
    // wave
    &[Curve(&[[0.6, -0.9], [-0.3, -0.85], [-0.5, -0.4], [0.1, 0.0], [0.55, 0.45], [0.2, 0.9], [-0.6, 0.85]])],
    // fork
    &[
        Curve(&[[-0.7, -0.9], [-0.6, -0.1], [0.0, 0.2], [0.6, -0.1], [0.7, -0.9]]),
        Straight(&[[0.0, -0.8], [0.0, 0.95]]),
    ],
    // bars
    &[
        Straight(&[[-0.75, -0.7], [0.75, -0.75]]),
        Straight(&[[-0.75, 0.0], [0.75, 0.0]]),
        Straight(&[[-0.75, 0.75], [0.75, 0.7]]),
    ],
    // arrow
    &[Straight(&[[-0.9, 0.0], [0.85, 0.0]]), Straight(&[[0.1, -0.75], [0.85, 0.0], [0.1, 0.75]])],
    // loop
    &[Curve(&[[0.9, -0.7], [0.3, 0.05], [-0.35, 0.65], [-0.85, 0.1], [-0.4, -0.55], [0.3, 0.0], [0.9, 0.75]])],
];

/// Straight pieces for each piece of a curve, and for each turn of an arc.
const PIECES: usize = 5;
const PIECES_OF_A_TURN: f64 = 24.0;

impl Stroke<'_> {
    /// The stroke as points to be joined by straight lines, close enough to be bent.
    pub fn path(&self) -> Vec<Point> {
        match self {
            Straight(points) => along(points, |_, a, b, _, t| a + (b - a) * t),
            Curve(points) => along(points, catmull_rom),
            Arc { centre, radii, turns: [from, to] } => {
                let pieces = libm::ceil(PIECES_OF_A_TURN * (to - from).abs());
                let point = |piece: usize| {
                    let turn = from + (to - from) * piece as f64 / pieces;
                    let (sin, cos) = libm::sincos(std::f64::consts::TAU * turn);
                    [centre[0] + radii[0] * cos, centre[1] + radii[1] * sin]
                };
                (0..=pieces as usize).map(point).collect()
            }
        }
    }
}

/// Interpolates each piece between two of the points; `between` also gets the points before and after.
fn along(points: &[Point], between: impl Fn(f64, f64, f64, f64, f64) -> f64) -> Vec<Point> {
    let at = |n: isize| points[n.clamp(0, points.len() as isize - 1) as usize];
    let mut path = vec![points[0]];
    for n in 0..points.len() as isize - 1 {
        let [before, a, b, after] = [at(n - 1), at(n), at(n + 1), at(n + 2)];
        for piece in 1..=PIECES {
            let t = piece as f64 / PIECES as f64;
            path.push([0, 1].map(|axis| between(before[axis], a[axis], b[axis], after[axis], t)));
        }
    }
    path
}

/// The Catmull–Rom spline from `a` (t = 0) to `b` (t = 1).
fn catmull_rom(before: f64, a: f64, b: f64, after: f64, t: f64) -> f64 {
    let linear = b - before;
    let square = 2.0 * before - 5.0 * a + 4.0 * b - after;
    let cube = 3.0 * (a - b) + after - before;
    a + 0.5 * t * (linear + t * (square + t * cube))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_pass_through_their_points() {
        let points = [[-0.5, 0.25], [0.5, -1.0], [1.0, 0.75]];
        for path in [Straight(&points).path(), Curve(&points).path()] {
            assert_eq!(path.len(), 1 + 2 * PIECES);
            for (n, point) in points.iter().enumerate() {
                let got = path[n * PIECES];
                assert!((0..2).all(|axis| (got[axis] - point[axis]).abs() < 1e-12), "{got:?} is not {point:?}");
            }
        }
    }

    #[test]
    fn a_curve_through_points_of_a_line_stays_on_it() {
        let path = Curve(&[[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]).path();
        assert!(path.iter().all(|[x, y]| (x - y).abs() < 1e-12), "{path:?}");
    }

    #[test]
    fn letters_fill_their_square() {
        for (class, letter) in LETTERS.iter().enumerate() {
            let points: Vec<Point> = letter.iter().flat_map(Stroke::path).collect();
            for axis in 0..2 {
                let low = points.iter().map(|p| p[axis]).fold(f64::MAX, f64::min);
                let high = points.iter().map(|p| p[axis]).fold(f64::MIN, f64::max);
                assert!(low > -1.05 && high < 1.05 && high - low > 1.0, "letter {class}: {low} to {high}");
            }
        }
    }
}
