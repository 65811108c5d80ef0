//! Tables from `.npy` files.

use super::Table;
use crate::{Error, Result};
use npyz::{DType, NpyFile, NpyHeader, Order};
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

/// An array's shape and its values in C order.
fn array(path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let wrong = |got: String| Error::malformed(path, "a .npy array", got);
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(wrong("no .npy magic".into()));
    }
    if header_length(&bytes).is_none_or(|length| length > bytes.len()) {
        return Err(wrong(format!("a header beyond the file's {} bytes", bytes.len())));
    }
    // the crate multiplies the sizes unchecked
    if elements(&bytes[..header_length(&bytes).unwrap_or(0)]).is_none() {
        return Err(wrong("a shape that is none, or too large".into()));
    }
    let mut rest = &bytes[..];
    let header = NpyHeader::from_reader(&mut rest).map_err(|error| wrong(error.to_string()))?;
    let shape: Vec<usize> = header.shape().iter().map(|&n| n as usize).collect();
    let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let width = match header.dtype() {
        DType::Plain(text) if text.to_string().ends_with("f4") => 4,
        DType::Plain(text) if text.to_string().ends_with("f8") => 8,
        other => return Err(Error::malformed(path, "elements of type f4 or f8", other.descr())),
    };
    let needed = count.and_then(|count| count.checked_mul(width));
    if needed.is_none_or(|needed| needed > rest.len()) {
        return Err(wrong(format!("shape {shape:?}, but {} bytes of data", rest.len())));
    }
    if header.order() == Order::Fortran && shape.len() > 1 {
        return Err(Error::malformed(path, "C order (numpy.ascontiguousarray)", "Fortran order"));
    }
    let file = NpyFile::with_header(header, rest);
    let values = match width {
        4 => file.into_vec::<f32>().map_err(Error::io("read", path))?,
        _ => file.into_vec::<f64>().map_err(Error::io("read", path))?.into_iter().map(|value| value as f32).collect(),
    };
    Ok((shape, values))
}

/// Bytes up to the end of the header, by the version's length field.
fn header_length(bytes: &[u8]) -> Option<usize> {
    match bytes.get(6)? {
        1 => Some(10 + usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?))),
        _ => Some(12 + u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize),
    }
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
    use npyz::WriterBuilder;

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
