//! Which rows are for training, for validation and for the test.

use crate::rng::philox;
use crate::table::Part;
use crate::{Error, Result};

/// What the hash is for, part of its counter.
const PURPOSE: u32 = 0x7370_6c69;

/// Row numbers of the three parts, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What is fitted to.
    pub train: Vec<usize>,
    /// For choices: early stopping, parameters.
    pub validation: Vec<usize>,
    /// For nothing but the final score.
    pub test: Vec<usize>,
}

/// How large the parts are; the test part has the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fractions {
    /// What is fitted to.
    pub train: f64,
    /// For choices.
    pub validation: f64,
}

impl Default for Fractions {
    fn default() -> Fractions {
        Fractions { train: 0.4, validation: 0.1 }
    }
}

impl Split {
    /// Divides rows by their group: all rows of a group are in one part.
    ///
    /// A group's part follows from a hash of (seed, group) alone, so neither the order of the rows nor rows that are added
    /// change it. Only where a part that should have rows would have none does it get the group whose hash is nearest; of two
    /// groups one is in the train and one in the test part, a single one is in the train part.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the fractions are in 0..=1, `train` is above 0, and their sum is at most 1.
    pub fn new(group: &[u64], seed: u64, fractions: Fractions) -> Result<Split> {
        let Fractions { train, validation } = fractions;
        let end = train + validation;
        if !(train > 0.0 && validation >= 0.0 && end <= 1.0 + 1e-9) {
            return Err(Error::invalid(
                "split",
                "fractions above 0 that add up to at most 1",
                format!("{fractions:?}"),
            ));
        }
        let mut hashes: Vec<(f64, u64)> = group.iter().map(|&group| (uniform(seed, group), group)).collect();
        hashes.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        hashes.dedup();
        let below = |limit: f64| hashes.partition_point(|&(hash, _)| hash < limit);
        // groups in the order of their hashes: [0, a) are the train part, [a, b) the validation part
        let n = hashes.len();
        let wants_test = usize::from(end < 1.0 - 1e-9 && n >= 2);
        let wants_validation = usize::from(validation > 0.0 && n >= 2 + wants_test);
        let a = below(train).clamp(1.min(n), n - wants_test - wants_validation);
        let b = if wants_test == 1 { below(end) } else { n };
        let b = if validation > 0.0 { b.clamp(a + wants_validation, n - wants_test) } else { a };
        Ok(divide(group, seed, &hashes, a, b))
    }
}

impl Split {
    /// The part of each of so many rows, if it is in one.
    pub fn parts(&self, rows: usize) -> Vec<Option<Part>> {
        let mut parts = vec![None; rows];
        for (part, members) in
            [(Part::Train, &self.train), (Part::Validation, &self.validation), (Part::Test, &self.test)]
        {
            members.iter().for_each(|&row| parts[row] = Some(part));
        }
        parts
    }
}

/// Gives each row the part of its group: those before `a` in the order of the hashes, before `b`, or after.
fn divide(group: &[u64], seed: u64, hashes: &[(f64, u64)], a: usize, b: usize) -> Split {
    let mut split = Split::default();
    for (row, &group) in group.iter().enumerate() {
        let hash = (uniform(seed, group), group);
        let place = hashes.partition_point(|other| (other.0, other.1) < hash);
        match place {
            place if place < a => split.train.push(row),
            place if place < b => split.validation.push(row),
            _ => split.test.push(row),
        }
    }
    split
}

/// A number in [0, 1) for a group.
fn uniform(seed: u64, group: u64) -> f64 {
    let counter = [group as u32, (group >> 32) as u32, PURPOSE, 0];
    let words = philox(counter, [seed as u32, (seed >> 32) as u32]);
    (u64::from(words[0]) << 21 | u64::from(words[1]) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The part of each row: 0, 1 or 2.
    fn parts(split: &Split, rows: usize) -> Vec<usize> {
        let mut parts = vec![9; rows];
        for (part, members) in [&split.train, &split.validation, &split.test].into_iter().enumerate() {
            assert!(members.is_sorted());
            for &row in members {
                assert_eq!(std::mem::replace(&mut parts[row], part), 9, "row {row} is in two parts");
            }
        }
        parts
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_part_with_its_group(group in prop::collection::vec(0u64..12, 0..60), seed: u64) {
            let parts = parts(&Split::new(&group, seed, Fractions::default()).unwrap(), group.len());
            prop_assert!(!parts.contains(&9));
            for i in 0..group.len() {
                for j in 0..i {
                    prop_assert!(group[i] != group[j] || parts[i] == parts[j]);
                }
            }
            let mut distinct = group.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let filled = (0..3).filter(|part| parts.contains(part)).count();
            prop_assert_eq!(filled, distinct.len().min(3));
        }

        #[test]
        fn order_changes_nothing(mut group in prop::collection::vec(any::<u64>(), 1..60), turn in 0usize..60) {
            let before = parts(&Split::new(&group, 1, Fractions::default()).unwrap(), group.len());
            let turn = turn % group.len();
            group.rotate_left(turn);
            let mut after = parts(&Split::new(&group, 1, Fractions::default()).unwrap(), group.len());
            after.rotate_right(turn);
            prop_assert_eq!(before, after);
        }
    }

    #[test]
    fn added_rows_change_nothing_and_parts_have_their_sizes() {
        let all: Vec<u64> = (0..20_000).collect();
        let large = Split::new(&all, 7, Fractions::default()).unwrap();
        let small = Split::new(&all[..200], 7, Fractions::default()).unwrap();
        assert_eq!(parts(&small, 200), parts(&large, 20_000)[..200]);
        // six standard deviations
        for (part, expected) in [(&large.train, 8000), (&large.validation, 2000), (&large.test, 10_000)] {
            assert!(part.len().abs_diff(expected) < 420, "{} is not about {expected}", part.len());
        }
        assert_ne!(large, Split::new(&all, 8, Fractions::default()).unwrap());
    }

    #[test]
    fn parts_may_be_unwanted() {
        let group: Vec<u64> = (0..10).collect();
        let new = |train, validation| Split::new(&group, 0, Fractions { train, validation });
        assert_eq!(new(1.0, 0.0).unwrap().train.len(), 10);
        assert!(new(0.5, 0.5).unwrap().test.is_empty());
        assert!(new(0.5, 0.0).unwrap().validation.is_empty());
        assert_eq!(Split::new(&[], 0, Fractions::default()).unwrap(), Split::default());
        for (train, validation) in [(0.0, 0.5), (0.8, 0.3), (f64::NAN, 0.1), (0.5, -0.1)] {
            assert!(new(train, validation).is_err(), "{train} {validation}");
        }
    }
}
