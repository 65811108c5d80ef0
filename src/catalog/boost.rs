//! Gradient boosting: histograms, whole fits, predictions.

use super::{noise, wide};
use crate::Context;
use crate::bench::{Case, Cost, Work};
use crate::kernels::histogram::{self, Bin, GROUP, Packing};
use crate::kernels::{Isa, reference};
use crate::predictor::boost::{Boost, Params, fit};
use crate::rng::Stream;
use crate::table::Table;

/// Rows and columns of the tables: the statistics of a released zoo's training and test networks.
const ROWS: usize = 24_000;
const TEST_ROWS: usize = 6_000;
const WIDTH: usize = 56;

/// Rows of a leaf whose histogram is built.
const LEAF: usize = 2_000;

pub fn cases() -> Vec<Case> {
    let histograms = [16, 64, 256].map(|bins| Case {
        name: "histogram/build",
        shape: format!("{LEAF}x{GROUP}_{bins}"),
        cost: Cost::of(histogram::build_cost(LEAF, bins), LEAF * GROUP),
        items: "codes",
        tolerance: 1e-9,
        spreads: false,
        make: Box::new(move |isa| Box::new(Histogram::new(isa, bins))),
    });
    let subtract = Case {
        name: "histogram/subtract",
        shape: format!("256x{GROUP}"),
        cost: Cost::of(histogram::subtract_cost(256), 256 * GROUP),
        items: "bins",
        tolerance: 0.0,
        spreads: false,
        make: Box::new(|isa| Box::new(Subtract::new(isa))),
    };
    let fits = [(50, 31), (20, 255)].map(|(trees, leaves)| Case {
        name: "boost/fit",
        shape: format!("{ROWS}x{WIDTH}_{trees}x{leaves}"),
        cost: Cost { flops: 0.0, bytes: (ROWS * WIDTH * 5) as f64, items: trees as f64 },
        items: "trees",
        tolerance: 1e-6,
        spreads: true,
        make: Box::new(move |isa| Box::new(Fit::new(isa, trees, leaves))),
    });
    let predictions = [TEST_ROWS, 1].map(|rows| Case {
        name: "boost/predict",
        shape: format!("{rows}x{WIDTH}_1000x31"),
        cost: Cost { flops: 0.0, bytes: (rows * WIDTH * 4) as f64, items: rows as f64 },
        items: "rows",
        tolerance: 1e-6,
        spreads: true,
        make: Box::new(move |isa| Box::new(Prediction::new(isa, rows))),
    });
    histograms.into_iter().chain([subtract]).chain(fits).chain(predictions).collect()
}

/// Normal columns, and a target that a few of them determine.
fn table(rows: usize) -> Table {
    let mut stream = Stream::new(1, 0, rows as u32);
    let x: Vec<f32> = (0..rows * WIDTH).map(|_| stream.normal() as f32).collect();
    let target = |row: &[f32]| (1.5 * row[0]).sin() + row[1] * row[2] + (row[3] - row[4]).tanh() + 0.5 * row[5].abs();
    Table {
        columns: (0..WIDTH).map(|c| c.to_string()).collect(),
        y: x.chunks_exact(WIDTH).map(|row| target(row) + 0.1 * stream.normal() as f32).collect(),
        group: (0..rows as u64).collect(),
        x,
        ..Table::default()
    }
}

fn fitted(isa: Isa, train: &Table, params: &Params) -> Boost {
    match fit(&Context::new().isa(isa), train, None, params, &mut |_| ()) {
        Ok(boost) => boost,
        Err(error) => panic!("{error}"),
    }
}

struct Histogram {
    isa: Isa,
    packing: Packing,
    values: Vec<i32>,
    words: Vec<[u8; GROUP]>,
    bins: Vec<Bin>,
    /// The bins after the first call.
    first: Vec<Bin>,
}

impl Histogram {
    fn new(isa: Isa, bins: usize) -> Histogram {
        let Some(packing) = Packing::new(ROWS) else { unreachable!("far fewer rows than there is room for") };
        let mut stream = Stream::new(1, 0, bins as u32);
        let values = noise(LEAF).iter().map(|x| (x * packing.limit() as f32) as i32).collect();
        let words = (0..LEAF).map(|_| std::array::from_fn(|_| stream.below(bins as u32) as u8)).collect();
        Histogram { isa, packing, values, words, bins: vec![Bin::default(); bins], first: Vec::new() }
    }
}

impl Work for Histogram {
    fn run(&mut self) {
        histogram::build(self.isa, self.packing, &self.values, &self.words, &mut self.bins);
        if self.first.is_empty() {
            self.first.clone_from(&self.bins);
        }
    }
    fn output(&mut self) -> Vec<f64> {
        let sums = self.first.iter().flat_map(|bin| bin.0).map(|sum| self.packing.unpack(sum));
        sums.flat_map(|(gradient, count)| [gradient as f64, f64::from(count)]).collect()
    }
    fn definition(&mut self) -> Vec<f64> {
        let mut all = vec![[0.0; 2]; self.bins.len() * GROUP];
        for f in 0..GROUP {
            let mut bins = vec![reference::histogram::Bin::default(); self.bins.len()];
            let codes = self.words.iter().map(|word| word[f]);
            reference::histogram::build(codes, self.values.iter().map(|&value| f64::from(value)), &mut bins);
            for (b, bin) in bins.iter().enumerate() {
                all[b * GROUP + f] = [bin.gradient, bin.count];
            }
        }
        all.concat()
    }
}

