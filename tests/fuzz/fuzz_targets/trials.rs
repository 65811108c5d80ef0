//! The journal of a search.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::eval::search::Journal;
use zoometry::out::{FileKind, Guard};
use zoometry_fuzz::{put, search, table};

fuzz_target!(|data: &[u8]| {
    let (train, validation) = (table(12, 1), table(6, 2));
    let path = put("best.trials.jsonl", data);
    if let Ok(out) = Guard::default().continued(path, FileKind::Trials) {
        let _ = Journal::open(&out, &[], &search(&train, &validation));
    }
});
