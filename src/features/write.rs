//! A table as a file: `.safetensors`, `.npy` or `.csv`, by its extension.

use crate::out::{ArrayPath, FileKind, Guard, OutPath, replace, replace_array};
use crate::table::npy::header;
use crate::table::{Part, Table};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
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
    /// The path as it was given.
    pub fn path(&self) -> &Path {
        match self {
            TablePath::Safetensors(out) | TablePath::Csv(out) => out.path(),
            TablePath::Npy(out) => out.path(),
        }
    }

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

/// A table without its features. These come in blocks of whole rows, so that a table of any length needs the memory of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// Names of the features.
    pub columns: Vec<String>,
    /// Network's number of each row.
    pub run: Vec<u64>,
    /// Test accuracy of each row, or none.
    pub test_accuracy: Vec<f32>,
    /// Part of each row, or none.
    pub parts: Vec<Part>,
    /// Number of each row's file among `file_names`, or none.
    pub files: Vec<u32>,
    /// Names of the files.
    pub file_names: Vec<String>,
}

impl Outline {
    /// That of a table whose rows are of these parts; or of none.
    pub fn of(table: &Table, parts: &[Part]) -> Outline {
        let (columns, run, test_accuracy) = (table.columns.clone(), table.group.clone(), table.y.clone());
        Outline { columns, run, test_accuracy, parts: parts.into(), ..Outline::default() }
    }

    /// The name of a row's file, if the rows have names of files.
    pub fn file(&self, row: usize) -> Option<&str> {
        self.files.get(row).map(|&file| &*self.file_names[file as usize])
    }
}

/// Writes a table; the file has its name only when it is complete.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written, the first of the blocks' otherwise: then there is nothing new.
///
/// # Panics
/// If the blocks have not the rows of the outline.
pub fn write<B: AsRef<[f32]>>(
    outline: &Outline,
    blocks: impl Iterator<Item = Result<B>>,
    out: &TablePath,
) -> Result<()> {
    match out {
        TablePath::Safetensors(out) => replace(out, |file| safetensors(outline, blocks, file)),
        TablePath::Npy(out) => replace_array(out, &outline.columns, |file| {
            file.write_all(&header("<f4", [outline.run.len(), outline.columns.len()]))?;
            features(outline, blocks, file)
        }),
        TablePath::Csv(out) => replace(out, |file| csv(outline, blocks, file)),
    }
}

/// The tensors in the order that the crate safetensors gives them: wide numbers first, then by their names.
fn safetensors<B: AsRef<[f32]>>(
    outline: &Outline,
    blocks: impl Iterator<Item = Result<B>>,
    file: &mut impl Write,
) -> io::Result<()> {
    let (rows, width) = (outline.run.len(), outline.columns.len());
    let codes: Vec<u8> = outline.parts.iter().map(|&part| part as u8).collect();
    let always =
        [("run", Dtype::U64, vec![rows], Some(bytes(&outline.run))), ("features", Dtype::F32, vec![rows, width], None)];
    let known = [
        ("test_accuracy", Dtype::F32, vec![outline.test_accuracy.len()], Some(bytes(&outline.test_accuracy))),
        ("file", Dtype::U32, vec![outline.files.len()], Some(bytes(&outline.files))),
        ("part", Dtype::U8, vec![codes.len()], Some(&codes)),
    ];
    let tensors: Vec<_> = always.into_iter().chain(known.into_iter().filter(|(.., shape, _)| shape[0] > 0)).collect();
    let (mut infos, mut end) = (Vec::new(), 0);
    for (name, dtype, shape, _) in &tensors {
        let start = end;
        end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        infos
            .push(((*name).to_owned(), TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (start, end) }));
    }
    // one entry only: the crate keeps metadata in a hash map, whose order differs from run to run
    let metadata = HashMap::from([("columns".to_string(), serde_json::to_string(&outline.columns)?)]);
    let mut text = serde_json::to_vec(&Metadata::new(Some(metadata), infos).map_err(io::Error::other)?)?;
    text.resize(text.len().next_multiple_of(size_of::<u64>()), b' ');
    file.write_all(&(text.len() as u64).to_le_bytes())?;
    file.write_all(&text)?;
    let mut blocks = Some(blocks);
    for (.., data) in tensors {
        match data {
            Some(data) => file.write_all(data)?,
            None => blocks.take().map_or(Ok(()), |blocks| features(outline, blocks, file))?,
        }
    }
    Ok(())
}

