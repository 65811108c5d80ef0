//! A zoo as a folder of the released Small CNN Zoo: `weights.npy`, `metrics.csv.gz`, `layout.csv`.
//!
//! Rows run by run, inside a run in the released order of the checkpoints' names; rows that are not written are left out. What
//! the released files have no column for is in columns of our own, after theirs: `run`, `status`, `rounding`, `checksum` and the accuracy of each class
//! in `metrics.csv.gz`, the zoo's metadata as JSON in the first row of `layout.csv`, and beside it the settings of runs without a
//! written row ([`super::settings`]). With them an import is the same zoo again, finished or not.

use super::checksum::CHECKSUM;
use super::joined::Zoo;
use super::released::{DATASETS, KEPT, exported_rows};
use super::schema::Status;
use super::settings;
use crate::cnn::layout;
use crate::out::{OutPath, PartialFolder};
use crate::table::npy::header;
use crate::{Context, Error, Result};
use flate2::{Compression, write::GzEncoder};
use std::io::{self, Write};

/// The released columns, the first being the row's number.
const COLUMNS: [&str; 23] = [
    "",
    "config.activation",
    "config.b_init",
    "config.dataset",
    "config.dnn_architecture",
    "config.dropout",
    "config.epochs",
    "config.epochs_between_checkpoints",
    "config.init_std",
    "config.l2reg",
    "config.learning_rate",
    "config.num_layers",
    "config.num_units",
    "config.optimizer",
    "config.random_seed",
    "config.train_fraction",
    "config.w_init",
    "modeldir",
    "step",
    "test_accuracy",
    "test_loss",
    "train_accuracy",
    "train_loss",
];

/// Writes the three files into the folder `out`, which has its name only when all are complete; gives the number of rows.
/// `progress` is told the rows done and all rows.
///
/// # Errors
/// [`Error::Malformed`] for a zoo without a written row, and for several files that are not all of one zoo; [`Error::Io`];
/// [`Error::Occupied`] where something has appeared in its place; [`Error::Cancelled`] when a stop was requested.
pub fn export(context: &Context, zoo: &Zoo, out: &OutPath, progress: &mut dyn FnMut(usize, usize)) -> Result<usize> {
    zoo.check_one()?;
    let rows: Vec<usize> = exported_rows(zoo).collect();
    if rows.is_empty() {
        return Err(Error::unsuitable(zoo.path(), "a zoo with written rows", "none"));
    }
    let folder = PartialFolder::new(out)?;
    let failed = |name: &str| Error::io("write", out.path().join(name));
    folder.file("layout.csv", |file| layout(zoo, file).map_err(failed("layout.csv")))?;
    folder.file("metrics.csv.gz", |file| metrics(context, zoo, &rows, file).map_err(failed("metrics.csv.gz")))?;
    folder.file("weights.npy", |file| {
        file.write_all(&header("<f4", [rows.len(), zoo.schema().arch.parameters()])).map_err(failed("weights.npy"))?;
        for (number, &row) in rows.iter().enumerate() {
            context.stop.go_on()?;
            progress(number, rows.len());
            file.write_all(bytemuck::cast_slice(zoo.weights(row))).map_err(failed("weights.npy"))?;
        }
        Ok(())
    })?;
    folder.finish()?;
    Ok(rows.len())
}

fn layout(zoo: &Zoo, file: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    let mut kept = vec![serde_json::to_string(zoo.schema())?];
    kept.extend(settings::text(zoo)?);
    let names = ["varname", "start_idx", "end_idx", "shape", KEPT, settings::COLUMN];
    csv.write_record(&names[..4 + kept.len()])?;
    for tensor in layout::tensors(&zoo.schema().arch.plan()) {
        let sizes: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        let shape = format!("({}{})", sizes.join(", "), if sizes.len() == 1 { "," } else { "" });
        let (start, end) = (tensor.start_idx.to_string(), tensor.end_idx.to_string());
        csv.write_record([tensor.varname, start, end, shape].iter().chain(&kept))?;
        kept.iter_mut().for_each(String::clear);
    }
    csv.flush()
}

