//! `Merge`: the files of several machines become one.
//!
//! The merged zoo is what a single machine would have made, byte for byte where all networks are there; what is missing is a row not
//! written, so that training goes on with it. It is an ordinary zoo in training from the first moment: rows are added in batches,
//! each on the disk before it counts, so a merge that was ended is continued by the same command, and again when more
//! parts are there. Rows that are there already are compared. Parts are mapped, one batch is read at a time.

use super::grow::{batch, same_row};
use super::hyper::Config;
use super::reader::ZooFile;
use super::schema::{Schema, Status};
use super::shard::Place;
use super::writer::{Writer, same_configs};
use crate::out::{OutPath, check_room};
use crate::par::Stop;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Files to be joined.
pub struct Merge<'a> {
    /// The parts: shards, or zoos of fewer networks, all of one seed and recipe.
    pub parts: &'a [PathBuf],
    /// The settings of all networks of a zoo, as its recipe gives them.
    pub draw: &'a dyn Fn(&Schema) -> Result<Vec<Config>>,
    /// Whether parts of different programs, or of different families of rounding, may be joined: the bytes then depend on who
    /// trained which.
    pub allow_mixed: bool,
}

/// What a merge did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Networks of the whole zoo.
    pub networks: usize,
    /// Rows that were copied.
    pub copied: usize,
    /// Rows that were there already, byte for byte the same: of an earlier merge, or of a network that two parts have.
    pub doubled: usize,
    /// Networks in none of the files.
    pub missing: Vec<usize>,
    /// Networks that are not at their end.
    pub unfinished: usize,
    /// Places of shards, of as many as the parts are of, that no part has.
    pub absent: Vec<Place>,
}

impl Merge<'_> {
    /// Adds the rows of all parts to the zoo at `out`, which is made if there is none. `progress` is told the rows done and all
    /// rows.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for a part of another zoo than the first or than `out`; [`Error::Malformed`] for a row that differs from
    /// one already there; [`Error::Io`] where the disk has no room for all of it; those of [`Writer::create_or_grow`].
    pub fn run(&self, out: &OutPath, progress: &mut dyn FnMut(usize, usize), stop: &Stop) -> Result<Merged> {
        let files: Vec<ZooFile> = self.parts.iter().map(|path| ZooFile::open(path)).collect::<Result<_>>()?;
        let schema = self.schema(&files, out.path())?;
        let configs = (self.draw)(&schema)?;
        for file in &files {
            let own: Vec<Config> = (0..file.schema().runs).map(|run| configs[file.schema().number(run)]).collect();
            same_configs(file, &own)?;
        }
        check_room(out.path(), schema.bytes_of(there(&files, &schema))?)?;
        let writer = Writer::create_or_grow(out, &schema, &configs, stop)?;
        let mut merged = Merged { networks: schema.networks(), absent: absent(&files), ..Merged::default() };
        let all = files.iter().map(|file| file.status().len()).sum();
        let mut done = 0;
        for file in &files {
            for rows in written(file, writer.schema()).chunks(batch(&schema)) {
                stop.check()?;
                progress(done, all);
                add(&writer, file, rows, &mut merged)?;
                done += rows.len();
            }
        }
        writer.sync()?;
        merged.missing = missing(&files, schema.networks());
        let last = schema.checkpoints.len() - 1;
        let ends = (0..schema.runs).map(|run| writer.status(writer.row(run, last)));
        merged.unfinished = ends.filter(|&status| status == Status::NotWritten).count();
        Ok(merged)
    }

    /// What the whole zoo is; every part must be of it.
    fn schema(&self, files: &[ZooFile], out: &Path) -> Result<Schema> {
        let Some(first) = files.first() else { return Err(Error::invalid("files", "at least one file", "none")) };
        let there = if out.exists() { Some(ZooFile::open(out)?) } else { None };
        let mut schema = first.schema().clone();
        let mut networks = 0;
        for file in files.iter().chain(&there) {
            let theirs = file.schema();
            let refused =
                |(field, expected, got)| Err(Error::Mismatch { path: file.path().into(), field, expected, got });
            if let Some(difference) = schema.other_zoo(theirs) {
                return refused(difference);
            }
            if schema.program != theirs.program && !self.allow_mixed {
                let expected = format!("{} (`allow_mixed` joins them all the same)", schema.program);
                return refused(("program".into(), expected, theirs.program.clone()));
            }
            if let Err(name) = schema.widen(theirs) {
                let (expected, got) = (schema.names_of(&name), theirs.names_of(&name));
                return refused((format!("names of config.{name}"), format!("{expected:?}"), format!("{got:?}")));
            }
            let more = theirs.rounding.iter().filter(|family| !schema.rounding.contains(family));
            let more: Vec<String> = more.cloned().collect();
            schema.rounding.extend(more);
            networks = networks.max(theirs.networks());
        }
        self.check_families(files.iter().chain(&there))?;
        if let Some(part) = there.as_ref().filter(|there| there.schema().shard.is_some()) {
            let got = format!("shard {}", part.schema().place());
            return Err(Error::unsuitable(out, "a whole zoo that shards can be added to", got));
        }
        (schema.runs, schema.shard) = (networks, None);
        schema.check()?;
        Ok(schema)
    }

    /// Refuses, unless it is allowed, rows that were rounded otherwise than others.
    fn check_families<'f>(&self, files: impl Iterator<Item = &'f ZooFile>) -> Result<()> {
        let mut first: Option<String> = None;
        for file in files {
            for family in file.families() {
                let known = first.get_or_insert_with(|| family.clone());
                if *known != family && !self.allow_mixed {
                    let (path, field) = (file.path().into(), "rounding".into());
                    let expected = format!("{known} (`allow_mixed` joins them and marks which is which)");
                    return Err(Error::Mismatch { path, field, expected, got: family });
                }
            }
        }
        Ok(())
    }
}

