//! What can go wrong, as one enum: a variant says what is wrong with the thing and carries fields, not a sentence.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: not there, not allowed, no space left …
    Io {
        /// What was tried: `open`, `read`, `write`, `create`, `rename` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not what its name or place promises.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should have been there.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A file is sound, but of another kind than the one asked for.
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it should be: `a zoo`, `a fitted predictor` …
        expected: String,
        /// What it is.
        found: String,
    },
    /// What was given is sound, but there is not enough in it, or not what this needs.
    Unsuitable {
        /// A file, or a table in memory.
        what: String,
        /// What it must have.
        expected: String,
        /// What it has.
        got: String,
    },
    /// Files that must exist do not.
    Missing {
        /// What was looked for, such as `data set mnist`.
        what: String,
        /// Where.
        folder: PathBuf,
        /// The file names that would have done.
        expected: String,
        /// Where one gets them, or what else to do.
        hint: String,
    },
    /// A name that is none of the known ones.
    Unknown {
        /// What kind of name: `data set`, `optimizer` …
        what: &'static str,
        /// The name given.
        got: String,
        /// Every name that would have done.
        known: Vec<String>,
    },
    /// A value outside what is allowed.
    Invalid {
        /// Whose value: `models`, `learning_rate` …
        what: String,
        /// What is allowed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// Two things that must agree do not, such as a zoo on disk and the recipe asked for.
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The field that differs.
        field: String,
        /// What it must be: what was asked for, or what the other file has.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// An answer is not what it must be: a fault of this program.
    Wrong {
        /// What was computed.
        what: String,
        /// What it should have been.
        expected: String,
        /// What it was.
        got: String,
    },
    /// A GPU is not there, does not suffice, or failed.
    Device {
        /// What the driver calls it.
        device: String,
        /// What is the matter.
        problem: String,
    },
    /// Another process is writing the file.
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A file that is being written is no longer what its path names, or not all of it.
    Disturbed {
        /// The file.
        path: PathBuf,
        /// `deleted`, `replaced` or `made shorter`.
        what: &'static str,
    },
    /// What is in an output's place is not replaced.
    Occupied {
        /// The output.
        path: PathBuf,
        /// What is there.
        what: String,
        /// Whether it would be if the caller said so.
        forcible: bool,
    },
    /// Stopped by the user; what was finished is saved.
    Interrupted,
    /// Stopped by the user before there was anything to keep.
    Cancelled,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", shown(path)),
            Error::Malformed { path, expected, got } => {
                write!(f, "{} is malformed: expected {expected}, got {got}", shown(path))
            }
            Error::OtherKind { path, expected, found } => write!(f, "{} is {found}, not {expected}", shown(path)),
            Error::Unsuitable { what, expected, got } => {
                write!(f, "{what} cannot be used for this: expected {expected}, got {got}")
            }
            Error::Missing { what, folder, expected, hint } => {
                write!(f, "{what} not found in {}: expected {expected}\n{hint}", shown(folder))
            }
            Error::Unknown { what, got, known } => {
                write!(f, "unknown {what} {got:?}{} (known: {})", suggestion(got, known), known.join(", "))
            }
            Error::Invalid { what, expected, got } => write!(f, "invalid {what}: expected {expected}, got {got}"),
            Error::Mismatch { path, field, expected, got } => {
                write!(f, "{} does not match: {field} is {got}, not {expected}", shown(path))
            }
            Error::Wrong { what, expected, got } => write!(f, "{what} is wrong: expected {expected}, got {got}"),
            Error::Device { device, problem } => write!(f, "{device}: {problem}"),
            Error::Locked { path } => write!(f, "{} is being written by another process", shown(path)),
            Error::Disturbed { path, what } => {
                write!(f, "{} was {what} by another program while it was being written", shown(path))
            }
            Error::Occupied { path, what, .. } => write!(f, "{} is not replaced: it is {what}", shown(path)),
            Error::Interrupted => f.write_str("interrupted; what was finished is saved"),
            Error::Cancelled => f.write_str("interrupted, with nothing to keep"),
        }
    }
}

/// A path on one line: a name may hold what would begin another.
fn shown(path: &Path) -> String {
    path.display().to_string().replace('\n', "\\n")
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl Error {
    /// An [`Error::Io`] for `map_err`; an error of this kind that came through a writer is itself again.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| source.downcast().unwrap_or_else(|source| Error::Io { action, path, source })
    }

    /// An [`Error::Malformed`].
    pub fn malformed(path: impl AsRef<Path>, expected: impl Into<String>, got: impl Into<String>) -> Error {
        Error::Malformed { path: path.as_ref().to_owned(), expected: expected.into(), got: got.into() }
    }

    /// An [`Error::OtherKind`].
    pub fn other_kind(path: impl AsRef<Path>, expected: impl Into<String>, found: impl ToString) -> Error {
        Error::OtherKind { path: path.as_ref().to_owned(), expected: expected.into(), found: found.to_string() }
    }

    /// An [`Error::Unsuitable`] of a file.
    pub fn unsuitable(path: impl AsRef<Path>, expected: impl Into<String>, got: impl ToString) -> Error {
        Error::unsuitable_table(path.as_ref().display().to_string(), expected, got)
    }

    /// An [`Error::Unsuitable`] of a table in memory.
    pub fn unsuitable_table(what: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Error {
        Error::Unsuitable { what: what.into(), expected: expected.into(), got: got.to_string() }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Error {
        let got = Some(got.to_string()).filter(|got| !got.is_empty()).unwrap_or_else(|| "nothing".into());
        Error::Invalid { what: what.into(), expected: expected.into(), got }
    }

    /// An [`Error::Unknown`].
    pub fn unknown<N: ToString>(
        what: &'static str,
        got: impl Into<String>,
        known: impl IntoIterator<Item = N>,
    ) -> Error {
        Error::Unknown { what, got: got.into(), known: known.into_iter().map(|name| name.to_string()).collect() }
    }
}

/// «, did you mean …?» where a known name is near.
#[cfg(feature = "cli")]
fn suggestion(got: &str, known: &[String]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&got.to_lowercase(), &name.to_lowercase()), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((score, name)) if score > 0.75 => format!(", did you mean {name:?}?"),
        _ => String::new(),
    }
}

/// A program has no typing errors.
#[cfg(not(feature = "cli"))]
fn suggestion(_: &str, _: &[String]) -> &'static str {
    ""
}
