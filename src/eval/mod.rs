//! How good a prediction is, and on which rows that is asked.

pub mod bootstrap;
pub mod conformal;
pub mod importance;
mod mersenne;
pub mod metrics;
pub mod pca;
pub mod published;
pub mod split;

pub use metrics::Score;
pub use published::Published;
pub use split::{Fractions, Split};
