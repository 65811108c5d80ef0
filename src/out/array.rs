//! An array and, in a second file, the names of its columns.

use super::{OutPath, Partial};
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Where both may be written.
#[derive(Clone, Debug)]
pub struct ArrayPath {
    pub(super) array: OutPath,
    pub(super) names: OutPath,
}

impl ArrayPath {
    /// The array's path as it was given.
    pub fn path(&self) -> &Path {
        self.array.path()
    }
}

/// Writes both. Two files cannot get their names at once, so an older array goes first: at no moment, not even of a kill, does
/// one stand beside names that are not its own.
///
/// # Errors
/// Those of [`super::replace`].
pub fn replace_array(
    out: &ArrayPath,
    columns: &[String],
    fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<()> {
    let (array, names) = (Partial::new(&out.array)?, Partial::new(&out.names)?);
    let mut buffer = BufWriter::new(array.file());
    fill(&mut buffer).and_then(|()| buffer.flush()).map_err(Error::io("write", &out.array))?;
    drop(buffer);
    array.file().sync_all().map_err(Error::io("write", &out.array))?;
    serde_json::to_writer(names.file(), columns).map_err(|error| Error::io("write", &out.names)(error.into()))?;
    if out.array.real.exists() {
        out.array.check()?;
        fs::remove_file(&out.array.real).map_err(Error::io("replace", &out.array))?;
    }
    names.replace()?;
    array.replace().map(drop)
}
