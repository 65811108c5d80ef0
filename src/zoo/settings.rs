//! Settings of runs that no line of an exported `metrics.csv.gz` tells, because no row of them is written: JSON for `layout.csv`.
//!
//! `[[run, seed, [optimizer, activation, initialiser], [learning rate, L2, dropout, initial deviation, training fraction]], …]`:
//! codes by the names in the zoo's metadata, numbers as texts with every digit, NaN among them.

use super::reader::Zoo;
use super::schema::{Config, Schema, Status};

/// The column of `layout.csv`; it is there where there are such runs.
pub(super) const COLUMN: &str = "zoometry.settings";

type Entry = (u32, u64, [u8; 3], [String; 5]);

/// The text for a zoo; nothing where every run has a written row.
pub(super) fn text(zoo: &Zoo) -> serde_json::Result<Option<String>> {
    let checkpoints = zoo.schema().checkpoints.len();
    let runs = zoo.status().chunks(checkpoints).enumerate();
    let empty = runs.filter(|(_, rows)| rows.iter().all(|&status| status == Status::NotWritten));
    let entries: Vec<Entry> = empty.map(|(run, _)| entry(run as u32, &zoo.config(run))).collect();
    if entries.is_empty() { Ok(None) } else { serde_json::to_string(&entries).map(Some) }
}

fn entry(run: u32, config: &Config) -> Entry {
    let numbers = [config.learning_rate, config.l2reg, config.dropout, config.init_std, config.train_fraction];
    let codes = [config.optimizer, config.activation, config.w_init];
    (run, config.seed, codes, numbers.map(|number| format!("{number:?}")))
}

/// The settings in a text of [`text`], or what is wrong with it.
pub(super) fn parse(text: &str, schema: &Schema) -> Result<Vec<(u32, Config)>, String> {
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    entries.into_iter().map(|entry| config(entry, schema)).collect()
}

fn config((run, seed, codes, numbers): Entry, schema: &Schema) -> Result<(u32, Config), String> {
    if run as usize >= schema.runs {
        return Err(format!("run {run} of {}", schema.runs));
    }
    for ((what, names), code) in schema.names().into_iter().zip(codes) {
        if usize::from(code) >= names.len() {
            return Err(format!("code {code} of {what}"));
        }
    }
    let mut values = [0.0; 5];
    for (value, text) in values.iter_mut().zip(&numbers) {
        *value = text.parse().map_err(|_| format!("number {text:?}"))?;
    }
    let [learning_rate, l2reg, dropout, init_std, train_fraction] = values;
    let [optimizer, activation, w_init] = codes;
    let config =
        Config { learning_rate, l2reg, dropout, init_std, train_fraction, optimizer, activation, w_init, seed };
    Ok((run, config))
}
