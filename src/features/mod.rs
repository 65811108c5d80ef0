//! Features: what is computed from a network's weights for a predictor to see; [`Networks`] become a
//! [`crate::table::Table`].
//!
//! An [`Input`] names what is computed by the reference's keys. [`stats`], [`norms`], [`raw`] and [`hyper`] are the
//! reference's own; [`probes`] is ours. [`mod@write`] keeps a table as a file.

#[cfg(feature = "gpu")]
mod card;
pub mod hyper;
pub mod input;
pub mod networks;
pub mod norms;
pub mod probes;
pub mod raw;
pub mod stats;
mod tensors;
#[cfg(test)]
mod tests;
pub mod window;
pub mod write;

pub use input::Input;
pub use networks::Networks;

/// Writes the values of the network with this number; it has memory of its own.
pub(crate) type Worker<'a> = Box<dyn FnMut(usize, &mut [f32]) + 'a>;

/// Some columns of a table for a given set of networks.
pub(crate) trait Part: Sync {
    /// Their names.
    fn columns(&self) -> Vec<String>;

    /// Each thread takes one.
    fn worker(&self) -> Worker<'_>;

    /// The same columns computed on a card, where there is a shader for them.
    #[cfg(feature = "gpu")]
    fn on_card(&self, _: &crate::gpu::Gpu) -> crate::Result<Option<card::Computed>> {
        Ok(None)
    }
}
