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
