//! The file of a fitted predictor: safetensors, with one entry of metadata, [`KEY`], a JSON object ([`Head`]).
//!
//! | tensor | type, shape | |
//! |---|---|---|
//! | `networks.train`, `.validation`, `.test` | u64 \[n\] | XXH3-64 of the weights of each network of the fit, ascending |
//! | `validation_residuals` | f32 \[n\] | errors that intervals are made of; of folds `N/held_out_errors` |
//! | `domain_low`, `domain_high` | f32 \[columns\] | range of each column among the networks of the fit |
//! | `domain_rows` | f32 \[n, columns\] | these networks, standardised, for distances |
//! | `KEY.size`, `.images`, `.answers`, `.members` | u32, f32, f32, u64 | of the inputs `consensus` and `synthetic` ([`crate::features::consensus`]) |
//!
//! and those of the model, of one that is made of several with the number of each before them: `0/threshold`. Of boosting,
//! trees one after another: `tree_nodes` u32 \[trees\], of each node `feature`, `left`, `count` u32, `threshold`, `value`, `gain` f32,
//! `missing_left` u8; `base` f64 \[1\]; `train_rmse`, `val_rmse` f64 \[trees\]. The head has `version`, `kind`, `params`,
//! `columns` and `info` (text: input, architecture, zoo, division).
//!
//! Nothing in it is trusted: what a fit cannot have written is an error.

#[cfg(test)]
mod tests;

use super::{Config, Domain, INPUT, Options, Predictor, Provenance};
use crate::features::Fitted;
use crate::out::{FileKind, OutPath, replace};
use crate::table::Part;
use crate::tensors::{Tensors, bytes, column};
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Name of the metadata entry. There is but one, so that the same predictor always gives the same bytes.
const KEY: &str = "zoometry.predictor";

/// Name of the tensor of validation errors; a file without it is one of a fit without validation rows, or an old one.
const RESIDUALS: &str = "validation_residuals";

/// Names of the tensors of the networks' digests, ascending; a file without them is one of a fit to rows that are no networks, or an
/// old one.
const NETWORKS: [(&str, Part); 3] =
    [("networks.train", Part::Train), ("networks.validation", Part::Validation), ("networks.test", Part::Test)];

/// The format written and read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    kind: String,
    params: serde_json::Map<String, serde_json::Value>,
    columns: Vec<String>,
    info: BTreeMap<String, String>,
}

pub(super) fn save(predictor: &Predictor, out: &OutPath) -> Result<()> {
    let path = out.path();
    let mut columns = predictor.model.tensors();
    if !predictor.residuals.is_empty() {
        columns.push(column(RESIDUALS, Dtype::F32, bytes(predictor.residuals.iter().copied(), f32::to_le_bytes)));
    }
    columns.extend(predictor.input.iter().flat_map(Fitted::tensors));
    columns.extend(predictor.domain.iter().flat_map(Domain::tensors));
    if let Some(provenance) = &predictor.provenance {
        let digests = |part| bytes(provenance.digests(part).iter().copied(), u64::to_le_bytes);
        columns.extend(NETWORKS.map(|(name, part)| column(name, Dtype::U64, digests(part))));
    }
    let not_json = |e: serde_json::Error| Error::malformed(path, "metadata that JSON can hold", e.to_string());
    let head = Head {
        version: VERSION,
        kind: predictor.model.options().spec(),
        params: predictor.model.options().values(),
        columns: predictor.columns.clone(),
        info: predictor.info.clone(),
    };
    let head = serde_json::to_string(&head).map_err(not_json)?;
    let views = columns.iter().map(|(name, dtype, bytes)| {
        let length = bytes.len() * 8 / dtype.bitsize();
        TensorView::new(*dtype, vec![length], bytes).map(|view| (&**name, view))
    });
    let views: std::result::Result<Vec<_>, _> = views.collect();
    let metadata = Some(HashMap::from([(KEY.to_owned(), head)]));
    let contents = views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(|e| Error::malformed(path, "tensors that safetensors can hold", e.to_string()))?;
    replace(out, |file| file.write_all(&contents))
}

pub(super) fn load(path: &Path) -> Result<Predictor> {
    let contents = crate::bytes::read(path)?;
    // one that is cut short is still a safetensors file by its first bytes: what is wrong with it is said below
    if !matches!(FileKind::of(path), FileKind::Predictor | FileKind::Other("a safetensors file")) {
        return Err(Error::other_kind(path, "a fitted predictor", FileKind::described(path)));
    }
    let not_safetensors = |e: safetensors::SafeTensorError| Error::malformed(path, "a safetensors file", e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(&contents).map_err(not_safetensors)?;
    let entries = metadata.metadata().as_ref();
    let Some(head) = entries.and_then(|entries| entries.get(KEY)) else {
        return Err(Error::malformed(path, format!("metadata {KEY:?}"), "none"));
    };
    let version: serde_json::Value = serde_json::from_str(head).unwrap_or_default();
    if version["version"] != VERSION {
        return Err(Error::malformed(path, format!("predictor format {VERSION}"), version["version"].to_string()));
    }
    let head: Head =
        serde_json::from_str(head).map_err(|e| Error::malformed(path, format!("JSON of {KEY:?}"), e.to_string()))?;
    let tensors = Tensors::new(path, &contents)?;
    let config = Config { predictor: head.kind, input: None, params: head.params };
    let options = Options::try_from(config).map_err(|e| Error::malformed(path, "a known predictor", e.to_string()))?;
    let model = options.0.load(&tensors, head.columns.len())?;
    let residuals = if tensors.has(RESIDUALS) { tensors.errors(RESIDUALS)? } else { Vec::new() };
    let domain = Domain::load(&tensors, head.columns.len())?;
    let input = head.info.get(INPUT).map(|key| input(key, &tensors)).transpose()?;
    let provenance = provenance(&tensors)?;
    Ok(Predictor { columns: head.columns, info: head.info, input, model, residuals, domain, provenance })
}

/// The networks of the fit, if the file has them.
fn provenance(tensors: &Tensors) -> Result<Option<Provenance>> {
    if !NETWORKS.iter().any(|(name, _)| tensors.has(name)) {
        return Ok(None);
    }
    let mut parts = [const { Vec::new() }; 3];
    for ((name, _), part) in NETWORKS.iter().zip(&mut parts) {
        *part = tensors.u64s(name)?;
        if !part.is_sorted_by(|a, b| a < b) {
            return Err(tensors.malformed(format!("{name} ascending, each digest once"), "others"));
        }
    }
    Ok(Some(Provenance::of(parts)))
}

/// The fitted input of a key.
fn input(key: &str, tensors: &Tensors) -> Result<Fitted> {
    let input = key.parse().map_err(|error: Error| tensors.malformed("a known input", error.to_string()))?;
    Fitted::load(input, tensors)
}
