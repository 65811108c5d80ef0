//! `NamedParts`: a division as a table of networks and their parts, as `zoometry split` writes it and other programs can too.

use super::Split;
use crate::table::Part;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// The columns that count, by their names.
pub const COLUMNS: [&str; 2] = ["run", "part"];

/// The part of each network, by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedParts {
    parts: BTreeMap<u64, Part>,
    /// Digest of the division: equal for two files that divide alike.
    pub digest: String,
}

impl NamedParts {
    /// Reads a CSV with columns `run` and `part` (train, validation or test); nothing where the file has no such columns.
    ///
    /// # Errors
    /// Those of [`crate::bytes::read`]; [`Error::Malformed`] with the number of the line.
    pub fn read(path: &Path) -> Result<Option<NamedParts>> {
        let bytes = crate::bytes::read(path)?;
        let mut reader = csv::Reader::from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
        let Ok(names) = reader.headers().cloned() else { return Ok(None) };
        let column = |name: &str| names.iter().position(|found| found.trim() == name);
        let [Some(run), Some(part)] = COLUMNS.map(column) else { return Ok(None) };
        let mut parts = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| Error::malformed(path, "a CSV table", error.to_string()))?;
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |expected: &str, got: &str| {
                Error::malformed(path, format!("{expected} in line {line}"), format!("{got:?}"))
            };
            let number: u64 = record[run].trim().parse().map_err(|_| wrong("a network's number", &record[run]))?;
            let named = Part::ALL[..3].iter().find(|known| known.name() == record[part].trim());
            let named = named.ok_or_else(|| wrong("train, validation or test", &record[part]))?;
            // in a table of several zoos a number may come more than once
            if parts.insert(number, *named).is_some_and(|other| other != *named) {
                return Err(wrong("each number in one part", &record[run]));
            }
        }
        let mut digest = Sha256::new();
        parts.iter().for_each(|(run, part)| digest.update(format!("{run},{part}\n")));
        let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(NamedParts { parts, digest }))
    }

    /// Divides table rows by their networks' numbers; those that the file does not name are in no part.
    pub fn split(&self, group: &[u64]) -> Split {
        let mut split = Split::default();
        for (row, run) in group.iter().enumerate() {
            match self.parts.get(run) {
                Some(Part::Train) => split.train.push(row),
                Some(Part::Validation) => split.validation.push(row),
                Some(Part::Test) => split.test.push(row),
                _ => {}
            }
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<NamedParts>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts.csv");
        std::fs::write(&path, text).unwrap();
        NamedParts::read(&path)
    }

    #[test]
    fn networks_are_in_the_parts_that_the_file_names() {
        let parts = read("part,x,run\r\ntrain,,7\r\ntest,,9\r\nvalidation,,3\r\n").unwrap().unwrap();
        let split = parts.split(&[9, 3, 7, 1, 9]);
        assert_eq!((split.train, split.validation, split.test), (vec![2], vec![1], vec![0, 4]));
        assert_eq!(read("\u{feff}run,part\n9,test\n3,validation\n7,train\n").unwrap().unwrap().digest, parts.digest);
    }

    #[test]
    fn other_files_are_none_and_wrong_lines_are_named() {
        assert_eq!(read("0\n1\n2\n").unwrap(), None);
        assert_eq!(read("").unwrap(), None);
        for (text, says) in [
            ("run,part\n1,trian\n", "train, validation or test in line 2, got \"trian\""),
            ("run,part\n1,train\n1,test\n", "each number in one part in line 3"),
            ("run,part\n-1,train\n", "a network's number in line 2"),
            ("run,part\n1\n", "CSV"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
