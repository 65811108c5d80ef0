//! Which rows of a zoo a verb works on, and what a predictor's file says of the zoo it was fitted to.

use super::{STOP, output};
use std::collections::BTreeMap;
use std::path::Path;
use zoometry::cnn::Arch;
use zoometry::cnn::choice::Choice;
use zoometry::eval::Division;
use zoometry::features::{Fitted, Input, Networks};
use zoometry::kernels::Isa;
use zoometry::kernels::activation::Activation;
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::Zoo;
use zoometry::{Error, Result};

/// Keys of a predictor's `info`.
pub const ZOO: &str = "zoo";
pub const EPOCH: &str = "epoch";
pub const SPLIT_SEED: &str = "split_seed";
/// Digest of the published division, where there was one instead of a seed.
pub const SPLIT: &str = "split";
pub const ARCHITECTURE: &str = "architecture";
pub const N_TRAIN: &str = "n_train";
pub const N_VAL: &str = "n_val";

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
    if rows.is_empty() {
        return Err(Error::malformed(
            path,
            "a zoo with finished networks",
            "none that is finished and has not diverged",
        ));
    }
    let (computable, others) = input.computable(zoo, &rows);
    let names = others.into_iter().collect::<Vec<_>>().join(", ");
    let known = Activation::names().join(", ");
    if computable.is_empty() {
        return Err(Error::malformed(path, format!("networks that {input} can be computed of ({known})"), names));
    }
    if let left_out @ 1.. = rows.len() - computable.len() {
        let (all, path) = (rows.len(), path.display());
        output::tell(format!("{left_out} of {all} networks of {path} left out: {input} needs {known}, not {names}"));
    }
    Ok(computable)
}

/// A predictor's columns of the finished rows as a table.
pub fn table(isa: Isa, zoo: &Zoo, path: &Path, epoch: Option<u32>, input: &Fitted) -> Result<Table> {
    input.table(isa, &Networks::Zoo { zoo, rows: &rows(zoo, path, epoch, input.input())? }, &STOP)
}

/// The input that a predictor was fitted to; of one that was fitted to a table the default.
///
/// # Errors
/// None that can happen: the default input needs no fit.
pub fn input(predictor: &Predictor) -> Result<Fitted> {
    predictor.input.clone().map_or_else(|| Fitted::without(&Input::default()), Ok)
}

/// What tells a zoo from others: data, recipe and seed. Two files of the same identity hold the same networks.
pub fn identity(zoo: &Zoo) -> String {
    let schema = zoo.schema();
    let seeds = zoo.seeds();
    let seed = if let [seed] = *seeds { seed.into() } else { serde_json::Value::from(seeds) };
    serde_json::json!([schema.digest, schema.arch, schema.recipe, seed]).to_string()
}

/// What a predictor's file says of a division.
pub fn note(division: &Division, info: &mut BTreeMap<String, String>) {
    match division {
        Division::Seed(seed) => info.insert(SPLIT_SEED.to_owned(), seed.to_string()),
        Division::File { published, .. } => info.insert(SPLIT.to_owned(), published.digest.clone()),
    };
}

/// The shape of the networks that a predictor was fitted to, if its file says one that can be.
pub fn architecture(predictor: &Predictor) -> Option<Arch> {
    let arch: Option<Arch> = predictor.info.get(ARCHITECTURE).and_then(|text| serde_json::from_str(text).ok());
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
    let describe = |columns: &[String], arch: Option<&Arch>| {
        let of = arch.map_or(String::new(), |arch| format!(" of networks {arch}"));
        match columns {
            [first, .., last] => format!("{} columns {first} … {last}{of}", columns.len()),
            few => format!("{few:?}{of}"),
        }
    };
    let expected = describe(&predictor.columns, architecture(predictor).as_ref());
    let got = describe(&table.columns, Some(arch));
    Err(Error::Mismatch { path: path.to_owned(), field: "input of the predictor".into(), expected, got })
}

/// The rows of `table` that a predictor was not fitted to: the test part of its own zoo; of another the test part by `file`, or
/// all rows.
///
/// # Errors
/// [`Error::Invalid`] where the predictor was fitted to another division of this zoo than `file` is: some of the
/// test networks would be known to it.
pub fn unseen(
    info: &BTreeMap<String, String>,
    zoo: &Zoo,
    table: &Table,
    file: Option<&Path>,
) -> Result<(Vec<usize>, &'static str)> {
    let own = info.get(ZOO) == Some(&identity(zoo));
    let seed = info.get(SPLIT_SEED).and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let division = Division::new(file, seed, zoo)?;
    let test = || -> Result<_> { Ok(division.split(&table.group)?.test) };
    match (own, division.digest()) {
        (true, digest) if info.get(SPLIT).map(String::as_str) == digest => {
            Ok((test()?, "the test part of the zoo it was fitted to"))
        }
        (true, _) => {
            let expected = if info.contains_key(SPLIT) { "the file of the fit" } else { "none, as in the fit" };
            let got = file.map_or("none".into(), |file| file.display().to_string());
            Err(Error::invalid("--split", format!("{expected}, on the zoo of the fit"), got))
        }
        (false, Some(_)) => Ok((test()?, "the test part of a zoo it was not fitted to")),
        (false, None) => Ok(((0..table.rows()).collect(), "all networks of a zoo it was not fitted to")),
    }
}