/// The features as they are in memory.
fn features<B: AsRef<[f32]>>(
    outline: &Outline,
    blocks: impl Iterator<Item = Result<B>>,
    file: &mut impl Write,
) -> io::Result<()> {
    let mut left = outline.run.len() * outline.columns.len();
    for block in blocks {
        let block = block.map_err(io::Error::other)?;
        file.write_all(bytes(block.as_ref()))?;
        left -= block.as_ref().len();
    }
    assert_eq!(left, 0, "blocks of all rows");
    Ok(())
}

fn bytes<T: bytemuck::Pod>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

/// Writes a table as CSV: a line of names, then `run`, of several files `file`, `part` where it is known, the features and, where it is known,
/// `test_accuracy` of each row.
///
/// # Errors
/// Whatever `file` gives; an [`Error`] of the blocks inside of one of these.
///
/// # Panics
/// If the blocks have not the rows of the outline.
pub fn csv<B: AsRef<[f32]>>(
    outline: &Outline,
    blocks: impl Iterator<Item = Result<B>>,
    file: &mut impl Write,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    let target = (!outline.test_accuracy.is_empty()).then_some("test_accuracy");
    let part = (!outline.parts.is_empty()).then_some("part");
    let of_file = (!outline.files.is_empty()).then_some("file");
    let names = outline.columns.iter().map(String::as_str);
    csv.write_record(["run"].into_iter().chain(of_file).chain(part).chain(names).chain(target)).map_err(plain)?;
    let mut row = 0;
    for block in blocks {
        for values in block.map_err(io::Error::other)?.as_ref().chunks_exact(outline.columns.len().max(1)) {
            let features = values.iter().map(|value| format!("{value:?}"));
            let accuracy = outline.test_accuracy.get(row).map(|value| format!("{value:?}"));
            let part = outline.parts.get(row).map(|part| part.to_string());
            let of_file = outline.file(row).map(str::to_owned);
            let run = std::iter::once(outline.run[row].to_string());
            csv.write_record(run.chain(of_file).chain(part).chain(features).chain(accuracy)).map_err(plain)?;
            row += 1;
        }
    }
    assert_eq!(row, outline.run.len(), "blocks of all rows");
    csv.flush()
}

/// The writer's own error: the crate csv would hide of what kind it is.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::{SafeTensors, tensor::TensorView};

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

    /// Writes the table row by row.
    fn write(parts: &[Part], out: &TablePath) -> Result<()> {
        let table = table();
        super::write(&Outline::of(&table, parts), table.x.chunks(table.width()).map(Ok), out)
    }

    #[test]
    fn every_kind_can_be_read_back() {
        let (folder, table) = (tempfile::tempdir().unwrap(), table());
        let at = |name: &str| folder.path().join(name);
        for kind in ["t.safetensors", "t.npy"] {
            write(&[Part::Test, Part::Train], &place(&at(kind)).unwrap()).unwrap();
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
        write(&[Part::Validation, Part::Test], &place(&path).unwrap()).unwrap();
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
        assert!(write(&[], &late).is_err());
        let outline = Outline::of(&table(), &[]);
        for kind in ["u.npy", "u.csv", "u.safetensors"] {
            let blocks = [Ok(table().row(0).to_vec()), Err(Error::Cancelled)].into_iter();
            let stopped = super::write(&outline, blocks, &place(&at(kind)).unwrap());
            assert!(matches!(stopped, Err(Error::Cancelled)), "{kind}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_tensors_is_the_one_that_the_crate_makes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let (table, files) = (table(), [1u32, 0]);
        let outline = Outline { files: files.into(), ..Outline::of(&table, &[Part::Test, Part::Train]) };
        super::write(&outline, std::iter::once(Ok(&table.x)), &place(&path).unwrap()).unwrap();
        let views = [
            ("part", Dtype::U8, vec![2], &[2u8, 0][..]),
            ("test_accuracy", Dtype::F32, vec![2], bytes(&table.y)),
            ("file", Dtype::U32, vec![2], bytes(&files)),
            ("features", Dtype::F32, vec![2, 2], bytes(&table.x)),
            ("run", Dtype::U64, vec![2], bytes(&table.group)),
        ];
        let views = views.map(|(name, dtype, shape, data)| (name, TensorView::new(dtype, shape, data).unwrap()));
        let metadata = HashMap::from([("columns".to_string(), r#"["conv1.bias.min","a, b"]"#.to_string())]);
        assert_eq!(std::fs::read(&path).unwrap(), safetensors::serialize(views, Some(metadata)).unwrap());
    }

    #[test]
    fn other_kinds_are_named() {
        let error = place(Path::new("t.cvs")).unwrap_err().to_string();
        assert!(error.contains("\"cvs\"") && error.contains("safetensors, npy"), "{error}");
    }
}
