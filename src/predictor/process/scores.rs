//! Normal scores: what a value would be if its column were normal, by its rank among the training rows.
//!
//! Source: van der Waerden's scores; as scikit-learn's `QuantileTransformer(output_distribution="normal")`, but with mid-ranks in
//! the place of clipped ends.

/// Knots of a column at most.
const KNOTS: usize = 256;

/// Values and their scores, both ascending; between two values the score is a straight line, beyond the ends it stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knots {
    /// Values.
    pub values: Vec<f32>,
    /// Their scores.
    pub scores: Vec<f32>,
}

/// The knots of each column; none of a column of a single value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(pub Vec<Knots>);

impl Knots {
    /// Of the finite values among those of some rows.
    fn of(mut values: Vec<f32>) -> Knots {
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f32::total_cmp);
        let n = values.len() as f64;
        let mut distinct: Vec<(f32, usize, usize)> = Vec::new();
        for (rank, &value) in values.iter().enumerate() {
            match distinct.last_mut() {
                Some((last, _, end)) if *last == value => *end = rank + 1,
                _ => distinct.push((value, rank, rank + 1)),
            }
        }
        if distinct.len() < 2 {
            return Knots::default();
        }
        let count = distinct.len().min(KNOTS);
        let chosen = (0..count).map(|knot| distinct[knot * (distinct.len() - 1) / (count - 1)]);
        let (values, scores) =
            chosen.map(|(value, begin, end)| (value, quantile((begin + end) as f64 / (2.0 * n)) as f32)).unzip();
        Knots { values, scores }
    }

    /// The score of a value; of a missing one, and in a column of a single value, 0.
    pub fn score(&self, x: f32) -> f32 {
        let above = self.values.partition_point(|&value| value < x);
        match (above, self.values.len()) {
            (_, 0) => 0.0,
            _ if x.is_nan() => 0.0,
            (0, _) => self.scores[0],
            (above, count) if above == count => self.scores[count - 1],
            (above, _) => {
                let [low, high] = [above - 1, above].map(|at| (self.values[at], self.scores[at]));
                let share = (f64::from(x) - f64::from(low.0)) / (f64::from(high.0) - f64::from(low.0));
                low.1 + (f64::from(high.1 - low.1) * share) as f32
            }
        }
    }
}

impl Scores {
    /// Of the columns of a row-major table.
    pub fn of(x: &[f32], width: usize) -> Scores {
        let column = |c: usize| x.iter().skip(c).step_by(width).copied().collect();
        Scores((0..width).map(|c| Knots::of(column(c))).collect())
    }

    /// The scores of a row.
    pub fn row<'s>(&'s self, row: &'s [f32]) -> impl Iterator<Item = f32> + 's {
        row.iter().zip(&self.0).map(|(&x, knots)| knots.score(x))
    }
}

/// The quantile function of the normal distribution, 0 < p < 1; relative error 1.2e-9.
///
/// Source: Acklam, *An algorithm for computing the inverse normal cumulative distribution function* (2003).
fn quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 5] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if (p - 0.5).abs() <= 0.475_75 {
        let q = p - 0.5;
        return q * polynomial(&A, q * q) / polynomial(&B, q * q);
    }
    let q = (-2.0 * libm::log(p.min(1.0 - p))).sqrt();
    (polynomial(&C, q) / polynomial(&D, q)).copysign(p - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_inverse_of_the_distribution() {
        for k in 1..2000 {
            let p = f64::from(k) / 2000.0;
            let back = 0.5 * libm::erfc(-quantile(p) / std::f64::consts::SQRT_2);
            assert!((back - p).abs() < 3e-8 * p.min(1.0 - p), "{p} {back}");
        }
    }

    #[test]
    fn scores_follow_ranks() {
        let knots = Knots::of(vec![5.0, 1.0, f32::NAN, 5.0, 9.0, f32::INFINITY]);
        assert_eq!(knots.values, [1.0, 5.0, 9.0]);
        // mid-ranks 1/8, 4/8, 7/8
        assert!((knots.scores[0] + 1.150_349_4).abs() < 1e-6 && knots.scores[1] == 0.0);
        assert_eq!(knots.score(3.0), knots.scores[0] / 2.0);
        assert_eq!(
            [-1e9, 1e9, f32::NAN, f32::INFINITY].map(|x| knots.score(x)),
            [knots.scores[0], knots.scores[2], 0.0, knots.scores[2]]
        );
        assert_eq!(Knots::of(vec![2.0; 9]), Knots::default());
        let many = Knots::of((0..10_000).map(|i| i as f32).collect());
        assert!(many.values.len() == 256 && many.values[255] == 9999.0 && many.scores.is_sorted());
    }
}
