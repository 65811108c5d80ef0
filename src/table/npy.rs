//! Tables from `.npy` files.

use super::{Table, narrow, origin};
use crate::out::{ArrayPath, replace_array};
use crate::{Error, Result, magic};
use npyz::{DType, NpyHeader, Order, WriterBuilder};
use std::path::Path;

/// Reads features and targets: `x` rows × columns and `y` with one value a row, numbers of any type and order, kept as f32
/// (integers beyond 2²⁴ are rounded, true is 1; what falls together by that is a caveat of the table's origin). Columns are called `x0`, `x1` …, each row is a group of its own.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] for files that are no such arrays, are cut short, or do not belong together.
pub fn load(x: &Path, y: &Path) -> Result<Table> {
    let (shape, values, lost_x) = array(x, |column| format!("x{column}"))?;
    let &[rows, width] = shape.as_slice() else {
        return Err(Error::malformed(x, "an array of rows × columns", format!("shape {shape:?}")));
    };
    let (targets, lost_y) = vector(y, rows, x)?;
    let columns = (0..width).map(|column| format!("x{column}")).collect();
    let mut table = Table { columns, x: values, y: targets, group: (0..rows as u64).collect(), ..Table::default() };
    let caveats = [lost_x, lost_y, narrow::drowned(&table)].into_iter().flatten().collect::<Vec<String>>().join("; ");
    table.origin.about.extend(Some((origin::CAVEATS.to_owned(), caveats)).filter(|(_, caveats)| !caveats.is_empty()));
    Ok(table)
}

/// Shape and element type of an array, `f32` for instance.
///
/// # Errors
/// Those of [`load`].
pub fn shape(path: &Path) -> Result<(Vec<usize>, String)> {
    let bytes = crate::bytes::read(path)?;
    let header = Header::parse(path, &bytes, bytes.len() as u64)?;
    let Element { kind, bytes, .. } = header.element;
    Ok((header.shape, format!("{}{}", char::from(kind), 8 * bytes)))
}

/// Reads the targets of the `rows` rows of a table `of`.
///
/// # Errors
/// Those of [`load`].
pub fn targets(y: &Path, rows: usize, of: &Path) -> Result<Vec<f32>> {
    vector(y, rows, of).map(|(targets, _)| targets)
}

fn vector(y: &Path, rows: usize, of: &Path) -> Result<(Vec<f32>, Option<String>)> {
    let (shape, targets, lost) = array(y, |_| "y".into())?;
    if !matches!(shape.as_slice(), [n] | [n, 1] if *n == rows) {
        let expected = format!("one target for each of the {rows} rows of {}", of.display());
        return Err(Error::malformed(y, expected, format!("shape {shape:?}")));
    }
    match targets.iter().position(|target| !target.is_finite()) {
        Some(row) => Err(Error::malformed(y, "finite targets", format!("{} in row {row}", targets[row]))),
        None => Ok((targets, lost)),
    }
}

/// Writes numbers as rows of the columns, f64 in C order, and the columns' names.
///
/// # Errors
/// Those of [`replace_array`].
pub fn save(out: &ArrayPath, columns: &[String], values: &[f64]) -> Result<()> {
    let shape = [(values.len() / columns.len().max(1)) as u64, columns.len() as u64];
    replace_array(out, columns, |file| {
        let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        npy.extend(values.iter().copied())?;
        npy.finish()
    })
}

/// An array's shape, its values in C order, and what f32 loses of them.
fn array(path: &Path, name: impl Fn(usize) -> String) -> Result<(Vec<usize>, Vec<f32>, Option<String>)> {
    let bytes = crate::bytes::read(path)?;
    let header = Header::parse(path, &bytes, bytes.len() as u64)?;
    let mut values = Vec::with_capacity(header.elements());
    let elements = &bytes[header.data..header.data + header.elements() * header.element.bytes()];
    header.element.decode(elements, &mut values);
    if header.fortran {
        values = transposed(&header.shape, &values);
    }
    let lost = if header.element.inexact(elements) > 0 { header.collisions(elements, name) } else { None };
    Ok((header.shape, values, lost))
}

