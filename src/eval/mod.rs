//! How good a prediction is, on which rows that is asked, and what is chosen by it.

pub mod bootstrap;
pub mod compact;
pub mod conformal;
pub mod division;
pub mod importance;
mod mersenne;
pub mod metrics;
mod named;
pub mod nan;
pub mod pca;
pub mod published;
mod ranked;
pub mod search;
pub mod split;
mod unseen;

pub use division::{Division, MIN_NETWORKS, Parts};
pub use metrics::{ClassScore, Score};
pub use named::NamedParts;
pub use published::PublishedOrder;
pub use search::Search;
pub use split::{Fractions, Split};
pub use unseen::Unseen;
