//! What is in a folder: which format, which files of it, and the one reader for them.

use super::{Dataset, Decoded, Images, check_labels, cifar, idx, svhn, transform};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A format, and with it the names of its files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Idx,
    Cifar,
    Svhn,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Idx, Kind::Cifar, Kind::Svhn];

    /// The files, as one reads them in an error.
    pub fn files(self) -> &'static str {
        match self {
            Kind::Idx => {
                "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or these with .gz)"
            }
            Kind::Cifar => "data_batch_1.bin … data_batch_5.bin (one or more of them), test_batch.bin",
            Kind::Svhn => "train_32x32.mat, test_32x32.mat",
        }
    }

    /// Whether a file of that name belongs to a set of this kind.
    fn owns(self, name: &str) -> bool {
        match self {
            Kind::Idx => [Subset::Train, Subset::Test]
                .iter()
                .any(|&subset| is_idx(name, subset, IMAGES) || is_idx(name, subset, LABELS)),
            Kind::Cifar => name == TEST_BATCH || batch_number(name).is_some(),
            Kind::Svhn => [TRAIN_MAT, TEST_MAT].contains(&name),
        }
    }
}

const TEST_BATCH: &str = "test_batch.bin";
const TRAIN_MAT: &str = "train_32x32.mat";
const TEST_MAT: &str = "test_32x32.mat";
const IMAGES: [&str; 2] = ["images", "idx3"];
const LABELS: [&str; 2] = ["labels", "idx1"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Subset {
    Train,
    Test,
}

/// Whether this is the IDX file of a part: `train-images-idx3-ubyte`, `t10k-labels.idx1-ubyte.gz`, `emnist-letters-test-…`.
fn is_idx(name: &str, subset: Subset, content: [&str; 2]) -> bool {
    let name = name.to_lowercase();
    let train = name.contains("train");
    content.iter().all(|word| name.contains(word))
        && match subset {
            Subset::Train => train,
            Subset::Test => !train && (name.contains("t10k") || name.contains("test")),
        }
}

/// The number of a training batch of CIFAR-10.
fn batch_number(name: &str) -> Option<u32> {
    name.strip_prefix("data_batch_")?.strip_suffix(".bin")?.parse().ok()
}

/// A folder, or those of its files that begin alike.
pub(super) struct Folder {
    path: PathBuf,
    /// File names, sorted.
    names: Vec<String>,
}

impl Folder {
    /// The folder at `place`, or the files whose names begin so; `None` where there is neither.
    pub fn find(place: &Path) -> Result<Option<Folder>> {
        if place.is_dir() {
            return Ok(Some(Folder { path: place.to_owned(), names: names(place)? }));
        }
        if place.is_file() {
            return Err(Error::other_kind(place, "a folder with the files of a data set", "a file"));
        }
        let (Some(parent), Some(prefix)) = (place.parent().filter(|parent| parent.is_dir()), place.file_name()) else {
            return Ok(None);
        };
        let mut names = names(parent)?;
        names.retain(|name| name.starts_with(&*prefix.to_string_lossy()));
        Ok(Some(Folder { path: parent.to_owned(), names }).filter(|folder| folder.kind().is_some()))
    }

    /// Whether a file of that kind is there.
    pub fn has(&self, kind: Kind) -> bool {
        self.names.iter().any(|name| kind.owns(name))
    }

    /// The kind of the set that is there.
    pub fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|&kind| self.has(kind))
    }

    /// The error for a folder in which nothing is recognised.
    pub fn of_no_kind(&self) -> Error {
        let some: Vec<&str> = self.names.iter().take(8).map(String::as_str).collect();
        let found = if some.is_empty() { "nothing".to_owned() } else { some.join(", ") };
        Error::Missing {
            what: "data set".into(),
            folder: self.path.clone(),
            expected: Kind::ALL.map(Kind::files).join("; or "),
            hint: format!("found there: {found}"),
        }
    }

    fn missing(&self, name: &str, expected: &str, address: &str) -> Error {
        Error::Missing {
            what: format!("part of data set {name}"),
            folder: self.path.clone(),
            expected: expected.into(),
            hint: hint(address),
        }
    }

    /// Reads the set; `classes` where they are known beforehand, `address` of the publisher for what is missing.
    pub fn load(
        &self,
        kind: Kind,
        name: &str,
        classes: Option<usize>,
        address: &str,
        images: Images,
    ) -> Result<Dataset> {
        let missing = |expected: &str| self.missing(name, expected, address);
        let (train, test, classes) = match kind {
            Kind::Idx => self.read_idx(classes, missing)?,
            Kind::Cifar => {
                let (train, test) = self.read_cifar(missing)?;
                (train, test, cifar::CLASSES)
            }
            Kind::Svhn => {
                let (train, test) = (self.file(TRAIN_MAT, missing)?, self.file(TEST_MAT, missing)?);
                let (train, test) = crate::par::join(|| svhn::read(&train), || svhn::read(&test));
                (train?, test?, svhn::CLASSES)
            }
        };
        let size = |part: &Decoded| format!("{}×{}", part.height, part.width);
        if size(&train) != size(&test) {
            let expected = format!("test images of {} as in training", size(&train));
            return Err(Error::malformed(&self.path, expected, size(&test)));
        }
        let mut dataset = transform::dataset(name, train, test, classes, images)?;
        if kind == Kind::Cifar {
            let there = self.names.iter().filter(|name| batch_number(name).is_some()).count();
            let note = format!("{there} of {} training batches", cifar::BATCHES);
            dataset.notes.extend(Some(note).filter(|_| there < cifar::BATCHES));
        }
        Ok(dataset)
    }

    fn read_idx(&self, classes: Option<usize>, missing: impl Fn(&str) -> Error) -> Result<(Decoded, Decoded, usize)> {
        let file = |subset, content, expected| self.idx_file(subset, content)?.ok_or_else(|| missing(expected));
        let files = idx::Files {
            train_images: file(Subset::Train, IMAGES, "train-images-idx3-ubyte or train-images-idx3-ubyte.gz")?,
            train_labels: file(Subset::Train, LABELS, "train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz")?,
            test_images: file(Subset::Test, IMAGES, "t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz")?,
            test_labels: file(Subset::Test, LABELS, "t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz")?,
        };
        let (mut train, mut test) = idx::read(&files)?;
        let classes = match classes {
            Some(classes) => classes,
            None => idx::count_classes(&mut train.labels, &mut test.labels),
        };
        check_labels(&files.train_labels, &train.labels, classes)?;
        check_labels(&files.test_labels, &test.labels, classes)?;
        Ok((train, test, classes))
    }

    fn read_cifar(&self, missing: impl Fn(&str) -> Error) -> Result<(Decoded, Decoded)> {
        let mut batches: Vec<(u32, PathBuf)> =
            self.names.iter().filter_map(|name| Some((batch_number(name)?, self.path.join(name)))).collect();
        batches.sort();
        if batches.is_empty() {
            return Err(missing("data_batch_1.bin … data_batch_5.bin (one or more of them)"));
        }
        let test = self.file(TEST_BATCH, missing)?;
        let batches: Vec<PathBuf> = batches.into_iter().map(|(_, path)| path).collect();
        Ok((cifar::read(&batches)?, cifar::read(&[test])?))
    }

    fn file(&self, name: &str, missing: impl Fn(&str) -> Error) -> Result<PathBuf> {
        if self.names.iter().any(|known| known == name) { Ok(self.path.join(name)) } else { Err(missing(name)) }
    }

    /// The one IDX file of that part and content, by its usual name where that is there: of the same file raw and zipped the raw one, of a file and a folder the file.
    fn idx_file(&self, subset: Subset, content: [&str; 2]) -> Result<Option<PathBuf>> {
        let plain = |name: &str| name.strip_suffix(".gz").unwrap_or(name).replace('.', "-");
        let mut names: Vec<&String> = self.names.iter().filter(|name| is_idx(name, subset, content)).collect();
        names.sort_by_key(|name| (self.path.join(name).is_dir(), name.ends_with(".gz")));
        let usual = [["train", "t10k"][subset as usize], content[0], content[1], "ubyte"].join("-");
        if names.iter().any(|name| plain(name) == usual) {
            // beside it other copies and unfinished downloads do not count
            names.retain(|name| plain(name) == usual);
        }
        if let Some(other) = names.iter().find(|name| plain(name) != plain(names[0])) {
            return Err(Error::Invalid {
                what: format!("data folder {}", self.path.display()),
                expected: "the files of one data set, or FOLDER/NAME where file names begin with NAME".into(),
                got: format!("{} and {other}", names[0]),
            });
        }
        Ok(names.first().map(|name| self.path.join(name)))
    }
}

/// The names in a folder, sorted; those that are not Unicode, or are hidden as what macOS lays beside files is, belong to no
/// data set.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("open", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read", folder))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    Ok(names)
}

/// Where else the files may come from; `address` may be empty.
pub(super) fn hint(address: &str) -> String {
    let from = if address.is_empty() { String::new() } else { format!("its publisher offers them at {address}; ") };
    format!("{from}another folder is named by --data-dir or the environment variable ZOOMETRY_DATA")
}