/// The written rows of a part and where they are in the whole.
fn written(file: &ZooFile, whole: &Schema) -> Vec<(usize, usize)> {
    let checkpoints = whole.checkpoints.len();
    let place = |row: usize| file.schema().number(row / checkpoints) * checkpoints + row % checkpoints;
    let rows = (0..file.status().len()).filter(|&row| file.status()[row] != Status::NotWritten);
    rows.map(|row| (row, place(row))).collect()
}

/// Rows of the whole that at least one part has.
fn there(files: &[ZooFile], whole: &Schema) -> usize {
    let mut found = vec![false; whole.rows()];
    files.iter().flat_map(|file| written(file, whole)).for_each(|(_, row)| found[row] = true);
    found.into_iter().filter(|found| *found).count()
}

/// Copies those of some rows that are not there; the others must be the same.
fn add(writer: &Writer, file: &ZooFile, rows: &[(usize, usize)], merged: &mut Merged) -> Result<()> {
    let (new, old): (Vec<_>, Vec<_>) = rows.iter().partition(|&&(_, row)| writer.status(row) == Status::NotWritten);
    for &(theirs, ours) in &old {
        let same = writer.status(ours) == file.status()[theirs];
        if !same || !same_row((file, theirs), (writer.zoo(), ours)) {
            let checkpoints = &writer.schema().checkpoints;
            let (network, epoch) = (ours / checkpoints.len(), checkpoints[ours % checkpoints.len()]);
            let expected = format!("network {network} at epoch {epoch} as {} has it", writer.path().display());
            return Err(Error::malformed(file.path(), expected, "other weights or measurements"));
        }
    }
    check(file, &new, writer.schema())?;
    merged.doubled += old.len();
    merged.copied += new.len();
    writer.copy(file, &new)
}

/// Refuses rows that are not what their checksums say.
fn check(file: &ZooFile, rows: &[(usize, usize)], whole: &Schema) -> Result<()> {
    let Some(checksums) = file.checksums() else { return Ok(()) };
    let Some(&(theirs, ours)) = rows.iter().find(|&&(row, _)| file.checksum(row) != Some(checksums(row))) else {
        return Ok(());
    };
    let (network, epoch) = (ours / whole.checkpoints.len(), whole.checkpoints[ours % whole.checkpoints.len()]);
    let expected = format!("network {network} at epoch {epoch} as its checksum says");
    Err(Error::malformed(file.path(), expected, format!("other bytes in row {theirs}")))
}

/// Numbers below `networks` that no file has.
fn missing(files: &[ZooFile], networks: usize) -> Vec<usize> {
    let mut found = vec![false; networks];
    for schema in files.iter().map(ZooFile::schema) {
        (0..schema.runs).for_each(|run| found[schema.number(run)] = true);
    }
    (0..networks).filter(|&number| !found[number]).collect()
}

/// Places that no file has, where all are shards of one number.
fn absent(files: &[ZooFile]) -> Vec<Place> {
    let places: Vec<Place> = files.iter().map(|file| file.schema().place()).collect();
    let count = places.first().map_or(1, |place| place.count);
    if places.iter().any(|place| place.count != count) {
        return Vec::new();
    }
    (0..count).map(|index| Place { index, count }).filter(|place| !places.contains(place)).collect()
}