/// Values in Fortran order, the first axis fastest, in C order.
fn transposed(shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mut place = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let at = place.iter().zip(shape).rev().fold(0, |at, (&k, &size)| at * size + k);
        ordered.push(values[at]);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            if place[axis] < shape[axis] {
                break;
            }
            place[axis] = 0;
        }
    }
    ordered
}

/// What an element is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    /// Truth value, signed or unsigned integer, or floating point: `b`, `i`, `u`, `f`.
    kind: u8,
    bytes: usize,
    big_endian: bool,
}

impl Element {
    /// The element of a type string such as `<f8`.
    fn parse(text: &str) -> Option<Element> {
        let (order, rest) = text.split_at_checked(1)?;
        let (kind, bytes) = (*rest.as_bytes().first()?, rest.get(1..)?.parse().ok()?);
        let known = match kind {
            b'b' => bytes == 1,
            b'i' | b'u' => matches!(bytes, 1 | 2 | 4 | 8),
            b'f' => matches!(bytes, 2 | 4 | 8),
            _ => false,
        };
        known.then_some(Element { kind, bytes, big_endian: order == ">" })
    }

    /// Whether it is floating point.
    pub(crate) fn is_float(self) -> bool {
        self.kind == b'f'
    }

    /// Size of an element.
    pub(crate) fn bytes(self) -> usize {
        self.bytes
    }

    /// So many elements of `bytes` from one on, every so many, as f64.
    pub(super) fn wide(self, bytes: &[u8], first: usize, step: usize, count: usize) -> impl Iterator<Item = f64> {
        (0..count).map(move |k| {
            let mut eight = [0; 8];
            let element = &mut eight[..self.bytes];
            element.copy_from_slice(&bytes[(first + k * step) * self.bytes..][..self.bytes]);
            if self.big_endian {
                element.reverse();
            }
            let (bits, unused) = (u64::from_le_bytes(eight), 64 - 8 * self.bytes);
            match self.kind {
                b'f' => f64::from_bits(bits),
                b'i' => ((bits << unused) as i64 >> unused) as f64,
                _ => bits as f64,
            }
        })
    }

    /// Whether there are elements of this type that f32 does not hold exactly.
    pub(super) fn is_wide(self) -> bool {
        self.bytes == 8 || self.bytes == 4 && self.kind != b'f'
    }

    /// How many elements f32 does not hold exactly; NaN it holds.
    pub(crate) fn inexact(self, bytes: &[u8]) -> usize {
        let lost = |value: &f64| !value.is_nan() && f64::from(*value as f32) != *value;
        if self.is_wide() { self.wide(bytes, 0, 1, bytes.len() / self.bytes).filter(lost).count() } else { 0 }
    }

    /// Appends the elements in `bytes` as f32.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self.bytes {
            1 => values.extend(bytes.iter().map(|&byte| self.value([byte]))),
            2 => values.extend(bytes.as_chunks::<2>().0.iter().map(|&element| self.value(element))),
            4 => values.extend(bytes.as_chunks::<4>().0.iter().map(|&element| self.value(element))),
            _ => values.extend(bytes.as_chunks::<8>().0.iter().map(|&element| self.value(element))),
        }
    }

    fn value<const N: usize>(self, mut element: [u8; N]) -> f32 {
        if self.big_endian {
            element.reverse();
        }
        let mut eight = [0; 8];
        eight[..N].copy_from_slice(&element);
        let bits = u64::from_le_bytes(eight);
        match (self.kind, N) {
            (b'f', 2) => half(bits as u16),
            (b'f', 4) => f32::from_bits(bits as u32),
            (b'f', _) => f64::from_bits(bits) as f32,
            // the sign bit of the element moves to that of 64 bits and back
            (b'i', _) => ((bits << (64 - 8 * N)) as i64 >> (64 - 8 * N)) as f32,
            _ => bits as f32,
        }
    }
}

/// A number of IEEE 754's 16 bits: 5 of the exponent, 10 of the fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// What a `.npy` file's header says, checked against the file's length.
#[derive(Debug)]
pub(crate) struct Header {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub element: Element,
    /// Bytes before the first element.
    pub data: usize,
    /// Whether the first axis is the fastest.
    pub fortran: bool,
}

