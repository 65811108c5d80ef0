//! `Zoo`: many trained networks, their settings and their accuracies in one `.safetensors` file.
//!
//! [`Schema`] says what such a file is, [`Writer`] makes one grow, [`Zoo`] reads it in place. The file has its full (sparse)
//! length from the start and is valid at every moment: `status` tells which rows are there. One process writes at a time,
//! any number read. [`import`] and [`export`] are the door to the released Small CNN Zoo's format, [`write_torch`] to PyTorch.

mod export;
mod header;
pub mod hyper;
mod import;
mod loose;
mod reader;
mod released;
mod schema;
mod settings;
mod source;
mod torch;
mod whole;
mod writer;

pub use export::export;
pub use hyper::{Config, Value};
pub use import::{Import, Imported, examine, import};
pub use loose::Loose;
pub use reader::Zoo;
pub use schema::{FORMAT_VERSION, Metrics, Schema, Status};
pub use source::Source;
pub use torch::write as write_torch;
pub use writer::Writer;

#[cfg(all(test, unix))]
mod tests;
