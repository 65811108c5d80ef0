//! A study read back from its file: a header, then one entry a line.

use super::{Entry, Study};
use crate::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// The first line.
#[derive(Deserialize)]
struct Header {
    kind: String,
    program: String,
    command: String,
}

impl Study {
    /// Reads `results.jsonl`. A last line that is not whole, as an interrupted study leaves it, is passed over.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] with the number of a line that is none of a study.
    pub fn load(path: impl AsRef<Path>) -> Result<Study> {
        let path = path.as_ref();
        let bytes = crate::bytes::read(path)?;
        let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
        let wrong = |number: usize, error: String| Error::malformed(path, "a study", format!("line {number}: {error}"));
        let header = lines.first().copied().unwrap_or_default();
        let header: Header = serde_json::from_slice(header).map_err(|error| wrong(1, error.to_string()))?;
        if header.kind != "study" {
            return Err(wrong(1, format!("kind {:?}", header.kind)));
        }
        let mut study = Study { command: header.command, program: header.program, ..Study::default() };
        for (index, line) in lines.iter().enumerate().skip(1).filter(|(_, line)| !line.trim_ascii().is_empty()) {
            match serde_json::from_slice(line) {
                Ok(entry) => study.add(entry),
                Err(_) if index + 1 == lines.len() => {}
                Err(error) => return Err(wrong(index + 1, error.to_string())),
            }
        }
        Ok(study)
    }

    /// Adds an entry to those of its kind.
    pub fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Zoo(zoo) => self.zoos.push(zoo),
            Entry::Cell(cell) => self.cells.push(cell),
            Entry::Stopping(stopping) => self.stopping.push(stopping),
            Entry::Networks(networks) => self.networks.push(networks),
            Entry::Importance(importance) => self.importance.push(importance),
            Entry::Coverage(coverage) => self.coverage.push(coverage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Coverage;
    use super::*;

    const HEADER: &str = r#"{"kind":"study","program":"zoometry 0.1.0","command":"zoometry study a b"}"#;
    const ENTRY: &str =
        r#"{"kind":"coverage","zoo":"a","input":"wstats","level":0.9,"coverage":0.91,"reach":0.1,"n":10}"#;

    fn load(text: &str) -> Result<Study> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.jsonl");
        std::fs::write(&path, text).unwrap();
        Study::load(&path)
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_no_other() {
        let study = load(&format!("{HEADER}\n{ENTRY}\n{ENTRY}\n{}", &ENTRY[..40])).unwrap();
        assert_eq!((study.coverage.len(), study.command.as_str()), (2, "zoometry study a b"));
        let message = load(&format!("{HEADER}\n{}\n{ENTRY}\n", &ENTRY[..40])).unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
        for text in ["", "{}\n", ENTRY] {
            assert!(load(text).unwrap_err().to_string().contains("line 1"), "{text}");
        }
        assert_eq!(load(HEADER).unwrap().cells.len(), 0);
    }

    #[test]
    fn what_is_no_number_comes_back_as_nan() {
        let entry: Entry = serde_json::from_str(ENTRY).unwrap();
        let Entry::Coverage(coverage) = entry else { panic!("{entry:?}") };
        let text = serde_json::to_string(&Entry::Coverage(Coverage { reach: f64::INFINITY, ..coverage })).unwrap();
        assert!(load(&format!("{HEADER}\n{text}\n")).unwrap().coverage[0].reach.is_nan());
    }
}
