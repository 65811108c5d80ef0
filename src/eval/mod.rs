//! How good a prediction is, on which rows that is asked, and what is chosen by it.

pub mod bootstrap;
pub mod compact;
pub mod conformal;
pub mod division;
pub mod importance;
#[cfg(feature = "formats")]
mod mersenne;
pub mod metrics;
#[cfg(feature = "formats")]
mod named;
pub mod nan;
pub mod pca;
#[cfg(feature = "formats")]
pub mod published;
mod ranked;
#[cfg(feature = "study")]
pub mod search;
pub mod split;
#[cfg(feature = "formats")]
mod unseen;

pub use division::{Division, MIN_NETWORKS, Parts};
pub use metrics::{ClassScore, Score};
#[cfg(feature = "formats")]
pub use named::NamedParts;
#[cfg(feature = "formats")]
pub use published::PublishedOrder;
#[cfg(feature = "study")]
pub use search::Search;
pub use split::{Fractions, Split};
#[cfg(feature = "formats")]
pub use unseen::Unseen;
