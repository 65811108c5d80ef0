//! How good a prediction is, and on which rows that is asked.

pub mod conformal;
mod mersenne;
pub mod metrics;
pub mod nan;
pub mod published;
pub mod split;

pub use metrics::Score;
pub use published::Published;
pub use split::{Fractions, Split};
