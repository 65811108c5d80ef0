//! What stands before the numbers: Python's text of a dictionary with three entries.

use super::Element;
use crate::table::narrow;
use crate::{Error, Result, magic};
use std::path::Path;

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
        let (begin, data) = match text_range(start) {
            Some((begin, data)) if data <= start.len() => (begin, data),
            _ => return Err(wrong(format!("a header beyond the first {} bytes", start.len()))),
        };
        let text = str::from_utf8(&start[begin..data]).ok();
        let foreign = || wrong(format!("a header that NumPy does not write: {}", text.unwrap_or("no text").trim_end()));
        let Entries { descr, fortran, shape } = text.and_then(Entries::parse).ok_or_else(foreign)?;
        let shape = sizes(shape).ok_or_else(|| wrong(format!("a shape that is none, or too large: ({shape})")))?;
        let element = Element::parse(descr).ok_or_else(|| {
            let expected = "numbers: elements of type f2, f4, f8, i1 to i8, u1 to u8 or b1";
            Error::malformed(path, expected, descr)
        })?;
        if shape.contains(&0) {
            return Err(wrong(format!("shape {shape:?}: nothing")));
        }
        let count = shape.iter().try_fold(element.bytes(), |product, &n| product.checked_mul(n));
        let there = length.saturating_sub(data as u64);
        if count.is_none_or(|count| count as u64 > there) {
            return Err(wrong(format!("shape {shape:?}, but {there} bytes of data")));
        }
        let fortran = fortran && shape.len() > 1;
        Ok(Header { shape, element, data, fortran })
    }

    /// Which columns of the elements in `bytes`, wide ones, lose different values as f32.
    pub(super) fn collisions(&self, bytes: &[u8], name: impl Fn(usize) -> String) -> Option<String> {
        let rows = self.shape.first().copied().unwrap_or(1);
        let width = self.shape.get(1).copied().unwrap_or(1);
        let column = |column: usize| {
            let (first, step) = if self.fortran { (column * rows, 1) } else { (column, width) };
            self.element.wide(bytes, first, step, rows).collect()
        };
        narrow::collisions(width, column, name)
    }

    /// Number of elements.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where the header's text begins and ends, by the version's length field.
fn text_range(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(6)? {
        1 => Some((10, 10 + usize::from(u16::from_le_bytes(bytes.get(8..10)?.try_into().ok()?)))),
        2 | 3 => Some((12, 12 + u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize)),
        _ => None,
    }
}

/// The values of a header's dictionary.
struct Entries<'a> {
    /// The type's text without quotes, or what stands in its place.
    descr: &'a str,
    fortran: bool,
    /// What is between the brackets.
    shape: &'a str,
}

impl<'a> Entries<'a> {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, in any order.
    fn parse(text: &'a str) -> Option<Entries<'a>> {
        let mut rest = text.trim_end().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let after = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => entry(quoted(after).or_else(|| enclosed(after, '[', ']')), &mut descr)?,
                "fortran_order" => entry(truth(after), &mut fortran)?,
                "shape" => entry(enclosed(after, '(', ')'), &mut shape)?,
                _ => return None,
            };
            rest = rest.trim_start();
            rest = if rest.is_empty() { rest } else { rest.strip_prefix(',')?.trim_start() };
        }
        Some(Entries { descr: descr?, fortran: fortran?, shape: shape? })
    }
}

/// Keeps a value that was read, gives what follows it.
fn entry<'a, T>(read: Option<(T, &'a str)>, value: &mut Option<T>) -> Option<&'a str> {
    let (found, rest) = read?;
    *value = Some(found);
    Some(rest)
}

/// A text in quotes of either kind, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// What is between an opening bracket and the first that closes one, and what follows.
fn enclosed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    text.strip_prefix(open)?.split_once(close)
}

fn truth(text: &str) -> Option<(bool, &str)> {
    let value = |word, value| text.strip_prefix(word).map(|rest| (value, rest));
    value("True", true).or_else(|| value("False", false))
}

/// The numbers of a tuple: `3, 4`, `5,` or, of Python 2, `60L, 1L`.
fn sizes(tuple: &str) -> Option<Vec<usize>> {
    let mut sizes: Vec<&str> = tuple.split(',').map(str::trim).collect();
    sizes.pop_if(|last| last.is_empty());
    sizes.into_iter().map(|size| size.strip_suffix('L').unwrap_or(size).parse().ok()).collect()
}

/// The header of a matrix in C order, padded as NumPy does.
pub(crate) fn header(element: &str, [rows, columns]: [usize; 2]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}
