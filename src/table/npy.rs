//! Tables from `.npy` files.

use super::Table;
use crate::out::{ArrayPath, replace_array};
use crate::{Error, Result};
use npyz::{DType, NpyHeader, Order, WriterBuilder};
use std::path::Path;

/// Reads features and targets: `x` rows × columns and `y` with one value a row, both f32 or f64 (kept as f32). Columns are
/// called `x0`, `x1` …, each row is a group of its own.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] for files that are no such arrays, are cut short, or do not belong together.
pub fn load(x: &Path, y: &Path) -> Result<Table> {
    let (shape, values) = array(x)?;
    let &[rows, width] = shape.as_slice() else {
        return Err(Error::malformed(x, "an array of rows × columns", format!("shape {shape:?}")));
    };
    let (y_shape, targets) = array(y)?;
    if !matches!(y_shape.as_slice(), [n] | [n, 1] if *n == rows) {
        let expected = format!("one target for each of the {rows} rows of {}", x.display());
        return Err(Error::malformed(y, expected, format!("shape {y_shape:?}")));
    }
    if let Some(row) = targets.iter().position(|target| !target.is_finite()) {
        return Err(Error::malformed(y, "finite targets", format!("{} in row {row}", targets[row])));
    }
    let columns = (0..width).map(|column| format!("x{column}")).collect();
    Ok(Table { columns, x: values, y: targets, group: (0..rows as u64).collect() })
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

/// An array's shape and its values in C order.
fn array(path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = crate::bytes::read(path)?;
    let header = Header::parse(path, &bytes, bytes.len() as u64)?;
    let mut values = Vec::with_capacity(header.elements());
    header.element.decode(&bytes[header.data..header.data + header.elements() * header.element.bytes()], &mut values);
    Ok((header.shape, values))
}

/// What an element is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    double: bool,
    big_endian: bool,
}

impl Element {
    /// Size of an element.
    pub(crate) fn bytes(self) -> usize {
        if self.double { 8 } else { 4 }
    }

    /// Appends the elements in `bytes` as f32.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        let (four, eight) = (bytes.as_chunks::<4>().0.iter(), bytes.as_chunks::<8>().0.iter());
        match (self.double, self.big_endian) {
            (false, false) => values.extend(four.map(|&element| f32::from_le_bytes(element))),
            (false, true) => values.extend(four.map(|&element| f32::from_be_bytes(element))),
            (true, false) => values.extend(eight.map(|&element| f64::from_le_bytes(element) as f32)),
            (true, true) => values.extend(eight.map(|&element| f64::from_be_bytes(element) as f32)),
        }
    }
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
}

impl Header {
    /// Reads the header of a file of `length` bytes from its beginning `start`; C order, f32 or f64 of either byte order.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub(crate) fn parse(path: &Path, start: &[u8], length: u64) -> Result<Header> {
        let wrong = |got: String| Error::malformed(path, "a .npy array", got);
        if !start.starts_with(b"\x93NUMPY") {
            return Err(wrong("no .npy magic".into()));
        }
        let data = match header_length(start) {
            Some(data) if data <= start.len() => data,
            _ => return Err(wrong(format!("a header beyond the first {} bytes", start.len()))),
        };
        if !simple(&start[..data]) {
            return Err(wrong("a header that NumPy does not write".into()));
        }
        // the crate multiplies the sizes unchecked
        if elements(&start[..data]).is_none() {
            return Err(wrong("a shape that is none, or too large".into()));
        }
        let header = NpyHeader::from_reader(start).map_err(|error| wrong(error.to_string()))?;
        let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
        let element = match header.dtype() {
            DType::Plain(text) if text.to_string().ends_with("f4") || text.to_string().ends_with("f8") => {
                let text = text.to_string();
                Element { double: text.ends_with('8'), big_endian: text.starts_with('>') }
            }
            other => return Err(Error::malformed(path, "elements of type f4 or f8", other.descr())),
        };
        let count = shape.iter().try_fold(element.bytes(), |product, &n| product.checked_mul(n));
        let there = length.saturating_sub(data as u64);
        if count.is_none_or(|count| count as u64 > there) {
            return Err(wrong(format!("shape {shape:?}, but {there} bytes of data")));
        }
        if header.order() == Order::Fortran && shape.len() > 1 {
            return Err(Error::malformed(path, "C order (numpy.ascontiguousarray)", "Fortran order"));
        }
        Ok(Header { shape, element, data })
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
        assert_eq!(array(out.path()).unwrap(), (vec![2, 3], vec![0.25, 2.0, 3.0, 4.0, 5.0, 6.0]));
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
            [(shape, "(9223372036854775807, 9223372036854775807)"), (shape, "(3, 2)"), ("f8", "c8"), ("False", "True ")]
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
