//! GPUs: which there are, shaders, buffers, dispatches and their time.
//!
//! Everything of `wgpu` is in this room, and nothing of networks. Whatever goes wrong on the GPU — no adapter, too little
//! memory, a lost device, a shader that the driver refuses — is kept by the [`Gpu`] and comes out of the next call that waits
//! or builds as [`Error::Device`](crate::Error::Device); nothing panics.

mod buffer;
mod device;
pub mod shader;
mod timing;

pub use buffer::{Buffer, Pending, Readback};
pub use device::{Adapter, Gpu, Limits, NEEDED, adapters};
pub use shader::{Checks, Pipeline};
pub use timing::{Dispatch, Recorder};

#[cfg(test)]
pub(crate) mod tests;
