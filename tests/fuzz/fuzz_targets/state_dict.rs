//! A network of PyTorch, or loose weights.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::cnn::Arch;
use zoometry::zoo::Loose;
use zoometry_fuzz::put;

fuzz_target!(|data: &[u8]| {
    let arch = Arch::grey(6, 6, "4s2", 2).expect("a network");
    if let Ok(loose) = Loose::open(put("network.safetensors", data)) {
        let _ = loose.exported();
        if let Ok(weights) = loose.weights(&arch) {
            assert_eq!(weights.len() % arch.parameters(), 0, "whole networks");
        }
    }
});
