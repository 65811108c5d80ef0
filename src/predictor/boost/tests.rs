//! Fits against an exhaustive search in f64, and what a user may rely on.

use super::*;
use crate::par::{Stop, with_threads};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error, Result};
use proptest::prelude::*;

/// Rows of a few values a column, some of them missing, with a target that depends on them.
fn table(seed: u64, rows: usize, width: usize, missing: f64) -> Table {
    let mut stream = Stream::new(seed, 0, 0);
    let mut table = Table { columns: (0..width).map(|c| format!("c{c}")).collect(), ..Table::default() };
    for row in 0..rows {
        let x: Vec<f32> = (0..width)
            .map(|_| if stream.uniform() < missing { f32::NAN } else { (stream.normal() * 4.0).round() as f32 / 4.0 })
            .collect();
        let signal = |c: usize| x.get(c).map_or(0.0, |x| if x.is_nan() { 1.5 } else { *x });
        table.y.push(signal(0).sin() + signal(1) * signal(2) + 0.3 * stream.normal() as f32);
        table.x.extend(x);
        table.group.push(row as u64);
    }
    table
}

fn fit_quietly(isa: Isa, train: &Table, val: Option<&Table>, params: &Params) -> Result<Boost> {
    fit(&Context::new().isa(isa), train, val, params, &mut |_| ())
}

fn params(settings: &str) -> Params {
    let mut params = Params::default();
    settings.split_whitespace().for_each(|setting| params.set(setting).unwrap());
    params
}

/// Gain, column, threshold, whether missing values go left.
type Candidate = (f64, usize, f32, bool);

fn goes_left(x: f32, threshold: f32, missing_left: bool) -> bool {
    if x.is_nan() { missing_left } else { x <= threshold }
}

/// `T(G)² / (n + λ)` and the sum itself.
fn score(params: &Params, gradients: &[f64], rows: &[usize]) -> f64 {
    let sum: f64 = rows.iter().map(|&row| gradients[row]).sum();
    (sum.abs() - params.reg_alpha).max(0.0).powi(2) / (rows.len() as f64 + params.reg_lambda)
}

/// The best split of some rows by trying all.
fn best_split(params: &Params, table: &Table, gradients: &[f64], rows: &[usize]) -> Option<Candidate> {
    let mut best: Option<Candidate> = None;
    for column in bin::columns(&table.x, table.width(), params.max_bin) {
        for t in 0..column.bins.len() {
            for missing_left in [false, true] {
                let threshold = column.bins.threshold(t);
                let left = |&row: &usize| goes_left(table.row(row)[column.index], threshold, missing_left);
                let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| left(row));
                if left.len().min(right.len()) < params.min_count() as usize {
                    continue;
                }
                let gain =
                    score(params, gradients, &left) + score(params, gradients, &right) - score(params, gradients, rows);
                if gain > params.min_split_gain && best.is_none_or(|best| gain > best.0 * (1.0 + 1e-9)) {
                    best = Some((gain, column.index, threshold, missing_left));
                }
            }
        }
    }
    best
}

