//! `Zoo`: many trained networks, their settings and their accuracies in one `.safetensors` file.
//!
//! [`Schema`] says what such a file is, [`Writer`] makes one grow, [`Zoo`] reads it in place. The file has its full (sparse)
//! length from the start and is valid at every moment: `status` tells which rows are there. One process writes at a time,
//! any number read.

mod header;
mod reader;
mod schema;
mod writer;

pub use reader::Zoo;
pub use schema::{Config, FORMAT_VERSION, Metrics, Schema, Status};
pub use writer::Writer;

#[cfg(all(test, unix))]
mod tests;
