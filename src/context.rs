//! How a piece of work is done: the one argument that everything which takes long has.

use crate::kernels::Isa;
use crate::par::Stop;

/// How a piece of work is done. By default with the fastest instruction set of this machine, and to its end. What runs a kernel or
/// two and returns takes an [`Isa`] alone.
///
/// ```
/// use zoometry::kernels::{Isa, IsaKind};
/// use zoometry::{Context, par::Stop};
///
/// let stop = Stop::new();
/// let context = Context::new().isa(Isa::new(IsaKind::Portable).unwrap_or_default()).stop(&stop);
/// stop.request();
/// assert!(context.stop.requested());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Context {
    /// The instruction set of the kernels.
    pub isa: Isa,
    /// Looked at between pieces of work.
    pub stop: Stop,
}

impl Context {
    /// The defaults.
    pub fn new() -> Context {
        Context::default()
    }

    /// With this instruction set.
    pub fn isa(self, isa: Isa) -> Context {
        Context { isa, ..self }
    }

    /// Ended early when this is requested.
    pub fn stop(self, stop: &Stop) -> Context {
        Context { stop: stop.clone(), ..self }
    }
}
