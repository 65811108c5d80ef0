//! Data sets: readers for the formats they are published in, a built-in procedural one, and their preparation.
//!
//! [`load`] finds a data set by name or folder, a reader decodes its files into pixels, `transform` turns those into what
//! the networks see, as [`Images`] says. Readers: [`idx`] (MNIST and its family), [`cifar`] (CIFAR-10 binary batches), [`svhn`] over [`mat`]
//! (MATLAB v5); [`glyphs`] draws its images itself.

pub mod cifar;
mod find;
mod folder;
pub mod glyphs;
pub mod idx;
mod images;
pub mod mat;
pub mod svhn;
mod transform;

use crate::Result;
use std::io::Read;
use std::path::Path;

pub use find::{NAMES, load};
pub use images::{Images, Preparation, scale};

/// No file is decoded into more bytes than this: what no published data set needs and a hostile one would take.
const MAX_BYTES: u64 = 1 << 31;

/// What a compressed file may unpack to without a doubt.
const SMALL: u64 = 64 << 20;

/// Bytes that a compressed file of `length` bytes holds at most. Deflate can expand by 1,032, images do by less than ten: a file
/// that claims more than a hundredfold of much is a bomb.
fn unpacked(length: u64) -> u64 {
    length.saturating_mul(100).max(length.saturating_mul(1032).min(SMALL))
}

/// One part of a data set as it goes into the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// N·H·W·C values, row-major, as [`Images`] says; in [−1, 1] unless it says otherwise.
    pub images: Vec<f32>,
    /// N labels, each below [`Dataset::classes`].
    pub labels: Vec<u8>,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Channels of an image: 1, or 3 in colour.
    pub channels: usize,
}

impl Examples {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image; never so in a [`Dataset`] that [`load`] returns.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Image `n`: H·W·C values.
    pub fn image(&self, n: usize) -> &[f32] {
        let size = self.height * self.width * self.channels;
        &self.images[n * size..(n + 1) * size]
    }
}

/// A data set: what networks are trained on and what they are tested on.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name, or the name of its folder.
    pub name: String,
    /// Training images.
    pub train: Examples,
    /// Test images, of the same size.
    pub test: Examples,
    /// Number of classes.
    pub classes: usize,
    /// Sha256 as hexadecimal digits over both parts, train first. Of each part: N, C, H, W as little-endian `u64`, the N·C·H·W
    /// pixels (`u8`, channel planes of row-major images), the N labels (`u8`, as in [`Examples::labels`]). It does not depend on
    /// wrappers such as gzip.
    pub digest: String,
    /// What a reader of any score on these images should know: batches that are missing, classes without a training image.
    pub notes: Vec<String>,
}

/// One part as a reader decodes it. The reader has checked that the lengths agree and that nothing is empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// N·C·H·W: channel planes of row-major images.
    pub pixels: Vec<u8>,
    /// N labels.
    pub labels: Vec<u8>,
    /// C.
    pub channels: usize,
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
}

/// Checks that every label is below `classes`; `path` is named in the error.
fn check_labels(path: &Path, labels: &[u8], classes: usize) -> Result<()> {
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        None => Ok(()),
        Some(n) => {
            let expected = format!("labels 0 to {}", classes - 1);
            Err(crate::Error::malformed(path, expected, format!("{} for image {n}", labels[n])))
        }
    }
}

/// Reads at most `limit` bytes to the end of `reader`. The memory grows with what arrives, never with what a header says.
fn read_up_to(reader: impl Read, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit).read_to_end(&mut bytes).map_err(crate::Error::io("read", path))?;
    Ok(bytes)
}
