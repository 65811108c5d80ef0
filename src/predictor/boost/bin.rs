//! Columns of numbers as columns of small codes.

use rayon::prelude::*;

/// Rows that a bin must have if the column leaves the choice (LightGBM's `min_data_in_bin`).
const MIN_DATA_IN_BIN: usize = 3;

/// Columns that are read from the table together: a cache line of a row.
const BLOCK: usize = 16;

/// How the values of a column become codes.
///
/// The code of a value is the number of bounds below it; missing values have the code after the last. So
/// `code ≤ t` and `value ≤ bounds[t]` are the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    /// Upper bounds of all bins but the last, ascending; each lies in the middle between two values seen.
    pub bounds: Vec<f32>,
    /// Whether there is a bin for missing values.
    pub missing: bool,
}

impl Bins {
    /// Bins for the values of one column; `values` loses its order and its missing values.
    fn of(values: &mut Vec<f32>, max_bin: usize) -> Bins {
        let rows = values.len();
        values.retain(|x| !x.is_nan());
        let missing = values.len() < rows;
        values.sort_unstable_by(f32::total_cmp);
        let mut distinct: Vec<(f32, usize)> = Vec::new();
        for &x in values.iter() {
            match distinct.last_mut() {
                Some((last, count)) if *last == x => *count += 1,
                _ => distinct.push((x, 1)),
            }
        }
        Bins { bounds: find_bounds(&distinct, max_bin - usize::from(missing), values.len()), missing }
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.bounds.len() + 1 + usize::from(self.missing)
    }

    /// The code of missing values, if there is one.
    pub fn missing_code(&self) -> Option<u8> {
        self.missing.then_some(self.bounds.len() as u8 + 1)
    }

    /// The code of a value that is finite or missing.
    fn code(&self, x: f32) -> u8 {
        if x.is_nan() { self.bounds.len() as u8 + 1 } else { self.bounds.partition_point(|&bound| bound < x) as u8 }
    }

    /// The largest value that goes left of a split after bin `t`.
    pub fn threshold(&self, t: usize) -> f32 {
        // after the last value there are only missing ones
        self.bounds.get(t).copied().unwrap_or(f32::MAX)
    }
}

/// Bounds between distinct values with their counts, so that the bins have about equally many rows.
///
/// Source: LightGBM, `GreedyFindBin`.
fn find_bounds(distinct: &[(f32, usize)], max_bin: usize, rows: usize) -> Vec<f32> {
    let mut bounds = Vec::new();
    if distinct.len() <= max_bin {
        let mut count = 0;
        for pair in distinct.windows(2) {
            count += pair[0].1;
            if count >= MIN_DATA_IN_BIN {
                bounds.push(between(pair[0].0, pair[1].0));
                count = 0;
            }
        }
        return bounds;
    }
    let max_bin = max_bin.min(rows / MIN_DATA_IN_BIN).max(1);
    // a value with as many rows as a bin should have gets a bin of its own; the others share what is left
    let mean = rows as f64 / max_bin as f64;
    let is_big = |i: usize| distinct[i].1 as f64 >= mean;
    let (mut bins_left, mut rows_left) = (max_bin, rows);
    for i in (0..distinct.len()).filter(|&i| is_big(i)) {
        bins_left -= 1;
        rows_left -= distinct[i].1;
    }
    let mut mean_left = rows_left as f64 / bins_left as f64;
    let mut count = 0;
    for i in 0..distinct.len() - 1 {
        if !is_big(i) {
            rows_left -= distinct[i].1;
        }
        count += distinct[i].1;
        let full = count as f64 >= mean_left;
        if is_big(i) || full || (is_big(i + 1) && count as f64 >= (mean_left * 0.5).max(1.0)) {
            bounds.push(between(distinct[i].0, distinct[i + 1].0));
            if bounds.len() >= max_bin - 1 {
                break;
            }
            count = 0;
            if !is_big(i) {
                bins_left = bins_left.saturating_sub(1);
                mean_left = rows_left as f64 / bins_left as f64;
            }
        }
    }
    bounds
}

/// A number t with `a ≤ t < b`, in the middle where one is.
fn between(a: f32, b: f32) -> f32 {
    let middle = ((f64::from(a) + f64::from(b)) / 2.0) as f32;
    if middle < b { middle } else { a }
}

/// A column that can be split: how it is coded, and its codes.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its number in the table.
    pub index: usize,
    /// How it is coded.
    pub bins: Bins,
    /// One code a row.
    pub codes: Vec<u8>,
}

/// Codes the columns of a row-major table, infinities as the largest finite values; columns of one code are left out, no split
/// goes through them.
pub fn columns(x: &[f32], width: usize, max_bin: usize) -> Vec<Column> {
    (0..width.div_ceil(BLOCK))
        .into_par_iter()
        .flat_map_iter(|block| {
            let first = block * BLOCK;
            let columns = BLOCK.min(width - first);
            let mut values = vec![Vec::with_capacity(x.len() / width); columns];
            for row in x.chunks_exact(width) {
                for (column, &value) in values.iter_mut().zip(&row[first..]) {
                    // + 0 makes -0 to 0
                    column.push(value.clamp(f32::MIN, f32::MAX) + 0.0);
                }
            }
            values.into_iter().enumerate().map(move |(k, values)| column(first + k, &values, max_bin))
        })
        .filter(|column| column.bins.len() > 1)
        .collect()
}

fn column(index: usize, values: &[f32], max_bin: usize) -> Column {
    let bins = Bins::of(&mut values.to_vec(), max_bin);
    let codes = if bins.len() > 1 { values.iter().map(|&x| bins.code(x)).collect() } else { Vec::new() };
    Column { index, bins, codes }
}
