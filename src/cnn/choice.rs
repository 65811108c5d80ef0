//! `Choice`: a set of names, such as the activations, with the codes they have in a zoo file.

use crate::kernels::activation::Activation;
use crate::{Error, Result};

/// A set of choices with the field's names and the codes of a zoo file.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every choice, in the order of the codes; new ones come last.
    const ALL: &'static [Self];
    /// What the choice is called in messages.
    const WHAT: &'static str;
    /// Its name.
    fn name(self) -> &'static str;

    /// The names in the order of the codes.
    fn names() -> Vec<String> {
        Self::ALL.iter().map(|choice| choice.name().to_owned()).collect()
    }
    /// The code in a zoo file.
    fn code(self) -> u8 {
        Self::ALL.iter().position(|&choice| choice == self).unwrap_or(0) as u8
    }
    /// The choice of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|choice| choice.name() == name);
        found.copied().ok_or_else(|| Error::unknown(Self::WHAT, name, Self::names()))
    }
}

/// Implements [`Choice`] from a table of names.
macro_rules! choice {
    ($type:ty, $what:literal, $($choice:path = $name:literal),* $(,)?) => {
        impl $crate::cnn::choice::Choice for $type {
            const ALL: &'static [Self] = &[$($choice),*];
            const WHAT: &'static str = $what;
            fn name(self) -> &'static str {
                #[allow(unreachable_patterns)] // a type may have values that nobody can choose
                match self { $($choice => $name,)* _ => "" }
            }
        }
    };
}
pub(crate) use choice;

choice!(
    Activation,
    "activation",
    Activation::Relu = "relu",
    Activation::Tanh = "tanh",
    Activation::Sigmoid = "sigmoid",
    Activation::Gelu = "gelu",
    Activation::LeakyRelu = "leaky_relu",
    Activation::Silu = "silu",
);
