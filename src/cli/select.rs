//! Which rows of a zoo a verb works on, and what a predictor's file says of its input.

use super::{files, output};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use zoometry::cnn::Arch;
use zoometry::cnn::choice::Choice;
use zoometry::features::{Fitted, Input, Networks};
use zoometry::kernels::activation::Activation;
use zoometry::predictor::Predictor;
use zoometry::table::{Table, origin};
use zoometry::zoo::{Status, Zoo};
use zoometry::{Context, Error, Result};

/// The finished rows of an epoch whose networks the input can be computed of; the last epoch if none is given. Says on stderr
/// how many it leaves out.
///
/// # Errors
/// [`Error::Invalid`] for an epoch that is no checkpoint; [`Error::Malformed`] where no row is left.
pub fn rows(zoo: &Zoo, path: &Path, epoch: Option<u32>, input: &Input) -> Result<Vec<usize>> {
    let rows = match epoch {
        None => zoo.final_rows(),
        Some(epoch) => zoo.rows_at_epoch(epoch)?,
    };
    tell_others(zoo, path, epoch);
    if rows.is_empty() {
        return Err(Error::unsuitable(
            path,
            "a zoo with finished networks",
            "none that is finished and has not diverged",
        ));
    }
    let (computable, others) = input.computable(zoo, &rows);
    let names = others.into_iter().collect::<Vec<_>>().join(", ");
    let known = Activation::names().join(", ");
    if computable.is_empty() {
        return Err(Error::unsuitable(path, format!("networks that {input} can be computed of ({known})"), names));
    }
    if let left_out @ 1.. = rows.len() - computable.len() {
        let (all, path) = (rows.len(), path.display());
        output::tell(format!("{left_out} of {all} networks of {path} left out: {input} needs {known}, not {names}"));
    }
    Ok(computable)
}

/// Says on stderr which networks end at another epoch than the one asked for: imported folders have such.
fn tell_others(zoo: &Zoo, path: &Path, epoch: Option<u32>) {
    let checkpoints = &zoo.schema().checkpoints;
    let last = checkpoints.len() - 1;
    let place = epoch.map_or(Ok(last), |epoch| checkpoints.binary_search(&epoch)).unwrap_or(last);
    let mut ends: BTreeMap<u32, usize> = BTreeMap::new();
    for rows in zoo.status().chunks(checkpoints.len()).filter(|rows| rows[place] == Status::NotWritten) {
        if let Some(end) = rows.iter().rposition(|&status| status != Status::NotWritten) {
            *ends.entry(checkpoints[end]).or_default() += 1;
        }
    }
    let all: usize = ends.values().sum();
    if all > 0 {
        let each: Vec<String> = ends.iter().take(8).map(|(epoch, count)| format!("{count} end at {epoch}")).collect();
        let more = if ends.len() > 8 { " …" } else { "" };
        let (path, asked, runs) = (path.display(), checkpoints[place], zoo.schema().runs);
        let each = each.join(", ");
        output::tell(format!(
            "{all} of {runs} networks of {path} left out: not at epoch {asked} ({each}{more}; --epoch sees those)"
        ));
    }
}

/// A predictor's columns of the finished rows as a table.
pub fn table(context: &Context, zoo: &Zoo, path: &Path, epoch: Option<u32>, input: &Fitted) -> Result<Table> {
    input.table(context, &Networks::Zoo { zoo, rows: &rows(zoo, path, epoch, input.input())? })
}

/// The input that a predictor was fitted to; of one that was fitted to a table the default.
///
/// # Errors
/// None that can happen: the default input needs no fit.
pub fn input(predictor: &Predictor) -> Result<Fitted> {
    predictor.input.clone().map_or_else(|| Fitted::without(&Input::default()), Ok)
}

/// The shape of the networks that a predictor was fitted to, if its file says one that can be.
pub fn architecture(predictor: &Predictor) -> Option<Arch> {
    let arch: Option<Arch> = predictor.info.get(origin::ARCHITECTURE).and_then(|text| serde_json::from_str(text).ok());
    arch.filter(|arch| arch.check().is_ok())
}

/// Refuses networks whose columns are not those that a predictor was fitted to; `arch` is their shape.
///
/// # Errors
/// [`Error::Mismatch`] naming the file of the networks.
pub fn same_columns(predictor: &Predictor, table: &Table, arch: &Arch, path: &Path) -> Result<()> {
    if predictor.columns == table.columns {
        return Ok(());
    }
    let describe = |names: &[String], arch: Option<&Arch>| {
        columns(names) + &arch.map_or(String::new(), |arch| format!(" of networks {arch}"))
    };
    let expected = describe(&predictor.columns, architecture(predictor).as_ref());
    let got = describe(&table.columns, Some(arch));
    Err(Error::Mismatch { path: path.to_owned(), field: "input of the predictor".into(), expected, got })
}

/// What columns a table has, in short.
pub fn columns(names: &[String]) -> String {
    match names {
        [first, .., last] => format!("{} columns {first} … {last}", names.len()),
        few => format!("{few:?}"),
    }
}

/// How a zoo is called in the first line of a score, with what its reader should know.
pub fn title(zoo: &Zoo, words: &[PathBuf]) -> String {
    match zoo.caveats() {
        caveats if caveats.is_empty() => files::shown(words),
        caveats => format!("{} ({})", files::shown(words), caveats.join("; ")),
    }
}
