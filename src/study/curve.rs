//! What a learning curve says of more networks than there are.

use super::Cell;
use crate::eval::bootstrap::percentiles;
use std::fmt;

/// Smaller fits are not part of the law.
const MIN_TRAIN: usize = 100;

/// Points that a law needs.
const POINTS: usize = 3;

/// Why there is no law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lawless {
    /// So many points of at least 100 networks, fewer than three.
    Few(usize),
    /// R² of the point of the most networks is above 0 only by chance.
    Noise,
    /// More networks do not help.
    Flat,
}

impl fmt::Display for Lawless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lawless::Few(points) => {
                write!(f, "it takes {POINTS} points of {MIN_TRAIN} networks or more, here are {points}")
            }
            Lawless::Noise => f.write_str("the interval of R² for the most networks is not above 0"),
            Lawless::Flat => f.write_str("R² does not grow with the number of networks"),
        }
    }
}

/// What a law says of a number of networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// R².
    pub r2: f64,
    /// Bounds that hold 95 % of what the law says through the points' bootstrap replicates; NaN where none were kept. They know of
    /// the test networks' chance, not of whether the law goes on.
    pub interval: [f64; 2],
}

/// R² for `n` networks by the power law `1 − R² = a·n⁻ᵇ` through a learning curve's points of at least 100 networks (least
/// squares of the logarithms).
///
/// Source of the law: Hestness et al., *Deep Learning Scaling is Predictable, Empirically* (arXiv 1712.00409).
///
/// # Errors
/// [`Lawless`].
pub fn extrapolate<'c>(cells: impl IntoIterator<Item = &'c Cell>, n: usize) -> Result<Promise, Lawless> {
    let usable = cells.into_iter().filter(|cell| cell.n_train >= MIN_TRAIN && cell.score.r2 < 1.0);
    let cells: Vec<&Cell> = usable.collect();
    let through = |r2: &dyn Fn(&Cell) -> f64| line(cells.iter().map(|cell| (cell.n_train, r2(cell))));
    let (points, slope, centre) = through(&|cell| cell.score.r2);
    // NaN is not above 0
    let told = cells.iter().max_by_key(|cell| cell.n_train).is_some_and(|most| most.r2_interval[0] > 0.0);
    if points < POINTS {
        return Err(Lawless::Few(points));
    }
    if !told {
        return Err(Lawless::Noise);
    }
    if slope >= 0.0 {
        return Err(Lawless::Flat);
    }
    let at = |slope: f64, [x, y]: [f64; 2]| 1.0 - (y + slope * ((n as f64).ln() - x)).exp();
    let kept = cells.iter().map(|cell| cell.r2_replicates.len()).min().unwrap_or(0);
    let replicate = |number: usize| {
        let (_, slope, centre) = through(&|cell| f64::from(cell.r2_replicates[number]));
        at(slope, centre)
    };
    let interval = percentiles((0..kept).map(replicate).filter(|r2| !r2.is_nan()).collect());
    Ok(Promise { r2: at(slope, centre), interval })
}

/// How many points there are, and slope and centre of the line through the logarithms of size and error.
fn line(points: impl Iterator<Item = (usize, f64)>) -> (usize, f64, [f64; 2]) {
    let points: Vec<(f64, f64)> = points.map(|(size, r2)| ((size as f64).ln(), (1.0 - r2).ln())).collect();
    let count = points.len() as f64;
    let mean = |get: fn(&(f64, f64)) -> f64| points.iter().map(get).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), point| {
        let dx = point.0 - x;
        (xy + dx * (point.1 - y), xx + dx * dx)
    });
    (points.len(), xy / xx, [x, y])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Score;

    fn cell(n_train: usize, r2: f64) -> Cell {
        let score = Score { r2, tau: 0.0, mse: 0.0, mae: 0.0, n: 1 };
        Cell { n_train, score, r2_interval: [r2 - 0.1, r2 + 0.1], ..Cell::default() }
    }

    #[test]
    fn a_power_law_is_found_again() {
        let law = |n: usize| 1.0 - 2.0 * (n as f64).powf(-0.6);
        let cells: Vec<Cell> = [50, 100, 200, 400].map(|n| cell(n, law(n))).into();
        let found = extrapolate(&cells, 15_000).unwrap();
        assert!((found.r2 - law(15_000)).abs() < 1e-12 && found.interval[0].is_nan());
        // replicates of the same law with other factors
        let factors: Vec<f64> = (0..=200).map(|k| 0.5 + f64::from(k) / 200.0).collect();
        let of = |cell: &Cell| factors.iter().map(|f| (1.0 - f * (1.0 - cell.score.r2)) as f32).collect();
        let cells: Vec<Cell> = cells.iter().map(|cell| Cell { r2_replicates: of(cell), ..cell.clone() }).collect();
        let [low, high] = extrapolate(&cells, 15_000).unwrap().interval;
        let wanted = |f: f64| 1.0 - f * (1.0 - law(15_000));
        assert!((low - wanted(1.475)).abs() < 1e-6 && (high - wanted(0.525)).abs() < 1e-6, "{low} {high}");
        assert_eq!(extrapolate(&cells[..3], 15_000), Err(Lawless::Few(2)));
    }

    #[test]
    fn where_there_is_no_law_none_is_found() {
        let curve = |r2: [f64; 3]| [100, 200, 400].iter().zip(r2).map(|(&n, r2)| cell(n, r2)).collect::<Vec<Cell>>();
        assert_eq!(extrapolate(&curve([-0.2, -0.1, -0.0005]), 15_000), Err(Lawless::Noise));
        assert_eq!(extrapolate(&curve([0.5, f64::NAN, f64::NAN]), 15_000), Err(Lawless::Few(1)));
        assert_eq!(extrapolate(&curve([0.5, 0.5, 0.5]), 15_000), Err(Lawless::Flat));
    }
}
