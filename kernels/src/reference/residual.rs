//! Residual addition by its definition.

/// `y[k] = a[k] + b[k]`
pub fn forward(a: &[f64], b: &[f64], y: &mut [f64]) {
    for (y, (a, b)) in y.iter_mut().zip(a.iter().zip(b)) {
        *y = a + b;
    }
}

/// `da[k] = db[k] = dy[k]`
pub fn backward(dy: &[f64], dx: &mut [f64]) {
    dx.copy_from_slice(dy);
}
