//! Global average pooling by its definition; `x` N·M·C, `y` N·C, dense.

/// `y[n,c] = (1/M) Σ_m x[n,m,c]`
pub fn forward(positions: usize, channels: usize, x: &[f64], y: &mut [f64]) {
    for (n, image) in x.chunks_exact(positions * channels).enumerate() {
        for c in 0..channels {
            let sum: f64 = (0..positions).map(|m| image[m * channels + c]).sum();
            y[n * channels + c] = sum / positions as f64;
        }
    }
}

/// `dx[n,m,c] = dy[n,c] / M`
pub fn backward(positions: usize, channels: usize, dy: &[f64], dx: &mut [f64]) {
    for (index, dx) in dx.iter_mut().enumerate() {
        let (n, c) = (index / (positions * channels), index % channels);
        *dx = dy[n * channels + c] / positions as f64;
    }
}
