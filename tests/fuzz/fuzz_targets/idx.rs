//! The four IDX files of a data set.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::dataset::{self, Images};
use zoometry_fuzz::{folder, parts, put};

fuzz_target!(|data: &[u8]| {
    let names =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    for (name, part) in names.iter().zip(parts::<4>(data)) {
        put(name, part);
    }
    let _ = dataset::load(&folder().display().to_string(), None, Images::default());
});
