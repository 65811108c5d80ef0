//! Softmax cross-entropy by its definition.

/// `ln Σ_k e^z[k] − z[label]` of one image; `dz[k] = softmax(z)[k] − [k = label]`.
pub fn softmax(z: &[f64], label: usize, dz: &mut [f64]) -> f64 {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (dz, z) in dz.iter_mut().zip(z) {
        *dz = (z - largest).exp();
        sum += *dz;
    }
    dz.iter_mut().for_each(|dz| *dz /= sum);
    let probability = dz[label];
    dz[label] -= 1.0;
    -probability.ln()
}
