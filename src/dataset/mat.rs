//! MATLAB v5 files, as far as SVHN needs them: top-level numeric arrays by name, compressed or not, little-endian.
//!
//! After a header of 128 bytes a file is a row of elements, each a tag (type, size in bytes) and data padded to 8 bytes. A
//! matrix element holds flags, dimensions, name and values as elements of its own; a compressed element is a matrix element
//! deflated by zlib. An element of at most 4 bytes may lie inside its tag. Cells, structures and the like are stepped over,
//! never descended into, and no size is believed before it has been compared with what it must be.
//!
//! Source: MathWorks, «MAT-File Format», level 5.

use super::{MAX_BYTES, read_up_to, unpacked};
use crate::{Error, Result};
use flate2::read::ZlibDecoder;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

const HEADER: u64 = 128;
const TAG: u64 = 8;
/// Element types (`mi…`) other than the numbers of [`item_size`].
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
/// Longest name and most dimensions taken; MATLAB itself allows 63 characters.
const MAX_NAME: u64 = 255;
const MAX_DIMS: u64 = 32;

/// A numeric array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Name of the variable.
    pub name: String,
    /// Sizes; the first runs fastest in `values` (column-major).
    pub dims: Vec<usize>,
    /// As many as the product of `dims`.
    pub values: Values,
}

/// Numbers as they are stored in the file, whatever the class of the array.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Stored as bytes.
    U8(Vec<u8>),
    /// Stored as any other type of number.
    F64(Vec<f64>),
}

/// Reads the arrays with the names `wanted`; others are not decoded. Names that the file does not have are left out.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] where it is no such file, or an array that is wanted is damaged.
pub fn read(path: &Path, wanted: &[&str]) -> Result<Vec<Array>> {
    let mut file = BufReader::new(crate::bytes::open(path)?);
    let length = file.get_ref().metadata().map_err(Error::io("read", path))?.len();
    check_header(path, &read_up_to(&mut file, HEADER, path)?)?;
    let (mut arrays, mut offset) = (Vec::new(), HEADER);
    while offset < length {
        file.seek(SeekFrom::Start(offset)).map_err(Error::io("read", path))?;
        let (kind, size) = top_tag(path, &mut file)?;
        let end = offset + TAG + size;
        if end > length {
            let expected = format!("an element of {size} bytes at {offset}");
            return Err(Error::malformed(path, expected, format!("a file of {length} bytes")));
        }
        let body = (&mut file).take(size);
        arrays.extend(match kind {
            MATRIX => Elements { path, reader: body }.matrix(wanted)?,
            COMPRESSED => compressed(path, ZlibDecoder::new(body).take(unpacked(size)), wanted)?,
            _ => {
                return Err(Error::malformed(
                    path,
                    "matrix or compressed elements",
                    format!("an element of type {kind}"),
                ));
            }
        });
        // compressed elements are not padded
        offset = if kind == MATRIX { end.next_multiple_of(8) } else { end };
    }
    Ok(arrays)
}

fn check_header(path: &Path, header: &[u8]) -> Result<()> {
    let refuse =
        |got: &str| Err(Error::malformed(path, "a MATLAB v5 file (saved with -v7 or -v6), little-endian", got));
    if header.starts_with(b"MATLAB 7.3") {
        return refuse("a MATLAB v7.3 file (HDF5)");
    }
    match header.get(124..128) {
        Some([_, 1, b'I', b'M']) => Ok(()),
        Some([1, _, b'M', b'I']) => refuse("a big-endian MATLAB v5 file"),
        Some(other) => refuse(&format!("version and byte order {other:02x?}")),
        None => refuse("a file without the header of 128 bytes"),
    }
}

/// Type and size of an element that is not allowed to lie inside its tag.
fn top_tag(path: &Path, reader: &mut impl Read) -> Result<(u32, u64)> {
    match read_up_to(reader, TAG, path)?[..] {
        [a, b, c, d, e, f, g, h] => Ok((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]).into())),
        ref cut => Err(Error::malformed(path, "the 8 bytes of a tag", format!("{}", cut.len()))),
    }
}

/// The matrix in a compressed element; what it inflates to is bounded by what a wanted matrix must have.
fn compressed(path: &Path, mut reader: impl Read, wanted: &[&str]) -> Result<Option<Array>> {
    match top_tag(path, &mut reader)? {
        (MATRIX, size) => Elements { path, reader: reader.take(size.next_multiple_of(8)) }.matrix(wanted),
        (kind, _) => {
            Err(Error::malformed(path, "a matrix in a compressed element", format!("an element of type {kind}")))
        }
    }
}

