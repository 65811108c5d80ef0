//! Features: what is computed from a network's weights for a predictor to see; [`Networks`] become a
//! [`crate::table::Table`].
//!
//! An [`Input`] names what is computed by the reference's keys. [`stats`], [`norms`], [`raw`] and [`hyper`] are the
//! reference's own; [`probes`] is ours. [`mod@write`] keeps a table as a file.

pub mod consensus;
pub mod fitted;
pub mod hyper;
pub mod input;
pub mod networks;
pub mod norms;
#[cfg(feature = "gpu")]
mod on_gpu;
pub mod probes;
pub mod raw;
pub mod spectra;
pub mod stats;
mod tensors;
#[cfg(test)]
mod tests;
pub mod window;
#[cfg(feature = "formats")]
pub mod write;

pub use fitted::Fitted;
pub use input::Input;
pub use networks::Networks;

/// Writes the values of the network with this number; it has memory of its own.
pub(crate) type Worker<'a> = Box<dyn FnMut(usize, &mut [f32]) + 'a>;

/// Some columns of a table for a given set of networks.
pub(crate) trait Columns: Sync {
    /// Their names.
    fn columns(&self) -> Vec<String>;

    /// Each thread takes one.
    fn worker(&self) -> Worker<'_>;

    /// The same columns computed on a GPU, where there is a shader for them.
    #[cfg(feature = "gpu")]
    fn on_gpu(&self, _: &crate::gpu::Gpu) -> crate::Result<Option<on_gpu::Computed>> {
        Ok(None)
    }
}
