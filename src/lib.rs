//! Zoometry measures zoos of neural networks: it trains tens of thousands of small CNNs, keeps them in memory-mapped zoo
//! files, and predicts each network's accuracy from its weights alone.
//!
//! One data flow: [`dataset`] → [`train`] → [`zoo`] → [`features`] → [`predictor`] → [`eval`]. Each module owns one noun and
//! hands over the next; a module imports only from lower layers. The numerics are in the crate [`zoometry_kernels`].

pub mod bench;
pub mod bytes;
pub mod catalog;
pub mod cnn;
pub mod dataset;
pub mod error;
pub mod eval;
pub mod features;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod par;
pub mod predictor;
pub mod report;
pub mod rng;
pub mod study;
pub mod table;
pub mod train;
pub mod zoo;

pub use error::{Error, Result};
pub use zoometry_kernels as kernels;

/// Whether `ZOOMETRY_NEED`, such as `gpu,python,avx512`, names something that a test would be skipped without.
#[cfg(test)]
fn needed(what: &str) -> bool {
    std::env::var("ZOOMETRY_NEED").unwrap_or_default().split(',').any(|name| name.trim() == what)
}