/// The first tree by exhaustive search: for each row the value of its leaf, and the gains of the splits.
fn exhaustive(params: &Params, table: &Table) -> (Vec<f64>, Vec<f64>) {
    let base = table.y.iter().map(|&y| f64::from(y)).sum::<f64>() / table.rows() as f64;
    let gradients: Vec<f64> = table.y.iter().map(|&y| base - f64::from(y)).collect();
    let all: Vec<usize> = (0..table.rows()).collect();
    let mut leaves = vec![(best_split(params, table, &gradients, &all), all, 0)];
    let mut gains = Vec::new();
    while leaves.len() < params.num_leaves {
        let gain = |leaf: &(Option<Candidate>, Vec<usize>, i32)| leaf.0.map_or(0.0, |best| best.0);
        let best = (0..leaves.len()).max_by(|&a, &b| gain(&leaves[a]).total_cmp(&gain(&leaves[b]))).unwrap();
        let Some((gain, column, threshold, missing_left)) = leaves[best].0 else { break };
        let (_, rows, depth) = leaves.swap_remove(best);
        gains.push(gain);
        let left = |row: &usize| goes_left(table.row(*row)[column], threshold, missing_left);
        let (left, right): (Vec<usize>, Vec<usize>) = rows.iter().copied().partition(left);
        for side in [left, right] {
            let deep = params.max_depth > 0 && depth + 1 >= params.max_depth;
            leaves.push((if deep { None } else { best_split(params, table, &gradients, &side) }, side, depth + 1));
        }
    }
    let mut values = vec![0.0; table.rows()];
    for (_, rows, _) in leaves {
        let sum: f64 = rows.iter().map(|&row| gradients[row]).sum();
        let thresholded = (sum.abs() - params.reg_alpha).max(0.0).copysign(sum);
        let value = -params.learning_rate * thresholded / (rows.len() as f64 + params.reg_lambda);
        rows.iter().for_each(|&row| values[row] = base + value);
    }
    (values, gains)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_tree_is_that_of_an_exhaustive_search(
        seed: u64,
        rows in 2usize..120,
        width in 1usize..12,
        missing in prop_oneof![Just(0.0), Just(0.3)],
        lambda in prop_oneof![Just(0.0), Just(2.5)],
        alpha in prop_oneof![Just(0.0), Just(1.5)],
        min_data in 1usize..9,
        num_leaves in 1usize..9,
        max_depth in prop_oneof![Just(-1), 1i32..4],
    ) {
        let table = table(seed, rows, width, missing);
        let params = Params {
            n_estimators: 1, num_leaves, max_depth, reg_lambda: lambda, reg_alpha: alpha, min_data_in_leaf: min_data,
            max_bin: 16, min_split_gain: 1e-3, ..Params::default()
        };
        let (expected, gains) = exhaustive(&params, &table);
        for isa in Isa::available() {
            let boost = fit_quietly(isa, &table, None, &params).unwrap();
            let mut got: Vec<f64> = boost.trees[0].nodes.iter().map(|node| f64::from(node.gain)).filter(|&g| g > 0.0).collect();
            let mut wanted = gains.clone();
            got.sort_by(f64::total_cmp);
            wanted.sort_by(f64::total_cmp);
            prop_assert_eq!(got.len(), wanted.len());
            for (got, wanted) in got.iter().zip(&wanted) {
                prop_assert!((got - wanted).abs() <= 1e-5 * wanted + 1e-6, "gain {got} is not {wanted}");
            }
            for (got, wanted) in boost.predict(isa, &table.x).iter().zip(&expected) {
                prop_assert!((f64::from(*got) - wanted).abs() < 1e-5, "{got} is not {wanted}");
            }
        }
    }
}

#[test]
fn predictions_are_sums_of_trees_however_they_are_computed() {
    let train = table(1, 700, 9, 0.1);
    let mut probe = table(2, 83, 9, 0.3);
    probe.x[..4].copy_from_slice(&[f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0]);
    for settings in ["num_leaves=31", "num_leaves=80 min_data_in_leaf=2", "num_leaves=1", "max_depth=2"] {
        let boost = fit_quietly(Isa::detect(), &train, None, &params(&format!("n_estimators=19 {settings}"))).unwrap();
        let definition: Vec<f32> = (0..probe.rows())
            .map(|row| {
                boost.trees.iter().fold(boost.base, |sum, tree| sum + f64::from(tree.predict(probe.row(row)))) as f32
            })
            .collect();
        for isa in Isa::available() {
            assert_eq!(boost.predict(isa, &probe.x), definition, "{settings} on {}", isa.kind());
        }
        for (row, expected) in definition.iter().enumerate() {
            for isa in Isa::available() {
                assert_eq!(boost.predict_row(isa, probe.row(row)), *expected, "{settings} on {}", isa.kind());
            }
            assert_eq!(boost.predict(Isa::detect(), probe.row(row)), [*expected]);
        }
        assert!(boost.predict(Isa::detect(), &[]).is_empty());
    }
}

