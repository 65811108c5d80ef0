//! Shards of one zoo, trained anywhere, become the file of a single machine.

use super::recipe::Recipe;
use crate::out::OutPath;
use crate::par::Stop;
use crate::zoo::{Config, Merge, Merged, Schema};
use crate::{Error, Result};
use std::path::PathBuf;

/// Adds the networks of all parts to the zoo at `out`, which is made if there is none; [`crate::zoo::Merge`] has the details.
/// `progress` is told the rows done and all rows.
///
/// # Errors
/// Those of [`Merge::run`]; [`Error::Malformed`] for zoos whose networks no recipe can draw, imported ones for instance.
pub fn merge(
    parts: &[PathBuf],
    out: &OutPath,
    allow_mixed: bool,
    progress: &mut dyn FnMut(usize, usize),
    stop: &Stop,
) -> Result<Merged> {
    let draw = |schema: &Schema| -> Result<Vec<Config>> {
        let undrawable =
            |error: Error| Error::malformed(&parts[0], "a recipe that networks can be drawn from", error.to_string());
        Ok(Recipe::from_json(&schema.recipe).map_err(undrawable)?.draw(schema.seed, schema.runs))
    };
    Merge { parts, draw: &draw, allow_mixed }.run(out, progress, stop)
}
