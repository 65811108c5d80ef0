//! Matrix products of any shape: the work of a multilayer perceptron.
//!
//! `c[m,n] = Σ_k a[m,k]·b[k,n]`, or added to `c`. Both operands are views with strides, so that a transposed matrix is the
//! same numbers seen otherwise.
//!
//! A block of `a` (M_BLOCK × K_BLOCK, second-level cache) and a block of `b` (K_BLOCK × N_BLOCK) are packed into panels: rows
//! of the register tile beside each other, lanes beside each other. A panel of `b` (16 KB) stays in the first-level cache while
//! every panel of the block of `a` passes it (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008).

use crate::rows::with_rows;
use crate::{Cost, Isa, Kernel, LANES, Lanes, simd::Simd};

/// Rows of a packed block of `a`; a multiple of every ISA's [`Simd::ROWS`].
const M_BLOCK: usize = 192;
/// Terms of a sum that are added before they go to `c`.
const K_BLOCK: usize = 256;
/// Columns of a packed block of `b`.
const N_BLOCK: usize = 512;

/// Lanes of working memory that [`multiply`] needs (0.7 MB), whatever the shapes.
pub const SPACE: usize = (M_BLOCK + N_BLOCK) * K_BLOCK / LANES;

/// Numbers seen as a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The numbers.
    pub x: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Steps in `x` from an element to the one below.
    pub row_stride: usize,
    /// Steps in `x` from an element to the one on its right.
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after another.
    pub fn new(x: &'a [f32], rows: usize, columns: usize) -> Matrix<'a> {
        Matrix { x, rows, columns, row_stride: columns, col_stride: 1 }
    }

    /// Rows become columns.
    pub fn transposed(self) -> Matrix<'a> {
        Matrix {
            x: self.x,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    fn fits(&self) -> bool {
        let last = self.rows.saturating_sub(1) * self.row_stride + self.columns.saturating_sub(1) * self.col_stride;
        self.rows * self.columns == 0 || last < self.x.len()
    }

    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> f32 {
        self.x[row * self.row_stride + column * self.col_stride]
    }
}

/// What happens to the numbers that `c` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// They are overwritten.
    Replace,
    /// The product is added to them.
    Add,
}

/// Of a product of M×K and K×N.
pub fn cost(m: usize, k: usize, n: usize) -> Cost {
    Cost { flops: 2 * m * k * n, bytes: (m * k + k * n + m * n) * size_of::<f32>() }
}

/// Multiplies two matrices.
///
/// `c[m,n] = Σ_k a[m,k]·b[k,n]`; with [`Update::Add`] `c[m,n] += …`
///
/// Shapes.   `a` M×K, `b` K×N, `c` M·N, row by row; `space` [`SPACE`] lanes.
/// Panics.   if the shapes do not fit together.
/// Cost.     2·M·N·K flop; packs a ⌈N/512⌉ times and b once, reads and writes c ⌈K/256⌉ times.
/// Numerics. each sum runs over k in order within blocks of 256, then over the blocks: the same bits on every ISA that fuses.
/// Source.   [`crate::reference::gemm::multiply`]; see the module's head.
pub fn multiply(isa: Isa, a: Matrix, b: Matrix, update: Update, c: &mut [f32], space: &mut [Lanes]) {
    assert!(a.fits() && b.fits() && a.columns == b.rows && c.len() == a.rows * b.columns, "shape of a, b or c");
    assert!(space.len() >= SPACE, "working memory");
    if update == Update::Replace {
        c.fill(0.0);
    }
    isa.run(Multiply { a, b, c, space });
}

struct Multiply<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    c: &'a mut [f32],
    space: &'a mut [Lanes],
}

