//! `Zoo`: many trained networks, their settings and their accuracies in one `.safetensors` file.
//!
//! [`Schema`] says what such a file is, [`Writer`] makes one grow, [`Zoo`] reads it, or several as one, in place; [`Merge`] joins
//! the files of several machines. The file has its full (sparse)
//! length from the start and is valid at every moment: `status` tells which rows are there. One process writes at a time,
//! any number read. [`import`] and [`export`] are the door to the released Small CNN Zoo's format, [`write_torch`] to PyTorch.

mod check;
mod checksum;
mod export;
mod grow;
mod header;
pub mod hyper;
mod import;
mod joined;
mod loose;
mod merge;
mod reader;
mod released;
mod schema;
mod settings;
mod shard;
mod source;
mod target;
mod torch;
mod whole;
mod writer;

pub use check::Finding;
pub use checksum::digest;
pub use export::export;
pub use hyper::{Config, Value};
pub use import::{Import, Imported, examine, import};
pub use joined::{Zoo, of_one_zoo};
pub use loose::{Exported, Loose};
pub use merge::{Merge, Merged};
pub use schema::{FORMAT_VERSION, Metrics, OTHER_ROUNDING, Schema, Status};
pub use shard::{Place, Shard};
pub use source::Source;
pub use target::Target;
pub use torch::write as write_torch;
pub use writer::{Mixture, Writer};

#[cfg(all(test, unix))]
mod tests;
