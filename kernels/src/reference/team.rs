//! Pooling over windows by its definition; `x` N·H·W·C, `y` N·P·Q·C, dense.

use crate::team::pool::Dims;

/// Calls `visit(x indices of the window, y index)` for every window and channel.
fn windows(d: &Dims, mut visit: impl FnMut(&[usize], usize)) {
    let mut window = std::vec![0; d.size[0] * d.size[1]];
    for n in 0..d.images {
        for p in 0..d.p {
            for q in 0..d.q {
                for c in 0..d.channels {
                    for (k, x) in window.iter_mut().enumerate() {
                        let (h, w) = (p * d.stride + k / d.size[1], q * d.stride + k % d.size[1]);
                        *x = ((n * d.height + h) * d.width + w) * d.channels + c;
                    }
                    visit(&window, ((n * d.p + p) * d.q + q) * d.channels + c);
                }
            }
        }
    }
}

/// `y = max x` over each window and `dx = Σ dy` over the windows whose first maximum it is, NaN the largest; `dx` is set.
pub fn max_pool(d: &Dims, x: &[f64], dy: &[f64], y: &mut [f64], dx: &mut [f64]) {
    dx.fill(0.0);
    windows(d, |window, index| {
        let mut best = window[0];
        for &k in &window[1..] {
            if x[k] > x[best] || (x[k].is_nan() && !x[best].is_nan()) {
                best = k;
            }
        }
        y[index] = x[best];
        dx[best] += dy[index];
    });
}

/// `y` is the mean of `x` over each window and `dx` the sum of `dy` over the windows that cover it, divided by their size; `dx`
/// is set.
pub fn average_pool(d: &Dims, x: &[f64], dy: &[f64], y: &mut [f64], dx: &mut [f64]) {
    dx.fill(0.0);
    windows(d, |window, index| {
        let share = 1.0 / window.len() as f64;
        y[index] = share * window.iter().map(|&k| x[k]).sum::<f64>();
        window.iter().for_each(|&k| dx[k] += share * dy[index]);
    });
}