impl Header {
    /// Reads the header of a file of `length` bytes from its beginning `start`: truth values, integers and floating point of
    /// either byte order.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(crate) fn parse(path: &Path, start: &[u8], length: u64) -> Result<Header> {
        let wrong = |got: String| Error::malformed(path, "a .npy array", got);
        if !start.starts_with(b"\x93NUMPY") {
            return Err(Error::other_kind(path, "a .npy array", magic::describe(start)));
        }
        let data = match header_length(start) {
            Some(data) if data <= start.len() => data,
            _ => return Err(wrong(format!("a header beyond the first {} bytes", start.len()))),
        };
        if !simple(&start[..data]) {
            return Err(wrong("a header that NumPy does not write".into()));
        }
        let head = usual(&start[..data]);
        // the crate multiplies the sizes unchecked
        if elements(&head).is_none() {
            return Err(wrong("a shape that is none, or too large".into()));
        }
        let header = NpyHeader::from_reader(&head[..]).map_err(|error| wrong(error.to_string()))?;
        let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
        let element = match header.dtype() {
            DType::Plain(text) => Element::parse(&text.to_string()),
            _ => None,
        };
        let element = element.ok_or_else(|| {
            let expected = "numbers: elements of type f2, f4, f8, i1 to i8, u1 to u8 or b1";
            Error::malformed(path, expected, header.dtype().descr())
        })?;
        let count = shape.iter().try_fold(element.bytes, |product, &n| product.checked_mul(n));
        let there = length.saturating_sub(data as u64);
        if count.is_none_or(|count| count as u64 > there) {
            return Err(wrong(format!("shape {shape:?}, but {there} bytes of data")));
        }
        let fortran = header.order() == Order::Fortran && shape.len() > 1;
        Ok(Header { shape, element, data, fortran })
    }

    /// Which columns of the elements in `bytes`, wide ones, lose different values as f32.
    fn collisions(&self, bytes: &[u8], name: impl Fn(usize) -> String) -> Option<String> {
        let rows = self.shape.first().copied().unwrap_or(1);
        let width = self.shape.get(1).copied().unwrap_or(1);
        let column = |column: usize| {
            let (first, step) = if self.fortran { (column * rows, 1) } else { (column, width) };
            self.element.wide(bytes, first, step, rows).collect()
        };
        narrow::collisions(width, column, name)
    }

    /// Number of elements.
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Bytes up to the end of the header, by the version's length field.
fn header_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(6)? {
        1 => Some(10 + usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?))),
        _ => Some(12 + u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize),
    }
}

/// A header's bytes with what NumPy reads but does not write today in today's words: sizes of Python 2 (`60L`), names of
/// types (`float64`), the machine's byte order (`=f8`). The length stays.
fn usual(header: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    for at in 1..header.len() {
        if header[at] == b'L' && header[at - 1].is_ascii_digit() {
            header[at] = b' ';
        }
    }
    for (name, code) in [("float16", "<f2"), ("float32", "<f4"), ("float64", "<f8"), ("int64", "<i8"), ("int32", "<i4")]
    {
        let (name, code) = (format!("'{name}'"), format!("'{code}'"));
        if let Some(at) = header.windows(name.len()).position(|window| window == name.as_bytes()) {
            let padded = format!("{code:<width$}", width = name.len());
            header[at..at + name.len()].copy_from_slice(padded.as_bytes());
        }
    }
    if let Some(at) = header.windows(2).position(|window| window == b"'=") {
        header[at + 1] = b'<';
    }
    header
}

/// Whether a header is short and its brackets are those of one dictionary with a type and a shape: the crate's parser takes
/// exponential time for nested ones.
fn simple(header: &[u8]) -> bool {
    let mut depth = 0i32;
    let nested = header.iter().any(|byte| {
        depth += i32::from(b"([{".contains(byte)) - i32::from(b")]}".contains(byte));
        depth > 4
    });
    header.len() <= 1 << 16 && !nested
}

