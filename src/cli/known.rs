//! What `info` shows of files that are no zoos: every kind that we write, and by name what others do.

use super::output::{Output, count, counted, quantile_line};
use serde_json::Value;
use std::path::Path;
use zoometry::eval::conformal;
use zoometry::features::Fitted;
use zoometry::kernels::compact::Compact;
use zoometry::out::FileKind;
use zoometry::predictor::{Config, Predictor};
#[cfg(feature = "full")]
use zoometry::study::Study;
use zoometry::table::{Part, npy, read};
use zoometry::zoo::Loose;
use zoometry::{Error, Result, bytes, json};

/// Describes a file that is no zoo.
///
/// # Errors
/// Those of its kind's reader; [`Error::OtherKind`] for what none of them reads.
pub fn show(path: &Path) -> Result<Output> {
    let kind = FileKind::of(path);
    let mut output = Output::default();
    let found = match kind {
        FileKind::Folder if is_study(path) => "a study".to_owned(),
        _ => kind.to_string(),
    };
    output.line(format!("{}: {found}", path.display()));
    output.path("file", path);
    output.set("kind", &found);
    match kind {
        FileKind::Predictor => predictor(path, &mut output)?,
        FileKind::Features => table(&read::table(path)?, &mut output),
        FileKind::Table => text(path, &mut output)?,
        FileKind::Array | FileKind::Other(_) if bytes::read(path)?.starts_with(b"\x93NUMPY") => {
            array(path, &mut output)?
        }
        // the last is damaged: who reads it says what is wrong
        FileKind::Network | FileKind::Other("another safetensors file" | "a safetensors file") => {
            network(path, &mut output)?
        }
        FileKind::Config => config(path, &mut output)?,
        FileKind::Compact => compact(path, &mut output)?,
        FileKind::Measurements => measurements(path, &mut output)?,
        FileKind::Trials => trials(path, &mut output)?,
        FileKind::Folder => folder(path, &mut output)?,
        FileKind::Names => {
            let names: Vec<String> = json::read(path, "names of columns")?;
            output.line(format!("  {}", counted(names.len(), "column")));
            output.set("columns", names);
        }
        FileKind::Page | FileKind::Picture | FileKind::Manual | FileKind::Findings => {}
        _ => return Err(Error::other_kind(path, "a file that zoometry writes", FileKind::described(path))),
    }
    Ok(output)
}

fn predictor(path: &Path, output: &mut Output) -> Result<()> {
    let predictor = Predictor::load(path)?;
    let (options, info) = (predictor.model.options(), &predictor.info);
    output.line(format!("  kind          {} ({})", options.spec(), options.title()));
    let input = predictor.input.as_ref().map(Fitted::input).map_or("a table".to_owned(), ToString::to_string);
    output.line(format!("  input         {input}, {}", counted(predictor.columns.len(), "column")));
    let values: Vec<String> = options.values().iter().map(|(name, value)| format!("{name}={value}")).collect();
    output.line(format!("  options       {}", values.join(" ")));
    let said = |key: &str| info.get(key).map(String::as_str);
    let number = |key: &str| said(key).and_then(|n| n.parse().ok()).map_or("?".into(), count);
    output.line(format!("  fitted to     {} train and {} validation networks", number("n_train"), number("n_val")));
    let rest = ["target", "epoch", "split_seed", "split", "caveats"];
    for key in rest.into_iter().filter(|key| said(key).is_some()) {
        output.line(format!("  {key:<14}{}", said(key).unwrap_or_default()));
    }
    let scores: Vec<String> = super::score::KEPT
        .into_iter()
        .filter_map(|name| {
            let value = said(&format!("test_{name}"))?.parse::<f64>().ok()?;
            Some(if name == "mse" { format!("{name} {value:.3e}") } else { format!("{name} {value:.4}") })
        })
        .collect();
    if !scores.is_empty() {
        output.line(format!("  scores        {} on {} networks never seen", scores.join(", "), number("n_test")));
    }
    let errors = conformal::errors(&predictor);
    output.line(format!(
        "  intervals     {}",
        match errors {
            0 => "none: it has no errors on networks held out".into(),
            n => format!("from {} on networks held out", counted(n, "error")),
        }
    ));
    output.set("predictor", options.spec());
    output.set("input", input);
    output.set("columns", &predictor.columns);
    output.set("params", options.values());
    output.set("info", info);
    Ok(())
}

fn table(read: &read::Divided, output: &mut Output) {
    let table = &read.table;
    output.line(format!("  {} × {}", counted(table.rows(), "row"), counted(table.width(), "column")));
    for part in &Part::ALL[..3] {
        let n = read.parts.iter().filter(|of| *of == part).count();
        if n > 0 {
            output.line(format!("  {:<14}{}", part.name(), count(n as u64)));
        }
    }
    if !table.y.is_empty() {
        output.line(format!("  target        {}", quantile_line(&table.y)));
    }
    output.set("rows", table.rows());
    output.set("columns", &table.columns);
}

/// A table of any content: features and predictions have runs, others have not.
fn text(path: &Path, output: &mut Output) -> Result<()> {
    let mut csv = csv::Reader::from_reader(bytes::open(path)?);
    let not_csv = |error: csv::Error| Error::malformed(path, "a table as CSV", error.to_string());
    let names: Vec<String> = csv.headers().map_err(not_csv)?.iter().map(str::to_owned).collect();
    let mut rows = 0;
    for record in csv.records() {
        record.map_err(not_csv)?;
        rows += 1;
    }
    output.line(format!("  {} × {}", counted(rows, "row"), counted(names.len(), "column")));
    output.set("rows", rows);
    output.set("columns", names);
    Ok(())
}

