//! `Zoo`: many trained networks, their settings and their accuracies in one `.safetensors` file.
//!
//! [`Schema`] says what such a file is, [`Writer`] makes one grow, [`Zoo`] reads it, or several as one, in place; [`Merge`] joins
//! the files of several machines. The file has its full (sparse)
//! length from the start and is valid at every moment: `status` tells which rows are there. One process writes at a time,
//! any number read. [`import`] and [`export`] are the door to the released Small CNN Zoo's format, [`write_torch`] to PyTorch.

mod check;
mod checksum;
#[cfg(feature = "formats")]
mod export;
mod grow;
mod header;
pub mod hyper;
#[cfg(feature = "formats")]
mod import;
mod joined;
#[cfg(feature = "formats")]
mod loose;
mod merge;
mod reader;
#[cfg(feature = "formats")]
mod released;
mod schema;
#[cfg(feature = "formats")]
mod settings;
mod shard;
#[cfg(feature = "formats")]
mod source;
mod target;
#[cfg(feature = "formats")]
mod torch;
#[cfg(feature = "formats")]
mod whole;
mod writer;

pub use check::Finding;
pub use checksum::digest;
#[cfg(feature = "formats")]
pub use export::export;
pub use hyper::{Config, Value};
#[cfg(feature = "formats")]
pub use import::{Import, Imported, examine, import};
pub use joined::{Zoo, of_one_zoo};
#[cfg(feature = "formats")]
pub use loose::{Exported, Loose};
pub use merge::{Merge, Merged};
pub use schema::{FORMAT_VERSION, Metrics, OTHER_ROUNDING, Schema, Status};
pub use shard::{Place, Shard};
#[cfg(feature = "formats")]
pub use source::Source;
pub use target::Target;
#[cfg(feature = "formats")]
pub use torch::{TorchTensor, tensors as torch_tensors, write as write_torch};
pub use writer::{Mixture, Writer};

#[cfg(all(test, unix))]
mod tests;
