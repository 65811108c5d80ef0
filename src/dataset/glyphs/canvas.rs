//! A small grey canvas and a round pen with soft edges.

use super::alphabet::Point;

/// Pixels of a side.
pub const SIDE: usize = 28;
/// The square of a distance that no pixel of the canvas comes near to.
const FAR: f64 = 1e4;

/// How a stroke is drawn; lengths in pixels.
pub struct Pen {
    /// Half the width of the line.
    pub radius: f64,
    /// Width of the border over which ink fades to nothing.
    pub edge: f64,
    /// What it leaves, 0 to 1; 0 takes away.
    pub ink: f64,
}

/// Ink from 0 to 1 on each pixel, row-major.
pub struct Canvas([f64; SIDE * SIDE]);

impl Canvas {
    /// A canvas without ink.
    pub fn new() -> Canvas {
        Canvas([0.0; SIDE * SIDE])
    }

    /// The ink, row by row.
    pub fn ink(&self) -> &[f64] {
        &self.0
    }

    /// Draws straight lines from point to point (in pixels, a pixel's centre is at whole numbers) over what is there.
    pub fn stroke(&mut self, pen: &Pen, path: &[Point]) {
        let reach = pen.radius + pen.edge;
        let mut nearest = [FAR; SIDE * SIDE];
        for ends in path.windows(2) {
            lower(&mut nearest, ends[0], ends[1], reach);
        }
        for (ink, square) in self.0.iter_mut().zip(nearest) {
            let inside = pen.radius + 0.5 * pen.edge - square.sqrt();
            *ink += (pen.ink - *ink) * (inside / pen.edge).clamp(0.0, 1.0);
        }
    }
}

/// Lowers the squared distances of all pixels within `reach` to the line from `a` to `b`.
fn lower(nearest: &mut [f64; SIDE * SIDE], a: Point, b: Point, reach: f64) {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let square = dx * dx + dy * dy;
    let inverse = if square > 0.0 { 1.0 / square } else { 0.0 };
    let [columns, rows] = [0, 1].map(|axis| {
        // the conversion saturates at 0
        let first = (a[axis].min(b[axis]) - reach) as usize;
        first..((a[axis].max(b[axis]) + reach + 1.0) as usize).min(SIDE)
    });
    for row in rows {
        for column in columns.clone() {
            let (x, y) = (column as f64 - a[0], row as f64 - a[1]);
            let t = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
            let (ex, ey) = (x - t * dx, y - t * dy);
            let pixel = &mut nearest[row * SIDE + column];
            *pixel = pixel.min(ex * ex + ey * ey);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEN: Pen = Pen { radius: 1.5, edge: 1.0, ink: 0.8 };

    #[test]
    fn a_line_is_as_wide_as_its_pen() {
        let mut canvas = Canvas::new();
        canvas.stroke(&PEN, &[[5.0, 10.0], [20.0, 10.0]]);
        let column: Vec<f64> = (7..14).map(|row| canvas.ink()[row * SIDE + 12]).collect();
        assert_eq!(column, [0.0, 0.0, 0.8, 0.8, 0.8, 0.0, 0.0]);
        assert_eq!(canvas.ink()[10 * SIDE + 3], 0.0);
        canvas.stroke(&Pen { ink: 0.0, ..PEN }, &[[5.0, 10.0], [20.0, 10.0]]);
        assert!((7..14).all(|row| canvas.ink()[row * SIDE + 12] == 0.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// The box in which a line is drawn cuts nothing off, wherever the line lies.
        #[test]
        fn ink_follows_the_distance_to_the_line(
            a in [-20.0..50.0, -20.0..50.0], b in [-20.0..50.0, -20.0..50.0], radius in 0.3..3.0, edge in 0.5..2.0,
        ) {
            let mut canvas = Canvas::new();
            canvas.stroke(&Pen { radius, edge, ink: 1.0 }, &[a, b]);
            for (n, &ink) in canvas.ink().iter().enumerate() {
                let p = [(n % SIDE) as f64, (n / SIDE) as f64];
                let distance = |t: f64| (p[0] - a[0] - t * (b[0] - a[0])).hypot(p[1] - a[1] - t * (b[1] - a[1]));
                // it is convex along the line: thirds without the minimum fall away
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..80 {
                    let third = (high - low) / 3.0;
                    if distance(low + third) < distance(high - third) { high -= third } else { low += third }
                }
                let nearest = distance(low);
                let expected = ((radius + 0.5 * edge - nearest) / edge).clamp(0.0, 1.0);
                prop_assert!((ink - expected).abs() < 1e-5, "pixel {p:?}: {ink} is not {expected}");
            }
        }
    }
}
