//! The findings of a study, and their page.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::report;
use zoometry::study::{FILE, Study};
use zoometry_fuzz::{folder, put};

fuzz_target!(|data: &[u8]| {
    put(FILE, data);
    if let Ok(study) = Study::load(folder()) {
        let page = report::html(&study, "a study");
        assert!(!page.contains("<script"), "names are escaped");
    }
});
