//! The released Small CNN Zoo's folders: `weights.npy`, `metrics.csv.gz`, `layout.csv`.
//!
//! The weights are copied row by row; held in memory are the narrow columns alone, some 100 bytes a checkpoint. Inside a run
//! the released rows are in the order of the checkpoints' names (0, 1, 2, 20, 3, 40 …); here epochs ascend. Runs keep the
//! order in which they first appear. A checkpoint that the folder lacks is a row not written.

mod columns;
mod layout;
mod metrics;
mod seal;
mod weights;

use super::released::DATASETS;
use super::schema::{Column, OTHER_ROUNDING, Schema, Status, Width};
use super::source::Source;
use super::whole::Whole;
use crate::cnn::layer::{self, Layer};
use crate::out::{OutPath, check_room};
use crate::{Context, Error, Result};
use layout::Layout;
use metrics::{Expected, Line, Sheet};
use seal::Seals;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use weights::Weights;

/// What a folder does not tell, and what of it is wanted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Import {
    /// Only the last checkpoint of each run, whatever its epoch.
    pub final_only: bool,
    /// Height and width of the images; needed where the data set is none of the released ones.
    pub image: Option<(usize, usize)>,
    /// The layers, where they are not 3×3 convolutions of stride 2 without padding.
    pub layers: Option<Vec<Layer>>,
    /// Names of hyperparameters' values whose codes are to be as in zoos of our own; others are added.
    pub names: BTreeMap<String, Vec<String>>,
    /// Program and version, for the zoo's metadata.
    pub program: String,
}

/// What an import found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// Networks.
    pub runs: usize,
    /// Checkpoints of each.
    pub checkpoints: usize,
    /// Rows of the folder.
    pub rows: usize,
    /// Rows that are in the zoo.
    pub kept: usize,
    /// Rows that the zoo has a place for and the folder has not.
    pub missing: usize,
    /// Rows whose weights are not finite or whose test accuracy is none from 0 to 1.
    pub diverged: usize,
    /// What else a reader should know, a sentence each.
    pub notes: Vec<String>,
}

/// Names of the files, the released one first, then the older notebook's.
const WEIGHTS: &[&str] = &["weights.npy", "all_weights.npy"];
const METRICS: &[&str] = &["metrics.csv.gz", "metrics.csv", "all_metrics.csv.gz", "all_metrics.csv"];

/// A folder that was read and checked, but for its weights.
struct Checked {
    schema: Schema,
    sheet: Sheet,
    metrics_path: PathBuf,
    /// The row of the zoo that each line belongs to, if it is wanted.
    places: Vec<Option<usize>>,
    weights: Weights,
    report: Imported,
    /// Whether only each network's last checkpoint is taken.
    final_only: bool,
}

/// What an import would find, without a word about the weights; nothing is written.
///
/// # Errors
/// Those of [`import`].
pub fn examine(context: &Context, folder: &Path, options: &Import) -> Result<Imported> {
    Ok(check(context, folder, options)?.report)
}

