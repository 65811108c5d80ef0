//! Tables from files: `.npy` arrays, `.csv` and the `.safetensors` of [`crate::features::write`].

use super::{Part, Table, npy};
use crate::out::FileKind;
use crate::{Error, Result, bytes};
use safetensors::tensor::{Dtype, SafeTensors};
use std::io::Read;
use std::path::Path;

/// Columns of a table as text that are no features.
const RUN: &str = "run";
const PART: &str = "part";
const FILE: &str = "file";
/// Of a column without a name.
const INDEX: &str = "";
const TARGET: &str = "test_accuracy";

/// A table, and the parts that its file names, one a row or none.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Divided {
    /// The rows.
    pub table: Table,
    /// Train, validation or test.
    pub parts: Vec<Part>,
}

/// Reads rows × columns from `x` and their targets from `y`; without `y` they are in `x`, as its column `test_accuracy`.
///
/// # Errors
/// [`Error::Io`]; [`Error::OtherKind`] for a file that is no table, [`Error::Malformed`] for one that is damaged;
/// [`Error::Unsuitable`] for a table without targets.
pub fn load(x: &Path, y: Option<&Path>) -> Result<Divided> {
    let ending = x.extension().and_then(|ending| ending.to_str());
    if let (false, Some(y)) = (matches!(ending, Some("csv" | "safetensors")), y) {
        return npy::load(x, y).map(|table| Divided { table, parts: Vec::new() });
    }
    let mut read = table(x)?;
    if let Some(y) = y {
        read.table.y = npy::targets(y, read.table.rows(), x)?;
    }
    if read.table.y.is_empty() {
        return Err(Error::unsuitable(x, format!("a column {TARGET}, or a file of targets beside it"), "neither"));
    }
    if let Some(row) = read.table.y.iter().position(|target| !target.is_finite()) {
        return Err(Error::unsuitable(x, "finite targets", format!("{} in row {row}", read.table.y[row])));
    }
    Ok(read)
}

/// Whether a file is a table of features, by its first bytes or its name.
pub fn is_table(path: &Path) -> bool {
    let named = path.extension().is_some_and(|ending| ending == "csv" || ending == "npy");
    matches!(FileKind::of(path), FileKind::Features | FileKind::Table | FileKind::Array) || named
}

/// Reads a table with or without targets; an array's columns have the names that a fit to it gives them.
///
/// # Errors
/// Those of [`load`].
pub fn features(path: &Path) -> Result<Divided> {
    match path.extension().is_some_and(|ending| ending == "npy") {
        true => npy::rows(path).map(|table| Divided { table, parts: Vec::new() }),
        false => table(path),
    }
}

/// Reads a table as it is, with or without targets.
///
/// # Errors
/// Those of [`load`]; [`Error::OtherKind`] for an array, whose columns have no names.
pub fn table(path: &Path) -> Result<Divided> {
    match FileKind::of(path) {
        FileKind::Features => from_safetensors(path),
        _ if path.extension().is_some_and(|ending| ending == "csv") => from_csv(path, bytes::open(path)?),
        _ => Err(Error::other_kind(path, "a table of features, .csv or .safetensors", FileKind::described(path))),
    }
}

/// Reads a table as text: a line of names, then numbers; `run` are groups, `part` the parts, `test_accuracy` the targets. A column
/// without a name is an index, as pandas writes it, and is left out.
///
/// # Errors
/// [`Error::Malformed`] naming line and column.
pub fn from_csv(path: &Path, file: impl Read) -> Result<Divided> {
    let mut csv = csv::Reader::from_reader(file);
    let not_csv = |error: csv::Error| Error::malformed(path, "a table as CSV", error.to_string());
    let names: Vec<String> = csv.headers().map_err(not_csv)?.iter().map(|name| name.trim().to_owned()).collect();
    let mut read = Divided::default();
    let said = |name: &&String| [RUN, PART, FILE, TARGET, INDEX].contains(&&***name);
    read.table.columns = names.iter().filter(|name| !said(name)).cloned().collect();
    for (row, record) in csv.records().enumerate() {
        let record = record.map_err(not_csv)?;
        let before = read.table.group.len();
        for (name, text) in names.iter().zip(record.iter().map(str::trim)) {
            let wrong =
                |expected: &str| Error::malformed(path, format!("{expected} in line {}, column {name}", row + 2), text);
            let number = || text.parse::<f32>().map_err(|_| wrong("a number"));
            match &**name {
                RUN => read.table.group.push(text.parse().map_err(|_| wrong("a network's number"))?),
                PART => read.parts.push(part(text).ok_or_else(|| wrong("train, validation or test"))?),
                FILE | INDEX => {}
                TARGET => read.table.y.push(number()?),
                _ if text.is_empty() => read.table.x.push(f32::NAN),
                _ => read.table.x.push(number()?),
            }
        }
        if read.table.group.len() == before {
            read.table.group.push(row as u64);
        }
    }
    Ok(read)
}

