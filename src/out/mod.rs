//! Files that are written: which of them may be replaced, and how they appear.
//!
//! One rule for all outputs. Only the guard ([`Guard`], or [`OutPath::new`] for who has no inputs) makes an [`OutPath`], and only
//! an `OutPath` can be written to.
//!
//! - Where nothing is, a file is made; its folder must be there.
//! - A file of the kind that is written (a page over a page, a predictor over a predictor) and an empty one are replaced.
//! - Any other file is left alone unless it is said that it may go (`force`).
//! - Never replaced: one of the command's inputs or other outputs, by whatever name; a zoo, a study's or a search's journal (they
//!   are continued); a folder with something in it; a pipe or a device.
//! - A link stays one: what it points to is replaced. A link that points nowhere is refused.
//!
//! A file appears under its name when all of it is on the disk, and an older one stays until then; the new one has its
//! permissions. A program that is killed leaves `.NAME.XXXXXX.partial` beside it: whoever writes to that folder next removes what
//! no living process holds, and says so ([`Guard::telling`]). Machines that write to one folder must see each other's locks,
//! which some network file systems have to be told.

mod array;
mod held;
mod kind;
mod partial;
mod room;

pub use array::{ArrayPath, replace_array};
pub(crate) use held::Held;
pub use kind::{FileKind, PAGE, PICTURE};
pub(crate) use partial::Partial;
pub use partial::PartialFolder;
pub use room::{check_room, free_room};

use crate::{Error, Result};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A place that may be written to.
#[derive(Clone, Debug)]
pub struct OutPath {
    /// As the caller calls it.
    named: PathBuf,
    /// Behind all links.
    real: PathBuf,
    kind: FileKind,
    force: bool,
    /// Whether a file of this kind that is there is gone on with.
    grows: bool,
}

/// Makes the [`OutPath`]s of a command.
#[derive(Debug)]
pub struct Guard {
    /// Inputs and outputs so far, behind all links.
    taken: Vec<PathBuf>,
    force: bool,
    /// Hears of what killed programs left in the outputs' folders, and is gone now.
    on_swept: fn(&Path),
}

impl Default for Guard {
    fn default() -> Guard {
        Guard { taken: Vec::new(), force: false, on_swept: |_| {} }
    }
}

impl Guard {
    /// The guard of a command with these inputs; with `force` files of another kind may be replaced.
    pub fn new(inputs: impl IntoIterator<Item = impl AsRef<Path>>, force: bool) -> Guard {
        let taken = inputs.into_iter().filter_map(|input| input.as_ref().canonicalize().ok()).collect();
        Guard { taken, force, ..Guard::default() }
    }

    /// Names who hears of what killed programs left in the outputs' folders and is gone now.
    pub fn telling(self, on_swept: fn(&Path)) -> Guard {
        Guard { on_swept, ..self }
    }

    /// Looks, before any work, whether a file of `kind` may be written to `path`, in place of what is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it is one of the inputs or other outputs, or `-`, or ends as another kind of files does;
    /// [`Error::Occupied`] where the rule leaves alone what is there; [`Error::Io`] where there is no such folder, or it may not be written.
    pub fn file(&mut self, path: impl AsRef<Path>, kind: FileKind) -> Result<OutPath> {
        self.admit(path.as_ref(), kind, false)
    }

    /// As [`Guard::file`], for a file that is gone on with where it is there.
    ///
    /// # Errors
    /// Those of [`Guard::file`].
    pub fn continued(&mut self, path: impl AsRef<Path>, kind: FileKind) -> Result<OutPath> {
        self.admit(path.as_ref(), kind, true)
    }

    /// As [`Guard::file`], for an array `path` and the names of its columns beside it.
    ///
    /// # Errors
    /// Those of [`Guard::file`].
    pub fn array(&mut self, path: impl AsRef<Path>) -> Result<ArrayPath> {
        let path = path.as_ref();
        let array = self.file(path, FileKind::Array)?;
        Ok(ArrayPath { array, names: self.file(path.with_extension("columns.json"), FileKind::Names)? })
    }

    /// Makes a folder for outputs if it is not there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for `-`, [`Error::Occupied`] where a file is there, [`Error::Io`].
    pub fn folder(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        no_stream(path)?;
        if path.exists() && !path.is_dir() {
            let what = FileKind::described(path);
            return Err(Error::Occupied { path: path.into(), what, forcible: false });
        }
        std::fs::create_dir_all(path).map_err(Error::io("create", path))
    }

