//! What can go wrong, as one enum: a variant says what is wrong with the thing and carries fields, not a sentence.

use std::path::{Path, PathBuf};

/// The result of everything here that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: not there, not allowed, no space left …
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried: `open`, `read`, `write`, `create`, `rename` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not what its name or place promises.
    #[error("{} is malformed: expected {expected}, got {got}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What should have been there.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A file is sound, but of another kind than the one asked for.
    #[error("{} is {found}, not {expected}", .path.display())]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// What it should be: `a zoo`, `a fitted predictor` …
        expected: String,
        /// What it is.
        found: String,
    },
    /// What was given is sound, but there is not enough in it, or not what this needs.
    #[error("{what} cannot be used for this: expected {expected}, got {got}")]
    Unsuitable {
        /// A file, or a table in memory.
        what: String,
        /// What it must have.
        expected: String,
        /// What it has.
        got: String,
    },
    /// Files that must exist do not.
    #[error("{what} not found in {}: expected {expected}\n{hint}", .folder.display())]
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
    #[error("unknown {what} {got:?}{} (known: {})", suggestion(.got, .known), .known.join(", "))]
    Unknown {
        /// What kind of name: `data set`, `optimizer` …
        what: &'static str,
        /// The name given.
        got: String,
        /// Every name that would have done.
        known: Vec<String>,
    },
    /// A value outside what is allowed.
    #[error("invalid {what}: expected {expected}, got {got}")]
    Invalid {
        /// Whose value: `models`, `learning_rate` …
        what: String,
        /// What is allowed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// Two things that must agree do not, such as a zoo on disk and the recipe asked for.
    #[error("{} does not match: {field} is {got} in the file, {expected} was asked for", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The field that differs.
        field: String,
        /// What was asked for.
        expected: String,
        /// What the file has.
        got: String,
    },
    /// An answer is not what it must be: a fault of this program.
    #[error("{what} is wrong: expected {expected}, got {got}")]
    Wrong {
        /// What was computed.
        what: String,
        /// What it should have been.
        expected: String,
        /// What it was.
        got: String,
    },
    /// A GPU is not there, does not suffice, or failed.
    #[error("{device}: {problem}")]
    Device {
        /// What the driver calls it.
        device: String,
        /// What is the matter.
        problem: String,
    },
    /// Another process is writing the file.
    #[error("{} is being written by another process", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A file that is being written is no longer what its path names, or not all of it.
    #[error("{} was {what} by another program while it was being written", .path.display())]
    Disturbed {
        /// The file.
        path: PathBuf,
        /// `deleted`, `replaced` or `made shorter`.
        what: &'static str,
    },
    /// What is in an output's place is not replaced.
    #[error("{} is not replaced: it is {what}", .path.display())]
    Occupied {
        /// The output.
        path: PathBuf,
        /// What is there.
        what: String,
        /// Whether it would be if the caller said so.
        forcible: bool,
    },
    /// Stopped by the user; what was finished is saved.
    #[error("interrupted; what was finished is saved")]
    Interrupted,
    /// Stopped by the user before there was anything to keep.
    #[error("interrupted; nothing was written")]
    Cancelled,
}

impl Error {
    /// An [`Error::Io`] for `map_err`.
    pub fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { action, path, source }
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
