//! A recipe.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::train::recipe::Recipe;
use zoometry_fuzz::put;

fuzz_target!(|data: &[u8]| {
    let _ = Recipe::load(&put("recipe.json", data).display().to_string());
});
