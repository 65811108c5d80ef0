//! What a predictor was fitted to, and how far from it a row lies: beyond it nothing is promised.
//!
//! Two measures: the share of columns whose value is outside of the range of the fit's rows, and how many of these rows have
//! their nearest neighbour nearer than the row has its own. Distances are Euclidean between standardised columns.
//!
//! Source: Knorr, Ng, Tucakov, *Distance-Based Outliers*, VLDB Journal 8 (2000); the quantile is a conformal p-value of the
//! distance (Laxhammar, Falkman 2010).

use super::perceptron::Standard;
use crate::Result;
use crate::rng::Stream;
use crate::table::Table;
use crate::tensors::{Column, Tensors, bytes, column};
use rayon::prelude::*;
use safetensors::Dtype;

/// What the random numbers are for.
const PURPOSE: u32 = u32::from_be_bytes(*b"near");

/// Rows that are kept at most, and numbers in them.
const MOST: (usize, usize) = (1000, 1 << 20);

/// Ranges of the columns, and rows to be near to.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The least finite value of each column; +∞ where there is none.
    low: Vec<f32>,
    /// The largest; −∞ where there is none.
    high: Vec<f32>,
    /// Rows, or of many those that were drawn; row-major.
    rows: Vec<f32>,
}

impl PartialEq for Domain {
    fn eq(&self, other: &Domain) -> bool {
        // a missing value is equal to another one
        self.tensors() == other.tensors()
    }
}

/// Where a row lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Share of its columns beyond the range of the fit; a missing value is beyond nothing.
    pub outside: f32,
    /// Share of the fit's rows that are nearer to their nearest neighbour than this row is to its own.
    pub farther_than: f32,
}

impl Place {
    /// Whether a prediction is one far from anything known.
    pub fn is_far(&self) -> bool {
        self.outside > 0.05 || self.farther_than > 0.99
    }
}

impl Domain {
    /// That of a table; a column or more.
    pub(super) fn of(table: &Table) -> Domain {
        let width = table.width();
        let (mut low, mut high) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
        for row in table.x.chunks_exact(width) {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(row).filter(|(_, x)| x.is_finite()) {
                (*low, *high) = (low.min(x), high.max(x));
            }
        }
        let most = MOST.0.min(MOST.1 / width);
        let mut order: Vec<usize> = (0..table.rows()).collect();
        if order.len() > most {
            Stream::new(0, PURPOSE, 0).shuffle(&mut order);
            order.truncate(most);
            order.sort_unstable();
        }
        Domain { low, high, rows: table.select(&order).x }
    }

    /// The domain made ready to place rows.
    pub fn measure(&self) -> Measure<'_> {
        let width = self.low.len();
        let mut measure =
            Measure { domain: self, standard: Standard::of(&self.rows, width), known: Vec::new(), own: Vec::new() };
        measure.standard.apply(&self.rows, &mut measure.known);
        let rows = measure.known.par_chunks_exact(width).enumerate();
        measure.own = rows.map(|(row, values)| measure.nearest(values, Some(row))).collect();
        measure
    }

    /// What its predictor's file holds of it.
    pub(super) fn tensors(&self) -> Vec<Column> {
        let f32s = |numbers: &[f32]| bytes(numbers.iter().copied(), f32::to_le_bytes);
        vec![
            column("domain_low", Dtype::F32, f32s(&self.low)),
            column("domain_high", Dtype::F32, f32s(&self.high)),
            column("domain_rows", Dtype::F32, f32s(&self.rows)),
        ]
    }

    /// That of a file; none in a file of an older version.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`].
    pub(super) fn load(tensors: &Tensors, width: usize) -> Result<Option<Domain>> {
        if !tensors.has("domain_rows") {
            return Ok(None);
        }
        let [low, high, rows] = ["domain_low", "domain_high", "domain_rows"].map(|name| tensors.f32s(name));
        let (low, high, rows) = (low?, high?, rows?);
        if width == 0 || [low.len(), high.len()] != [width; 2] || !rows.len().is_multiple_of(width) {
            let got = format!("{}, {} and {} numbers", low.len(), high.len(), rows.len());
            return Err(tensors.malformed(format!("a domain of {width} columns"), got));
        }
        Ok(Some(Domain { low, high, rows }))
    }
}

/// A domain's rows by their standard, and how far each is from the others.
pub struct Measure<'d> {
    domain: &'d Domain,
    standard: Standard,
    known: Vec<f32>,
    own: Vec<f32>,
}

impl Measure<'_> {
    /// Where each row of a table of the same columns lies.
    pub fn places(&self, x: &[f32]) -> Vec<Place> {
        let (Domain { low, high, .. }, own) = (self.domain, &self.own);
        let mut asked = Vec::new();
        self.standard.apply(x, &mut asked);
        let place = |(x, z): (&[f32], &[f32])| {
            let columns = x.iter().zip(low).zip(high);
            let outside = columns.filter(|((x, low), high)| *x < low || *x > high).count();
            let distance = self.nearest(z, None);
            let nearer = own.iter().filter(|&&own| own < distance).count();
            Place { outside: outside as f32 / low.len() as f32, farther_than: nearer as f32 / own.len().max(1) as f32 }
        };
        x.par_chunks_exact(low.len()).zip(asked.par_chunks_exact(low.len())).map(place).collect()
    }

    /// Square of the distance to the nearest of the domain's rows, but for one.
    fn nearest(&self, row: &[f32], but: Option<usize>) -> f32 {
        let others = self.known.chunks_exact(row.len()).enumerate().filter(|(other, _)| Some(*other) != but);
        others.map(|(_, other)| squared(row, other)).fold(f32::INFINITY, f32::min)
    }
}

/// Sum of squared differences: of the differences themselves, as in `a² + b² − 2ab` everything would cancel for neighbours.
pub(super) fn squared(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_is_told_from_what_is_near() {
        let mut stream = Stream::new(1, 0, 0);
        let mut normal = |n: usize| (0..n * 3).map(|_| stream.normal() as f32).collect::<Vec<f32>>();
        let table = |x: Vec<f32>| Table {
            columns: ["a", "b", "c"].map(String::from).into(),
            y: Vec::new(),
            group: (0..x.len() as u64 / 3).collect(),
            x,
            ..Table::default()
        };
        let domain = Domain::of(&table(normal(2000)));
        assert_eq!(domain.rows.len(), 3000);
        let measure = domain.measure();
        let places = measure.places(&normal(1000));
        let mean = places.iter().map(|place| place.farther_than).sum::<f32>() / 1000.0;
        // a p-value is uniform; six standard deviations of 1,000, and of the 1,000 it is compared with
        assert!((0.42..0.58).contains(&mean), "{mean}");
        assert!(places.iter().filter(|place| place.is_far()).count() < 60);
        let far = measure.places(&[9.0, 0.0, f32::NAN, -9.0, 9.0, f32::INFINITY]);
        let third = 1.0f32 / 3.0;
        assert_eq!(far, [Place { outside: third, farther_than: 1.0 }, Place { outside: 1.0, farther_than: 1.0 }]);
        assert!(far[0].is_far());
        // a row of the fit is no farther than it is from itself
        assert_eq!(measure.places(&domain.rows[..3])[0], Place { outside: 0.0, farther_than: 0.0 });
    }
}