fn part(text: &str) -> Option<Part> {
    Part::ALL[..3].iter().copied().find(|part| part.name() == text)
}

fn from_safetensors(path: &Path) -> Result<Divided> {
    let contents = bytes::read(path)?;
    let wrong = |got: String| Error::malformed(path, "a table of features", got);
    let (_, metadata) = SafeTensors::read_metadata(&contents).map_err(|error| wrong(error.to_string()))?;
    let columns = metadata.metadata().as_ref().and_then(|entries| entries.get("columns"));
    let columns: Vec<String> = serde_json::from_str(columns.map_or("", String::as_str))
        .map_err(|error| wrong(format!("columns that are none: {error}")))?;
    let tensors = SafeTensors::deserialize(&contents).map_err(|error| wrong(error.to_string()))?;
    let floats = |name: &str| -> Result<Vec<f32>> {
        let tensor = tensors.tensor(name).map_err(|error| wrong(error.to_string()))?;
        match tensor.dtype() {
            Dtype::F32 => Ok(tensor.data().as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()),
            other => Err(wrong(format!("{name} of {other}"))),
        }
    };
    let x = floats("features")?;
    let group: Vec<u64> = tensors.tensor(RUN).map_or(Vec::new(), |tensor| {
        tensor.data().as_chunks().0.iter().map(|eight| u64::from_le_bytes(*eight)).collect()
    });
    let y = if tensors.tensor(TARGET).is_ok() { floats(TARGET)? } else { Vec::new() };
    let rows = group.len();
    let code = |code: &u8| Part::ALL[..3].get(usize::from(*code)).copied();
    let parts: Option<Vec<Part>> =
        tensors.tensor(PART).map_or(Some(Vec::new()), |tensor| tensor.data().iter().map(code).collect());
    let parts = parts.ok_or_else(|| wrong("a part that is none".into()))?;
    if x.len() != rows * columns.len() || ![0, rows].contains(&y.len()) || ![0, rows].contains(&parts.len()) {
        let (values, width, targets) = (x.len(), columns.len(), y.len());
        return Err(wrong(format!("{values} values and {targets} targets for {rows} rows of {width} columns")));
    }
    Ok(Divided { table: Table { columns, x, y, group, ..Table::default() }, parts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::write::{Outline, TablePath, write};
    use crate::out::Guard;

    fn table() -> Divided {
        let table = Table {
            columns: vec!["a".into(), "b, c".into()],
            x: vec![0.1, 2.0, f32::NAN, -1e-9],
            y: vec![0.25, 0.5],
            group: vec![7, 3],
            ..Table::default()
        };
        Divided { table, parts: vec![Part::Train, Part::Test] }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["t.csv", "t.safetensors"] {
            let path = folder.path().join(name);
            let out = TablePath::new(&mut Guard::default(), &path).unwrap();
            let Divided { table: written, parts } = table();
            write(&Outline::of(&written, &parts), std::iter::once(Ok(&written.x)), &out).unwrap();
            let read = load(&path, None).unwrap();
            let bits = |table: &Table| table.x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&read.table), bits(&table().table), "{name}");
            assert_eq!((read.table.columns, read.table.y, read.table.group, read.parts), {
                let Divided { table, parts } = table();
                (table.columns, table.y, table.group, parts)
            });
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        let read = |text: &str| from_csv(Path::new("t.csv"), text.as_bytes());
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert!(message("a,b\n1,x\n").contains("line 2, column b, got x"));
        assert!(message("a;b\n1;2\n").contains("column a;b"));
        assert!(message("a,b\n0,1,0,2\n").contains("t.csv"));
        assert_eq!(read("a,test_accuracy\n1,0.5\n").unwrap().table.group, [0]);
    }
}
