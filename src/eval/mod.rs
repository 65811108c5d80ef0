//! How good a prediction is, and on which rows that is asked.

pub mod metrics;
pub mod split;

pub use metrics::Score;
pub use split::{Fractions, Split};
