//! Which row of a published folder each network's last checkpoint was: what published divisions count by.
//!
//! An imported zoo keeps that in its recipe, in short: `[[run, row, step, count], …]` says that `count` runs from `run` on were
//! rows `row`, `row + step` … Of any other zoo the rows are those of its own export.

use super::joined::Zoo;
use super::released::exported_rows;
use crate::{Error, Result};
use serde_json::{Value, json};

/// The rows of the folder that a zoo came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Rows of the folder.
    pub rows: u64,
    /// Row of the last checkpoint of each number, if the folder has it.
    pub finals: Vec<Option<u64>>,
}

/// `[run, row, step, count]`
type Segment = (u64, u64, u64, u64);

impl Source {
    /// What the zoo says of its source.
    ///
    /// # Errors
    /// [`Error::Malformed`] where the recipe holds what cannot be.
    pub fn of(zoo: &Zoo) -> Result<Source> {
        let runs = zoo.schema().runs;
        match zoo.schema().recipe.get("source") {
            Some(value) => Source::parse(value, runs).ok_or_else(|| {
                Error::malformed(zoo.path(), format!("rows of {runs} runs as source in the recipe"), value.to_string())
            }),
            None => {
                let checkpoints = zoo.schema().checkpoints.len();
                let end = zoo.run().last().map_or(0, |&number| number as usize + 1);
                let mut source = Source { rows: 0, finals: vec![None; end] };
                for row in exported_rows(zoo) {
                    if row % checkpoints == checkpoints - 1 {
                        source.finals[zoo.run()[row] as usize] = Some(source.rows);
                    }
                    source.rows += 1;
                }
                Ok(source)
            }
        }
    }

    /// In the form that recipes keep.
    pub(super) fn to_value(&self) -> Value {
        let mut segments: Vec<Segment> = Vec::new();
        for (run, row) in self.finals.iter().enumerate() {
            let Some(row) = *row else { continue };
            let run = run as u64;
            match segments.last_mut() {
                Some((start, first, step, count)) if *start + *count == run && row > *first => {
                    if *count == 1 {
                        *step = row - *first;
                    }
                    if *first + *step * *count == row {
                        *count += 1;
                    } else {
                        segments.push((run, row, 0, 1));
                    }
                }
                _ => segments.push((run, row, 0, 1)),
            }
        }
        json!({ "rows": self.rows, "finals": segments })
    }

    fn parse(value: &Value, runs: usize) -> Option<Source> {
        let rows = value.get("rows")?.as_u64()?;
        let segments: Vec<Segment> = serde_json::from_value(value.get("finals")?.clone()).ok()?;
        let mut finals = vec![None; runs];
        let mut next = 0;
        for (run, row, step, count) in segments {
            let last = step.checked_mul(count.checked_sub(1)?)?.checked_add(row)?;
            let end = run.checked_add(count)?;
            // in ascending order no run is named twice, so that the work is bounded by the runs
            if last >= rows || end > runs as u64 || run < next {
                return None;
            }
            next = end;
            for k in 0..count {
                finals[(run + k) as usize] = Some(row + step * k);
            }
        }
        Some(Source { rows, finals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_regular_folder_is_one_segment() {
        let source = Source { rows: 270_000, finals: (0..30_000).map(|run| Some(9 * run + 8)).collect() };
        assert_eq!(source.to_value()["finals"], json!([[0, 8, 9, 30_000]]));
        for hostile in [
            json!([[0, 8, 9, 30_001]]),
            json!([[1, 0, u64::MAX, 3]]),
            json!([[0, 270_000, 0, 1]]),
            json!([1]),
            json!([[0, 0, 1, 9], [8, 9, 1, 2]]),
        ] {
            assert_eq!(Source::parse(&json!({ "rows": 270_000, "finals": hostile }), 30_000), None);
        }
    }

    proptest! {
        #[test]
        fn any_order_comes_back(finals in prop::collection::vec(prop::option::of(0u64..40), 0..30)) {
            let source = Source { rows: 40, finals };
            prop_assert_eq!(Source::parse(&source.to_value(), source.finals.len()), Some(source));
        }
    }
}
