//! Settings of runs that no line of an exported `metrics.csv.gz` tells, because no row of them is written: JSON for `layout.csv`.
//!
//! `[[run, seed, [optimizer, activation, initialiser …], [learning rate, L2, dropout, initial deviation, training fraction …]],
//! …]`: the hyperparameters that the zoo has columns of, in the order of the table; codes by the names in the zoo's metadata,
//! numbers as texts with every digit, NaN among them.

use super::hyper::{Config, HYPERPARAMETERS, Value};
use super::joined::Zoo;
use super::schema::{Schema, Status};

/// The column of `layout.csv`; it is there where there are such runs.
pub(super) const COLUMN: &str = "zoometry.settings";

type Entry = (u32, u64, Vec<u8>, Vec<String>);

/// The text for a zoo; nothing where every run has a written row.
pub(super) fn text(zoo: &Zoo) -> serde_json::Result<Option<String>> {
    let checkpoints = zoo.schema().checkpoints.len();
    let runs = zoo.status().chunks(checkpoints).enumerate();
    let empty = runs.filter(|(_, rows)| rows.iter().all(|&status| status == Status::NotWritten));
    let entries: Vec<Entry> = empty.map(|(run, _)| entry(zoo.schema(), run as u32, &zoo.config(run))).collect();
    if entries.is_empty() { Ok(None) } else { serde_json::to_string(&entries).map(Some) }
}

fn entry(schema: &Schema, run: u32, config: &Config) -> Entry {
    let mut entry = (run, config.seed, Vec::new(), Vec::new());
    for (hyper, value) in HYPERPARAMETERS.iter().zip(config.values).filter(|(hyper, _)| schema.has(hyper.name)) {
        debug_assert_eq!(hyper.is_name(), matches!(value, Value::Code(_)));
        match value {
            Value::Code(code) => entry.2.push(code),
            Value::Number(number) => entry.3.push(format!("{number:?}")),
        }
    }
    entry
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
    let mut config = Config { seed, ..Config::default() };
    let (mut codes, mut numbers) = (codes.into_iter(), numbers.iter());
    for (hyper, value) in HYPERPARAMETERS.iter().zip(&mut config.values) {
        if !schema.has(hyper.name) {
            continue;
        }
        let missing = || format!("no {} of run {run}", hyper.name);
        *value = if hyper.is_name() {
            let code = codes.next().ok_or_else(missing)?;
            if usize::from(code) >= schema.names_of(hyper.name).len() {
                return Err(format!("code {code} of config.{}", hyper.name));
            }
            Value::Code(code)
        } else {
            let text = numbers.next().ok_or_else(missing)?;
            Value::Number(text.parse().map_err(|_| format!("number {text:?}"))?)
        };
    }
    if codes.next().is_some() || numbers.next().is_some() {
        return Err(format!("more values of run {run} than hyperparameters"));
    }
    Ok((run, config))
}
