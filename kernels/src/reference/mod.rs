//! Plain `f64` loops: the definition of each kernel.

pub mod quantile;
pub mod reduce;
