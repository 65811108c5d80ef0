//! The codes of columns in groups, and buffers for their histograms.

use super::bin::Column;
use crate::kernels::histogram::{Bin, Codes, GROUP, storage};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

/// Up to eight columns with about equally many bins.
#[derive(Clone, Debug)]
pub struct Group {
    /// Position of each column among those that can be split; `None` where the group has fewer.
    pub columns: [Option<usize>; GROUP],
    /// Bins of the column that has most.
    pub bins: usize,
    /// For each column the code of missing values.
    pub missing: [Option<u8>; GROUP],
}

impl Group {
    fn new(columns: &[Column], chosen: &[usize]) -> Group {
        let mut group = Group { columns: [None; GROUP], bins: columns[chosen[0]].bins.len(), missing: [None; GROUP] };
        for (lane, &c) in chosen.iter().enumerate() {
            group.columns[lane] = Some(c);
            group.missing[lane] = columns[c].bins.missing_code();
        }
        group
    }

    /// Bins in a histogram's storage.
    pub fn storage(&self) -> usize {
        storage(self.bins)
    }
}

/// Columns in groups, and the codes of all rows.
#[derive(Debug, Default)]
pub struct Groups {
    /// The groups.
    pub groups: Vec<Group>,
    /// Row-major words, [`Groups::stride`] a row.
    lines: Vec<Bin>,
    stride: usize,
}

/// Rows whose words are written by one thread at a time.
const ROWS: usize = 256;

impl Groups {
    /// Puts the chosen columns into groups.
    pub fn new(columns: &[Column], chosen: &[u32], rows: usize) -> Groups {
        let mut order: Vec<usize> = chosen.iter().map(|&c| c as usize).collect();
        order.sort_by_key(|&c| Reverse(columns[c].bins.len()));
        let groups: Vec<Group> = order.chunks(GROUP).map(|chosen| Group::new(columns, chosen)).collect();
        // no eight groups of a row straddle a cache line
        let stride =
            if groups.len() < GROUP { groups.len().next_power_of_two() } else { groups.len().next_multiple_of(GROUP) };
        let mut lines = vec![Bin::default(); (rows * stride).div_ceil(GROUP)];
        let words: &mut [[u8; GROUP]] = bytemuck::cast_slice_mut(&mut lines);
        words[..rows * stride].par_chunks_mut(ROWS * stride).enumerate().for_each(|(block, words)| {
            let rows = block * ROWS..block * ROWS + words.len() / stride;
            for (g, group) in groups.iter().enumerate() {
                let codes = group.columns.map(|c| c.map(|c| &columns[c].codes[rows.clone()]));
                transpose(codes, &mut words[g..], stride);
            }
        });
        Groups { groups, lines, stride }
    }

    /// The codes of all rows.
    pub fn codes(&self) -> Codes<'_> {
        Codes { words: bytemuck::cast_slice(&self.lines), groups: self.stride }
    }
}

/// `out[row·stride][k] = columns[k][row]`, eight rows at a time; 0 where there is no column.
fn transpose(columns: [Option<&[u8]>; GROUP], out: &mut [[u8; GROUP]], stride: usize) {
    let rows = out.len().div_ceil(stride);
    let whole = rows / GROUP * GROUP;
    for row in (0..whole).step_by(GROUP) {
        let square = columns.map(|codes| {
            let mut word = [0; GROUP];
            if let Some(codes) = codes {
                word.copy_from_slice(&codes[row..row + GROUP]);
            }
            u64::from_le_bytes(word)
        });
        for (i, word) in transpose_square(square).into_iter().enumerate() {
            out[(row + i) * stride] = word.to_le_bytes();
        }
    }
    for row in whole..rows {
        out[row * stride] = columns.map(|codes| codes.map_or(0, |codes| codes[row]));
    }
}

/// Transposes 8 × 8 bytes: blocks of 4, of 2, of 1 change places (Warren, «Hacker's Delight», 7-3).
fn transpose_square(mut word: [u64; 8]) -> [u64; 8] {
    for (width, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        for i in (0..8).filter(|i| i & width == 0) {
            let swap = (word[i] >> (8 * width) ^ word[i + width]) & mask;
            word[i] ^= swap << (8 * width);
            word[i + width] ^= swap;
        }
    }
    word
}

/// Buffers of one kind that are not in use: what one leaf returns the next one takes.
#[derive(Debug, Default)]
pub struct Pool<T> {
    free: Mutex<Vec<Vec<T>>>,
}

impl<T: Clone + Default> Pool<T> {
    /// A buffer of a length with any content.
    pub fn take(&self, length: usize) -> Vec<T> {
        let mut buffer = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        buffer.resize(length, T::default());
        buffer
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<T>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_the_codes_of_their_columns() {
        for rows in [1, 7, 8, 29, 600] {
            let column = |index: usize| Column {
                index,
                bins: super::super::bin::Bins { bounds: vec![0.0; index], missing: index.is_multiple_of(2) },
                codes: (0..rows).map(|row| (row * 17 + index * 3) as u8).collect(),
            };
            let columns: Vec<Column> = (0..19).map(column).collect();
            let groups = Groups::new(&columns, &(2..19).collect::<Vec<u32>>(), rows);
            assert_eq!(groups.groups.iter().flat_map(|g| g.columns).flatten().count(), 17);
            for (g, group) in groups.groups.iter().enumerate() {
                for (row, lane) in (0..rows).flat_map(|row| (0..GROUP).map(move |lane| (row, lane))) {
                    let expected = group.columns[lane].map_or(0, |c| columns[c].codes[row]);
                    assert_eq!(groups.codes().words[row * groups.codes().groups + g][lane], expected);
                }
                for (lane, c) in group.columns.iter().enumerate().filter_map(|(lane, c)| Some((lane, (*c)?))) {
                    assert!(columns[c].bins.len() <= group.bins);
                    assert_eq!(group.missing[lane], columns[c].bins.missing_code());
                }
            }
        }
    }
}
