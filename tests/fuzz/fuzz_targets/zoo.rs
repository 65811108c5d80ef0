//! A zoo file, and what is computed of its networks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::features::{Input, Networks};
use zoometry::Context;
use zoometry::zoo::{Source, Zoo};
use zoometry_fuzz::put;

/// Weights that are computed with at most: more is slow, not other.
const MOST: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Ok(zoo) = Zoo::open(put("zoo.safetensors", data)) else { return };
    let _ = Source::of(&zoo);
    let rows = zoo.final_rows();
    if rows.len() * zoo.schema().arch.parameters() <= MOST {
        let _ = Input::default().table(&Context::default(), &Networks::Zoo { zoo: &zoo, rows: &rows });
    }
});