/// The elements inside a matrix, one after the other.
struct Elements<'a, R> {
    path: &'a Path,
    reader: R,
}

impl<R: Read> Elements<'_, R> {
    fn malformed<T>(&self, expected: impl Into<String>, got: impl Into<String>) -> Result<T> {
        Err(Error::malformed(self.path, expected, got))
    }

    /// The next element as type and data, its size being `allowed(type, size)`.
    fn next(&mut self, what: &str, allowed: impl Fn(u32, u64) -> bool) -> Result<(u32, Vec<u8>)> {
        let tag = read_up_to(&mut self.reader, TAG, self.path)?;
        let [a, b, c, d, ref rest @ ..] = tag[..] else {
            return self.malformed(what, "the end of the element");
        };
        let first = u32::from_le_bytes([a, b, c, d]);
        // a size in the upper half of the first word marks an element inside its tag
        let (kind, size, inside) = match (first >> 16, rest) {
            (0, &[e, f, g, h]) => (first, u64::from(u32::from_le_bytes([e, f, g, h])), false),
            (size @ 1..=4, rest) if rest.len() >= size as usize => (first & 0xffff, size.into(), true),
            _ => return self.malformed(what, format!("the tag {tag:02x?}")),
        };
        if !allowed(kind, size) {
            return self.malformed(what, format!("type {kind} with {size} bytes"));
        }
        if inside {
            return Ok((kind, rest[..size as usize].to_vec()));
        }
        let data = read_up_to(&mut self.reader, size, self.path)?;
        if data.len() as u64 != size {
            return self.malformed(what, format!("{} of {size} bytes", data.len()));
        }
        // the padding of the last element may be missing
        read_up_to(&mut self.reader, size.next_multiple_of(8) - size, self.path)?;
        Ok((kind, data))
    }

    /// Decodes a matrix of a wanted name.
    fn matrix(mut self, wanted: &[&str]) -> Result<Option<Array>> {
        let (_, flags) = self.next("the flags of a matrix", |kind, size| kind == UINT32 && size == 8)?;
        let (_, dims) = self.next("the sizes of a matrix", |kind, size| {
            kind == INT32 && size % 4 == 0 && (8..=4 * MAX_DIMS).contains(&size)
        })?;
        let (_, name) = self.next("the name of a matrix", |kind, size| kind == INT8 && size <= MAX_NAME)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if !wanted.contains(&name.as_str()) {
            return Ok(None);
        }
        let (class, complex) = (flags[0], flags[1] & 0x08 != 0);
        if !(6..=15).contains(&class) || complex {
            return self.malformed(format!("real numbers in {name}"), format!("class {class}, complex: {complex}"));
        }
        let dims: Vec<usize> = integers(&dims);
        let count = dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim as u64));
        let Some(count) = count.filter(|&count| count <= MAX_BYTES) else {
            return self.malformed(format!("at most {MAX_BYTES} values in {name}"), format!("sizes {dims:?}"));
        };
        let what = format!("{count} values in {name} (sizes {dims:?})");
        let (kind, data) = self.next(&what, |kind, size| {
            item_size(kind).is_some_and(|item| Some(size) == count.checked_mul(item) && size <= MAX_BYTES)
        })?;
        // reads on to the end, where zlib compares its checksum
        if !read_up_to(&mut self.reader, 1, self.path)?.is_empty() {
            return self.malformed(format!("nothing after the values of {name}"), "more bytes");
        }
        Ok(Some(Array { name, dims, values: values(kind, data) }))
    }
}

fn integers(bytes: &[u8]) -> Vec<usize> {
    // a negative size becomes a huge one, which is refused
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect()
}

/// Bytes of one number of an element type.
fn item_size(kind: u32) -> Option<u64> {
    match kind {
        1 | 2 => Some(1),
        3 | 4 => Some(2),
        5..=7 => Some(4),
        9 | 12 | 13 => Some(8),
        _ => None,
    }
}

