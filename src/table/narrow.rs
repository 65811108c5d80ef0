//! What a table loses in single precision: values of 64 bits that fall together, targets whose differences drown.

use super::Table;
use rayon::prelude::*;

/// Share of a column's different values that may fall together: of many values some always do.
const COLLIDING: f64 = 0.01;

/// Part of the spread of the targets that a step of single precision may be.
const STEP: f64 = 1e-3;

/// Columns that are named.
const NAMED: usize = 3;

/// Says which of `width` columns, whose values `column` gives, lose different ones as f32.
pub(super) fn collisions(
    width: usize,
    column: impl Fn(usize) -> Vec<f64> + Sync,
    name: impl Fn(usize) -> String,
) -> Option<String> {
    let collides = |place: &usize| {
        let mut sorted = column(*place);
        sorted.retain(|value| !value.is_nan());
        if sorted.iter().all(|&value| f64::from(value as f32) == value) {
            return false;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.dedup();
        let mut narrow: Vec<f32> = sorted.iter().map(|&value| value as f32).collect();
        narrow.dedup();
        (sorted.len() - narrow.len()) as f64 > COLLIDING * sorted.len() as f64
    };
    let columns: Vec<usize> = (0..width).into_par_iter().filter(collides).collect();
    let some: Vec<String> = columns.iter().take(NAMED).map(|&column| name(column)).collect();
    let more = if columns.len() > NAMED { " …" } else { "" };
    let verb = if columns.len() == 1 { "has" } else { "have" };
    (!columns.is_empty())
        .then(|| format!("{}{more} {verb} values that fall together as f32: subtract an offset first", some.join(", ")))
}

/// Says whether the errors of a fit drown in the size of a few targets: they are kept in steps of the mean's single precision.
pub(super) fn drowned(table: &Table) -> Option<String> {
    let mut sorted = table.y.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let (lowest, highest) = (f64::from(*sorted.first()?), f64::from(*sorted.last()?));
    let mean = sorted.iter().map(|&y| f64::from(y)).sum::<f64>() / sorted.len() as f64;
    let quartile = |quarter: usize| f64::from(sorted[(sorted.len() - 1) * quarter / 4]);
    let (middle, step) = (quartile(3) - quartile(1), mean.abs() * f64::from(f32::EPSILON));
    (middle > 0.0 && step > STEP * middle).then(|| {
        format!("targets from {lowest:.3e} to {highest:.3e}: f32 keeps steps of {step:.1e}, the middle half lies within {middle:.1e}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_fall_together_are_told_and_ordinary_ones_are_not() {
        let rows = 1000;
        let column = |of: &dyn Fn(f64) -> f64| (0..rows).map(|row| of(f64::from(row))).collect::<Vec<f64>>();
        let collisions = |doubles: &[f64], width: usize| {
            let column = |place: usize| doubles.iter().skip(place).step_by(width).copied().collect();
            super::collisions(width, column, |column| format!("x{column}"))
        };
        // a time stamp, a step apart
        assert!(collisions(&column(&|row| 1.7e9 + row), 1).unwrap().starts_with("x0 has"));
        assert_eq!(collisions(&column(&|row| row / 3.0), 1), None);
        assert_eq!(collisions(&column(&|row| 1.0e6 + row), 1), None, "exact");
        assert_eq!(collisions(&column(&|_| 0.1), 1), None, "one value cannot fall together");
        let both: Vec<f64> = (0..rows).flat_map(|row| [f64::from(row), 1e9 + f64::from(row) / 9.0]).collect();
        assert!(collisions(&both, 2).unwrap().starts_with("x1 has"));
    }

    #[test]
    fn one_huge_target_drowns_the_others() {
        let table = |y: Vec<f32>| Table { group: (0..y.len() as u64).collect(), y, ..Table::default() };
        let mut y: Vec<f32> = (0..100).map(|row| row as f32 / 100.0).collect();
        assert_eq!(drowned(&table(y.clone())), None);
        y[7] = 1e12;
        assert!(drowned(&table(y)).unwrap().contains("1.000e12"));
        assert_eq!(drowned(&table(vec![5.0; 9])), None);
        assert_eq!(drowned(&Table::default()), None);
    }
}
