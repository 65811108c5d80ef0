//! `Table`: what predictors see. Named feature columns, a target and a group for each row.

mod narrow;
pub mod npy;
pub mod origin;
pub mod read;

pub use origin::{Identity, Origin, Part};

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
        Table {
            columns: self.columns.clone(),
            x: rows.iter().flat_map(|&r| self.row(r)).copied().collect(),
            y: if self.y.is_empty() { Vec::new() } else { rows.iter().map(|&r| self.y[r]).collect() },
            group: rows.iter().map(|&r| self.group[r]).collect(),
            origin: self.origin.select(rows),
        }
    }
}
