//! Room on a disk.

use super::folder;
use crate::{Error, Result};
use std::path::Path;

/// Bytes that the disk of a folder, or of the folder of a file, has for this user; nothing where the system does not tell.
pub fn free_room(path: &Path) -> Option<u64> {
    available(if path.is_dir() { path } else { folder(path) })
}

#[cfg(unix)]
fn available(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

#[cfg(not(unix))]
fn available(_: &Path) -> Option<u64> {
    None
}

/// Bytes of a file that are on its disk: one that grows has holes.
#[cfg(unix)]
fn held(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    path.metadata().map_or(0, |file| file.blocks() * 512)
}

#[cfg(not(unix))]
fn held(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

/// Refuses to begin what the disk has no room for: `bytes` in all at `path`, less those that are there.
///
/// # Errors
/// [`Error::Io`].
pub fn check_room(path: &Path, bytes: u64) -> Result<()> {
    let more = bytes.saturating_sub(held(path));
    match free_room(path) {
        Some(free) if free < more => {
            let reason = format!("it needs {}, and {} are free", size(more), size(free));
            Err(Error::io("write", path)(std::io::Error::new(std::io::ErrorKind::StorageFull, reason)))
        }
        _ => Ok(()),
    }
}

/// So many bytes in words.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zoo");
        check_room(&path, 0).unwrap();
        if free_room(&path).is_some() {
            let message = check_room(&path, u64::MAX / 2).unwrap_err().to_string();
            assert!(message.contains("zoo") && message.contains("are free"), "{message}");
        }
    }
}
