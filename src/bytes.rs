//! Bytes on a disk: maps, whole files, positioned writes.
//!
//! Typed views of bytes are the crate `bytemuck`'s. Files are little-endian, as safetensors is.

use crate::{Error, Result};
use std::{fs::File, io, ops::Deref, path::Path};

#[cfg(target_endian = "big")]
compile_error!("the files are little-endian and are read in place");

/// Opens a regular file for reading; a folder, a pipe or a device is none, and some of them would never end.
///
/// # Errors
/// [`Error::Io`] where the file is missing or unreadable, [`Error::Malformed`] for anything but a file.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    regular(path, &std::fs::metadata(path).map_err(Error::io("open", path))?)?;
    File::open(path).map_err(Error::io("open", path))
}

/// All bytes of a regular file.
///
/// # Errors
/// Those of [`open`].
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut open(path)?, &mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

fn regular(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    match metadata {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => Err(Error::malformed(path, "a file", "a folder")),
        _ => Err(Error::malformed(path, "a file", "a pipe or a device")),
    }
}

/// A whole file, read in place: opening takes as long for many GB as for a few bytes.
///
/// A file that another program makes shorter while it is mapped ends this process with SIGBUS when the lost part is read;
/// no memory is corrupted. Bytes that another process writes meanwhile may be seen or not.
#[derive(Debug)]
pub struct Map(memmap2::Mmap);

impl Map {
    /// Maps `file`, whose `path` is for error messages.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses, for a folder or a pipe for instance.
    pub fn new(file: &File, path: &Path) -> Result<Map> {
        // SAFETY: the map is read-only and is handed out only as plain numbers, for which every bit pattern is a value. Zoo
        // files never shrink, and a row is final once its status says so: who reads only such rows sees no concurrent write.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::Mmap::map(file) };
        map.map(Map).map_err(Error::io("map", path))
    }

    /// Opens and maps.
    ///
    /// # Errors
    /// [`Error::Io`] where the file is missing, unreadable or nothing that can be mapped.
    pub fn open(path: impl AsRef<Path>) -> Result<Map> {
        let path = path.as_ref();
        Map::new(&open(path)?, path)
    }
}

impl Deref for Map {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Writes all of `bytes` at `offset`, whatever the file's cursor; threads may do so at once.
#[cfg(unix)]
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Writes all of `bytes` at `offset`, whatever the file's cursor; threads may do so at once.
#[cfg(windows)]
pub fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_files_and_folders_are_no_surprise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        File::create(&path).unwrap();
        assert_eq!(Map::open(&path).map(|map| map.len()).unwrap_or(0), 0);
        assert!(Map::open(folder.path()).is_err());
        assert!(Map::open(folder.path().join("missing")).unwrap_err().to_string().contains("missing"));
    }
}
