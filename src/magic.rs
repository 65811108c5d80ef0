//! What a file is by its first bytes, where it is not what was asked for.

/// What begins so, and what to do with it: `a PyTorch file (…)`.
pub fn recognise(start: &[u8]) -> Option<&'static str> {
    let text = start.trim_ascii_start().to_ascii_lowercase();
    let known: [(bool, &str); 10] = [
        (start.starts_with(b"version https://git-lfs"), "a git-lfs pointer (git lfs pull brings the file)"),
        (text.starts_with(b"<!doctype html") || text.starts_with(b"<html"), "an HTML page (a failed download?)"),
        (start.starts_with(b"PK\x03\x04"), "a zip archive, such as torch.save writes (safetensors.torch.save_file)"),
        (
            start.starts_with(b"\x80\x02") || start.starts_with(b"\x80\x04"),
            "a Python pickle (safetensors.torch.save_file)",
        ),
        (start.starts_with(b"\x93NUMPY"), "a NumPy array (.npy)"),
        (start.starts_with(b"\x1f\x8b"), "a gzip file (gunzip it)"),
        (start.starts_with(b"\x89HDF"), "an HDF5 file"),
        (start.starts_with(b"BZh") || start.starts_with(b"\xfd7zXZ"), "a compressed file (bzip2 or xz)"),
        (text.starts_with(b"<?xml") || text.starts_with(b"<svg"), "an XML file"),
        (start.get(8) == Some(&b'{') && start.get(4..8) == Some(&[0; 4]), "a safetensors file"),
    ];
    known.into_iter().find_map(|(is_it, name)| is_it.then_some(name))
}

/// [`recognise`], or the first bytes themselves.
pub fn describe(start: &[u8]) -> String {
    if start.is_empty() {
        return "an empty file".into();
    }
    let first = || format!("a file that begins with {:?}", String::from_utf8_lossy(&start[..start.len().min(16)]));
    recognise(start).map_or_else(first, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_files_are_recognised() {
        for (start, word) in [
            (&b"version https://git-lfs.github.com/spec/v1\n"[..], "git lfs pull"),
            (b"\n<!DOCTYPE html><html>", "HTML"),
            (b"PK\x03\x04\x14\x00", "torch.save"),
            (b"\x93NUMPY\x01\x00", "NumPy"),
            (b"\x1f\x8b\x08\x00", "gunzip"),
            (b"\x10\x01\x00\x00\x00\x00\x00\x00{\"a\"", "safetensors"),
            (b"hello", "begins with \"hello\""),
        ] {
            assert!(describe(start).contains(word), "{}", describe(start));
        }
    }
}
