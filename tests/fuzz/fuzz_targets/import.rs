//! A folder of the released format: layout.csv, metrics.csv, weights.npy.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::{Context, zoo};
use zoometry_fuzz::{folder, import_options, parts, put};

fuzz_target!(|data: &[u8]| {
    for (name, part) in ["layout.csv", "metrics.csv", "weights.npy"].iter().zip(parts::<3>(data)) {
        put(name, part);
    }
    // nothing is written: that would cost a hundred times more than what is looked for
    let _ = zoo::examine(&Context::default(), folder(), &import_options());
});
