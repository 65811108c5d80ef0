//! Matrix products by their definition.

use crate::gemm::Matrix;

/// `c[m,n] += Σ_k a[m,k]·b[k,n]`
pub fn multiply(a: Matrix, b: Matrix, c: &mut [f64]) {
    for m in 0..a.rows {
        for k in 0..a.columns {
            let x = f64::from(a.x[m * a.row_stride + k * a.col_stride]);
            for n in 0..b.columns {
                c[m * b.columns + n] += x * f64::from(b.x[k * b.row_stride + n * b.col_stride]);
            }
        }
    }
}
