//! Plain `f64` loops: the definition of each kernel, over dense arrays in the field's usual order.

pub mod activation;
pub mod conv;
pub mod gemm;
pub mod histogram;
pub mod layout;
pub mod loss;
pub mod optimizer;
pub mod pool;
pub mod quantile;
pub mod random;
pub mod reduce;
pub mod residual;
pub mod tree;
