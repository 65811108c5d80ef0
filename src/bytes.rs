//! What lies on a disk: maps, positioned writes, files that appear whole or not at all.
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

/// Says before long work whether a file can be written: its folder is there, and what it would replace is a file that may be
/// written.
///
/// # Errors
/// [`Error::Io`] and [`Error::Malformed`], as [`replace`] would give.
pub fn check_target(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    match std::fs::metadata(path) {
        Ok(metadata) => {
            regular(path, &metadata)?;
            let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
            if metadata.permissions().readonly() { Err(Error::io("write", path)(refused())) } else { Ok(()) }
        }
        Err(_) if folder(path).is_dir() => Ok(()),
        Err(_) => Err(Error::io("create", path)(io::Error::new(io::ErrorKind::NotFound, "no such folder"))),
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

/// A new file in the folder of `path` under a name of its own, removed again unless it is persisted.
pub(crate) fn temporary(path: &Path) -> Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    builder.prefix(&prefix).suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the umask, as for any file
    builder.tempfile_in(folder(path)).map_err(Error::io("create", path))
}

/// Makes a rename in the folder of `path` survive a power loss, where the system can.
pub(crate) fn sync_folder(path: &Path) {
    // some systems cannot open folders; the file itself is safe in any case
    if let Ok(folder) = File::open(folder(path)) {
        let _ = folder.sync_all();
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Writes a file that has its final name only when all of it is on the disk; an older one stays until then.
///
/// # Errors
/// [`Error::Io`]: no such folder, not writable, no space left.
pub fn replace(path: impl AsRef<Path>, fill: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    let path = path.as_ref();
    check_target(path)?;
    // a link stays one: what it points to is replaced
    let path = &std::fs::canonicalize(path).unwrap_or(path.to_owned());
    let temporary = temporary(path)?;
    let mut buffer = io::BufWriter::new(temporary.as_file());
    fill(&mut buffer).and_then(|()| io::Write::flush(&mut buffer)).map_err(Error::io("write", path))?;
    drop(buffer);
    temporary.as_file().sync_all().map_err(Error::io("write", path))?;
    temporary.persist(path).map_err(|refused| refused.error).map_err(Error::io("create", path))?;
    sync_folder(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_failed_replacement_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        let failed = replace(&path, |file| {
            file.write_all(b"new")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err());
        assert_eq!(&*Map::open(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(replace(folder.path().join("no/such"), |_| Ok(())).is_err());
        assert!(replace(folder.path(), |_| Ok(())).is_err());
    }

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