impl Kernel for Multiply<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const { assert!(M_BLOCK.is_multiple_of(S::ROWS), "whole register tiles in a block") };
        with_rows!(S, R => self.rows::<S, R>(s));
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn rows<S: Simd, const R: usize>(self, s: S) {
        let (m, k, n) = (self.a.rows, self.a.columns, self.b.columns);
        let (packed_a, packed_b) = self.space.split_at_mut(M_BLOCK * K_BLOCK / LANES);
        let packed_a = Lanes::flat_mut(packed_a).as_chunks_mut::<R>().0;
        for n0 in (0..n).step_by(N_BLOCK) {
            let columns = N_BLOCK.min(n - n0);
            for k0 in (0..k).step_by(K_BLOCK) {
                let terms = K_BLOCK.min(k - k0);
                pack_b(&self.b, k0, terms, n0, columns, packed_b);
                for m0 in (0..m).step_by(M_BLOCK) {
                    let rows = M_BLOCK.min(m - m0);
                    pack_a(&self.a, m0, rows, k0, terms, packed_a);
                    for (panel, b) in packed_b[..columns.div_ceil(LANES) * terms].chunks_exact(terms).enumerate() {
                        let first = n0 + panel * LANES;
                        let wide = LANES.min(n - first);
                        let a = &packed_a[..rows.div_ceil(R) * terms];
                        for (tile, a) in a.chunks_exact(terms).enumerate() {
                            let acc = tile_product::<S, R>(s, a, b);
                            let top = m0 + tile * R;
                            for r in 0..R.min(m - top) {
                                let at = (top + r) * n + first;
                                add_row(s, acc[r], &mut self.c[at..at + wide]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `acc[r] = Σ_k a[k][r]·b[k]`
#[inline(always)]
fn tile_product<S: Simd, const R: usize>(s: S, a: &[[f32; R]], b: &[Lanes]) -> [S::F; R] {
    let mut acc = [s.splat(0.0); R];
    for (a, b) in a.iter().zip(b) {
        let row = s.load(b);
        for r in 0..R {
            acc[r] = s.fma(s.splat(a[r]), row, acc[r]);
        }
    }
    acc
}

#[inline(always)]
fn add_row<S: Simd>(s: S, sum: S::F, c: &mut [f32]) {
    match c.first_chunk_mut::<LANES>() {
        Some(c) => s.store_array(s.add(s.load_array(c), sum), c),
        None => {
            let mut lanes = [0.0; LANES];
            s.store_array(sum, &mut lanes);
            c.iter_mut().zip(lanes).for_each(|(c, sum)| *c += sum);
        }
    }
}

/// `packed[panel·K + k][r] = a[m0 + panel·R + r, k0 + k]`, zero below the last row.
#[inline(always)]
fn pack_a<const R: usize>(a: &Matrix, m0: usize, rows: usize, k0: usize, terms: usize, packed: &mut [[f32; R]]) {
    for (panel, packed) in packed[..rows.div_ceil(R) * terms].chunks_exact_mut(terms).enumerate() {
        for r in 0..R {
            let row = panel * R + r;
            if row >= rows {
                packed.iter_mut().for_each(|column| column[r] = 0.0);
            } else if a.col_stride == 1 {
                let from = (m0 + row) * a.row_stride + k0;
                for (column, &x) in packed.iter_mut().zip(&a.x[from..from + terms]) {
                    column[r] = x;
                }
            } else {
                for (k, column) in packed.iter_mut().enumerate() {
                    column[r] = a.at(m0 + row, k0 + k);
                }
            }
        }
    }
}

/// `packed[panel·K + k][lane] = b[k0 + k, n0 + panel·16 + lane]`, zero beyond the last column.
#[inline(always)]
fn pack_b(b: &Matrix, k0: usize, terms: usize, n0: usize, columns: usize, packed: &mut [Lanes]) {
    for (panel, packed) in packed[..columns.div_ceil(LANES) * terms].chunks_exact_mut(terms).enumerate() {
        let first = n0 + panel * LANES;
        let wide = LANES.min(n0 + columns - first);
        for (k, lanes) in packed.iter_mut().enumerate() {
            if b.col_stride == 1 {
                let from = (k0 + k) * b.row_stride + first;
                lanes.0[..wide].copy_from_slice(&b.x[from..from + wide]);
            } else {
                for (lane, x) in lanes.0[..wide].iter_mut().enumerate() {
                    *x = b.at(k0 + k, first + lane);
                }
            }
            lanes.0[wide..].fill(0.0);
        }
    }
}