#[test]
fn bits_do_not_depend_on_threads_or_instructions() {
    let (train, val) = (table(3, 3000, 21, 0.05), table(4, 500, 21, 0.05));
    let settings =
        "n_estimators=12 num_leaves=40 subsample=0.7 subsample_freq=2 colsample_bytree=0.8 reg_alpha=0.1 seed=5";
    let first = with_threads(1, || fit_quietly(Isa::detect(), &train, Some(&val), &params(settings))).unwrap();
    for isa in Isa::available() {
        for threads in [1, 2, 4] {
            let other = with_threads(threads, || fit_quietly(isa, &train, Some(&val), &params(settings))).unwrap();
            assert!(other == first, "{threads} threads on {}", isa.kind());
        }
        eprintln!("ran on {}", isa.kind());
    }
}

#[test]
fn bits_do_not_depend_on_threads_where_rows_are_shared() {
    // more rows than a thread builds a histogram of alone
    let train = table(8, 70_000, 9, 0.05);
    let fitted = |threads| {
        with_threads(threads, || fit_quietly(Isa::detect(), &train, None, &params("n_estimators=3"))).unwrap()
    };
    assert!(fitted(1) == fitted(3));
}

#[test]
fn the_curve_is_that_of_the_predictions() {
    let (train, val) = (table(5, 900, 5, 0.1), table(6, 300, 5, 0.1));
    for sampling in ["", "subsample=0.5 subsample_freq=1 colsample_bytree=0.6"] {
        let boost =
            fit_quietly(Isa::detect(), &train, Some(&val), &params(&format!("n_estimators=30 {sampling}"))).unwrap();
        let rmse = |table: &Table, trees: usize| {
            let of = Boost::new(boost.params.clone(), 5, boost.base, boost.trees[..trees].to_vec(), Vec::new());
            let predicted = of.predict(Isa::detect(), &table.x);
            let squares: f64 = predicted.iter().zip(&table.y).map(|(p, y)| f64::from(p - y).powi(2)).sum();
            (squares / table.rows() as f64).sqrt()
        };
        for round in boost.curve.iter().step_by(7) {
            assert!((round.train_rmse - rmse(&train, round.trees - 1)).abs() < 1e-6, "{sampling} {round:?}");
            assert!((round.val_rmse.unwrap() - rmse(&val, round.trees)).abs() < 1e-6, "{sampling} {round:?}");
        }
        assert!(boost.curve[29].train_rmse < 0.6 * boost.curve[0].train_rmse);
    }
}

#[test]
fn early_stopping_keeps_the_best_round() {
    let (train, val) = (table(7, 300, 4, 0.0), table(8, 300, 4, 0.0));
    let settings = params("n_estimators=1000 learning_rate=0.3 early_stopping_rounds=10");
    let boost = fit_quietly(Isa::detect(), &train, Some(&val), &settings).unwrap();
    let errors: Vec<f64> = boost.curve.iter().map(|round| round.val_rmse.unwrap()).collect();
    let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
    assert_eq!(boost.best_iteration(), best + 1);
    assert_eq!(errors.len(), best + 11);
    assert!(errors.len() < 1000);
}

#[test]
fn importances_name_the_columns_that_matter() {
    let boost = fit_quietly(Isa::detect(), &table(9, 2000, 10, 0.0), None, &params("n_estimators=40")).unwrap();
    let (gain, split) = (boost.importance_gain(), boost.importance_split());
    assert!((3..10).all(|c| gain[c] < 0.1 * gain[0].min(gain[1]).min(gain[2])), "{gain:?}");
    assert_eq!(split.iter().sum::<u64>() as usize, boost.trees.iter().map(|tree| tree.leaves() - 1).sum::<usize>());
}

