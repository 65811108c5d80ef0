//! Plain `f64` loops: the definition of each kernel.

pub mod histogram;
pub mod tree;
