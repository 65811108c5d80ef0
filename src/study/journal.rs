//! `Journal`: a study's findings on disk, one JSON object a line, so that it can be stopped and continued.

use super::{Continued, Entry, Header, Protocol, Study, ZooEntry};
use crate::out::{FileKind, Guard, Held, sync_folder};
use crate::{Error, Result};
use std::path::Path;

/// Name of the file in a study's folder.
pub const FILE: &str = "results.jsonl";

/// What has been found so far, and the file that new findings are added to, if there is one.
pub struct Journal {
    study: Study,
    file: Option<Held>,
    /// The command that continues the study, until it finds something.
    unnamed: Option<Continued>,
}

impl Study {
    /// Reads what a study has found.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] with the number of the line.
    pub fn load(folder: &Path) -> Result<Study> {
        read(&folder.join(FILE)).map(|found| found.0)
    }

    /// Whether a command is one of those that made the study.
    fn knows(&self, command: &str) -> bool {
        self.header.command == command || self.continued.iter().any(|continued| continued.command == command)
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Study(header) => self.header = header,
            Entry::Continued(continued) => self.continued.push(continued),
            Entry::Zoo(zoo) => self.zoos.push(zoo),
            Entry::Cell(cell) => self.cells.push(cell),
            Entry::Stopping(stopping) => self.stopping.push(stopping),
            Entry::Networks(networks) => self.networks.push(networks),
            Entry::Importance(importance) => self.importance.push(importance),
            // an earlier version counted on the networks that it had chosen on
            Entry::Coverage(_) if self.header.protocol == Protocol::Optimistic => {}
            Entry::Coverage(coverage) => self.coverage.push(coverage),
            Entry::Images(gallery) => self.galleries.push(gallery),
        }
    }
}

/// The findings of a file, and how many of its bytes are whole lines: what was cut off while it was written does not count.
fn read(path: &Path) -> Result<(Study, u64)> {
    let bytes = crate::bytes::read(path)?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut study = Study::default();
    for (number, line) in bytes[..whole].split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        let entry = serde_json::from_slice(line).map_err(|error| {
            Error::malformed(
                path,
                "a study's findings, one JSON object a line",
                format!("line {}: {error}", number + 1),
            )
        })?;
        study.add(entry);
    }
    Ok((study, whole as u64))
}

impl Journal {
    /// A journal that is not kept.
    pub fn in_memory(header: Header, zoos: impl IntoIterator<Item = ZooEntry>) -> Journal {
        let study = Study { header, zoos: zoos.into_iter().collect(), ..Study::default() };
        Journal { study, file: None, unnamed: None }
    }

    /// Continues the journal in a folder, or begins one.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for another file of that name; [`Error::Mismatch`] where it is of another protocol,
    /// another division, or of other networks under a zoo's name; [`Error::Locked`] while another process writes it.
    pub fn open(folder: &Path, header: Header, zoos: &[ZooEntry]) -> Result<Journal> {
        let mut guard = Guard::default();
        guard.folder(folder)?;
        let mut file = Held::open_or_begin(&guard.continued(folder.join(FILE), FileKind::Findings)?)?;
        let (study, whole) = read(file.path())?;
        file.cut(whole)?;
        let fresh = whole == 0;
        if !fresh {
            same(file.path(), &study, &header, zoos)?;
        }
        let known: Vec<String> = study.zoos.iter().map(|zoo| zoo.name.clone()).collect();
        let unnamed = (!fresh && !study.knows(&header.command))
            .then(|| Continued { command: header.command.clone(), program: header.program.clone() });
        let mut journal = Journal { study, file: Some(file), unnamed };
        if fresh {
            journal.add(Entry::Study(header))?;
            sync_folder(&folder.join(FILE));
        }
        for zoo in zoos.iter().filter(|zoo| !known.contains(&zoo.name)) {
            journal.add(Entry::Zoo(zoo.clone()))?;
        }
        Ok(journal)
    }

    /// What has been found so far.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Keeps a finding; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Disturbed`] where another program has taken the file away.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        if let Some(continued) = self.unnamed.take() {
            self.add(Entry::Continued(continued))?;
        }
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&entry).map_err(|error| Error::io("write", file.path())(error.into()))?;
            line.push(b'\n');
            file.append(&line)?;
        }
        self.study.add(entry);
        Ok(())
    }
}

/// Refuses to mix what must not stand in one table.
fn same(path: &Path, study: &Study, header: &Header, zoos: &[ZooEntry]) -> Result<()> {
    let mismatch = |field: &str, expected: String, got: String| {
        let expected = format!("{expected} (for which another folder begins a study of its own)");
        Err(Error::Mismatch { path: path.to_owned(), field: field.into(), expected, got })
    };
    let old = &study.header;
    if old.protocol != header.protocol {
        return mismatch("protocol", header.protocol.to_string(), old.protocol.to_string());
    }
    if old.split_seed != header.split_seed {
        return mismatch("split_seed", header.split_seed.to_string(), old.split_seed.to_string());
    }
    if old.split != header.split {
        let tell =
            |header: &Header| header.split.clone().map_or("none".into(), |digest| format!("a file of digest {digest}"));
        return mismatch("split", tell(header), tell(old));
    }
    for zoo in zoos {
        // the same networks may lie in another folder
        let strip = |zoo: &ZooEntry| ZooEntry {
            path: String::new(),
            origin: String::new(),
            caveats: Vec::new(),
            ..zoo.clone()
        };
        match study.zoos.iter().find(|old| old.name == zoo.name) {
            Some(old) if strip(old) != strip(zoo) => {
                return mismatch(&format!("zoo {}", zoo.name), tell(zoo), tell(old));
            }
            _ => {}
        }
    }
    Ok(())
}

fn tell(zoo: &ZooEntry) -> String {
    let with = if zoo.overrides.is_empty() { String::new() } else { format!(" with {}", zoo.overrides.join(" ")) };
    let (networks, arch, dataset, recipe) = (zoo.networks, &zoo.arch, &zoo.dataset, &zoo.recipe);
    let epochs = zoo.checkpoints.last().copied().unwrap_or(0);
    format!("{networks} networks of {arch} on {dataset}, {epochs} epochs, {recipe}{with}, seed {}", zoo.seed)
}
