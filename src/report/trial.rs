//! A page in which a browser predicts: a network is dropped on it, no server sees it.
//!
//! The page holds a table of [`crate::eval::compact`], the WebAssembly module of `tests/browser` that evaluates it, and what is
//! known of the zoo's networks.

use super::page::{Block, Section, page};
use crate::zoo::{Zoo, torch_tensors};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

/// Bins of the picture.
const BINS: usize = 50;
/// Accuracies that are kept of the zoo, evenly among all.
const KEPT: usize = 400;

/// The page for networks of the zoo's shape, which `table` must be for; `wasm` is the module.
pub fn trial(zoo: &Zoo, table: &[u8], wasm: &[u8], title: &str) -> String {
    let arch = &zoo.schema().arch;
    let mut sorted: Vec<f32> = zoo.final_rows().iter().map(|&row| zoo.test_accuracy()[row]).collect();
    sorted.retain(|accuracy| accuracy.is_finite());
    sorted.sort_unstable_by(f32::total_cmp);
    let mut counts = [0u32; BINS];
    sorted.iter().for_each(|&accuracy| counts[((accuracy * BINS as f32) as usize).min(BINS - 1)] += 1);
    let networks = sorted.len();
    let step = networks.div_ceil(KEPT).max(1);
    let data = json!({
        "table": BASE64_STANDARD.encode(table),
        "wasm": BASE64_STANDARD.encode(wasm),
        "network": arch.to_string(),
        "weights": arch.parameters(),
        "tensors": torch_tensors(&arch.plan()),
        "counts": counts.to_vec(),
        "sorted": sorted.iter().step_by(step).collect::<Vec<_>>(),
    });
    // JSON that cannot end the script it stands in
    let html = include_str!("trial.html").replacen("DATA", &data.to_string().replace('<', "\\u003c"), 1);
    let subtitle = format!(
        "A predictor of the test accuracy of networks {arch} trained on {}, from their weights alone. It saw {networks} such networks \
         or a part of them; of networks of another kind or another data set it knows nothing.",
        zoo.schema().dataset
    );
    let lead = "Drop a network here: a .safetensors file of PyTorch's names (conv1.weight …), with a tensor weights, or a \
                zoo. Nothing leaves your machine.";
    page(title, &subtitle, &[], &[Section::new("try", "Your network", lead).with(Block::Html(html))])
}
