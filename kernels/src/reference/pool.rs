//! Pooling by its definition; `x` N·H·W·C, `y` N·P·Q·C, dense, for any number of images.

use crate::LANES;

/// The shape of a pooling; letters as in [`crate::pool`], channels counted singly.
#[derive(Clone, Copy, Debug)]
pub struct Dims {
    /// H, rows of the input.
    pub height: usize,
    /// W, columns of the input.
    pub width: usize,
    /// C, channels.
    pub channels: usize,
    /// U and V, rows and columns of a window.
    pub size: [usize; 2],
    /// S, step between windows.
    pub stride: usize,
    /// P, rows of the output.
    pub p: usize,
    /// Q, columns of the output.
    pub q: usize,
}

impl From<&crate::pool::Dims> for Dims {
    fn from(d: &crate::pool::Dims) -> Dims {
        let channels = d.channels * LANES;
        Dims { height: d.height, width: d.width, channels, size: d.size, stride: d.stride, p: d.p, q: d.q }
    }
}

impl From<&crate::team::pool::Dims> for Dims {
    fn from(d: &crate::team::pool::Dims) -> Dims {
        let crate::team::pool::Dims { height, width, channels, size, stride, p, q, .. } = *d;
        Dims { height, width, channels, size, stride, p, q }
    }
}

/// Calls `visit(x index, tap, y index)` for every value of every window.
fn values(d: &Dims, units: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (channels, [rows, columns]) = (d.channels, d.size);
    for unit in 0..units {
        let (c, position) = (unit % channels, unit / channels);
        let (q, p, n) = (position % d.q, position / d.q % d.p, position / d.q / d.p);
        for tap in 0..rows * columns {
            let (h, w) = (p * d.stride + tap / columns, q * d.stride + tap % columns);
            visit(((n * d.height + h) * d.width + w) * channels + c, tap, unit);
        }
    }
}

/// `y[n,p,q,c] = max_{u,v} x[n, S·p+u, S·q+v, c]` and the number of the first tap that has it; NaN where there is one.
pub fn forward_max(d: &Dims, x: &[f64], argmax: &mut [f64], y: &mut [f64]) {
    values(d, y.len(), |xi, tap, yi| {
        if tap == 0 || x[xi] > y[yi] || (x[xi].is_nan() && !y[yi].is_nan()) {
            (y[yi], argmax[yi]) = (x[xi], tap as f64);
        }
    });
}

/// `dx[n,h,w,c] = Σ_{p,q} dy[n,p,q,c]` over the windows whose `argmax` is (h, w)
pub fn backward_max(d: &Dims, dy: &[f64], argmax: &[f64], dx: &mut [f64]) {
    dx.fill(0.0);
    values(d, dy.len(), |xi, tap, yi| dx[xi] += if argmax[yi] == tap as f64 { dy[yi] } else { 0.0 });
}

/// `y[n,p,q,c] = Σ_{u,v} x[n, S·p+u, S·q+v, c] / (U·V)`
pub fn forward_average(d: &Dims, x: &[f64], y: &mut [f64]) {
    y.fill(0.0);
    values(d, y.len(), |xi, _, yi| y[yi] += x[xi] / (d.size[0] * d.size[1]) as f64);
}

/// `dx[n,h,w,c] = Σ_{p,q} dy[n,p,q,c] / (U·V)` over the windows that hold (h, w)
pub fn backward_average(d: &Dims, dy: &[f64], dx: &mut [f64]) {
    dx.fill(0.0);
    values(d, dy.len(), |xi, _, yi| dx[xi] += dy[yi] / (d.size[0] * d.size[1]) as f64);
}