/// The product of the sizes in a header's text.
fn elements(header: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(header);
    let (_, shape) = text.split_once("'shape'")?;
    let (sizes, _) = shape.split_once('(')?.1.split_once(')')?;
    let mut sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.try_fold(1u64, |product, size| product.checked_mul(size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::Guard;

    fn write(path: &Path, shape: &[u64], values: &[f64]) {
        let file = std::fs::File::create(path).unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn arrays_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let (x, y) = (dir.path().join("x.npy"), dir.path().join("y.npy"));
        write(&x, &[3, 2], &[1.0, 2.0, 3.0, 4.0, f64::NAN, 6.0]);
        write(&y, &[3], &[0.1, 0.2, 0.3]);
        let table = load(&x, &y).unwrap();
        assert_eq!((table.rows(), table.width(), table.row(1), table.y[2]), (3, 2, &[3.0, 4.0][..], 0.3));
        assert!(table.row(2)[0].is_nan());
        let out = Guard::default().array(dir.path().join("z.npy")).unwrap();
        save(&out, &["a", "b", "c"].map(String::from), &[0.25, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let found = array(out.path(), |_| String::new()).unwrap();
        assert_eq!(found, (vec![2, 3], vec![0.25, 2.0, 3.0, 4.0, 5.0, 6.0], None));
    }

    /// A file as NumPy writes it, of an element type, an order and data.
    fn file(dtype: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let head = format!("{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((head.len() as u16).to_le_bytes());
        bytes.extend(head.bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn every_type_and_order_of_numbers_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        let values = |dtype: &str, fortran: &str, shape: &str, data: &[u8]| {
            std::fs::write(&path, file(dtype, fortran, shape, data)).unwrap();
            array(&path, |_| String::new()).unwrap().1
        };
        assert_eq!(values("|b1", "False", "(2,)", &[0, 1]), [0.0, 1.0]);
        assert_eq!(values("|i1", "False", "(2,)", &[0x80, 0x7f]), [-128.0, 127.0]);
        assert_eq!(values("|u1", "False", "(1,)", &[0xff]), [255.0]);
        assert_eq!(values(">i2", "False", "(1,)", &[0xff, 0xfe]), [-2.0]);
        assert_eq!(values("<i8", "False", "(1,)", &(-3i64).to_le_bytes()), [-3.0]);
        assert_eq!(values("<u4", "False", "(1L,)", &[1, 0, 0, 1]), [16_777_217u32 as f32]);
        assert_eq!(values("=f8", "False", "(1L, 1L)", &0.5f64.to_le_bytes()), [0.5]);
        assert_eq!(values("float64", "False", "(1,)", &0.25f64.to_le_bytes()), [0.25]);
        let halves: Vec<u8> =
            [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0xfc00].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        assert_eq!(values("<f2", "False", "(5,)", &halves), [1.0, -2.0, 5.960_464_5e-8, 65504.0, f32::NEG_INFINITY]);
        assert!(values("<f2", "False", "(1,)", &[1, 0x7e])[0].is_nan());
        assert_eq!(values("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn malformed_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (x, y) = (dir.path().join("x.npy"), dir.path().join("y.npy"));
        write(&y, &[2], &[0.1, 0.2]);
        write(&x, &[2, 2], &[1.0; 4]);
        let good = std::fs::read(&x).unwrap();
        for cut in 0..good.len() {
            std::fs::write(&x, &good[..cut]).unwrap();
            assert!(load(&x, &y).is_err(), "cut after {cut}");
        }
        let text = String::from_utf8_lossy(&good[10..]).into_owned();
        let shape = &text[text.find('(').unwrap()..=text.find(')').unwrap()];
        for (from, to) in
            [(shape, "(9223372036854775807, 9223372036854775807)"), (shape, "(3, 2)"), ("f8", "c8"), ("f8", "M8")]
        {
            assert!(text.contains(from), "{text}");
            let header = text.split_once('\n').unwrap().0.replace(from, to);
            let mut bytes = good[..8].to_vec();
            bytes.extend((header.len() as u16 + 1).to_le_bytes());
            bytes.extend(header.bytes().chain(*b"\n"));
            bytes.extend(&good[good.len() - 32..]);
            std::fs::write(&x, bytes).unwrap();
            assert!(load(&x, &y).is_err(), "{to}");
        }
        let mut huge = good.clone();
        (huge[6], huge[8], huge[9], huge[10], huge[11]) = (2, 0xff, 0xff, 0xff, 0xff);
        std::fs::write(&x, huge).unwrap();
        assert!(load(&x, &y).is_err());
        write(&x, &[3, 2], &[1.0; 6]);
        assert!(load(&x, &y).is_err(), "three rows and two targets");
        assert!(load(&dir.path().join("none.npy"), &y).is_err());
    }
}
