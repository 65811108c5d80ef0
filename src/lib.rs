//! Zoometry measures zoos of neural networks: it trains tens of thousands of small CNNs, keeps them in memory-mapped zoo
//! files, and predicts each network's accuracy from its weights alone.
//!
//! One data flow: [`dataset`] → [`train`] → [`zoo`] → [`features`] → [`predictor`] → [`eval`]. Each module owns one noun and
//! hands over the next; a module imports only from lower layers. The numerics are in the crate [`zoometry_kernels`].
//!
//! # Words
//!
//! - *Zoo*: many networks of one shape, trained on one data set; also the file that holds them ([`zoo`]).
//! - *Network* and *run*: a run is one network's training, from its hyperparameters ([`train::run::Run`]) to its last epoch; its
//!   number in the zoo is its name.
//! - *Checkpoint*: the weights of a run after some epoch and what was measured of them; a *row* of the zoo.
//! - *Recipe*: what the networks of a zoo have in common, and the distributions that their hyperparameters are drawn from.
//! - *Shape*, *layers*, *plan*: [`cnn::Arch`], what it is made of ([`cnn::layer`]), and its steps and tensors as data
//!   ([`cnn::plan::Plan`]), which every walker reads.
//! - *Map*: what a step makes of an image, height × width × channels; a *unit* is one value of it.
//! - *Epilogue*: the activation and dropout right behind a step.
//! - *Flat vector*: a network's parameters in the order of [`cnn::layout`]; *working parameters*: the same in a kernel's order.
//! - *Tile*: the images that go forward and backward together before the next ones.
//! - *Team*: sixteen narrow networks trained side by side, a lane of every vector each ([`train::team`]).
//! - *ISA*: an instruction set that every kernel is compiled for; the portable one runs everywhere.
//! - *Roof*: what a machine's multiply-adds and bytes a second allow a kernel at most.
//! - *Statistics*, *probes*: what a predictor sees of a network: numbers about its weights, and its answers to images that are
//!   made from formulas ([`features`]).
//! - *Train / validation / test*: of networks, the parts that a predictor is fitted on, stopped by and scored on
//!   ([`eval::Division`]); of images, those that networks are trained and tested on.
//! - *Glyphs*: the built-in data set, letters drawn by a formula ([`dataset::glyphs`]).

pub mod bench;
pub mod bytes;
pub mod catalog;
pub mod cnn;
pub mod dataset;
pub mod error;
pub mod eval;
pub mod features;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod guide;
pub mod json;
pub mod magic;
pub mod out;
pub mod par;
pub mod predictor;
pub mod report;
pub mod rng;
pub mod study;
pub mod table;
pub mod tensors;
pub mod train;
pub mod zoo;

pub use error::{Error, Result};
pub use zoometry_kernels as kernels;

/// Whether `ZOOMETRY_NEED`, such as `gpu,python,avx512`, names something that a test would be skipped without.
#[cfg(test)]
fn needed(what: &str) -> bool {
    std::env::var("ZOOMETRY_NEED").unwrap_or_default().split(',').any(|name| name.trim() == what)
}
