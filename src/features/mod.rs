//! Features: what is computed from a network's weights for a predictor to see; a [`crate::zoo::Zoo`] becomes a
//! [`crate::table::Table`].
//!
//! [`stats`] is the set of the reference: seven statistics of each tensor. [`mod@write`] keeps a table as a file.

pub mod stats;
pub mod write;
