//! Files that a command line names: one, several, or a pattern with `*` and `?` in its last part, for where no shell is.

use std::path::{Path, PathBuf};
use zoometry::zoo::Zoo;
use zoometry::{Error, Result, bytes};

/// What is said of arguments that take several files.
pub const SEVERAL: &str = "\
The zoo file. Several are read as one: shards of one zoo keep their networks' numbers, zoos of other seeds are more networks of
the same recipe, numbered on. A name in quotes may have * and ? in its last part";

/// Opens the files as one zoo.
pub fn zoo(words: &[PathBuf]) -> Result<Zoo> {
    Zoo::open_all(expand(words)?)
}

/// The zoos that files are of, each with its files: one where all can be read as one zoo, else those that are shards of one zoo
/// together and any other for itself.
///
/// # Errors
/// Those of [`Zoo::open`].
pub fn groups(words: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
    let files = expand(words)?;
    match Zoo::open_all(&files) {
        Err(Error::Mismatch { .. }) => zoometry::zoo::of_one_zoo(&files),
        outcome => outcome.map(|_| vec![files]),
    }
}

/// The file of an output that may go to stdout too, as nothing or `-` says.
pub fn unless_stream(out: &Option<PathBuf>) -> Option<&PathBuf> {
    out.as_ref().filter(|path| **path != Path::new("-"))
}

/// How files are called in a line.
pub fn shown(words: &[PathBuf]) -> String {
    match words {
        [] => String::new(),
        [one] => one.display().to_string(),
        [first, others @ ..] => format!("{} and {} more", first.display(), others.len()),
    }
}

/// The files that words name, those of a pattern in the order of their names.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be read; [`Error::Malformed`] for a pattern that no file has.
pub fn expand(words: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for word in words {
        bytes::no_stream(word)?;
        let pattern = word.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if word.exists() || !pattern.contains(['*', '?']) {
            files.push(word.clone());
            continue;
        }
        let folder = word.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let hidden = pattern.starts_with('.');
        let fits = |name: &String| name.starts_with('.') == hidden && matches(pattern.as_bytes(), name.as_bytes());
        let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).filter(fits).collect();
        if names.is_empty() {
            let reason = format!("{} has no file of that name", folder.display());
            return Err(Error::io("find", word)(std::io::Error::new(std::io::ErrorKind::NotFound, reason)));
        }
        names.sort_unstable();
        files.extend(names.into_iter().map(|name| word.with_file_name(name)));
    }
    Ok(files)
}

/// Whether a name fits a pattern in which `*` stands for any text and `?` for any byte.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // after the last star: where to go on in the pattern, and how much of the name the star has taken
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, seen));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((after, taken)) => {
                    star = Some((after, taken + 1));
                    (at, seen) = (after, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, fits) in [
            ("zoo-*.safetensors", "zoo-00001-of-00004.safetensors", true),
            ("zoo-*-of-00004.*", "zoo-00001-of-00004.safetensors", true),
            ("zoo-*-of-00004.*", "zoo-00001-of-00008.safetensors", false),
            ("*", "", true),
            ("a?c*", "abc", true),
            ("a?c", "ac", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "abaab", true),
            ("*ab?", "abab", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_become_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.zoo", "a.zoo", ".c.zoo", "d.txt", "star*"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert_eq!(expand(&[at("d.txt"), at("*.zoo")]).unwrap(), [at("d.txt"), at("a.zoo"), at("b.zoo")]);
        assert_eq!(expand(&[at("star*"), at("none")]).unwrap(), [at("star*"), at("none")]);
        assert!(expand(&[at("*.csv")]).unwrap_err().to_string().contains("*.csv"));
    }
}
