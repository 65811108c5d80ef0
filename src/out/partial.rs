//! `Partial`: a file or a folder under a name of its own, until it is complete.
//!
//! It is locked as long as its process lives, so that others know the leftovers of a killed one.

use super::{OutPath, folder, sync_folder};
use crate::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

const ENDING: &str = ".partial";

/// Letters that make a name unlike others.
const RANDOM: usize = 6;

/// Longest name that file systems take, in bytes.
const LONGEST: usize = 255;

/// Tries to make a file that no sweep takes away between its making and its locking.
const TRIES: usize = 8;

/// What is being written. Dropped before it has its name it leaves nothing behind.
pub(crate) struct Partial {
    file: NamedTempFile,
    out: OutPath,
}

impl Partial {
    /// An empty file in the folder of `out`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(out: &OutPath) -> Result<Partial> {
        let failed = || Error::io("create", out);
        let prefix = prefix(&out.real);
        for _ in 0..TRIES {
            let file = builder(&prefix, 0o666).tempfile_in(folder(&out.real)).map_err(failed())?;
            match file.as_file().try_lock() {
                // a sweep that met it before it was locked has removed it, or is about to
                Ok(()) if !file.path().exists() => {}
                Err(TryLockError::WouldBlock) => {}
                // a file system without locks: nothing there is swept
                _ => {
                    if let Ok(old) = out.real.metadata() {
                        file.as_file().set_permissions(old.permissions()).map_err(failed())?;
                    }
                    return Ok(Partial { file, out: out.clone() });
                }
            }
        }
        Err(failed()(io::ErrorKind::ResourceBusy.into()))
    }

    /// The file, open for reading and writing.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name; what has it already is replaced if the rule still allows it. It stays locked while it is open.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Occupied`].
    pub fn replace(self) -> Result<File> {
        self.out.check()?;
        self.name(|file, path| file.persist(path))
    }

    /// As [`Partial::replace`], where nothing has the name yet.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn claim(self) -> Result<File> {
        self.name(|file, path| file.persist_noclobber(path))
    }

    fn name(
        self,
        persist: impl FnOnce(NamedTempFile, &Path) -> std::result::Result<File, tempfile::PersistError>,
    ) -> Result<File> {
        let Partial { file, out } = self;
        file.as_file().sync_all().map_err(Error::io("write", &out))?;
        let file = persist(file, &out.real).map_err(|refused| refused.error).map_err(Error::io("create", &out))?;
        sync_folder(&out.real);
        Ok(file)
    }
}

/// A folder that is being filled. Dropped before it has its name it leaves nothing behind.
#[derive(Debug)]
pub struct PartialFolder {
    folder: tempfile::TempDir,
    /// Keeps the lock.
    _held: Option<File>,
    out: OutPath,
}

impl PartialFolder {
    /// An empty folder beside `out`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(out: &OutPath) -> Result<PartialFolder> {
        let folder =
            builder(&prefix(&out.real), 0o777).tempdir_in(folder(&out.real)).map_err(Error::io("create", out))?;
        // where folders cannot be opened they are not swept either
        let held = File::open(&folder).ok().filter(|held| held.try_lock().is_ok());
        Ok(PartialFolder { folder, _held: held, out: out.clone() })
    }

    /// Writes a file of the folder; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`], those of `fill`.
    pub fn file(&self, name: &str, fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
        let failed = || Error::io("write", self.out.path().join(name));
        let file = File::create_new(self.folder.path().join(name)).map_err(failed())?;
        let mut buffer = BufWriter::with_capacity(1 << 20, file);
        fill(&mut buffer)?;
        let file = buffer.into_inner().map_err(|refused| failed()(refused.into_error()))?;
        file.sync_all().map_err(failed())
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Occupied`] where something is in its place.
    pub fn finish(self) -> Result<()> {
        self.out.check()?;
        sync_folder(&self.folder.path().join("files"));
        fs::rename(self.folder.path(), &self.out.real).map_err(Error::io("create", &self.out))?;
        // nothing is left to be removed
        let _ = self.folder.keep();
        sync_folder(&self.out.real);
        Ok(())
    }
}

/// How the name begins of what is to become `path`.
fn prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let room = LONGEST - 2 - RANDOM - ENDING.len();
    format!(".{}.", &name[..name.floor_char_boundary(room.min(name.len()))])
}

/// Names and permissions of what is not complete; `mode` less the umask, as for any file.
fn builder(prefix: &str, mode: u32) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(ENDING).rand_bytes(RANDOM);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// Removes from a folder what killed programs left there, and gives its paths. What a living process writes is locked.
pub(super) fn sweep(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let ours = entries.flatten().filter(|entry| is_partial(&entry.file_name().to_string_lossy()));
    ours.filter_map(|entry| {
        let (path, kind) = (entry.path(), entry.file_type().ok()?);
        if !kind.is_file() && !kind.is_dir() {
            return None;
        }
        let held = File::open(&path).ok()?;
        held.try_lock().ok()?;
        let removed = if kind.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.ok().map(|()| path)
    })
    .collect()
}

/// `.NAME.XXXXXX.partial`
fn is_partial(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.strip_suffix(ENDING)?.rsplit_once('.'));
    parts.is_some_and(|(_, random)| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
