//! Experiments on whole zoos, and what they find.
//!
//! | experiment | question |
//! |---|---|
//! | `table` | how well does each input serve each predictor on the zoo it was fitted to? |
//! | `transfer` | does a predictor order the networks of another data set? |
//! | `transductive` | and with images that the networks tested make, those that are predicted to be the best? |
//! | `architectures` | does it order networks of another width or depth? |
//! | `learning-curve` | how many networks are enough? |
//! | `early` | what does a checkpoint of an early epoch tell of the end? |
//! | `ablation` | what do single layers, the hyperparameters, the learning rate tell? |
//! | `seeds` | does one seed for all networks, as in the released zoo, flatter predictors on raw weights? |

pub mod curve;
mod extra;
mod journal;
mod parts;
mod plan;
pub mod published;
mod reason;
mod recent;
mod result;
mod run;
mod stopping;
mod subject;

pub use journal::{FILE, Journal};
pub use plan::{PLAIN, POOLED_PLAIN, POOLED_WHOLE, WHOLE};
pub use result::*;
pub use run::{StudyRun, check};
pub use subject::{MEASURED, Subject};

/// Names of the experiments.
pub const EXPERIMENTS: [&str; 8] =
    ["table", "transfer", "transductive", "architectures", "learning-curve", "early", "ablation", "seeds"];