#[test]
fn degenerate_tables_are_predicted_by_the_mean() {
    let rows = |x: &[f32], y: &[f32]| Table {
        columns: (0..x.len() / y.len()).map(|c| c.to_string()).collect(),
        x: x.to_vec(),
        y: y.to_vec(),
        group: (0..y.len() as u64).collect(),
        ..Table::default()
    };
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let varied: Vec<f32> = (0..50).map(|i| i as f32).collect();
    let targets = [vec![0.1f32; 50], (0..50).map(|i| (i % 7) as f32).collect()];
    for (what, table) in [
        ("one row", rows(&[1.0, 2.0], &[3.0])),
        ("too few rows for two leaves", rows(&varied[..39], &varied[..39])),
        ("constant target", rows(&varied, &targets[0])),
        ("constant column", rows(&[7.0; 50], &targets[1])),
        ("missing column", rows(&[nan; 50], &targets[1])),
        ("targets as large as they can be, without a split", rows(&[7.0; 3], &[f32::MAX, f32::MAX, f32::MAX])),
        ("infinite column", rows(&[inf; 50], &targets[1])),
    ] {
        for more in ["", "colsample_bytree=0.5 subsample=0.5 subsample_freq=1"] {
            let boost = fit_quietly(Isa::detect(), &table, None, &params(more)).unwrap();
            let mean = (table.y.iter().map(|&y| f64::from(y)).sum::<f64>() / table.rows() as f64) as f32;
            let got = boost.predict(Isa::detect(), &table.x);
            assert!(got.iter().all(|p| (p - mean).abs() < 1e-5), "{what} {more}: {got:?} is not {mean}");
        }
    }
}

#[test]
fn infinite_and_missing_values_can_be_told_apart() {
    let value = [f32::NEG_INFINITY, f32::MIN, -1.0, 1.0, f32::MAX, f32::INFINITY, f32::NAN];
    // −∞ and the least finite number are one value, as are the largest and +∞
    let target = [0.0, 0.0, 1.0, 5.0, 2.0, 2.0, 9.0];
    let rows = 210;
    let table = Table {
        columns: vec!["x".into()],
        x: (0..rows).map(|r| value[r % 7]).collect(),
        y: (0..rows).map(|r| target[r % 7]).collect(),
        group: (0..rows as u64).collect(),
        ..Table::default()
    };
    let exact = params("n_estimators=1 learning_rate=1 num_leaves=7");
    let boost = fit_quietly(Isa::detect(), &table, None, &exact).unwrap();
    for (got, expected) in boost.predict(Isa::detect(), &table.x).iter().zip(&table.y) {
        assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
    }
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let good = table(10, 60, 3, 0.0);
    let error = |change: &dyn Fn(&mut Table)| {
        let mut bad = good.clone();
        change(&mut bad);
        fit_quietly(Isa::detect(), &bad, None, &Params::default()).unwrap_err().to_string()
    };
    assert!(error(&|t| *t = Table::default()).contains("columns"));
    assert!(error(&|t| (t.x, t.y, t.group) = Default::default()).contains("rows, got 0"));
    assert!(error(&|t| t.y[7] = f32::NAN).contains("NaN in row 7"));
    assert!(error(&|t| t.y.clear()).contains("0 targets in 60 rows"));
    assert!(error(&|t| t.x.truncate(179)).contains("179 values"));
    let other = Table { columns: vec!["a".into(), "b".into(), "c".into()], ..good.clone() };
    let refused = fit_quietly(Isa::detect(), &good, Some(&other), &Params::default());
    assert!(matches!(refused, Err(Error::Unsuitable { .. })));
    let bad = Params { max_bin: 300, ..Params::default() };
    assert!(matches!(fit_quietly(Isa::detect(), &good, None, &bad), Err(Error::Invalid { .. })));
}

#[test]
fn a_fit_can_be_stopped() {
    let (stop, table) = (Stop::new(), table(11, 100, 3, 0.0));
    let mut rounds = 0;
    let mut progress = |round: &Round| {
        rounds = round.trees;
        if rounds == 3 {
            stop.request();
        }
    };
    let result = fit(&Context::new().stop(&stop), &table, None, &Params::default(), &mut progress);
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(rounds, 3);
}

#[test]
fn targets_as_large_as_they_can_be_give_finite_trees() {
    let mut table = table(12, 200, 2, 0.0);
    (0..200).for_each(|row| table.y[row] = if table.row(row)[0] > 0.0 { f32::MAX } else { f32::MIN });
    let boost = fit_quietly(Isa::detect(), &table, None, &params("n_estimators=3 learning_rate=1")).unwrap();
    for tree in &boost.trees {
        tree.check("model".as_ref(), 0, 2).unwrap();
    }
    assert!(boost.predict(Isa::detect(), &table.x).iter().zip(&table.y).all(|(p, y)| (p / y - 1.0).abs() < 1e-5));
}
