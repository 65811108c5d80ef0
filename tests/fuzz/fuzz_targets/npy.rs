//! A table and its targets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::table::npy;
use zoometry_fuzz::{parts, put};

fuzz_target!(|data: &[u8]| {
    let [x, y] = parts(data);
    let _ = npy::load(&put("x.npy", x), &put("y.npy", y));
});
