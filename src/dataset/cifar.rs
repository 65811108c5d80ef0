//! CIFAR-10 in its binary version: batches of records of one label byte and 3,072 pixel bytes, the red, green and blue planes
//! of a 32×32 image.
//!
//! Source: A. Krizhevsky, «The CIFAR-10 dataset», section «binary version».

use super::{Decoded, MAX_BYTES, check_labels, read_up_to};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Classes of the set.
pub const CLASSES: usize = 10;
/// Training batches of the published set.
pub const BATCHES: usize = 5;
const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PIXELS: usize = CHANNELS * SIDE * SIDE;
const RECORD: usize = 1 + PIXELS;

/// Reads batches into one part, in the order given.
pub(super) fn read(batches: &[PathBuf]) -> Result<Decoded> {
    let batches: Vec<Vec<u8>> = batches.par_iter().map(|path| batch(path)).collect::<Result<_>>()?;
    let records = || batches.iter().flat_map(|batch| batch.chunks_exact(RECORD));
    let labels: Vec<u8> = records().map(|record| record[0]).collect();
    let mut pixels = Vec::with_capacity(labels.len() * PIXELS);
    records().for_each(|record| pixels.extend_from_slice(&record[1..]));
    Ok(Decoded { pixels, labels, channels: CHANNELS, height: SIDE, width: SIDE })
}

/// The bytes of one batch: whole records with labels in range, at least one.
fn batch(path: &Path) -> Result<Vec<u8>> {
    let file = crate::bytes::open(path)?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let bytes = read_up_to(file, length.min(MAX_BYTES), path)?;
    if bytes.is_empty() || bytes.len() % RECORD != 0 {
        let got = format!("{} bytes", bytes.len());
        return Err(Error::malformed(path, format!("one or more records of {RECORD} bytes"), got));
    }
    let labels: Vec<u8> = bytes.iter().step_by(RECORD).copied().collect();
    check_labels(path, &labels, CLASSES)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn record(label: u8, fill: impl Fn(usize) -> u8) -> Vec<u8> {
        [label].into_iter().chain((0..PIXELS).map(fill)).collect()
    }

    /// Reads batches of those bytes.
    fn batches(contents: &[&[u8]]) -> Result<Decoded> {
        let folder = TempDir::new().unwrap();
        let write = |(number, bytes): (usize, &&[u8])| {
            let path = folder.path().join(format!("data_batch_{}.bin", number + 1));
            std::fs::write(&path, bytes).unwrap();
            path
        };
        read(&contents.iter().enumerate().map(write).collect::<Vec<_>>())
    }

    #[test]
    fn records_become_planes_in_order() {
        let (a, b, c) = (record(3, |p| (p / 1024) as u8), record(9, |p| (p % 251) as u8), record(0, |_| 255));
        let read = batches(&[&[a.clone(), b.clone()].concat(), &c]).unwrap();
        assert_eq!(read.labels, [3, 9, 0]);
        assert_eq!(read.pixels, [&a[1..], &b[1..], &c[1..]].concat());
        assert_eq!((read.channels, read.height, read.width), (3, 32, 32));
    }

    #[test]
    fn broken_batches_are_refused() {
        let good = record(1, |_| 0);
        for (bytes, reason) in [
            (vec![], "got 0 bytes"),
            (good[..RECORD - 1].to_vec(), "got 3072 bytes"),
            ([&good[..], &[1]].concat(), "got 3074 bytes"),
            ([good.clone(), record(10, |_| 0)].concat(), "labels 0 to 9, got 10 for image 1"),
        ] {
            let message = batches(&[&good, &bytes]).unwrap_err().to_string();
            assert!(message.contains("data_batch_2.bin") && message.contains(reason), "{message}");
        }
        let message = read(&[PathBuf::from("/none/data_batch_1.bin")]).unwrap_err().to_string();
        assert!(message.contains("cannot open /none/data_batch_1.bin"), "{message}");
    }
}