/// Ends early when a stop is requested; the file then is good for nothing.
fn metrics(context: &Context, zoo: &Zoo, rows: &[usize], file: &mut impl Write) -> io::Result<()> {
    let schema = zoo.schema();
    let mut csv = csv::Writer::from_writer(GzEncoder::new(file, Compression::default()));
    let known = |row: &usize| zoo.class_accuracy(*row).iter().any(|accuracy| !accuracy.is_nan());
    let classes = if rows.iter().any(known) { schema.arch.classes } else { 0 };
    let optional: Vec<&str> =
        schema.hyperparameters().filter(|hyper| hyper.is_optional()).map(|hyper| hyper.name).collect();
    let sealed = if schema.has_checksums() { &["rounding", CHECKSUM][..] } else { &[] };
    let columns = COLUMNS.into_iter().chain(["run", "status"]).chain(sealed.iter().copied()).map(String::from);
    let columns = columns.chain(optional.iter().map(|name| format!("config.{name}")));
    csv.write_record(columns.chain((0..classes).map(|class| format!("test_class_accuracy.{class}"))))?;
    let constant = |name: &str, otherwise: String| {
        let kept = schema.recipe.get("constants").and_then(|constants| constants.get(name)?.as_str());
        kept.map_or(otherwise, String::from)
    };
    let plan = schema.arch.plan();
    let kernels = plan.tensors.iter().map(|tensor| &tensor.shape).filter(|shape| shape.len() == 4);
    let channels: Vec<usize> = kernels.map(|shape| shape[3]).collect();
    let alike = channels.first().filter(|first| channels.iter().all(|count| count == *first));
    let units = alike.map_or(String::new(), usize::to_string);
    let names = |hyper: &str| !schema.names_of(hyper).is_empty();
    let (b_init, kind) = (constant("config.b_init", "zeros".into()), constant("config.dnn_architecture", "cnn".into()));
    let epochs = constant("config.epochs", schema.checkpoints.last().map_or(String::new(), u32::to_string));
    let between = constant("config.epochs_between_checkpoints", String::new());
    let dataset =
        DATASETS.iter().find(|dataset| dataset.1 == schema.dataset).map_or(&*schema.dataset, |dataset| dataset.0);
    for (number, &row) in rows.iter().enumerate().take_while(|_| !context.stop.requested()) {
        let run = row / schema.checkpoints.len();
        let (config, found) = (zoo.config(run), zoo.metrics(row));
        let name = |hyper: &str| schema.name(hyper, &config).to_owned();
        let numeric = |hyper: &str| cell(config.number(hyper));
        let cells = [
            number.to_string(),
            name("activation"),
            b_init.clone(),
            dataset.into(),
            kind.clone(),
            numeric("dropout"),
            epochs.clone(),
            between.clone(),
            numeric("init_std"),
            numeric("l2reg"),
            numeric("learning_rate"),
            channels.len().to_string(),
            units.clone(),
            name("optimizer"),
            config.seed.to_string(),
            numeric("train_fraction"),
            name("w_init"),
            format!("run-{run:06}"),
            zoo.epoch()[row].to_string(),
            cell(found.test_accuracy),
            cell(found.test_loss),
            cell(found.train_accuracy),
            cell(found.train_loss),
            run.to_string(),
            if zoo.status()[row] == Status::Diverged { "diverged" } else { "done" }.into(),
        ];
        let seal = [zoo.rounding_of(row).map(String::from), zoo.checksum(row).map(|sum| sum.to_string())];
        let more = optional.iter().map(|hyper| if names(hyper) { name(hyper) } else { numeric(hyper) });
        csv.write_record(
            cells
                .into_iter()
                .chain(seal.into_iter().flatten())
                .chain(more)
                .chain(zoo.class_accuracy(row)[..classes].iter().map(|&value| cell(value))),
        )?;
    }
    csv.into_inner().map_err(|failed| failed.into_error())?.finish()?.flush()
}

/// A number with every digit, nothing for NaN, as pandas writes it.
fn cell(value: f32) -> String {
    if value.is_nan() { String::new() } else { format!("{value:?}") }
}