struct Subtract {
    isa: Isa,
    before: Vec<Bin>,
    parent: Vec<Bin>,
    child: Vec<Bin>,
    first: Vec<Bin>,
}

impl Subtract {
    fn new(isa: Isa) -> Subtract {
        let mut stream = Stream::new(1, 0, 0);
        let mut bins = || (0..256).map(|_| Bin(std::array::from_fn(|_| stream.next_u64()))).collect::<Vec<_>>();
        let before = bins();
        Subtract { isa, parent: before.clone(), before, child: bins(), first: Vec::new() }
    }

    fn numbers(bins: impl Iterator<Item = u64>) -> Vec<f64> {
        bins.flat_map(|bits| [(bits >> 32) as f64, (bits & 0xffff_ffff) as f64]).collect()
    }
}

impl Work for Subtract {
    fn run(&mut self) {
        histogram::subtract(self.isa, &mut self.parent, &self.child);
        if self.first.is_empty() {
            self.first.clone_from(&self.parent);
        }
    }
    fn output(&mut self) -> Vec<f64> {
        Subtract::numbers(self.first.iter().flat_map(|bin| bin.0))
    }
    fn definition(&mut self) -> Vec<f64> {
        let pairs = self.before.iter().zip(&self.child);
        Subtract::numbers(pairs.flat_map(|(p, c)| (0..GROUP).map(|f| p.0[f].wrapping_sub(c.0[f]))))
    }
}

struct Fit {
    isa: Isa,
    train: Table,
    params: Params,
}

impl Fit {
    /// Rows of the stump that is compared with the definition, each of them [`Fit::COPIES`] times: so few that each value has
    /// a bin of its own, which needs three rows.
    const FEW: usize = 200;
    const COPIES: usize = 3;
    /// Rows that each side of the split must have.
    const SMALLEST: usize = 21;

    fn new(isa: Isa, trees: usize, leaves: usize) -> Fit {
        let params = Params { n_estimators: trees, num_leaves: leaves, learning_rate: 0.05, ..Params::default() };
        Fit { isa, train: table(ROWS), params }
    }

    fn few(&self) -> Table {
        self.train.select(&(0..Fit::FEW * Fit::COPIES).map(|row| row / Fit::COPIES).collect::<Vec<_>>())
    }
}

impl Work for Fit {
    fn run(&mut self) {
        std::hint::black_box(fitted(self.isa, &self.train, &self.params));
    }

    /// A single split of few rows; whole models are compared with LightGBM's elsewhere.
    fn output(&mut self) -> Vec<f64> {
        let params = Params {
            n_estimators: 1,
            num_leaves: 2,
            learning_rate: 1.0,
            min_data_in_leaf: Fit::SMALLEST,
            reg_lambda: 0.0,
            ..Params::default()
        };
        let few = self.few();
        wide(&fitted(self.isa, &few, &params).predict(self.isa, &few.x))
    }

    /// The split of least squares by trying all.
    fn definition(&mut self) -> Vec<f64> {
        let few = self.few();
        let y = wide(&few.y);
        let mean = |rows: &[usize]| rows.iter().map(|&r| y[r]).sum::<f64>() / rows.len() as f64;
        let (mut best, mut predicted) = (0.0, Vec::new());
        for column in 0..WIDTH {
            let mut rows: Vec<usize> = (0..few.rows()).collect();
            rows.sort_by(|&a, &b| few.row(a)[column].total_cmp(&few.row(b)[column]));
            for at in (Fit::SMALLEST..=few.rows() - Fit::SMALLEST).step_by(Fit::COPIES) {
                let (left, right) = rows.split_at(at);
                let (a, b) = (mean(left), mean(right));
                let gain = (a - b).powi(2) * (left.len() * right.len()) as f64;
                if gain > best {
                    best = gain;
                    predicted = vec![a; few.rows()];
                    right.iter().for_each(|&row| predicted[row] = b);
                }
            }
        }
        predicted
    }

    fn share(&self) -> f64 {
        // one split of one tree on some of the rows
        (Fit::FEW * Fit::COPIES) as f64 / ROWS as f64 / (self.params.n_estimators * (self.params.num_leaves - 1)) as f64
    }
}

struct Prediction {
    isa: Isa,
    model: Boost,
    rows: Table,
    found: Vec<f32>,
}

impl Prediction {
    fn new(isa: Isa, rows: usize) -> Prediction {
        let params = Params { n_estimators: 1000, num_leaves: 31, learning_rate: 0.05, ..Params::default() };
        let train = table(TEST_ROWS);
        Prediction { isa, model: fitted(isa, &train, &params), rows: table(rows), found: Vec::new() }
    }
}

impl Work for Prediction {
    fn run(&mut self) {
        self.found = match self.rows.rows() {
            1 => vec![self.model.predict_row(self.isa, self.rows.row(0))],
            _ => self.model.predict(self.isa, &self.rows.x),
        };
    }
    fn output(&mut self) -> Vec<f64> {
        wide(&self.found)
    }
    fn definition(&mut self) -> Vec<f64> {
        let trees = &self.model.trees;
        let sum = |row: &[f32]| trees.iter().fold(self.model.base, |sum, tree| sum + f64::from(tree.predict(row)));
        (0..self.rows.rows()).map(|row| sum(self.rows.row(row))).collect()
    }
}
