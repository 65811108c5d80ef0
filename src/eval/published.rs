//! The division of the released zoos that papers since 2023 use: NFN, Neural Graphs, ScaleGMN, ProbeGen.
//!
//! A file holds all row numbers of a released folder in random order. Of the rows that are a network's last checkpoint, in
//! that order, the second half is the test part; the first half is shuffled by Python's `random.Random(0)`, and of that four
//! fifths are the train part, the rest the validation part.
//!
//! The trap: pandas wrote a header, `0`, which those projects read as one more row. Row 0 then occurs twice, without harm as
//! long as row 0 is no last checkpoint; here the header is left out.

use super::Split;
use super::mersenne::Random;
use crate::rng::Stream;
use crate::{Error, Result, bytes};
use sha2::{Digest, Sha256};
use std::path::Path;

/// What random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"rows");

/// A published order of a folder's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedOrder {
    /// Where in the order each row is.
    place: Vec<u32>,
    /// Digest of the order: equal for two files that divide alike.
    pub digest: String,
}

impl PublishedOrder {
    /// Reads the order of `rows` rows, one number a line, with or without a header.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] where the file is no permutation of the row numbers.
    pub fn read(path: &Path, rows: u64) -> Result<PublishedOrder> {
        let text = bytes::text(path)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let wrong = |got: String| Error::malformed(path, format!("each row number below {rows} once, one a line"), got);
        let lines: Vec<&str> = text.lines().map(|line| line.trim().trim_matches('"')).collect();
        let lines = &lines[..lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1)];
        let header = match lines.len() as u64 {
            n if n == rows => 0,
            n if n.checked_sub(1) == Some(rows) => 1,
            n => return Err(wrong(format!("{n} lines (of another data set?)"))),
        };
        const NOWHERE: u32 = u32::MAX;
        let mut place = vec![NOWHERE; lines.len() - header];
        let mut digest = Sha256::new();
        for (number, line) in lines[header..].iter().enumerate() {
            let at = number + header + 1;
            let row: u32 = line.parse().map_err(|_| wrong(format!("{line:?} in line {at}")))?;
            match place.get_mut(row as usize) {
                Some(found) if *found == NOWHERE => *found = number as u32,
                Some(_) => return Err(wrong(format!("{row} a second time in line {at}"))),
                None => return Err(wrong(format!("{row} in line {at}"))),
            }
            digest.update(row.to_le_bytes());
        }
        let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PublishedOrder { place, digest })
    }

    /// An order of `rows` rows as the text of such a file, header included, so that those projects' programs divide a zoo of our own
    /// as [`PublishedOrder::split`] does.
    pub fn draw(rows: u32, seed: u64) -> String {
        let mut order: Vec<u32> = (0..rows).collect();
        Stream::new(seed, PURPOSE, 0).shuffle(&mut order);
        std::iter::once("0\n".into()).chain(order.iter().map(|row| format!("{row}\n"))).collect()
    }

    /// Divides table rows: `group` has the run of each, `finals` for each run the row of the folder that its last checkpoint
    /// was. Rows of runs without one are in no part.
    ///
    /// # Panics
    /// If a run's row is none of the order's.
    pub fn split(&self, finals: &[Option<u64>], group: &[u64]) -> Split {
        let ordered = finals.iter().zip(0..).filter_map(|(row, run)| Some((self.place[(*row)? as usize], run)));
        let mut ordered: Vec<(u32, u64)> = ordered.collect();
        ordered.sort_unstable();
        let half = ordered.len() / 2;
        Random::new(0).shuffle(&mut ordered[..half]);
        let train = (0.8 * half as f64) as usize;
        let mut part = vec![None; finals.len()];
        for (number, &(_, run)) in ordered.iter().enumerate() {
            part[run as usize] = Some(if number < train { 0 } else { 1 + usize::from(number >= half) });
        }
        let mut split = Split::default();
        for (row, &run) in group.iter().enumerate() {
            match part.get(run as usize).copied().flatten() {
                Some(0) => split.train.push(row),
                Some(1) => split.validation.push(row),
                Some(_) => split.test.push(row),
                None => {}
            }
        }
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, rows: u64) -> Result<PublishedOrder> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        std::fs::write(&path, text).unwrap();
        PublishedOrder::read(&path, rows)
    }

    #[test]
    fn it_divides_as_the_published_code_does() {
        // 20 runs of 2 rows, the second being the last checkpoint; the order counts down
        let order: Vec<String> = (0..40).rev().map(|row| row.to_string()).collect();
        let published = read(&format!("0\n{}\n", order.join("\n")), 40).unwrap();
        assert_eq!(published, read(&order.join("\r\n"), 40).unwrap());
        assert_eq!(published, read(&format!("\u{feff}{}", order.join("\n")), 40).unwrap());
        let finals: Vec<Option<u64>> = (0..20).map(|run| Some(2 * run + 1)).collect();
        let group: Vec<u64> = (0..20).collect();
        let split = published.split(&finals, &group);
        assert_eq!(split.test, (0..10).collect::<Vec<_>>());
        // random.Random(0) makes 7 8 1 5 3 4 2 0 9 6 of ten: the last two, counted down from 19, are for validation
        assert_eq!(split.validation, [10, 13]);
        assert_eq!(split.train, [11, 12, 14, 15, 16, 17, 18, 19]);
        let mut finals = finals;
        finals[3] = None;
        assert_eq!(published.split(&finals, &group[2..5]).test, [0, 2]);
        assert_eq!(published.split(&[], &group), Split::default());
    }

    #[test]
    fn the_released_sizes_come_out() {
        for (runs, sizes) in [(30_000, (12_000, 3_000, 15_000)), (29_988, (11_995, 2_999, 14_994))] {
            let place = (0..9 * runs).collect();
            let published = PublishedOrder { place, digest: String::new() };
            let finals: Vec<Option<u64>> = (0..u64::from(runs)).map(|run| Some(9 * run + 8)).collect();
            let group: Vec<u64> = (0..u64::from(runs)).collect();
            let split = published.split(&finals, &group);
            assert_eq!((split.train.len(), split.validation.len(), split.test.len()), sizes);
        }
    }

    #[test]
    fn other_files_are_refused() {
        for (text, says) in [
            ("0\n0\n1\n1\n", "1 a second time in line 4"),
            ("0\n0\n1\n", "0 a second time in line 2"),
            ("0\n1\n3\n", "3 in line 3"),
            ("a\n0\n1\nx\n", "\"x\" in line 4"),
            ("0\n1\n", "2 lines"),
            ("", "0 lines"),
        ] {
            let message = read(text, 3).unwrap_err().to_string();
            assert!(message.contains(says), "{text:?}: {message}");
        }
        assert!(read("0\n2\n0\n1\n\n", 3).is_ok());
    }
}
