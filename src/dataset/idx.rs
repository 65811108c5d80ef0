//! IDX files, raw or gzip: MNIST, Fashion-MNIST, KMNIST, EMNIST and whoever writes the same.
//!
//! A file is a magic number (two zero bytes, the element type, the number of dimensions), one big-endian `u32` for each
//! dimension, then the elements; images are `u8` N·H·W, labels `u8` N. EMNIST stores its images transposed: they are taken
//! as they are. Where the smallest label of both parts together is 1 (EMNIST letters: 1 to 26), label 1 becomes class 0; see
//! `count_classes`.
//!
//! Source: Y. LeCun, C. Cortes, C. Burges, «The MNIST database», section on the file format.

use super::{Decoded, MAX_BYTES, read_up_to, unpacked};
use crate::out::FileKind;
use crate::{Error, Result};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The element type `u8`, the only one these data sets use.
const UBYTE: u8 = 0x08;

/// The four files of a data set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Files {
    pub train_images: PathBuf,
    pub train_labels: PathBuf,
    pub test_images: PathBuf,
    pub test_labels: PathBuf,
}

/// Reads both parts.
pub(super) fn read(files: &Files) -> Result<(Decoded, Decoded)> {
    let (train, test) = crate::par::join(
        || part(&files.train_images, &files.train_labels),
        || part(&files.test_images, &files.test_labels),
    );
    Ok((train?, test?))
}

/// The number of classes of a set that does not say: its largest label and 0, or, where labels begin at 1, as many as the
/// largest label says; then every label is lowered by one.
pub(super) fn count_classes(train: &mut [u8], test: &mut [u8]) -> usize {
    if train.iter().chain(&*test).min() == Some(&1) {
        train.iter_mut().chain(&mut *test).for_each(|label| *label -= 1);
    }
    train.iter().chain(&*test).max().map_or(0, |&label| usize::from(label) + 1)
}

fn part(images: &Path, labels: &Path) -> Result<Decoded> {
    let (dims, pixels) = array::<3>(images)?;
    let ([n], labels_read) = array::<1>(labels)?;
    if n != dims[0] {
        return Err(Error::malformed(labels, format!("{} labels, one for each image", dims[0]), format!("{n}")));
    }
    Ok(Decoded { pixels, labels: labels_read, channels: 1, height: dims[1], width: dims[2] })
}

/// Reads a `u8` array of `D` dimensions, none of them 0, from a raw or a gzip file.
fn array<const D: usize>(path: &Path) -> Result<([usize; D], Vec<u8>)> {
    let (reader, zipped) = crate::bytes::unpacked(path)?;
    let length = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    elements(path, reader, if zipped { unpacked(length) } else { length })
}

/// `available`: the bytes that `reader` can give at most.
fn elements<const D: usize>(path: &Path, mut reader: impl Read, available: u64) -> Result<([usize; D], Vec<u8>)> {
    let header = read_up_to(&mut reader, 4 + 4 * D as u64, path)?;
    let dims = dimensions(path, &header)?;
    let too_large = || Error::malformed(path, format!("at most {MAX_BYTES} elements"), format!("sizes {dims:?}"));
    let size = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64)).ok_or_else(too_large)?;
    if size == 0 {
        return Err(Error::malformed(path, "at least one element", format!("sizes {dims:?}")));
    }
    if size > MAX_BYTES {
        return Err(too_large());
    }
    let expected = format!("{size} elements (sizes {dims:?})");
    if size > available {
        return Err(Error::malformed(path, expected, format!("a file too short for them ({available} bytes at most)")));
    }
    // one byte more than promised shows that something follows, however much it is
    let elements = read_up_to(reader, size + 1, path)?;
    match elements.len() as u64 {
        got if got == size => Ok((dims, elements)),
        got if got < size => Err(Error::malformed(path, expected, format!("{got}"))),
        _ => Err(Error::malformed(path, expected, "more bytes after them")),
    }
}

