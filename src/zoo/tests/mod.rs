//! Zoo files: what all their tests share.

mod faults;
mod hostile;
mod seals;
mod writing;

use super::*;
use crate::Error;
use crate::cnn::Arch;
use crate::out::{FileKind, OutPath};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

fn schema(runs: usize) -> Schema {
    Schema {
        arch: Arch::grey(5, 5, "4s2", 3).unwrap(),
        runs,
        checkpoints: vec![0, 1, 5],
        dataset: "glyphs".into(),
        digest: "00ff".into(),
        recipe: serde_json::json!({"learning_rate": {"law": "log_uniform", "low": 0.1, "high": 1.0 / 3.0}, "epochs": 5}),
        seed: u64::MAX,
        names: [
            ("optimizer", &["sgd", "adam"][..]),
            ("activation", &["relu", "tanh"]),
            ("w_init", &["orthogonal \"é\""]),
            ("schedule", &["constant"]),
        ]
        .map(|(name, names)| (name.to_owned(), names.iter().map(|name| name.to_string()).collect()))
        .into(),
        optional: Vec::new(),
        shard: None,
        rounding: Schema::begun_with("fused"),
        dataset_notes: vec!["2 of 5 training batches".into()],
        program: "zoometry test".into(),
    }
}

fn configs(runs: usize) -> Vec<Config> {
    let config = |run: usize| {
        let seeded = Config { seed: u64::MAX - run as u64, ..Config::default() };
        let numbers = seeded.with("learning_rate", Value::Number(1.0 / (run + 1) as f32));
        numbers.with("l2reg", Value::Number(1e-8)).with("optimizer", Value::Code((run % 2) as u8))
    };
    (0..runs).map(config).collect()
}

fn open(path: &Path, runs: usize) -> crate::Result<Writer> {
    begin(path, &schema(runs), &configs(runs))
}

/// Goes on with a zoo, or makes one.
fn begin(path: &Path, schema: &Schema, configs: &[Config]) -> crate::Result<Writer> {
    Writer::create_or_open(&OutPath::continued(path, FileKind::Zoo)?, schema, configs)
}

/// Weights of a row, different in every row.
fn weights(row: usize) -> Vec<f32> {
    (0..schema(1).arch.parameters()).map(|i| (row * 1000 + i) as f32).collect()
}

fn write(writer: &Writer, run: usize, checkpoint: usize, status: Status) -> crate::Result<()> {
    let row = writer.row(run, checkpoint);
    let value = row as f32 / 16.0;
    let metrics = Metrics {
        test_accuracy: value.min(1.0),
        test_loss: -value,
        train_accuracy: value + 1.0,
        train_loss: value + 2.0,
    };
    writer.write(run, checkpoint, &weights(row), &metrics, &[value, 0.5, 1.0], status)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zoo.safetensors");
    (folder, path)
}

/// A written zoo of one run as bytes.
fn sample() -> Vec<u8> {
    let (_folder, path) = folder();
    let writer = open(&path, 1).unwrap();
    write(&writer, 0, 0, Status::Done).unwrap();
    fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> crate::Result<Zoo> {
    let (_folder, path) = folder();
    fs::write(&path, bytes).unwrap();
    Zoo::open(&path)
}

/// The message with which `bytes` are refused.
fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(error @ (Error::Malformed { .. } | Error::OtherKind { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Where in a file a column is.
fn place(path: &Path, column: &str) -> std::ops::Range<usize> {
    let bytes = std::fs::read(path).unwrap();
    let (header, data) = super::header::parse(path, &bytes).unwrap();
    let (start, end) = header.info(column).unwrap().data_offsets;
    data + start..data + end
}

fn header_end(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
}

/// The file with `from` in its header replaced.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let bytes = sample();
    let end = header_end(&bytes);
    let text = std::str::from_utf8(&bytes[8..end]).unwrap();
    assert!(text.contains(from), "{text}");
    let mut text = text.replacen(from, to, 1);
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[end..]].concat()
}
