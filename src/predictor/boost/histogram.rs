//! The codes of columns in groups, and buffers for their histograms.

use super::bin::Column;
use crate::kernels::histogram::{Bin, GROUP, storage};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Up to eight columns with about equally many bins.
#[derive(Debug)]
pub struct Group {
    /// Position of each column among those that can be cut; `None` where the group has fewer.
    pub columns: [Option<usize>; GROUP],
    /// One word a row.
    pub codes: Vec<[u8; GROUP]>,
    /// Bins of the column that has most.
    pub bins: usize,
    /// For each column the code of missing values.
    pub missing: [Option<u8>; GROUP],
}

impl Group {
    /// Bins in a histogram's storage.
    pub fn storage(&self) -> usize {
        storage(self.bins)
    }
}

/// Puts the chosen columns into groups.
pub fn groups(columns: &[Column], chosen: &[u32]) -> Vec<Group> {
    let mut order: Vec<usize> = chosen.iter().map(|&c| c as usize).collect();
    order.sort_by_key(|&c| std::cmp::Reverse(columns[c].bins.len()));
    order.par_chunks(GROUP).map(|chosen| group(columns, chosen)).collect()
}

fn group(columns: &[Column], chosen: &[usize]) -> Group {
    let rows = columns[chosen[0]].codes.len();
    let mut group = Group {
        columns: [None; GROUP],
        codes: vec![[0; GROUP]; rows],
        bins: columns[chosen[0]].bins.len(),
        missing: [None; GROUP],
    };
    for (lane, &c) in chosen.iter().enumerate() {
        group.columns[lane] = Some(c);
        group.missing[lane] = columns[c].bins.missing_code();
    }
    let empty = vec![0; if chosen.len() < GROUP { rows } else { 0 }];
    let codes: [&[u8]; GROUP] = std::array::from_fn(|lane| chosen.get(lane).map_or(&empty[..], |&c| &columns[c].codes));
    transpose(codes, &mut group.codes);
    group
}

/// `out[row][k] = columns[k][row]`, eight rows at a time.
fn transpose(columns: [&[u8]; GROUP], out: &mut [[u8; GROUP]]) {
    let whole = out.len() / GROUP * GROUP;
    for row in (0..whole).step_by(GROUP) {
        let square = columns.map(|codes| {
            let mut word = [0; 8];
            word.copy_from_slice(&codes[row..row + 8]);
            u64::from_le_bytes(word)
        });
        for (out, word) in out[row..row + 8].iter_mut().zip(transpose_square(square)) {
            *out = word.to_le_bytes();
        }
    }
    for row in whole..out.len() {
        out[row] = columns.map(|codes| codes[row]);
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

/// Histograms of one tree that are not in use: what a leaf returns the next one takes.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<Vec<Vec<Bin>>>,
}

impl Pool {
    /// A histogram of `bins` bins with any content.
    pub fn take(&self, bins: usize) -> Vec<Bin> {
        let mut histogram = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        histogram.resize(bins, Bin::default());
        histogram
    }

    /// Takes a histogram back.
    pub fn give(&self, histogram: Vec<Bin>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(histogram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_the_codes_of_their_columns() {
        for rows in [1, 7, 8, 29] {
            let column = |index: usize| Column {
                index,
                bins: super::super::bin::Bins { bounds: vec![0.0; index], missing: index % 2 == 0 },
                codes: (0..rows).map(|row| (row * 17 + index * 3) as u8).collect(),
            };
            let columns: Vec<Column> = (0..19).map(column).collect();
            let groups = groups(&columns, &(2..19).collect::<Vec<u32>>());
            assert_eq!(groups.iter().flat_map(|g| g.columns).flatten().count(), 17);
            for (group, lane) in groups.iter().flat_map(|g| (0..GROUP).map(move |lane| (g, lane))) {
                for row in 0..rows {
                    let expected = group.columns[lane].map_or(0, |c| columns[c].codes[row]);
                    assert_eq!(group.codes[row][lane], expected);
                }
                if let Some(c) = group.columns[lane] {
                    assert!(columns[c].bins.len() <= group.bins);
                    assert_eq!(group.missing[lane], columns[c].bins.missing_code());
                }
            }
        }
    }
}