fn values(kind: u32, data: Vec<u8>) -> Values {
    /// The numbers of one type.
    macro_rules! numbers {
        ($type:ty) => {
            data.chunks_exact(size_of::<$type>())
                .map(|bytes| <$type>::from_le_bytes(bytes.try_into().expect("a chunk of that size")) as f64)
                .collect()
        };
    }
    Values::F64(match kind {
        UINT8 => return Values::U8(data),
        INT8 => numbers!(i8),
        3 => numbers!(i16),
        4 => numbers!(u16),
        INT32 => numbers!(i32),
        UINT32 => numbers!(u32),
        7 => numbers!(f32),
        9 => numbers!(f64),
        12 => numbers!(i64),
        13 => numbers!(u64),
        _ => unreachable!("item_size knows these types only"),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::{Compression, write::ZlibEncoder};
    use proptest::prelude::*;
    use std::io::Write;
    use tempfile::TempDir;

    const PLAIN: &[u8] = include_bytes!("../../tests/data/scipy_plain.mat");
    const ZIPPED: &[u8] = include_bytes!("../../tests/data/scipy_compressed.mat");

    pub fn header() -> Vec<u8> {
        let mut bytes = vec![b' '; 124];
        bytes.extend([0, 1, b'I', b'M']);
        bytes
    }

    pub fn element(kind: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A matrix element; `kind` is the type of the numbers in `data`.
    pub fn matrix(name: &str, dims: &[u32], kind: u32, data: &[u8]) -> Vec<u8> {
        let dims: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        let parts = [(UINT32, &[9, 0, 0, 0, 0, 0, 0, 0][..]), (INT32, &dims), (INT8, name.as_bytes()), (kind, data)];
        element(MATRIX, &parts.map(|(kind, data)| element(kind, data)).concat())
    }

    pub fn zipped(matrix: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(matrix).unwrap();
        let data = encoder.finish().unwrap();
        [&COMPRESSED.to_le_bytes()[..], &(data.len() as u32).to_le_bytes(), &data].concat()
    }

    fn arrays(bytes: &[u8]) -> Result<Vec<Array>> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.mat");
        std::fs::write(&path, bytes).unwrap();
        read(&path, &["X", "y"])
    }

    #[track_caller]
    fn refused(elements: &[u8], reason: &str) {
        let message = arrays(&[&header(), elements].concat()).unwrap_err().to_string();
        assert!(message.contains("a.mat") && message.contains(reason), "{message}");
    }

    #[test]
    fn scipys_files_are_read_and_other_variables_stepped_over() {
        let (plain, zipped) = (arrays(PLAIN).unwrap(), arrays(ZIPPED).unwrap());
        let x: Vec<u8> = (0..2u8)
            .flat_map(|n| {
                (0..3).flat_map(move |k| (0..3).flat_map(move |c| (0..2).map(move |r| 100 * n + 10 * k + 3 * r + c)))
            })
            .collect();
        let x = Array { name: "X".into(), dims: vec![2, 3, 3, 2], values: Values::U8(x) };
        let y = |values| Array { name: "y".into(), dims: vec![2, 1], values };
        assert_eq!(plain, [x.clone(), y(Values::U8(vec![10, 3]))]);
        assert_eq!(zipped, [x, y(Values::F64(vec![10.0, 3.0]))]);
    }

    #[test]
    fn every_type_of_number_is_read() {
        let stored: [(u32, Vec<u8>, f64); 9] = [
            (1, (-3i8).to_le_bytes().into(), -3.0),
            (3, (-300i16).to_le_bytes().into(), -300.0),
            (4, 300u16.to_le_bytes().into(), 300.0),
            (5, (-70_000i32).to_le_bytes().into(), -70_000.0),
            (6, 70_000u32.to_le_bytes().into(), 70_000.0),
            (7, 0.5f32.to_le_bytes().into(), 0.5),
            (9, 0.1f64.to_le_bytes().into(), 0.1),
            (12, (-5i64).to_le_bytes().into(), -5.0),
            (13, 5u64.to_le_bytes().into(), 5.0),
        ];
        for (kind, bytes, expected) in stored {
            let read = arrays(&[header(), matrix("X", &[1, 1], kind, &bytes)].concat()).unwrap();
            assert_eq!(read[0].values, Values::F64(vec![expected]), "type {kind}");
        }
    }

    #[test]
    fn small_elements_lie_inside_their_tags() {
        // name and values of one byte each: size 1 in the upper half of the word
        let mut body = [element(UINT32, &[9, 0, 0, 0, 0, 0, 0, 0]), element(INT32, &[1, 0, 0, 0, 1, 0, 0, 0])].concat();
        body.extend([INT8 as u8, 0, 1, 0, b'y', 0, 0, 0]);
        body.extend([UINT8 as u8, 0, 1, 0, 7, 0, 0, 0]);
        let read = arrays(&[header(), element(MATRIX, &body)].concat()).unwrap();
        assert_eq!(read, [Array { name: "y".into(), dims: vec![1, 1], values: Values::U8(vec![7]) }]);
        body[32] = 99; // the name has a type that is none
        refused(&element(MATRIX, &body), "the name");
    }

    #[test]
    fn other_files_are_refused() {
        let mut bytes = header();
        bytes[124..].copy_from_slice(&[1, 0, b'M', b'I']);
        for (bytes, reason) in [
            (&bytes[..], "big-endian"),
            (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "HDF5"),
            (b"", "without the header"),
            (&[0; 200], "[00, 00, 00, 00]"),
        ] {
            let message = arrays(bytes).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
        assert_eq!(arrays(&header()).unwrap(), []);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let max = u32::MAX;
        refused(&matrix("X", &[max, max, max], UINT8, &[0; 8]), "at most 2147483648 values in X");
        refused(&matrix("X", &[max, max], 9, &[0; 8]), "at most");
        refused(&matrix("X", &[1 << 15, 1 << 15], UINT8, &[0; 8]), "1073741824 values in X (sizes [32768, 32768])");
        refused(&matrix("X", &[3, 3], UINT8, &[0; 8]), "got type 2 with 8 bytes");
        refused(&matrix("X", &[1 << 30, 1], 9, &[0; 8]), "got type 9");
        refused(&matrix("X", &[1; 40], UINT8, &[0]), "the sizes of a matrix");
        refused(&matrix(&"X".repeat(300), &[1, 1], UINT8, &[0]), "the name of a matrix");
        refused(
            &[&14u32.to_le_bytes()[..], &max.to_le_bytes(), &[0; 64]].concat(),
            "an element of 4294967295 bytes at 128",
        );
        refused(&[1, 2, 3], "8 bytes of a tag");
        refused(&element(9, &[0; 8]), "an element of type 9");
        // the values end inside the file but outside their matrix
        let mut lying = matrix("X", &[100, 1], UINT8, &[0; 100]);
        lying[4] = 80;
        refused(&lying, "100 values in X");
    }

    #[test]
    fn nesting_and_bombs_are_refused() {
        let good = matrix("X", &[2, 2], UINT8, &[1, 2, 3, 4]);
        assert_eq!(arrays(&[header(), zipped(&good)].concat()).unwrap().len(), 1);
        let nested = (0..50).fold(good.clone(), |inner, _| zipped(&inner));
        refused(&nested, "got an element of type 15");
        // four values are promised, 64 MB follow: inside the matrix and after it
        let mut bomb = good;
        bomb.resize(1 << 26, 0);
        assert!(
            arrays(&[header(), zipped(&bomb)].concat())
                .is_ok_and(|read| read[0].values == Values::U8(vec![1, 2, 3, 4]))
        );
        bomb[4..8].copy_from_slice(&((1u32 << 26) - 8).to_le_bytes());
        refused(&zipped(&bomb), "nothing after the values");
        // a cell that holds itself forever is never entered
        let cell = element(
            MATRIX,
            &[
                element(UINT32, &[1, 0, 0, 0, 0, 0, 0, 0]),
                element(INT32, &[1, 0, 0, 0, 1, 0, 0, 0]),
                element(INT8, b"X"),
                nested,
            ]
            .concat(),
        );
        refused(&cell, "class 1");
    }

    #[test]
    fn complex_numbers_and_a_damaged_checksum_are_refused() {
        let mut complex = matrix("X", &[1, 1], UINT8, &[1]);
        complex[17] = 0x08;
        refused(&complex, "complex: true");
        let mut damaged = zipped(&matrix("X", &[1, 1], UINT8, &[1]));
        *damaged.last_mut().unwrap() ^= 1;
        refused(&damaged, "cannot read");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Whatever is cut off or changed, there is an answer and no panic.
        #[test]
        fn damaged_files_never_panic(cut in 0usize..2000, at in 0usize..2000, value: u8, zipped: bool) {
            let mut bytes = if zipped { ZIPPED } else { PLAIN }.to_vec();
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len() - cut % (bytes.len() / 2));
            let _ = arrays(&bytes);
        }
    }
}
