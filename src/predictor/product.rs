//! Matrix products over rayon's threads.

use crate::kernels::gemm::{self, Matrix, Update};
use crate::kernels::{Isa, Lanes};
use rayon::prelude::*;
use std::cell::RefCell;

/// Products of fewer multiplications than this stay on one thread.
const SMALL: usize = 1 << 19;

/// Rows are shared out in multiples of this, the height of the tallest register tile.
const ROWS: usize = 12;

thread_local! {
    /// Each thread's working memory.
    static SPACE: RefCell<Vec<Lanes>> = RefCell::new(vec![Lanes::ZERO; gemm::SPACE]);
}

/// [`gemm::multiply`] with the rows of `a` shared out; the same bits for every number of threads.
pub fn multiply(isa: Isa, a: Matrix, b: Matrix, update: Update, c: &mut [f32]) {
    let one = |a: Matrix, c: &mut [f32]| {
        SPACE.with_borrow_mut(|space| gemm::multiply(isa, a, b, update, c, space));
    };
    let threads = rayon::current_num_threads();
    if threads == 1 || a.rows * a.columns * b.columns < SMALL {
        return one(a, c);
    }
    let rows = a.rows.div_ceil(threads).next_multiple_of(ROWS);
    c.par_chunks_mut(rows * b.columns).enumerate().for_each(|(part, c)| {
        let first = part * rows;
        one(Matrix { x: &a.x[first * a.row_stride..], rows: c.len() / b.columns, ..a }, c);
    });
}
