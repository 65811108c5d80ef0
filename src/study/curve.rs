//! What a learning curve says of more networks than there are.

use super::Cell;

/// Smaller fits are not part of the law.
const LEAST: usize = 100;

/// R² for `n` networks by the power law `1 − R² = a·n⁻ᵇ` through a learning curve's points of at least 100 networks (least
/// squares of the logarithms); none of fewer than three such points.
///
/// Source of the law: Hestness et al., *Deep Learning Scaling is Predictable, Empirically* (arXiv 1712.00409).
pub fn extrapolate<'c>(cells: impl IntoIterator<Item = &'c Cell>, n: usize) -> Option<f64> {
    let usable = cells.into_iter().filter(|cell| cell.n_train >= LEAST && cell.score.r2 < 1.0);
    let points: Vec<(f64, f64)> = usable.map(|cell| ((cell.n_train as f64).ln(), (1.0 - cell.score.r2).ln())).collect();
    let count = points.len() as f64;
    let mean = |get: fn(&(f64, f64)) -> f64| points.iter().map(get).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), point| {
        let dx = point.0 - x;
        (xy + dx * (point.1 - y), xx + dx * dx)
    });
    (points.len() >= 3 && xx > 0.0).then(|| 1.0 - (y + xy / xx * ((n as f64).ln() - x)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Score;

    #[test]
    fn a_power_law_is_found_again() {
        let cell = |n_train: usize| Cell {
            n_train,
            score: Score { r2: 1.0 - 2.0 * (n_train as f64).powf(-0.6), tau: 0.0, mse: 0.0, mae: 0.0, n: 1 },
            ..Cell::default()
        };
        let cells: Vec<Cell> = [50, 100, 200, 400].map(cell).into();
        let found = extrapolate(&cells, 15_000).unwrap();
        assert!((found - cell(15_000).score.r2).abs() < 1e-12);
        assert_eq!(extrapolate(&cells[..3], 15_000), None);
    }
}