/// Makes the zoo `out` of a folder; `progress` is told the rows done and all rows.
///
/// # Errors
/// [`Error::Missing`] where the folder lacks a file; [`Error::Malformed`] where a file is not what it should be or two do not
/// belong together; [`Error::Invalid`] where the image size is needed; [`Error::Io`]: also where `out` has appeared meanwhile;
/// [`Error::Cancelled`] when a stop was requested. Nothing is left behind then.
pub fn import(
    context: &Context,
    folder: &Path,
    out: &OutPath,
    options: &Import,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Imported> {
    let mut checked = check(context, folder, options)?;
    fill(context, out, &mut checked, progress)?;
    Ok(checked.report)
}

fn check(context: &Context, folder: &Path, options: &Import) -> Result<Checked> {
    let weights_path = &find(folder, WEIGHTS)?;
    let weights = Weights::open(weights_path)?;
    let path = find(folder, METRICS)?;
    let layout_path = folder.join("layout.csv");
    let mut layout = if layout_path.exists() { Layout::read(&layout_path)? } else { Layout::released(folder) };
    let settings = std::mem::take(&mut layout.settings);
    let kept = layout.kept.as_ref();
    let size = || [&layout_path, &path, weights_path].iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
    // before anything is held or written that only a header claims
    kept.map_or(Ok(()), |kept| check_claims(&layout_path, kept, weights.rows(), settings.len(), size()))?;
    let expected = Expected {
        rows: weights.rows(),
        names: kept.map_or(&options.names, |kept| &kept.names).clone(),
        runs: kept.map(|kept| kept.runs),
        settings,
        classes: layout.classes(),
    };
    let sheet = metrics::read(context, &path, expected)?;
    if sheet.lines.len() != weights.rows() || sheet.lines.is_empty() {
        let expected = format!("at least one line, and one for each of the {} rows of weights", weights.rows());
        return Err(Error::malformed(path, expected, format!("{} lines", sheet.lines.len())));
    }
    let schema = match &layout.kept {
        Some(kept) => again(kept, &layout, &sheet, options)?,
        None => schema(folder, &layout, &sheet, options)?,
    };
    if schema.arch.parameters() != weights.width() {
        let expected = format!("{} columns, as layout.csv says", schema.arch.parameters());
        return Err(Error::malformed(find(folder, WEIGHTS)?, expected, weights.width().to_string()));
    }
    check_claims(&path, &schema, sheet.configs.len(), 0, size())?;
    let places = places(&path, &schema, &sheet, options.final_only)?;
    let mut report = describe(&schema, &sheet, &places);
    if !layout_path.exists() {
        report.notes.push(format!("there is no layout.csv: taken to be that of {}", schema.arch));
    }
    Ok(Checked { schema, sheet, metrics_path: path, places, weights, report, final_only: options.final_only })
}

/// The file of the folder that has one of the names.
fn find(folder: &Path, names: &[&str]) -> Result<PathBuf> {
    std::fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.exists());
    found.ok_or_else(|| Error::Missing {
        what: names[0].into(),
        folder: folder.into(),
        expected: names.join(" or "),
        hint: "a folder of the Small CNN Zoo holds weights.npy, metrics.csv.gz and layout.csv: https://github.com/\
               google-research/google-research/tree/master/dnn_predict_accuracy"
            .into(),
    })
}

/// Bytes of a zoo's narrow columns that need no reason, and what is allowed for each byte of the folder: of an unfinished zoo a
/// folder holds a few rows and one line of settings for each of the other runs.
const NARROW: u64 = 64 << 20;
const NARROW_FOR_A_BYTE: u64 = 100;

/// Compares what a header claims with what a folder of `bytes` bytes can hold: for every run a row or its settings, and columns,
/// which are written whole however little of the zoo is there, in proportion.
fn check_claims(path: &Path, schema: &Schema, rows: usize, settings: usize, bytes: u64) -> Result<()> {
    if schema.runs > rows.saturating_add(settings) {
        let expected =
            format!("at most {} runs, as the folder holds {rows} rows and {settings} settings", rows + settings);
        return Err(Error::malformed(path, expected, schema.runs.to_string()));
    }
    let width = |of: Column| schema.width(of.width).unwrap_or(1) as u64 * of.dtype.bitsize() as u64 / 8;
    let narrow: u64 = schema.columns().into_iter().filter(|of| of.width != Width::Parameters).map(width).sum();
    let most = bytes.saturating_mul(NARROW_FOR_A_BYTE).saturating_add(NARROW);
    match narrow.saturating_mul(schema.rows() as u64) {
        columns if columns <= most => Ok(()),
        columns => {
            let expected = format!("a zoo whose columns, weights aside, have {most} bytes at most");
            Err(Error::malformed(path, expected, format!("{columns} bytes for a folder of {bytes}")))
        }
    }
}

/// The names of the codes that a table has.
fn names(sheet: &Sheet) -> BTreeMap<String, Vec<String>> {
    let found = sheet.names.iter().filter(|(_, names)| !names.list.is_empty());
    found.map(|(&hyper, names)| (hyper.to_owned(), names.list.clone())).collect()
}

/// The schema of a zoo that we exported ourselves.
fn again(kept: &Schema, layout: &Layout, sheet: &Sheet, options: &Import) -> Result<Schema> {
    let (height, width) = (kept.arch.height, kept.arch.width);
    let other = |what, expected, got| Err(Error::invalid(what, format!("{expected}, as layout.csv says"), got));
    if let Some((rows, columns)) = options.image.filter(|&image| image != (height, width)) {
        return other("image", format!("{height}x{width}"), format!("{rows}x{columns}"));
    }
    if let Some(layers) = options.layers.as_ref().filter(|layers| **layers != kept.arch.layers) {
        return other("layers", layer::text(&kept.arch.layers), layer::text(layers));
    }
    // refused where the windows are not those of the network in the metadata
    layout.arch((kept.arch.height, kept.arch.width), Some(&kept.arch.layers))?;
    let mut schema = Schema { names: names(sheet), ..kept.clone() }.with_defaults();
    if options.final_only {
        schema.checkpoints = ends(sheet);
    }
    Ok(schema)
}

