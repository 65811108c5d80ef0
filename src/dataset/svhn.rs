//! SVHN, cropped digits: `X` of H×W×3×N pixels and `y` of N labels in a MATLAB file; label 10 is the digit 0.
//!
//! Source: Netzer et al., «Reading digits in natural images with unsupervised feature learning», 2011; format 2.

use super::mat::{self, Array, Values};
use super::{Decoded, check_labels};
use crate::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// Classes of the set.
pub const CLASSES: usize = 10;

/// Reads one part.
pub(super) fn read(path: &Path) -> Result<Decoded> {
    let mut arrays = mat::read(path, &["X", "y"])?;
    let mut take = |name: &str| match arrays.iter().position(|array| array.name == name) {
        Some(index) => Ok(arrays.swap_remove(index)),
        None => Err(Error::malformed(path, format!("an array {name}"), "a file without it")),
    };
    let (x, y) = (take("X")?, take("y")?);
    let [height, width, channels, n] = sizes(path, &x)?;
    let mut labels = bytes(path, y)?;
    if labels.len() != n {
        return Err(Error::malformed(path, format!("{n} labels in y, one for each image"), labels.len().to_string()));
    }
    check_labels(path, &labels, CLASSES + 1)?;
    labels.iter_mut().filter(|label| **label == 10).for_each(|label| *label = 0);
    let pixels = row_major(&bytes(path, x)?, height, width);
    Ok(Decoded { pixels, labels, channels, height, width })
}

/// H, W, C and N of `X`; MATLAB drops a last size of 1.
fn sizes(path: &Path, x: &Array) -> Result<[usize; 4]> {
    match x.dims[..] {
        _ if x.dims.contains(&0) => {
            Err(Error::malformed(path, "at least one image in X", format!("sizes {:?}", x.dims)))
        }
        [height, width, channels @ 3, n] => Ok([height, width, channels, n]),
        [height, width, channels @ 3] => Ok([height, width, channels, 1]),
        _ => Err(Error::malformed(path, "height × width × 3 × images in X", format!("sizes {:?}", x.dims))),
    }
}

/// The values as bytes, whatever type they are stored in.
fn bytes(path: &Path, array: Array) -> Result<Vec<u8>> {
    let byte = |value: f64| (value.fract() == 0.0 && (0.0..=255.0).contains(&value)).then_some(value as u8);
    match array.values {
        Values::U8(values) => Ok(values),
        Values::F64(values) => match values.iter().find(|&&value| byte(value).is_none()) {
            None => Ok(values.into_iter().filter_map(byte).collect()),
            Some(value) => {
                Err(Error::malformed(path, format!("integers from 0 to 255 in {}", array.name), value.to_string()))
            }
        },
    }
}

/// Turns planes that run down the columns into planes that run along the rows.
fn row_major(columns: &[u8], height: usize, width: usize) -> Vec<u8> {
    let size = height * width;
    let mut rows = vec![0; columns.len()];
    rows.par_chunks_mut(size).zip(columns.par_chunks(size)).with_min_len(256).for_each(|(rows, columns)| {
        for (r, row) in rows.chunks_exact_mut(width).enumerate() {
            row.iter_mut().enumerate().for_each(|(c, pixel)| *pixel = columns[c * height + r]);
        }
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::super::mat::tests::{header, matrix, zipped};
    use super::*;
    use tempfile::TempDir;

    const UINT8: u32 = 2;
    const DOUBLE: u32 = 9;

    fn part(elements: &[&[u8]]) -> Result<Decoded> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("train_32x32.mat");
        std::fs::write(&path, [&header()[..], &elements.concat()].concat()).unwrap();
        read(&path)
    }

    #[track_caller]
    fn refused(elements: &[&[u8]], reason: &str) {
        let message = part(elements).unwrap_err().to_string();
        assert!(message.contains("train_32x32.mat") && message.contains(reason), "{message}");
    }

    #[test]
    fn scipys_files_become_row_major_planes() {
        for bytes in [
            &include_bytes!("../../tests/data/scipy_plain.mat")[..],
            include_bytes!("../../tests/data/scipy_compressed.mat"),
        ] {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("train_32x32.mat");
            std::fs::write(&path, bytes).unwrap();
            let decoded = read(&path).unwrap();
            // the value of image n, channel k, row r, column c is 100 n + 10 k + 3 r + c; label 10 is the digit 0
            let pixels: Vec<u8> =
                (0..2u8).flat_map(|n| (0..3).flat_map(move |k| (0..6).map(move |i| 100 * n + 10 * k + i))).collect();
            let expected = Decoded { pixels, labels: vec![0, 3], channels: 3, height: 2, width: 3 };
            assert_eq!(decoded, expected);
        }
    }

    #[test]
    fn one_image_and_labels_of_any_type_will_do() {
        let x = matrix("X", &[32, 32, 3], UINT8, &[5; 3072]);
        let y = matrix("y", &[1, 1], DOUBLE, &9f64.to_le_bytes());
        let decoded = part(&[&zipped(&y), &x]).unwrap();
        assert_eq!((decoded.labels, decoded.pixels), (vec![9], vec![5; 3072]));
    }

    #[test]
    fn wrong_arrays_are_refused() {
        let x = matrix("X", &[1, 2, 3, 2], UINT8, &[0; 12]);
        let y = |labels: &[u8]| matrix("y", &[labels.len() as u32, 1], UINT8, labels);
        refused(&[&x], "expected an array y");
        refused(&[&y(&[1, 2])], "expected an array X");
        refused(&[&x, &y(&[1])], "2 labels in y, one for each image, got 1");
        refused(&[&x, &y(&[1, 11])], "labels 0 to 10, got 11 for image 1");
        refused(&[&x, &matrix("y", &[2, 1], DOUBLE, &[1f64.to_le_bytes(), 1.5f64.to_le_bytes()].concat())], "got 1.5");
        refused(
            &[&x, &matrix("y", &[2, 1], DOUBLE, &[1f64.to_le_bytes(), f64::NAN.to_le_bytes()].concat())],
            "got NaN",
        );
        refused(&[&matrix("X", &[2, 6], UINT8, &[0; 12]), &y(&[1, 1])], "height × width × 3 × images");
        refused(&[&matrix("X", &[1, 2, 3, 0], UINT8, &[]), &y(&[])], "at least one image");
    }
}
