//! How much a predictor needs each column: what it loses when the column's values are shuffled among the rows.
//!
//! Source: Breiman, *Random Forests*, Machine Learning 45 (2001), section 10; for any predictor Fisher, Rudin, Dominici, *All
//! Models are Wrong, but Many are Useful*, JMLR 20 (2019).

use super::metrics::{ClassScore, r2};
use crate::predictor::Predictor;
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"perm");

/// For each column how far R², or where classes are predicted their accuracy, falls on a table with targets when that column is shuffled, mean of `rounds` orders; the rows
/// should be ones that the predictor was not fitted to. NaN where R² is, but 0 for a column that it does not look at.
///
/// A column's orders are a pure function of seed, column and round. Of columns that are copies of each other none seems to
/// matter much: the others stand in for it.
///
/// # Errors
/// Those of [`Predictor::predict`]; [`Error::Invalid`] without targets or rounds; [`Error::Cancelled`] when a stop was requested.
pub fn permutation(
    context: &Context,
    predictor: &Predictor,
    table: &Table,
    rounds: usize,
    seed: u64,
) -> Result<Vec<f64>> {
    if rounds == 0 {
        return Err(Error::invalid("rounds", "at least 1", rounds));
    }
    if table.y.len() != table.rows() {
        return Err(Error::unsuitable_table("table", "a target for each row", table.y.len()));
    }
    let measure = |predicted: &[f32]| match predictor.model.outputs() {
        1 => r2(predicted, &table.y),
        classes => ClassScore::new(predicted, classes, &table.y).accuracy,
    };
    let before = measure(&predictor.predict(context, table)?);
    let (width, mut shuffled) = (table.width(), table.clone());
    let fall = |column: usize| {
        if !predictor.model.uses(column) {
            return Ok(0.0);
        }
        let values: Vec<f32> = table.x.iter().skip(column).step_by(width).copied().collect();
        let mut sum = 0.0;
        for round in 0..rounds {
            if context.stop.requested() {
                return Err(Error::Cancelled);
            }
            let mut values = values.clone();
            Stream::at_step(seed, PURPOSE, column as u32, round as u32).shuffle(&mut values);
            set(&mut shuffled, column, &values);
            sum += before - measure(&predictor.predict(context, &shuffled)?);
        }
        set(&mut shuffled, column, &values);
        Ok(sum / rounds as f64)
    };
    (0..width).map(fall).collect()
}

/// Gives a column other values.
fn set(table: &mut Table, column: usize, values: &[f32]) {
    let width = table.width();
    table.x.iter_mut().skip(column).step_by(width).zip(values).for_each(|(cell, value)| *cell = *value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::Stop;
    use crate::predictor::boost::Boost;
    use crate::predictor::{Options, names};

    fn table(rows: usize, seed: u64) -> Table {
        let mut stream = Stream::new(seed, 0, 0);
        let x: Vec<f32> = (0..rows).flat_map(|_| [stream.uniform() as f32, stream.uniform() as f32, 7.0]).collect();
        let columns = vec!["useful".into(), "noise".into(), "constant".into()];
        Table {
            columns,
            y: x.chunks(3).map(|row| row[0]).collect(),
            group: (0..rows as u64).collect(),
            x,
            ..Table::default()
        }
    }

    #[test]
    fn what_is_needed_is_missed() {
        let (train, test) = (table(300, 1), table(200, 2));
        let context = &Context::default();
        for kind in names() {
            let mut options = Options::new(kind).unwrap();
            if kind == "mlp" {
                options.set("epochs=60").unwrap();
            }
            let predictor = Predictor::fit(context, &options, &train, None).unwrap();
            let fall = permutation(context, &predictor, &test, 8, 3).unwrap();
            // shuffled, the useful column is another network's: R² falls from about 1 to about −1
            assert!((1.7..2.3).contains(&fall[0]) && fall[1].abs() < 0.05 && fall[2] == 0.0, "{kind}: {fall:?}");
            assert_eq!(fall, permutation(context, &predictor, &test, 8, 3).unwrap());
            assert_ne!(fall[0], permutation(context, &predictor, &test, 8, 4).unwrap()[0]);
            assert!(permutation(context, &predictor, &test, 0, 3).is_err());
            assert!(permutation(context, &predictor, &Table { y: Vec::new(), ..test.clone() }, 1, 3).is_err());
            assert!(
                permutation(context, &predictor, &Table { columns: vec!["x".into(); 3], ..test.clone() }, 1, 3)
                    .is_err()
            );
        }
    }

    #[test]
    fn a_request_to_stop_is_heard() {
        let (table, stop) = (table(300, 1), Stop::new());
        let context = &Context::new().stop(&stop);
        let predictor = Predictor::fit(context, &Options::new("gbm").unwrap(), &table, None).unwrap();
        let model: &Boost = predictor.model_as().unwrap();
        stop.request();
        // for ever, if nobody looked
        let outcome = permutation(context, &predictor, &table, usize::MAX, 3);
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        assert!(matches!(model.shap(context, &table.x), Err(Error::Cancelled)));
    }
}