    fn admit(&mut self, named: &Path, kind: FileKind, grows: bool) -> Result<OutPath> {
        no_stream(named)?;
        let real = real(named)?;
        if self.taken.contains(&real) {
            return Err(Error::invalid("output", "another file than the inputs and other outputs", named.display()));
        }
        kind.check_name(named)?;
        let out = OutPath { named: named.into(), real, kind, force: self.force, grows };
        out.check()?;
        let folder = folder(&out.real);
        partial::sweep(folder).iter().for_each(|path| (self.on_swept)(path));
        // a file without a name: that the folder cannot be written is known before the work
        tempfile::tempfile_in(folder).map_err(Error::io("write to", folder))?;
        self.taken.push(out.real.clone());
        Ok(out)
    }
}

impl OutPath {
    /// A place for a file of `kind`, of a program without inputs.
    ///
    /// # Errors
    /// Those of [`Guard::file`].
    pub fn new(path: impl AsRef<Path>, kind: FileKind) -> Result<OutPath> {
        Guard::default().file(path, kind)
    }

    /// As [`OutPath::new`], for a file that is gone on with where it is there: a zoo in training.
    ///
    /// # Errors
    /// Those of [`Guard::file`].
    pub fn continued(path: impl AsRef<Path>, kind: FileKind) -> Result<OutPath> {
        Guard::default().continued(path, kind)
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.named
    }

    /// Gives what is complete its name. A file that grows belongs to who made it first.
    pub(crate) fn name(&self, partial: Partial) -> Result<File> {
        if self.grows { partial.claim() } else { partial.replace() }
    }

    /// Refuses what the rule leaves alone.
    fn check(&self) -> Result<()> {
        let Ok(metadata) = self.real.metadata() else { return Ok(()) };
        let occupied = |what: String, force: bool| {
            Err(Error::Occupied { path: self.named.clone(), what, forcible: force && !self.force })
        };
        if !metadata.is_file() && !metadata.is_dir() {
            return occupied("a pipe or a device".into(), false);
        }
        match FileKind::of(&self.real) {
            FileKind::Folder if self.kind == FileKind::Folder && is_empty(&self.real) => Ok(()),
            FileKind::Folder => occupied("a folder".into(), false),
            found if self.grows && found == self.kind => Ok(()),
            found @ (FileKind::Zoo | FileKind::Trials | FileKind::Findings) => {
                occupied(format!("{found}; remove it first if it is not needed"), false)
            }
            _ if metadata.permissions().readonly() => {
                Err(Error::io("write", &self.named)(io::ErrorKind::PermissionDenied.into()))
            }
            FileKind::Empty => Ok(()),
            found if found == self.kind || self.force => Ok(()),
            found => occupied(found.to_string(), !self.grows && self.kind != FileKind::Folder),
        }
    }
}

impl AsRef<Path> for OutPath {
    fn as_ref(&self) -> &Path {
        &self.named
    }
}

/// Writes a file that has its final name only when all of it is on the disk; an older one stays until then.
///
/// # Errors
/// [`Error::Io`]: no such folder, not writable, no space left; [`Error::Occupied`] where something else has appeared there.
pub fn replace(out: &OutPath, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    let partial = Partial::new(out)?;
    let mut buffer = BufWriter::new(partial.file());
    fill(&mut buffer).and_then(|()| buffer.flush()).map_err(Error::io("write", out))?;
    drop(buffer);
    partial.replace().map(drop)
}

/// Refuses the sign for a stream.
fn no_stream(path: &Path) -> Result<()> {
    match path == Path::new("-") {
        true => Err(Error::invalid("output", "a name (./- for one that is -)", "-")),
        false => Ok(()),
    }
}

/// The path behind all links; of a file that is not there yet that of its folder, and its name.
fn real(path: &Path) -> Result<PathBuf> {
    let missing = |what: String| Error::io("create", path)(io::Error::new(io::ErrorKind::NotFound, what));
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    if let Ok(target) = path.read_link() {
        return Err(missing(format!("it is a link to {}, which is not there", target.display())));
    }
    let name = path.file_name().ok_or_else(|| missing("no file's name".into()))?;
    match folder(path).canonicalize() {
        Ok(folder) if folder.is_dir() => Ok(folder.join(name)),
        _ => Err(missing("no such folder".into())),
    }
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename in the folder of `path` survive a power loss, where the system can.
pub(crate) fn sync_folder(path: &Path) {
    // some systems cannot open folders; the file itself is safe in any case
    if let Ok(folder) = File::open(folder(path)) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests;
