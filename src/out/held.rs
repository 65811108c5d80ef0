//! `Held`: a file that grows, and whose one writer is this process.

use super::OutPath;
use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
#[cfg(feature = "study")]
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A locked file. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Held {
    file: File,
    path: PathBuf,
    /// Bytes that it has at least.
    length: u64,
}

// closing alone would not do: a child process that is just being started may still hold a copy of the descriptor
impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

// journals, which are cut and appended to, are of studies
#[cfg_attr(not(feature = "study"), allow(dead_code))]
impl Held {
    /// The file at `out` that is to be gone on with, if there is one.
    ///
    /// # Errors
    /// [`Error::Locked`] where another process writes it, [`Error::Occupied`] where something else has appeared there,
    /// [`Error::Io`].
    pub fn open(out: &OutPath) -> Result<Option<Held>> {
        if !out.grows {
            return Ok(None);
        }
        out.check()?;
        match OpenOptions::new().read(true).write(true).open(&out.real) {
            Ok(file) => Held::new(file, out).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", out)(error)),
        }
    }

    /// Makes this process the writer of `file`, which must still be the one at `out`. That files cannot be locked is an error.
    ///
    /// # Errors
    /// Those of [`Held::open`].
    pub fn new(file: File, out: &OutPath) -> Result<Held> {
        let path = out.path();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: path.into() }),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
        let held = Held { file, path: path.into(), length: 0 };
        if is_at(&held.file, path) { Ok(held) } else { Err(Error::Locked { path: path.into() }) }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Says how long the file is and stays at least.
    pub fn expect(&mut self, length: u64) {
        self.length = length;
    }

    /// Waits until all that was written is on the disk and is what the path names.
    ///
    /// # Errors
    /// [`Error::Io`], those of [`Held::check_place`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("write", &self.path))?;
        self.check_place()
    }

    /// Ends the job where another program has deleted, replaced or cut the file: who writes on writes for nothing.
    ///
    /// # Errors
    /// [`Error::Disturbed`].
    pub fn check_place(&self) -> Result<()> {
        let what = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "deleted",
            _ if !is_at(&self.file, &self.path) => "replaced",
            Ok(now) if now.len() < self.length => "made shorter",
            _ => return Ok(()),
        };
        Err(Error::Disturbed { path: self.path.clone(), what })
    }
}

/// Journals, which grow at their end.
#[cfg(feature = "study")]
impl Held {
    /// As [`Held::open`]; an empty file where there is none.
    ///
    /// # Errors
    /// Those of [`Held::open`].
    pub fn open_or_begin(out: &OutPath) -> Result<Held> {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&out.real);
        Held::new(open.map_err(Error::io("open", out))?, out)
    }

    /// Takes off what stands behind the first `length` bytes; what is appended comes there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn cut(&mut self, length: u64) -> Result<()> {
        let cut = self.file.set_len(length).and_then(|()| self.file.seek(SeekFrom::Start(length)));
        self.length = cut.map_err(Error::io("write", &self.path))?;
        Ok(())
    }

    /// Writes to the end of the file; it is on the disk when this returns.
    ///
    /// # Errors
    /// Those of [`Held::sync`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.check_place()?;
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.length += bytes.len() as u64;
        self.sync()
    }
}

/// Whether `path` names the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Systems other than Unix do not replace an open file.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}
