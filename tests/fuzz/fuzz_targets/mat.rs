//! MATLAB files of SVHN.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::dataset::{self, Images};
use zoometry_fuzz::{folder, parts, put};

fuzz_target!(|data: &[u8]| {
    for (name, part) in ["train_32x32.mat", "test_32x32.mat"].iter().zip(parts::<2>(data)) {
        put(name, part);
    }
    let _ = dataset::load(&folder().display().to_string(), None, Images::default());
});
