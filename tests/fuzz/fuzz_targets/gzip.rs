//! Gzip files: members, zeros behind them, anything else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::Read;
use zoometry::bytes;
use zoometry_fuzz::put;

/// Bytes that are unpacked at most.
const MOST: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    if let Ok((text, _)) = bytes::unpacked(put("text.gz", data)) {
        let _ = text.take(MOST).read_to_end(&mut Vec::new());
    }
});