/// The schema of anybody else's folder.
fn schema(folder: &Path, layout: &Layout, sheet: &Sheet, options: &Import) -> Result<Schema> {
    let folder_name =
        folder.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let theirs = sheet.dataset.clone().filter(|name| !name.is_empty()).or(folder_name).unwrap_or_default();
    let released = DATASETS.iter().find(|dataset| dataset.0 == theirs || dataset.1 == theirs);
    if let (Some((rows, columns)), Some(&(name, _, size))) = (options.image, released)
        && (rows, columns) != (size, size)
    {
        return Err(Error::invalid("image", format!("{size}x{size}, as {name} has"), format!("{rows}x{columns}")));
    }
    let image = options.image.or(released.map(|dataset| (dataset.2, dataset.2))).ok_or_else(|| {
        Error::invalid(
            "image",
            format!("HEIGHTxWIDTH, since data set {theirs:?} is none of the released ones"),
            "nothing",
        )
    })?;
    let mut checkpoints: Vec<u32> = sheet.lines.iter().map(|line| line.epoch).collect();
    checkpoints.sort_unstable();
    checkpoints.dedup();
    let last = checkpoints[checkpoints.len() - 1];
    let mut finals = vec![None; sheet.configs.len()];
    for (row, line) in sheet.lines.iter().enumerate().filter(|(_, line)| line.epoch == last) {
        finals[line.run as usize] = Some(row as u64);
    }
    let source = Source { rows: sheet.lines.len() as u64, finals }.to_value();
    let constants: Map<String, Value> =
        sheet.constants.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let seed = sheet.configs[0].seed;
    let mut recipe =
        json!({ "name": "imported", "metrics_sha256": sheet.digest, "source": source, "constants": constants });
    if !sheet.missing.is_empty() {
        recipe["missing"] = json!(sheet.missing);
    }
    Ok(Schema {
        arch: layout.arch(image, options.layers.as_deref())?,
        runs: sheet.configs.len(),
        checkpoints: if options.final_only { ends(sheet) } else { checkpoints },
        dataset: released.map_or(theirs.clone(), |dataset| dataset.1.into()),
        digest: String::new(),
        recipe,
        seed: if sheet.configs.iter().all(|config| config.seed == seed) { seed } else { 0 },
        names: names(sheet),
        optional: Schema::optional(&sheet.configs),
        shard: None,
        rounding: vec![OTHER_ROUNDING.into()],
        dataset_notes: Vec::new(),
        program: options.program.clone(),
    }
    .with_defaults())
}

/// The last epoch of each run; nothing of one without a line.
fn last_epochs(sheet: &Sheet) -> Vec<Option<u32>> {
    let mut last = vec![None; sheet.configs.len()];
    for line in &sheet.lines {
        let last = &mut last[line.run as usize];
        *last = (*last).max(Some(line.epoch));
    }
    last
}

