//! `Table`: what predictors see. Named feature columns, a target and a group for each row.

#[cfg(feature = "formats")]
mod narrow;
#[cfg(feature = "formats")]
pub mod npy;
pub mod origin;
#[cfg(feature = "formats")]
pub mod read;

pub use origin::{Identity, Origin, Part};

/// Rows after which [`Table::into_parts`] gives memory back.
const GIVEN_BACK: usize = 256;

/// Rows × columns of `f32` with names; `NaN` is a missing value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// One name a column.
    pub columns: Vec<String>,
    /// Row-major, `rows × columns.len()`.
    pub x: Vec<f32>,
    /// The value to predict, one a row; empty where it is not known.
    pub y: Vec<f32>,
    /// Rows of one group never fall into different parts of a split (a zoo's run number); one a row.
    pub group: Vec<u64>,
    /// Where the rows came from, as far as that is known.
    pub origin: Origin,
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.group.len()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Row `r`, one value a column.
    pub fn row(&self, r: usize) -> &[f32] {
        &self.x[r * self.width()..(r + 1) * self.width()]
    }

    /// The rows of both; the columns must be the same.
    pub fn join(&self, other: &Table) -> Table {
        debug_assert_eq!(self.columns, other.columns);
        Table {
            columns: self.columns.clone(),
            x: [&self.x[..], &other.x].concat(),
            y: [&self.y[..], &other.y].concat(),
            group: [&self.group[..], &other.group].concat(),
            origin: self.origin.join(&other.origin),
        }
    }

    /// The given rows in the given order.
    pub fn select(&self, rows: &[usize]) -> Table {
        Table { x: rows.iter().flat_map(|&r| self.row(r)).copied().collect(), ..self.labels(rows) }
    }

    /// The given rows of each part. Memory is given back as the parts grow, so that wide tables are never there twice.
    ///
    /// # Panics
    /// If a part's rows are not ascending, or a row is in two parts.
    pub fn into_parts<const N: usize>(mut self, parts: [&[usize]; N]) -> [Table; N] {
        let (width, mut left) = (self.width(), parts);
        let mut tables = parts.map(|rows| Table { x: Vec::with_capacity(rows.len() * width), ..self.labels(rows) });
        for row in (0..self.rows()).rev() {
            if let Some(part) = left.iter().position(|rows| rows.last() == Some(&row)) {
                tables[part].x.extend_from_slice(self.row(row));
                left[part] = &left[part][..left[part].len() - 1];
            }
            self.x.truncate(row * width);
            if row % GIVEN_BACK == 0 {
                self.x.shrink_to_fit();
            }
        }
        assert!(left.iter().all(|rows| rows.is_empty()), "ascending rows, each in one part");
        tables.iter_mut().for_each(Table::turn);
        tables
    }

    /// The last row first.
    fn turn(&mut self) {
        let (width, rows) = (self.width(), self.rows());
        for row in 0..rows / 2 {
            let (above, below) = self.x.split_at_mut((rows - 1 - row) * width);
            above[row * width..][..width].swap_with_slice(&mut below[..width]);
        }
    }

    /// All of the given rows but their values.
    fn labels(&self, rows: &[usize]) -> Table {
        Table {
            columns: self.columns.clone(),
            x: Vec::new(),
            y: if self.y.is_empty() { Vec::new() } else { rows.iter().map(|&r| self.y[r]).collect() },
            group: rows.iter().map(|&r| self.group[r]).collect(),
            origin: self.origin.select(rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_apart_into_what_would_be_selected() {
        let rows = 3 * GIVEN_BACK + 5;
        let table = Table {
            columns: vec!["a".into(), "b".into()],
            x: (0..2 * rows).map(|k| k as f32).collect(),
            y: (0..rows).map(|row| row as f32).collect(),
            group: (0..rows as u64).collect(),
            origin: Origin { networks: (0..rows as u64).map(|row| [row, row]).collect(), ..Origin::default() },
        };
        // some rows are in no part, one part is empty
        let of = |rest: usize| (0..rows).filter(|row| row % 4 == rest).collect::<Vec<_>>();
        let parts = [of(2), of(0), Vec::new(), of(1)];
        let expected = parts.each_ref().map(|rows| table.select(rows));
        assert_eq!(table.into_parts(parts.each_ref().map(|rows| &rows[..])), expected);
    }
}