fn dimensions<const D: usize>(path: &Path, header: &[u8]) -> Result<[usize; D]> {
    let magic = [0, 0, UBYTE, D as u8];
    if header.len() < 4 || header[..4] != magic {
        let expected = format!("an IDX file of unsigned bytes with {D} dimensions (magic {magic:02x?})");
        let found = match FileKind::of(path) {
            FileKind::Other("another file" | "another text") => {
                format!("one that begins with {:02x?}", &header[..header.len().min(4)])
            }
            known => known.to_string(),
        };
        return Err(Error::other_kind(path, expected, found));
    }
    let words = header[4..].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let dims: Vec<usize> = words.collect();
    let missing = |_| Error::malformed(path, format!("{D} sizes after the magic number"), "a file that ends before");
    dims.try_into().map_err(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use tempfile::TempDir;

    fn idx(dims: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, UBYTE, dims.len() as u8];
        dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
        bytes.extend(elements);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads `bytes` as a file of that name with three dimensions.
    fn images(name: &str, bytes: &[u8]) -> Result<([usize; 3], Vec<u8>)> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        array::<3>(&path)
    }

    #[track_caller]
    fn refused(name: &str, bytes: &[u8], reason: &str) {
        let message = images(name, bytes).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(reason), "{message}");
    }

    fn set(train: (&[u32], &[u8], &[u8]), test: (&[u32], &[u8], &[u8])) -> (TempDir, Files) {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, bytes: Vec<u8>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let files = Files {
            train_images: write("train-images-idx3-ubyte.gz", gzip(&idx(train.0, train.1))),
            train_labels: write("train-labels-idx1-ubyte", idx(&[train.2.len() as u32], train.2)),
            test_images: write("t10k-images-idx3-ubyte", idx(test.0, test.1)),
            test_labels: write("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[test.2.len() as u32], test.2))),
        };
        (folder, files)
    }

    #[test]
    fn raw_and_gzip_give_the_same() {
        let pixels: Vec<u8> = (0..24).collect();
        let raw = idx(&[2, 3, 4], &pixels);
        assert_eq!(images("a", &raw).unwrap(), ([2, 3, 4], pixels.clone()));
        let zipped = gzip(&raw);
        for name in ["a.gz", "gzip-without-its-name"] {
            assert_eq!(images(name, &zipped).unwrap(), ([2, 3, 4], pixels.clone()));
        }
        assert_eq!(images("unpacked.gz", &raw).unwrap(), ([2, 3, 4], pixels.clone()));
        let members = [gzip(&raw[..9]), gzip(&raw[9..])].concat();
        assert_eq!(images("a.gz", &members).unwrap(), ([2, 3, 4], pixels));
        refused("a.gz", b"<!DOCTYPE html><p>not found", "an HTML page");
    }

    #[test]
    fn both_parts_of_a_set_are_read() {
        let (_folder, files) = set((&[2, 1, 2], &[1, 2, 3, 4], &[1, 26]), (&[1, 1, 2], &[5, 6], &[2]));
        let (train, test) = read(&files).unwrap();
        assert_eq!((train.pixels, train.labels), (vec![1, 2, 3, 4], vec![1, 26]));
        assert_eq!((test.pixels, test.labels), (vec![5, 6], vec![2]));
    }

    #[test]
    fn labels_from_one_are_lowered() {
        let count = |train: &[u8], test: &[u8]| {
            let (mut train, mut test) = (train.to_vec(), test.to_vec());
            (count_classes(&mut train, &mut test), train, test)
        };
        assert_eq!(count(&[1, 26], &[2]), (26, vec![0, 25], vec![1]));
        // a 0 in either part means that labels begin at 0
        assert_eq!(count(&[1, 2], &[0]), (3, vec![1, 2], vec![0]));
        assert_eq!(count(&[255], &[3]), (256, vec![255], vec![3]));
    }

    #[test]
    fn parts_that_disagree_are_refused() {
        let (_folder, files) = set((&[2, 1, 2], &[1, 2, 3, 4], &[1]), (&[1, 1, 2], &[5, 6], &[2]));
        let message = read(&files).unwrap_err().to_string();
        assert!(
            message.contains("train-labels") && message.contains("2 labels, one for each image, got 1"),
            "{message}"
        );
    }

    #[test]
    fn wrong_magic_is_refused() {
        refused("a", b"", "magic");
        refused("a", b"\x00\x00", "magic");
        refused("a", b"GIF89a..............", "[47, 49, 46, 38]");
        refused("a", &idx(&[2], &[1, 2]), "3 dimensions");
        let mut floats = idx(&[1, 1, 1], &[0; 4]);
        floats[2] = 0x0d;
        refused("a", &floats, "unsigned bytes");
    }

    #[test]
    fn truncation_is_refused_at_every_length() {
        let (raw, zipped) = (idx(&[2, 2, 2], &[7; 8]), gzip(&idx(&[2, 2, 2], &[7; 8])));
        (0..raw.len()).for_each(|n| assert!(images("a", &raw[..n]).is_err(), "{n} bytes"));
        (0..zipped.len()).for_each(|n| assert!(images("a.gz", &zipped[..n]).is_err(), "{n} bytes"));
        refused("a", &raw[..20], "8 elements (sizes [2, 2, 2])");
        refused("a", &raw[..10], "3 sizes");
    }

    #[test]
    fn oversized_and_empty_headers_are_refused() {
        let max = u32::MAX;
        for dims in [[max, max, max], [max, 1, 1], [max, 28, 28], [1 << 16, 1 << 16, 1]] {
            refused("a", &idx(&dims, &[0; 100]), "at most");
            refused("a.gz", &gzip(&idx(&dims, &[0; 100])), "at most");
        }
        refused("a.gz", &gzip(&idx(&[1 << 20, 28, 28], &[0; 100])), "too short");
        // 100 MB of zeros in 0.1 MB
        refused("a.gz", &gzip(&idx(&[100, 1000, 1000], &vec![0; 100_000_000])), "too short");
        for dims in [[0, 28, 28], [1, 0, 28], [max, max, 0]] {
            refused("a", &idx(&dims, &[]), "at least one");
        }
    }

    #[test]
    fn what_follows_the_elements_is_refused_without_reading_it() {
        refused("a", &idx(&[1, 2, 2], &[0; 5]), "more bytes");
        // a bomb: four pixels are promised, 64 MB follow
        refused("a.gz", &gzip(&idx(&[1, 2, 2], &vec![0; 1 << 26])), "more bytes");
    }

    #[test]
    fn a_damaged_gzip_file_is_refused() {
        let mut zipped = gzip(&idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
        let checksum = zipped.len() - 8;
        zipped[checksum] ^= 1;
        refused("a.gz", &zipped, "corrupt gzip");
        let mut followed = gzip(&idx(&[1, 1, 1], &[0]));
        followed.extend([0; 512]);
        assert!(images("a.gz", &followed).is_ok(), "zeros behind the last member");
        followed.push(1);
        refused("a.gz", &followed, "no gzip");
    }

    #[test]
    fn a_folder_or_nothing_in_the_place_of_a_file_is_refused() {
        let folder = TempDir::new().unwrap();
        let message = array::<1>(folder.path()).unwrap_err().to_string();
        assert!(message.contains("is a folder, not a file"), "{message}");
        let message = array::<1>(&folder.path().join("none")).unwrap_err().to_string();
        assert!(message.contains("cannot open") && message.contains("none"), "{message}");
    }
}
