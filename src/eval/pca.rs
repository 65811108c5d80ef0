//! The plane in which a table varies most: principal components.

use crate::table::Table;

/// Steps of the iteration; it ends earlier where nothing changes any more.
const STEPS: usize = 1000;

/// Rows in the plane of the first two principal components.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Coordinates of each row.
    pub points: Vec<[f32; 2]>,
    /// Shares of the variance that the two components hold.
    pub share: [f64; 2],
}

/// The first two principal components of the standardised columns (columns without variance and missing values count as their
/// mean), by orthogonal iteration on the correlation matrix. The sign of a component is that of its largest entry: positive.
///
/// Source: Golub and Van Loan, *Matrix Computations*, section 8.2.4.
pub fn plane(table: &Table) -> Plane {
    let width = table.width();
    let rows = standardised(table);
    let mut matrix = vec![0.0; width * width];
    for row in rows.chunks(width.max(1)) {
        for (i, &a) in row.iter().enumerate() {
            let line = &mut matrix[i * width..(i + 1) * width];
            line.iter_mut().zip(row).for_each(|(sum, &b)| *sum += a * b);
        }
    }
    let trace: f64 = (0..width).map(|i| matrix[i * width + i]).sum();
    let [first, second] = components(&matrix, width);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let variance = |v: &[f64]| dot(v, &times(&matrix, v)) / trace.max(f64::MIN_POSITIVE);
    let points = rows.chunks(width.max(1)).map(|row| [dot(row, &first) as f32, dot(row, &second) as f32]);
    Plane { points: points.collect(), share: [variance(&first), variance(&second)] }
}

/// Rows whose columns have mean 0 and variance 1, or are 0.
fn standardised(table: &Table) -> Vec<f64> {
    let width = table.width();
    let mut rows: Vec<f64> = table.x.iter().map(|&x| f64::from(x)).collect();
    for column in 0..width {
        let values = || table.x[column..].iter().step_by(width).map(|&x| f64::from(x)).filter(|x| x.is_finite());
        let count = values().count().max(1) as f64;
        let mean = values().sum::<f64>() / count;
        let deviation = (values().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
        for x in rows[column..].iter_mut().step_by(width) {
            *x = if x.is_finite() && deviation > 0.0 { (*x - mean) / deviation } else { 0.0 };
        }
    }
    rows
}

/// The eigenvectors of the two largest eigenvalues of a symmetric matrix.
fn components(matrix: &[f64], width: usize) -> [Vec<f64>; 2] {
    // any beginning that is not orthogonal to them will do
    let mut first: Vec<f64> = (0..width).map(|i| 1.0 + (i as f64 * 0.7).sin()).collect();
    let mut second: Vec<f64> = (0..width).map(|i| (i as f64 * 1.3).cos()).collect();
    for _ in 0..STEPS {
        let (mut a, mut b) = (times(matrix, &first), times(matrix, &second));
        normalise(&mut a);
        let along: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        b.iter_mut().zip(&a).for_each(|(b, a)| *b -= along * a);
        normalise(&mut b);
        let change = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        let moved = change(&a, &first).max(change(&b, &second));
        (first, second) = (a, b);
        if moved < 1e-10 {
            break;
        }
    }
    [first, second].map(|mut v| {
        let largest = v.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        v.iter_mut().for_each(|x| *x *= largest.signum());
        v
    })
}

fn times(matrix: &[f64], v: &[f64]) -> Vec<f64> {
    matrix.chunks(v.len().max(1)).map(|line| line.iter().zip(v).map(|(a, b)| a * b).sum()).collect()
}

fn normalise(v: &mut [f64]) {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    v.iter_mut().for_each(|x| *x /= length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// Columns of which the first three follow one number and the next two another.
    fn table() -> Table {
        let mut stream = Stream::new(1, 0, 0);
        let mut x = Vec::new();
        for _ in 0..500 {
            let (a, b) = (stream.normal(), stream.normal());
            let noise = |stream: &mut Stream| 0.1 * stream.normal();
            let row = [a, 5.0 * a, 3.0 - a, b, 100.0 * b].map(|value| value * (1.0 + noise(&mut stream)));
            x.extend(row.map(|value| value as f32));
            x.push(7.0);
        }
        Table { columns: (0..6).map(|c| c.to_string()).collect(), x, group: (0..500).collect(), ..Table::default() }
    }

    #[test]
    fn the_plane_holds_what_varies() {
        let table = table();
        let Plane { points, share } = plane(&table);
        assert!((share[0] - 0.6).abs() < 0.03 && (share[1] - 0.4).abs() < 0.03, "{share:?}");
        let correlation = |c: usize, k: usize| {
            let x: Vec<f64> = standardised(&table).chunks(6).map(|row| row[c]).collect();
            let p: Vec<f64> = points.iter().map(|point| f64::from(point[k])).collect();
            let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            x.iter().zip(&p).map(|(x, p)| x * p).sum::<f64>() / (norm(&x) * norm(&p))
        };
        assert!(correlation(0, 0).abs() > 0.98 && correlation(3, 1).abs() > 0.98);
    }

    #[test]
    fn nothing_to_see_is_no_failure() {
        assert!(plane(&Table::default()).points.is_empty());
        let flat = Table { columns: vec!["a".into()], x: vec![1.0, f32::NAN], group: vec![0, 1], ..Table::default() };
        assert_eq!(plane(&flat).points, [[0.0, 0.0]; 2]);
    }
}
