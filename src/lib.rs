//! Zoometry measures zoos of neural networks: it trains tens of thousands of small CNNs, keeps them in memory-mapped zoo
//! files, and predicts each network's accuracy from its weights alone.
//!
//! One data flow: [`dataset`] → [`train`] → [`zoo`] → [`features`] → [`predictor`] → [`eval`]. Each module owns one noun and
//! hands over the next; a module imports only from lower layers. The numerics are in the crate [`zoometry_kernels`].
//!
//! Goals: experiments that a laptop can do and anybody can repeat to the bit; numbers that come with their intervals and their
//! provenance; files that other programs read. No goals: large networks, other tasks than classifying images, being a framework.
//!
//! # Three examples
//!
//! Train four small networks and look at what they have learnt:
//!
//! ```
//! use zoometry::dataset::{Images, glyphs};
//! use zoometry::out::{FileKind, OutPath};
//! use zoometry::par::Stop;
//! use zoometry::train::{self, Job, recipe::Recipe};
//! use zoometry::zoo::Zoo;
//!
//! # fn main() -> zoometry::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let images = glyphs::generate(&glyphs::Glyphs { train: 600, test: 100, ..glyphs::Glyphs::default() });
//! let mut recipe = Recipe::default();
//! recipe.set("layers=4s2,4s2")?;
//! recipe.set("train_fraction=1")?;
//! let job = Job::new(&images, &recipe, 4, vec![0, 2]);
//! let path = folder.path().join("zoo.safetensors");
//! train::train(&job, &OutPath::continued(&path, FileKind::Zoo)?, &|_| {}, &Stop::new())?;
//!
//! let zoo = Zoo::open(&path)?;
//! assert_eq!(zoo.schema().runs, 4);
//! for row in zoo.final_rows() {
//!     println!("network {}: {:.3}", zoo.run()[row], zoo.test_accuracy()[row]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Open a zoo and compute what a predictor sees of its networks:
//!
//! ```no_run
//! use zoometry::features::{Fitted, Input, Networks};
//! use zoometry::kernels::Isa;
//! use zoometry::par::Stop;
//! use zoometry::zoo::Zoo;
//!
//! # fn main() -> zoometry::Result<()> {
//! let zoo = Zoo::open("zoo.safetensors")?;
//! let input: Input = "wstats+probes".parse()?;
//! let rows = zoo.final_rows();
//! let table = Fitted::without(&input)?.table(Isa::default(), &Networks::Zoo { zoo: &zoo, rows: &rows }, &Stop::new())?;
//! println!("{} networks × {} columns", table.rows(), table.width());
//! # Ok(())
//! # }
//! ```
//!
//! Fit a predictor to a table and score it on rows that it has not seen:
//!
//! ```
//! use zoometry::eval::{Division, Parts, Score};
//! use zoometry::kernels::Isa;
//! use zoometry::par::Stop;
//! use zoometry::predictor::Options;
//! use zoometry::table::Table;
//!
//! # fn main() -> zoometry::Result<()> {
//! let x: Vec<f32> = (0..600).map(|k| (k * 37 % 101) as f32).collect();
//! let y = x.chunks(2).map(|row| 0.01 * row[0] + 0.5).collect();
//! let columns = vec!["a".to_owned(), "b".to_owned()];
//! let table = Table { columns, x, y, group: (0..300).collect(), ..Table::default() };
//! let parts = Parts::divide(table, &Division::Seed(0))?;
//! let predictor = parts.fit(Isa::default(), &Options::new("gbm")?, &Stop::new())?;
//! let predicted = predictor.predict(Isa::default(), &parts.test)?;
//! assert!(Score::new(&predicted, &parts.test.y).r2 > 0.9);
//! # Ok(())
//! # }
//! ```
//!
//! # Rooms
//!
//! | | |
//! |---|---|
//! | [`dataset`] | images: readers of what others publish, and letters drawn by a formula |
//! | [`cnn`] | shapes of networks, their plans and layouts |
//! | [`train`] | recipes, runs, and training on CPUs and GPUs |
//! | [`zoo`] | the file: written, grown, merged, checked, imported, exported |
//! | [`features`], [`table`] | what predictors see |
//! | [`predictor`], [`eval`] | boosting, perceptrons, processes; parts, scores, intervals, searches |
//! | [`study`], [`report`] | experiments, and the page that shows them |
//! | [`mod@bench`], [`catalog`] | how fast it is |
//! | [`out`], [`bytes`], [`json`], [`magic`], [`par`], [`rng`], [`tensors`] | files, threads, random numbers |
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

#[cfg(feature = "bench")]
pub mod bench;
pub mod bytes;
#[cfg(feature = "bench")]
pub mod catalog;
pub mod cnn;
#[cfg(feature = "train")]
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
#[cfg(feature = "report")]
pub mod report;
pub mod rng;
#[cfg(feature = "study")]
pub mod study;
pub mod table;
pub mod tensors;
#[cfg(feature = "train")]
pub mod train;
pub mod zoo;

pub use error::{Error, Result};
pub use zoometry_kernels as kernels;

/// Whether `ZOOMETRY_NEED`, such as `gpu,python,avx512`, names something that a test would be skipped without.
#[cfg(test)]
fn needed(what: &str) -> bool {
    std::env::var("ZOOMETRY_NEED").unwrap_or_default().split(',').any(|name| name.trim() == what)
}