/// The epochs at which runs end, ascending.
fn ends(sheet: &Sheet) -> Vec<u32> {
    let mut ends: Vec<u32> = last_epochs(sheet).into_iter().flatten().collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// The row of the zoo that each line belongs to, if it is wanted.
fn places(path: &Path, schema: &Schema, sheet: &Sheet, final_only: bool) -> Result<Vec<Option<usize>>> {
    let checkpoints = &schema.checkpoints;
    let mut taken = vec![false; schema.rows()];
    let last = last_epochs(sheet);
    let wanted = |line: &Line| !final_only || last[line.run as usize] == Some(line.epoch);
    let place = |(number, line): (usize, &Line)| match checkpoints.binary_search(&line.epoch) {
        _ if !wanted(line) => Ok(None),
        Ok(checkpoint) => {
            let row = line.run as usize * checkpoints.len() + checkpoint;
            if std::mem::replace(&mut taken[row], true) {
                let expected = format!("each epoch of a run once, up to row {number}");
                return Err(Error::malformed(path, expected, format!("run {}, epoch {} twice", line.run, line.epoch)));
            }
            Ok(Some(row))
        }
        Err(_) => Err(Error::malformed(
            path,
            format!("one of epochs {checkpoints:?} in row {number}"),
            line.epoch.to_string(),
        )),
    };
    sheet.lines.iter().enumerate().map(place).collect()
}

/// What the text alone says.
fn describe(schema: &Schema, sheet: &Sheet, places: &[Option<usize>]) -> Imported {
    let (checkpoints, rows) = (schema.checkpoints.len(), places.len());
    let mut report = Imported { runs: schema.runs, checkpoints, rows, ..Imported::default() };
    let mut note = |text: String| report.notes.push(text);
    for (what, names) in &sheet.names {
        for name in &names.list[names.known..] {
            note(format!("{what} {name:?} is none that Zoometry trains with; it is kept under this name"));
        }
    }
    let mut ending: BTreeMap<u32, usize> = BTreeMap::new();
    last_epochs(sheet).into_iter().flatten().for_each(|epoch| *ending.entry(epoch).or_default() += 1);
    if ending.len() > 1 {
        let each: Vec<String> = ending.iter().rev().take(8).map(|(epoch, runs)| format!("{runs} at {epoch}")).collect();
        let more = if ending.len() > 8 { " …" } else { "" };
        let each = each.join(", ");
        note(format!(
            "networks end at different epochs ({each}{more}): verbs see those of the last one unless another epoch is named"
        ));
    }
    if !sheet.missing.is_empty() {
        note(format!("there is no column {}", sheet.missing.join(", ")));
    }
    if !sheet.dropped.is_empty() {
        note(format!("a zoo has no place for the columns {}: left out", sheet.dropped.join(", ")));
    }
    let alike = schema.seeds_are_known() && schema.runs > 1;
    if alike && sheet.configs.iter().all(|config| config.seed == sheet.configs[0].seed) {
        note(format!(
            "all networks have one seed, {}: they began alike and saw their images in one order",
            sheet.configs[0].seed
        ));
    }
    let kept = sheet.lines.iter().zip(places).filter(|(_, place)| place.is_some());
    let odd =
        kept.filter(|(line, _)| line.metrics.test_accuracy.is_finite() && !line.metrics.test_loss.is_finite()).count();
    if odd > 0 && !sheet.missing.iter().any(|name| name == "test_loss") {
        note(format!("{odd} rows have a test loss that is not finite"));
    }
    report
}

/// Copies the weights and writes the columns.
fn fill(context: &Context, out: &OutPath, checked: &mut Checked, progress: &mut dyn FnMut(usize, usize)) -> Result<()> {
    let Checked { schema, sheet, metrics_path, places, weights, report, final_only } = checked;
    check_room(out.path(), schema.bytes_of(places.iter().flatten().count())?)?;
    let whole = Whole::create(out, schema, &sheet.configs)?;
    let (rows, classes) = (schema.rows(), schema.arch.classes);
    let mut status = vec![Status::NotWritten as u8; rows];
    let mut metrics = [0; 4].map(|_| vec![0.0f32; rows]);
    let mut class_accuracy = vec![0.0f32; rows * classes];
    let mut seals = Seals::new(metrics_path, schema);
    let (mut values, unknown) = (Vec::new(), vec![f32::NAN; classes]);
    for (number, (line, place)) in sheet.lines.iter().zip(&*places).enumerate() {
        context.stop.go_on()?;
        progress(number, places.len());
        let Some(row) = *place else { continue };
        weights.read(number, &mut values)?;
        whole.weights(row, &values)?;
        let found = &line.metrics;
        let finite = (0.0..=1.0).contains(&found.test_accuracy) && values.iter().all(|weight| weight.is_finite());
        let state = line.status.unwrap_or(if finite { Status::Done } else { Status::Diverged });
        status[row] = state as u8;
        report.diverged += usize::from(state == Status::Diverged);
        let four = [found.test_accuracy, found.test_loss, found.train_accuracy, found.train_loss];
        metrics.iter_mut().zip(four).for_each(|(column, value)| column[row] = value);
        let known = sheet.class_accuracy.get(number * classes..(number + 1) * classes);
        let known = known.unwrap_or(&unknown);
        class_accuracy[row * classes..(row + 1) * classes].copy_from_slice(known);
        if let Some(seals) = &mut seals {
            seals.add(row, number, sheet, &values, known, state)?;
        }
        report.kept += 1;
    }
    // of a network's last checkpoint alone there is one row, whatever its epoch
    let wanted = if *final_only { schema.runs } else { rows };
    report.missing = wanted.saturating_sub(report.kept);
    if weights.inexact > 0 {
        let (inexact, all) = (weights.inexact, report.kept * weights.width());
        report.notes.push(format!("{inexact} of {all} weights are f64 that f32 does not hold exactly: rounded"));
    }
    for (name, values) in ["test_accuracy", "test_loss", "train_accuracy", "train_loss"].into_iter().zip(&metrics) {
        context.stop.go_on()?;
        whole.column(name, values)?;
    }
    context.stop.go_on()?;
    whole.column("test_class_accuracy", &class_accuracy)?;
    seals.map_or(Ok(()), |seals| seals.write(&whole))?;
    whole.column("status", &status)?;
    whole.finish().map(drop)
}
