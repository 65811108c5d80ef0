//! A fitted predictor: loaded, asked, explained.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zoometry::Context;
use zoometry::predictor::Predictor;
use zoometry::predictor::boost::Boost;
use zoometry::table::{Origin, Table};
use zoometry_fuzz::put;

fuzz_target!(|data: &[u8]| {
    let Ok(predictor) = Predictor::load(&put("model.safetensors", data)) else { return };
    let (rows, width) = (3, predictor.columns.len());
    let x = (0..rows * width).map(|k| if k % 7 == 3 { f32::NAN } else { k as f32 / 5.0 - 1.0 }).collect();
    let table = Table {
        columns: predictor.columns.clone(),
        x,
        y: Vec::new(),
        group: (0..rows as u64).collect(),
        origin: Origin::default(),
    };
    let _ = predictor.predict(&Context::default(), &table);
    if let Some(boost) = predictor.model_as::<Boost>() {
        let _ = boost.shap(&Context::default(), &table.x);
    }
});
