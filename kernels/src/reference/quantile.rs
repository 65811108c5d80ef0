//! Order statistics by counting.

/// The value of rank `k`: the one with at most `k` values below it and more than `k` not above it. NaN where one is NaN.
pub fn order_statistic(x: &[f32], k: usize) -> f64 {
    let mut found = f64::NAN;
    for &candidate in x {
        let (mut less, mut not_above) = (0, 0);
        for &other in x {
            if other.is_nan() {
                return f64::NAN;
            }
            less += usize::from(other < candidate);
            not_above += usize::from(other <= candidate);
        }
        if less <= k && k < not_above {
            found = f64::from(candidate);
            break;
        }
    }
    found
}

/// `q(p) = s[k] + (s[k+1] − s[k])·(p·(n−1) − k)` for p = 1/4, 1/2, 3/4.
pub fn quartiles(x: &[f32]) -> [f64; 3] {
    let mut y = [0.0; 3];
    for (q, y) in y.iter_mut().enumerate() {
        let position = 0.25 * (q + 1) as f64 * (x.len() - 1) as f64;
        let k = position as usize;
        let (low, high) = (order_statistic(x, k), order_statistic(x, (k + 1).min(x.len() - 1)));
        let t = position - k as f64;
        *y = if low == high || t == 0.0 { low } else { low + (high - low) * t };
    }
    y
}
