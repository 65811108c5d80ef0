//! Tables from `.npy` files.

mod element;
mod header;
#[cfg(test)]
mod tests;

pub(crate) use element::Element;
pub(crate) use header::{Header, header};

use super::{Table, narrow, origin};
use crate::out::{ArrayPath, replace_array};
use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Reads features and targets: `x` rows × columns and `y` with one value a row, numbers of any type and order, kept as f32
/// (integers beyond 2²⁴ are rounded, true is 1; what falls together by that is a caveat of the table's origin). Columns are called `x0`, `x1` …, each row is a group of its own.
///
/// # Errors
/// [`Error::Io`]; [`Error::Malformed`] for files that are no such arrays, are cut short, or do not belong together.
pub fn load(x: &Path, y: &Path) -> Result<Table> {
    let (mut table, lost_x) = read(x)?;
    let (targets, lost_y) = vector(y, table.rows(), x)?;
    table.y = targets;
    let caveats = [lost_x, lost_y, narrow::drowned(&table)].into_iter().flatten().collect::<Vec<String>>().join("; ");
    table.origin.about.extend(Some((origin::CAVEATS.to_owned(), caveats)).filter(|(_, caveats)| !caveats.is_empty()));
    Ok(table)
}

/// As [`load`], without targets.
///
/// # Errors
/// Those of [`load`].
pub fn rows(x: &Path) -> Result<Table> {
    read(x).map(|(table, _)| table)
}

/// The rows of an array, and what narrowing them lost.
fn read(x: &Path) -> Result<(Table, Option<String>)> {
    let (shape, values, lost) = array(x, |column| format!("x{column}"))?;
    let &[rows, width] = shape.as_slice() else {
        return Err(Error::malformed(x, "an array of rows × columns", format!("shape {shape:?}")));
    };
    let columns = (0..width).map(|column| format!("x{column}")).collect();
    Ok((Table { columns, x: values, group: (0..rows as u64).collect(), ..Table::default() }, lost))
}

/// Shape and element type of an array, `f32` for instance.
///
/// # Errors
/// Those of [`load`].
pub fn shape(path: &Path) -> Result<(Vec<usize>, String)> {
    let bytes = crate::bytes::read(path)?;
    let header = Header::parse(path, &bytes, bytes.len() as u64)?;
    Ok((header.shape, header.element.name()))
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
    let shape = [values.len() / columns.len().max(1), columns.len()];
    replace_array(out, columns, |file| {
        file.write_all(&header("<f8", shape))?;
        file.write_all(bytemuck::cast_slice(values))
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
