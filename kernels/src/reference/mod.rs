//! Plain `f64` loops: the definition of each kernel.