fn array(path: &Path, output: &mut Output) -> Result<()> {
    let (shape, kind) = npy::shape(path)?;
    let sizes: Vec<String> = shape.iter().map(|&n| count(n as u64)).collect();
    output.line(format!("  {} of {kind}", if sizes.is_empty() { "one".into() } else { sizes.join(" × ") }));
    output.set("shape", shape);
    output.set("elements", kind);
    Ok(())
}

fn network(path: &Path, output: &mut Output) -> Result<()> {
    let file = Loose::open(path)?;
    if let Some(network) = file.exported() {
        let of = network.dataset.map_or(String::new(), |name| format!(" of {name}"));
        let part = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
        let parts = [
            part("run", network.run.map(|run| run.to_string())),
            part("epoch", network.epoch.map(|epoch| epoch.to_string())),
            part("activation", network.activation),
            part("test accuracy", network.test_accuracy.map(|accuracy| format!("{accuracy:.4}"))),
        ];
        output.line(format!("  a network{of}: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        output.set("run", network.run);
        output.set("epoch", network.epoch);
        output.set("test_accuracy", network.test_accuracy);
    }
    let mut shapes = Vec::new();
    for (name, dtype, shape) in file.tensors() {
        let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
        output.line(format!("  {name:<24} {dtype} {}", sizes.join("×")));
        shapes.push(serde_json::json!({ "name": name, "dtype": dtype.to_string(), "shape": shape }));
    }
    output.set("tensors", shapes);
    Ok(())
}

fn config(path: &Path, output: &mut Output) -> Result<()> {
    let config = Config::load(path, None)?;
    output.line(format!("  predictor     {}", config.predictor));
    output.line(format!("  input         {}", config.input.as_deref().unwrap_or("a table")));
    let values: Vec<String> = config.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    output.line(format!("  options       {}", values.join(" ")));
    output.set("config", config);
    Ok(())
}

fn compact(path: &Path, output: &mut Output) -> Result<()> {
    let table = bytes::read(path)?;
    let wrong = |refusal| Error::malformed(path, "a compact table", format!("{refusal}"));
    let compact = Compact::new(&table).map_err(wrong)?;
    let (trees, columns) = (counted(compact.trees(), "tree"), counted(compact.columns(), "column"));
    output.line(format!(
        "  {} bytes: {trees} over {columns}, of networks of {} weights",
        count(table.len() as u64),
        count(compact.weights() as u64)
    ));
    output.set("bytes", table.len());
    output.set("trees", compact.trees());
    output.set("columns", compact.columns());
    output.set("weights", compact.weights());
    Ok(())
}

fn measurements(path: &Path, output: &mut Output) -> Result<()> {
    let report: Value = json::read(path, "the report of a benchmark")?;
    let rows = report["rows"].as_array().map_or(0, Vec::len);
    let processor = report["machine"]["processor"].as_str().unwrap_or("an unknown processor");
    output.line(format!("  {} on {processor}; `zoometry bench --compare` measures again", counted(rows, "row")));
    output.set("rows", rows);
    output.set("processor", processor);
    Ok(())
}

fn trials(path: &Path, output: &mut Output) -> Result<()> {
    let text = bytes::text(path)?;
    let trials: Vec<Value> = text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()).collect();
    let best = trials.iter().filter_map(|trial| trial["score"]["r2"].as_f64()).fold(f64::NAN, f64::max);
    output.line(format!("  {}, the best R² {best:.4} on the validation networks", counted(trials.len(), "trial")));
    output.set("trials", trials.len());
    output.set("r2", best);
    Ok(())
}

/// A study's folder, or what is in another one.
fn folder(path: &Path, output: &mut Output) -> Result<()> {
    #[cfg(feature = "full")]
    if is_study(path) {
        return study(path, output);
    }
    let entries = path.read_dir().map_err(Error::io("read", path))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    let networks = names.iter().filter(|name| FileKind::of(path.join(name)) == FileKind::Network).count();
    if networks > 0 {
        output.line(format!("  {} for PyTorch", counted(networks, "network")));
        output.set("networks", networks);
        return Ok(());
    }
    if !names.iter().any(|name| name.ends_with("weights.npy")) {
        let expected = "one of a study (results.jsonl) or of the released format (weights.npy)";
        return Err(Error::other_kind(path, expected, "a folder"));
    }
    output.line("  of the released format; `zoometry import` makes a zoo of it");
    output.set("entries", names);
    Ok(())
}

/// Whether a folder is a study's.
#[cfg(feature = "full")]
fn is_study(path: &Path) -> bool {
    path.join(zoometry::study::FILE).exists()
}

/// Whether a folder is a study's: a program without experiments knows none.
#[cfg(not(feature = "full"))]
fn is_study(_: &Path) -> bool {
    false
}

#[cfg(feature = "full")]
fn study(path: &Path, output: &mut Output) -> Result<()> {
    let study = Study::load(path)?;
    let names: Vec<&str> = study.zoos.iter().map(|zoo| zoo.name.as_str()).collect();
    output.line(format!("  {}: {}", counted(names.len(), "zoo"), names.join(", ")));
    output.line(format!("  {}; `zoometry report` shows them", counted(study.cells.len(), "score")));
    output.set("zoos", names);
    output.set("scores", study.cells.len());
    Ok(())
}
