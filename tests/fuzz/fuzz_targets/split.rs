//! A published division.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::eval::PublishedOrder;
use zoometry_fuzz::put;

fuzz_target!(|data: &[u8]| {
    if let Ok(order) = PublishedOrder::read(&put("split.csv", data), 8) {
        let finals: Vec<Option<u64>> = (0..8).map(Some).collect();
        let split = order.split(&finals, &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(split.train.len() + split.validation.len() + split.test.len(), 8);
    }
});
