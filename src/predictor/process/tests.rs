//! Processes: their likelihood, their predictions, their limits.

use super::covariance::{Covariances, matern};
use super::likelihood::Likelihood;
use super::*;
use crate::par::{Stop, with_threads};
use crate::rng::Stream;
use crate::table::Table;
use crate::{Context, Error};

fn table(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, 0, 0);
    let x: Vec<f32> = (0..rows * 4).map(|at| if at % 4 == 3 { 7.0 } else { stream.normal() as f32 }).collect();
    let y = x.chunks(4).map(|row| (2.0 * row[0]).sin() + 0.3 * row[1]).collect();
    Table {
        columns: ["a", "b", "c", "d"].map(String::from).into(),
        x,
        y,
        group: (0..rows as u64).collect(),
        ..Table::default()
    }
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    let table = table(90, 1);
    let target: Vec<f64> = table.y.iter().map(|&y| f64::from(y)).collect();
    let varies = [true, true, true, false];
    for isa in Isa::available() {
        let likelihood = Likelihood { isa, scores: &table.x, target: &target, varies: &varies };
        let hyper = |p: [f64; 5]| Hyper {
            inverse_lengths: vec![(-p[0]).exp() as f32, (-p[1]).exp() as f32, (-p[2]).exp() as f32, 0.0],
            signal: p[3].exp(),
            noise: (p[3] + p[4]).exp(),
        };
        let mut work = Covariances::default();
        let mut at = |p: [f64; 5]| likelihood.at(&hyper(p), &mut work).unwrap();
        let point = [0.2, 0.9, 1.5, 0.4, -3.0];
        let found = at(point).1;
        assert!(found.len() == 6 && found[3] == 0.0);
        for (k, found) in
            found.into_iter().enumerate().filter(|(k, _)| *k != 3).map(|(k, d)| (k - usize::from(k > 3), d))
        {
            let mut moved = [point; 2];
            (moved[0][k], moved[1][k]) = (point[k] - 1e-2, point[k] + 1e-2);
            let difference = (at(moved[1]).0 - at(moved[0]).0) / 2e-2;
            assert!((found - difference).abs() < 0.02 * difference.abs() + 0.02, "{k}: {found} {difference}");
        }
    }
}

#[test]
fn predictions_are_those_of_the_definition() {
    let (train, test) = (table(150, 2), table(20, 3));
    let process = fit(&Context::default(), &train, &Params::default()).unwrap();
    let n = train.rows();
    let normal = |table: &Table, i: usize| process.scores.row(table.row(i)).collect::<Vec<f32>>();
    let covariance = |a: &[f32], b: &[f32]| {
        let terms = a.iter().zip(b).zip(&process.hyper.inverse_lengths);
        let squared: f64 = terms.map(|((a, b), i)| ((f64::from(*a) - f64::from(*b)) * f64::from(*i)).powi(2)).sum();
        process.hyper.signal * matern(squared)
    };
    let rows: Vec<Vec<f32>> = (0..n).map(|i| normal(&train, i)).collect();
    // Gauss elimination, nothing shared with the fit
    let mut system: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let noise = |j: usize| if i == j { process.hyper.noise } else { 0.0 };
            let mut row: Vec<f64> = (0..n).map(|j| covariance(&rows[i], &rows[j]) + noise(j)).collect();
            row.push((f64::from(train.y[i]) - process.target[0]) / process.target[1]);
            row
        })
        .collect();
    for k in 0..n {
        let pivot = system[k].clone();
        for row in &mut system[k + 1..] {
            let factor = row[k] / pivot[k];
            row.iter_mut().zip(&pivot).skip(k).for_each(|(x, p)| *x -= factor * p);
        }
    }
    let mut alpha = vec![0.0; n];
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| system[k][j] * alpha[j]).sum();
        alpha[k] = (system[k][n] - rest) / system[k][k];
    }
    let predicted = process.predict(Isa::detect(), &test.x);
    for (i, found) in predicted.iter().enumerate() {
        let at = normal(&test, i);
        let sum: f64 = rows.iter().zip(&alpha).map(|(row, alpha)| alpha * covariance(&at, row)).sum();
        let want = process.target[0] + process.target[1] * sum;
        assert!((f64::from(*found) - want).abs() < 1e-3, "{found} {want}");
        assert!((found - test.y[i]).abs() < 0.6, "{found} {}", test.y[i]);
    }
}

#[test]
fn columns_that_say_nothing_get_long_lengths_and_bits_do_not_depend_on_threads() {
    let train = table(150, 4);
    let fitted = |threads| with_threads(threads, || fit(&Context::default(), &train, &Params::default()).unwrap());
    let process = fitted(1);
    let [a, b, c, d] = process.hyper.inverse_lengths[..] else { panic!() };
    assert!(a > b && b > 2.0 * c && d == 0.0, "{a} {b} {c} {d}");
    assert_eq!(process, fitted(3));
    let start = Params { steps: 0, ..Params::default() };
    let start = fit(&Context::default(), &train, &start).unwrap();
    assert!(process.log_likelihood > start.log_likelihood + 10.0 && process.steps > 0);
}

#[test]
fn tables_that_are_none_are_refused() {
    let fit = |table: &Table| fit(&Context::default(), table, &Params::default());
    let rows = MOST_ROWS + 1;
    let large = Table {
        columns: vec!["a".into()],
        x: vec![0.0; rows],
        y: vec![0.0; rows],
        group: (0..rows as u64).collect(),
        ..Table::default()
    };
    let error = fit(&large).unwrap_err().to_string();
    assert!(error.contains("8192 rows at most") && error.contains("8193"), "{error}");
    let mut broken = table(20, 1);
    broken.y[3] = f32::NAN;
    assert!(fit(&broken).unwrap_err().to_string().contains("NaN in row 3"));
    let stop = Stop::new();
    stop.request();
    let cancelled = super::fit(&Context::new().stop(&stop), &table(20, 1), &Params::default());
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    // equal rows and equal targets
    let equal = Table { x: vec![1.0; 80], y: vec![0.5; 20], ..table(20, 1) };
    assert!(fit(&equal).unwrap().predict(Isa::detect(), &[3.0; 4]).iter().all(|p| (p - 0.5).abs() < 1e-6));
}
