//! Notices changed weights, and says what they do to the network.

use core::fmt;
use zoometry_kernels::Isa;
use zoometry_kernels::compact::{Compact, crc32};

/// What the network was when it was sound.
pub struct Guard<'t> {
    table: &'t Compact<'static>,
    checksum: u32,
    predicted: f32,
}

/// What became of it.
pub enum Found {
    /// No bit has changed.
    Sound,
    /// Bits have changed.
    Changed {
        /// The accuracy that was predicted.
        before: f32,
        /// What is predicted now.
        now: f32,
        /// Statistics that no network in training had: what is predicted now says little.
        outside: usize,
    },
}

impl<'t> Guard<'t> {
    /// Remembers sound weights and the accuracy predicted of them.
    pub fn new(table: &'t Compact<'static>, weights: &[f32], predicted: f32) -> Guard<'t> {
        Guard { table, checksum: crc32(bytemuck::cast_slice(weights)), predicted }
    }

    /// Looks at the weights again.
    pub fn check(&self, isa: Isa, weights: &[f32], scratch: &mut [f32], columns: &mut [f32]) -> Found {
        if crc32(bytemuck::cast_slice(weights)) == self.checksum {
            return Found::Sound;
        }
        self.table.summarize(isa, weights, scratch, columns);
        let (now, outside) = (self.table.predict(columns), self.table.outside(columns));
        Found::Changed { before: self.predicted, now, outside }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Sound => f.write_str("sound"),
            Found::Changed { before, now, outside } => {
                write!(f, "changed, accuracy {before:.4} -> {now:.4}, {outside} statistics unknown")
            }
        }
    }
}
