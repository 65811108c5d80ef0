//! A configuration that a search found.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::predictor::{Config, Options};
use zoometry_fuzz::put;

fuzz_target!(|data: &[u8]| {
    if let Ok(config) = Config::load(&put("config.json", data), None) {
        // what is loaded is usable
        Options::try_from(config).expect("options of a sound configuration");
    }
});
