//! The numeric kernels of zoometry, which trains zoos of small neural networks and learns from their weights.
//!
//! Slices and lanes only: no allocation, no files, no threads, no knowledge of models. Every kernel is written once over
//! [`simd::Simd`], sixteen logical `f32` lanes, and is compiled for each instruction set; [`Isa`] chooses at run time.
//! [`mod@reference`] holds the same kernels as plain `f64` loops: the definition of what each one computes.
//!
//! Layouts. Activations of a *tile* of [`TILE`] images lie as `[position][channel block][image][16 channels]`, so that one
//! position of the tile is a small matrix: `TILE` images × 16 channels. See [`conv`]. In [`team`] the lanes are sixteen networks
//! instead: for networks whose channels do not fill a vector.
//!
//! Goals: one source for all instruction sets; the same bits wherever multiplication and addition are fused; an answer that a plain
//! `f64` loop checks. No goals: large matrices (there are libraries for these), other element types, shapes that no network here has.
//!
//! # Rooms
//!
//! | | |
//! |---|---|
//! | [`simd`], [`isa`] | lanes, and which instructions they are |
//! | [`conv`], [`gemm`], [`pool`], [`activation`], [`residual`], [`loss`] | layers, forward and backward |
//! | [`optimizer`], [`random`] | updates, dropout |
//! | [`team`] | the same for sixteen networks side by side |
//! | [`quantile`], [`reduce`], [`histogram`], [`tree`], [`compact`], [`summary`], [`probes`] | what predictors need |
//! | [`mod@reference`] | all of it by definition |
//!
//! A kernel of one's own: see [`Kernel`].
//!
//! ```
//! use zoometry_kernels::{Isa, IsaKind};
//!
//! assert!(Isa::new(IsaKind::Portable).is_some());
//! println!("{} is the fastest here", Isa::detect().kind());
//! ```
#![no_std]
#[cfg(feature = "std")]
extern crate std;

pub mod activation;
pub mod compact;
pub mod conv;
mod cost;
pub mod gemm;
pub mod histogram;
pub mod isa;
pub mod loss;
pub mod math;
pub mod optimizer;
pub mod pool;
pub mod probes;
pub mod quantile;
pub mod random;
pub mod reduce;
#[cfg(feature = "std")]
pub mod reference;
pub mod residual;
mod rows;
pub mod simd;
pub mod summary;
pub mod team;
pub mod tile;
pub mod tree;

pub use cost::Cost;
pub use isa::{Isa, IsaKind, Kernel};
pub use simd::{LANES, Lanes};

/// Images in a tile: the unit that goes forward and backward through a network before the next one is touched.
///
/// Twelve rows of sixteen lanes fill the accumulators of every instruction set (2 × 6 on AVX2, 12 on AVX-512), and the
/// activations of twelve images of the reference net (156 KB) stay in a second-level cache.
pub const TILE: usize = 12;

/// One position of a tile: [`TILE`] images × 16 channels.
pub type Block = [Lanes; TILE];

/// The example of the front page is run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
