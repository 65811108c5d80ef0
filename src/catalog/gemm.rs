//! Matrix products: squares, and those of a perceptron on raw weights.

use super::{noise, wide};
use crate::bench::{Case, Cost, Work};
use crate::kernels::gemm::{self, Matrix, Update};
use crate::kernels::{Isa, Lanes};

/// M, K, N: rows, terms, columns.
const SHAPES: [[usize; 3]; 9] = [
    [16, 16, 16],
    [64, 64, 64],
    [128, 128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [1024, 1024, 1024],
    [512, 4970, 512],
    [512, 56, 512],
    [4970, 512, 512],
];

pub fn cases() -> Vec<Case> {
    SHAPES.into_iter().map(case).collect()
}

fn case([m, k, n]: [usize; 3]) -> Case {
    Case {
        name: "gemm",
        shape: format!("{m}x{k}x{n}"),
        cost: Cost::of(gemm::cost(m, k, n), 0),
        items: "",
        tolerance: 1e-5,
        spreads: false,
        make: Box::new(move |isa| Box::new(Product::new(isa, [m, k, n]))),
    }
}

struct Product {
    isa: Isa,
    shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    space: Vec<Lanes>,
}

impl Product {
    fn new(isa: Isa, shape: [usize; 3]) -> Product {
        let [m, k, n] = shape;
        Product {
            isa,
            shape,
            a: noise(m * k),
            b: noise(k * n),
            c: vec![0.0; m * n],
            space: vec![Lanes::ZERO; gemm::SPACE],
        }
    }

    fn operands(&self) -> (Matrix<'_>, Matrix<'_>) {
        let [m, k, n] = self.shape;
        (Matrix::new(&self.a, m, k), Matrix::new(&self.b, k, n))
    }

    /// Rows that are compared with the definition: a product of thousands of terms takes long in plain loops.
    fn compared(&self) -> usize {
        self.shape[0].min(24)
    }
}

impl Work for Product {
    fn run(&mut self) {
        let [m, k, n] = self.shape;
        let (a, b) = (Matrix::new(&self.a, m, k), Matrix::new(&self.b, k, n));
        gemm::multiply(self.isa, a, b, Update::Replace, &mut self.c, &mut self.space);
    }
    fn output(&mut self) -> Vec<f64> {
        wide(&self.c[..self.compared() * self.shape[2]])
    }
    fn definition(&mut self) -> Vec<f64> {
        let (a, b) = self.operands();
        let mut c = vec![0.0; self.compared() * self.shape[2]];
        crate::kernels::reference::gemm::multiply(Matrix { rows: self.compared(), ..a }, b, &mut c);
        c
    }
    fn share(&self) -> f64 {
        self.compared() as f64 / self.shape[0] as f64
    }
}
