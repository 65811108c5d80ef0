//! A table as a file: `.safetensors`, `.npy` or `.csv`, by its extension.

use crate::out::{ArrayPath, FileKind, Guard, OutPath, replace, replace_array};
use crate::table::npy::header;
use crate::table::{Part, Table};
use crate::{Context, Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// What a table can be written as.
const KINDS: [&str; 3] = ["safetensors", "npy", "csv"];

/// Where a table may be written, and as what.
#[derive(Clone, Debug)]
pub enum TablePath {
    /// `.safetensors`: `features` f32 \[rows, columns\], `run` u64 \[rows\], `part` u8 \[rows\] (0 train, 1 validation, 2
    /// test) and `test_accuracy` f32 \[rows\] where they are known; of several files `file` u32 \[rows\], their numbers from 0 in
    /// the order they were given in; metadata `columns`: the names as a JSON list.
    Safetensors(OutPath),
    /// `.npy`: the features alone, f32 \[rows, columns\]; their names as a JSON list beside it, in `….columns.json`.
    Npy(ArrayPath),
    /// `.csv`: a line of names, then `run`, of several files `file`, `part` where it is known, the features and, where it is known, `test_accuracy` of
    /// each row.
    Csv(OutPath),
}

impl TablePath {
    /// The place of `path`, by its extension.
    ///
    /// # Errors
    /// [`Error::Unknown`] for another extension; those of [`Guard::file`].
    pub fn new(guard: &mut Guard, path: &Path) -> Result<TablePath> {
        match &*path.extension().unwrap_or_default().to_string_lossy() {
            "safetensors" => guard.file(path, FileKind::Features).map(TablePath::Safetensors),
            "npy" => guard.array(path).map(TablePath::Npy),
            "csv" => guard.file(path, FileKind::Table).map(TablePath::Csv),
            other => Err(Error::unknown("kind of table", other, KINDS)),
        }
    }
}

/// Writes a table; the file has its name only when it is complete.
///
/// `parts` and `files`, the names of the files that the rows are of, have one entry a row, or none.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written, [`Error::Cancelled`] when a stop was requested: then there is nothing new.
pub fn write(context: &Context, table: &Table, parts: &[Part], files: &[String], out: &TablePath) -> Result<()> {
    let outcome = match out {
        TablePath::Safetensors(out) => replace(out, |file| safetensors(table, parts, files, file)),
        TablePath::Npy(out) => replace_array(out, &table.columns, |file| npy(context, table, file)),
        TablePath::Csv(out) => replace(out, |file| csv(context, table, parts, files, file)),
    };
    match outcome {
        Err(_) if context.stop.requested() => Err(Error::Cancelled),
        outcome => outcome,
    }
}

/// Ends a file early when a stop was requested.
fn go_on(context: &Context) -> io::Result<()> {
    if context.stop.requested() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
}

fn safetensors(table: &Table, parts: &[Part], files: &[String], file: &mut impl Write) -> io::Result<()> {
    let (rows, width) = (table.rows(), table.width());
    let known =
        if table.y.is_empty() { None } else { Some(("test_accuracy", Dtype::F32, vec![rows], bytes(&table.y))) };
    let tensors = [
        ("features", Dtype::F32, vec![rows, width], bytes(&table.x)),
        ("run", Dtype::U64, vec![rows], bytes(&table.group)),
    ];
    let codes: Vec<u8> = parts.iter().map(|&part| part as u8).collect();
    let part = (!codes.is_empty()).then_some(("part", Dtype::U8, vec![rows], &*codes));
    let mut names: Vec<&String> = Vec::new();
    let mut number = |name| match names.iter().position(|known| *known == name) {
        Some(number) => number as u32,
        None => {
            names.push(name);
            names.len() as u32 - 1
        }
    };
    let numbers: Vec<u32> = files.iter().map(&mut number).collect();
    let of_file = (!numbers.is_empty()).then(|| ("file", Dtype::U32, vec![rows], bytes(&numbers)));
    let views: std::result::Result<Vec<_>, _> = tensors
        .into_iter()
        .chain(of_file)
        .chain(part)
        .chain(known)
        .map(|(name, dtype, shape, data)| Ok((name, TensorView::new(dtype, shape, data)?)))
        .collect();
    // one entry only: the crate keeps metadata in a hash map, whose order differs from run to run
    let metadata = HashMap::from([("columns".to_string(), serde_json::to_string(&table.columns)?)]);
    let whole = views.and_then(|views| safetensors::serialize(views, Some(metadata))).map_err(io::Error::other)?;
    file.write_all(&whole)
}

fn bytes<T: bytemuck::Pod>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

fn npy(context: &Context, table: &Table, file: &mut impl Write) -> io::Result<()> {
    file.write_all(&header("<f4", [table.rows(), table.width()]))?;
    for row in 0..table.rows() {
        go_on(context)?;
        file.write_all(bytes(table.row(row)))?;
    }
    Ok(())
}

/// Writes a table as CSV: a line of names, then `run`, of several files `file`, `part` where it is known, the features and, where it is known,
/// `test_accuracy` of each row.
///
/// # Errors
/// Whatever `file` gives; [`io::ErrorKind::Interrupted`] when a stop was requested.
pub fn csv(
    context: &Context,
    table: &Table,
    parts: &[Part],
    files: &[String],
    file: &mut impl Write,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    let target = (!table.y.is_empty()).then_some("test_accuracy");
    let part = (!parts.is_empty()).then_some("part");
    let of_file = (!files.is_empty()).then_some("file");
    csv.write_record(
        ["run"].into_iter().chain(of_file).chain(part).chain(table.columns.iter().map(String::as_str)).chain(target),
    )?;
    for row in 0..table.rows() {
        go_on(context)?;
        let features = table.row(row).iter().map(|value| format!("{value:?}"));
        let accuracy = table.y.get(row).map(|value| format!("{value:?}"));
        let part = parts.get(row).map(|part| part.to_string());
        let of_file = files.get(row).cloned();
        csv.write_record(
            std::iter::once(table.group[row].to_string()).chain(of_file).chain(part).chain(features).chain(accuracy),
        )?;
    }
    csv.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::par::Stop;
    use safetensors::SafeTensors;

    fn table() -> Table {
        Table {
            columns: vec!["conv1.bias.min".into(), "a, b".into()],
            x: vec![0.1, -2.5e-30, f32::NAN, 1e9],
            y: vec![0.25, 0.5],
            group: vec![7, u64::MAX],
            ..Table::default()
        }
    }

    fn place(path: &Path) -> Result<TablePath> {
        TablePath::new(&mut Guard::default(), path)
    }

    #[test]
    fn every_kind_can_be_read_back() {
        let (folder, table) = (tempfile::tempdir().unwrap(), table());
        let at = |name: &str| folder.path().join(name);
        for kind in ["t.safetensors", "t.npy"] {
            write(&Context::default(), &table, &[Part::Test, Part::Train], &[], &place(&at(kind)).unwrap()).unwrap();
        }
        let file = std::fs::read(at("t.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(tensors.tensor("features").unwrap().data(), bytes(&table.x));
        assert_eq!(tensors.tensor("run").unwrap().data(), bytes(&table.group));
        assert_eq!(tensors.tensor("part").unwrap().data(), [2, 0]);
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["columns"], r#"["conv1.bias.min","a, b"]"#);

        let npy = std::fs::read(at("t.npy")).unwrap();
        let npy = npyz::NpyFile::new(&npy[..]).unwrap();
        assert_eq!(npy.shape(), [2, 2]);
        let same = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same(&npy.into_vec::<f32>().unwrap(), &table.x));
        assert_eq!(std::fs::read_to_string(at("t.columns.json")).unwrap(), r#"["conv1.bias.min","a, b"]"#);
    }

    #[test]
    fn csv_has_names_and_every_digit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        write(&Context::default(), &table(), &[Part::Validation, Part::Test], &[], &place(&path).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let want = [
            "run,part,conv1.bias.min,\"a, b\",test_accuracy",
            "7,validation,0.1,-2.5e-30,0.25",
            "18446744073709551615,test,NaN,1000000000.0,0.5\n",
        ];
        assert_eq!(text, want.join("\n"));
    }

    #[test]
    fn a_failed_or_stopped_table_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // a folder has appeared in the array's place
        let late = place(&at("t.npy")).unwrap();
        std::fs::create_dir(at("t.npy")).unwrap();
        assert!(write(&Context::default(), &table(), &[], &[], &late).is_err());
        let stop = Stop::new();
        stop.request();
        for kind in ["u.npy", "u.csv"] {
            assert!(
                matches!(
                    write(&Context::new().stop(&stop), &table(), &[], &[], &place(&at(kind)).unwrap()),
                    Err(Error::Cancelled)
                ),
                "{kind}"
            );
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_kinds_are_named() {
        let error = place(Path::new("t.cvs")).unwrap_err().to_string();
        assert!(error.contains("\"cvs\"") && error.contains("safetensors, npy"), "{error}");
    }
}
