//! Predictors for machines that have no room for a file of trees: [`crate::kernels::compact`] says what a table is, here it is
//! made.
//!
//! A full predictor is the teacher of smaller ones ([`distill`]): they are fitted to what it says, of the training networks and
//! of networks between them, so that few trees learn a smooth function instead of noise. Which of them fits best into the
//! room is decided on the validation part.

mod distill;
mod encode;
#[cfg(test)]
mod tests;

pub use distill::distill;
pub use encode::encode;

use crate::cnn::Arch;
use crate::{Error, Result};

/// The weights of each window of an architecture's networks, in the order of `wstats`.
///
/// # Errors
/// [`Error::Invalid`] where a network has more windows than a table has room for, or other weights between them.
pub fn windows(arch: &Arch) -> Result<Vec<usize>> {
    let tensors = arch.plan().tensors;
    let mut end = 0;
    for tensor in &tensors {
        if tensor.range.start != end {
            return Err(Error::invalid("networks", "tensors one after another", format!("a gap before weight {end}")));
        }
        end = tensor.range.end;
    }
    let most = crate::kernels::compact::MAX_WINDOWS;
    if tensors.len() > most {
        return Err(Error::invalid("networks", format!("at most {most} tensors of weights"), tensors.len()));
    }
    Ok(tensors.iter().map(|tensor| tensor.range.len()).collect())
}
