//! Bytes on a disk: maps, whole files, positioned writes.
//!
//! Typed views of bytes are the crate `bytemuck`'s. Files are little-endian, as safetensors is.

#[cfg(feature = "train")]
mod gzip;

#[cfg(feature = "train")]
pub use gzip::unpacked;

use crate::{Error, Result};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

#[cfg(target_endian = "big")]
compile_error!("the files are little-endian and are read in place");

/// Opens a regular file for reading; a folder, a pipe or a device is none, and some of them would never end.
///
/// # Errors
/// [`Error::Io`] where the file is missing or unreadable, [`Error::Malformed`] for anything but a file, [`Error::OtherKind`] for `-`.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    no_stream(path)?;
    regular(path, &std::fs::metadata(path).map_err(Error::io("open", path))?)?;
    File::open(path).map_err(Error::io("open", path))
}

/// Refuses the sign for a stream, which is nothing that can be read in place.
///
/// # Errors
/// [`Error::OtherKind`].
pub fn no_stream(path: &Path) -> Result<()> {
    let expected = "a file, which is read in place (./- for one that is called -)";
    if path == Path::new("-") { Err(Error::other_kind(path, expected, "a stream")) } else { Ok(()) }
}

/// All bytes of a regular file.
///
/// # Errors
/// Those of [`open`].
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// The text of a regular file.
///
/// # Errors
/// Those of [`open`]; [`Error::Io`] where it is no UTF-8.
pub fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(Error::io("read", path))?;
    Ok(text)
}

fn regular(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    match metadata {
        file if file.is_file() => Ok(()),
        folder if folder.is_dir() => Err(Error::other_kind(path, "a file", "a folder")),
        _ => Err(Error::other_kind(path, "a file", "a pipe or a device")),
    }
}

/// A whole file, read in place: opening takes as long for many GB as for a few bytes.
///
/// A file that another program makes shorter while it is mapped (`cp` over it does, `mv` does not) ends this process with SIGBUS
/// when the lost part is read; no memory is corrupted. The command line then names it. Bytes that another process
/// writes meanwhile may be seen or not.
#[derive(Debug)]
pub struct Map(memmap2::Mmap);

/// Every file that was mapped, and its length then.
#[cfg_attr(not(all(unix, feature = "cli")), allow(dead_code))]
static MAPPED: Mutex<Vec<(PathBuf, u64)>> = Mutex::new(Vec::new());

/// Runs `end`, on a thread of its own, when a part of a map is read that its file no longer has, with the files that are shorter
/// now; it must end the program. The reading thread waits for that.
///
/// # Errors
/// Whatever the system refuses.
#[cfg(all(unix, feature = "cli"))]
pub fn on_cut(end: fn(&[PathBuf])) -> io::Result<()> {
    use signal_hook::consts::SIGBUS;
    let (mut waiting, told) = std::os::unix::net::UnixStream::pair()?;
    let watch = move || {
        if waiting.read_exact(&mut [0]).is_ok() {
            end(&shrunken());
        }
    };
    std::thread::Builder::new().name("files".into()).spawn(watch)?;
    signal_hook::low_level::pipe::register(SIGBUS, told)?;
    let wait = || loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
    };
    // SAFETY: the handler only sleeps, which is allowed in one. Without it the thread would go on and meet what Rust does of a
    // SIGBUS, the end without a word.
    #[allow(unsafe_code)]
    unsafe { signal_hook::low_level::register(SIGBUS, wait) }?;
    Ok(())
}

/// The files that are shorter now than when they were mapped.
#[cfg(all(unix, feature = "cli"))]
fn shrunken() -> Vec<PathBuf> {
    let mapped = MAPPED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let shorter = |file: &&(PathBuf, u64)| std::fs::metadata(&file.0).is_ok_and(|now| now.len() < file.1);
    mapped.iter().filter(shorter).map(|file| file.0.clone()).collect()
}

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
        let map = map.map_err(Error::io("map", path))?;
        let mut mapped = MAPPED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        mapped.retain(|file| file.0 != path);
        mapped.push((path.to_owned(), map.len() as u64));
        Ok(Map(map))
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
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Writes all of `bytes` at `offset`, whatever the file's cursor; threads may do so at once.
///
/// # Errors
/// The system's.
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
