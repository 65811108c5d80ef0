//! MATLAB v5 files, as far as SVHN needs them: top-level numeric arrays by name, compressed or not, little-endian.
//!
//! After a header of 128 bytes a file is a row of elements, each a tag (type, size in bytes) and data padded to 8 bytes. A
//! matrix element holds flags, dimensions, name and values as elements of its own; a compressed element is a matrix element
//! deflated by zlib. An element of at most 4 bytes may lie inside its tag. Cells, structures and the like are stepped over,
//! never descended into, and no size is believed before it has been compared with what it must be.
//!
//! Source: MathWorks, «MAT-File Format», level 5.

use super::{MAX_BYTES, read_up_to};
use crate::{Error, Result};
use flate2::read::ZlibDecoder;
use std::fs::File;
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
pub fn read(path: &Path, wanted: &[&str]) -> Result<Vec<Array>> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io("open", path))?);
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
            COMPRESSED => compressed(path, ZlibDecoder::new(body), wanted)?,
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
