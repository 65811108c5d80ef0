//! Where data sets are: their names, usual folders and publishers' addresses.

use super::folder::{Folder, Kind, hint};
use super::{Dataset, Images, glyphs};
use crate::{Error, Result};
use std::path::Path;

/// The names that [`load`] knows.
pub const NAMES: [&str; 5] = ["mnist", "fashion-mnist", "cifar10", "svhn", "glyphs"];

/// A data set that others publish.
struct Published {
    name: &'static str,
    kind: Kind,
    /// Where below the data folder it is looked for, before the data folder itself.
    folders: &'static [&'static str],
    address: &'static str,
}

const PUBLISHED: [Published; 4] = [
    Published {
        name: "mnist",
        kind: Kind::Idx,
        folders: &["mnist", "MNIST", "MNIST/raw"],
        address: "http://yann.lecun.com/exdb/mnist (mirror: https://ossci-datasets.s3.amazonaws.com/mnist)",
    },
    Published {
        name: "fashion-mnist",
        kind: Kind::Idx,
        folders: &["fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"],
        address: "https://github.com/zalandoresearch/fashion-mnist",
    },
    Published {
        name: "cifar10",
        kind: Kind::Cifar,
        folders: &["cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin"],
        address: "https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)",
    },
    Published {
        name: "svhn",
        kind: Kind::Svhn,
        folders: &["svhn", "SVHN"],
        address: "http://ufldl.stanford.edu/housenumbers (format 2, cropped digits)",
    },
];

/// Classes of the published sets, all of which have ten.
const PUBLISHED_CLASSES: usize = 10;

/// Loads a data set by one of [`NAMES`], or from a folder in one of the known formats, whichever it is.
///
/// A named set is looked for in its usual folders below `data_dir` (by default the current folder) and in `data_dir` itself.
/// Anything else is a folder, as it stands or below `data_dir`; where one folder holds several sets, as EMNIST does, `FOLDER/`
/// and the common beginning of the file names, such as `FOLDER/emnist-letters`. Such a set has as many classes as its largest
/// label says.
///
/// # Errors
/// [`Error::Unknown`]; [`Error::Missing`] with the expected names and their publisher; [`Error::Malformed`] where files are
/// damaged or disagree, [`Error::OtherKind`] where they are others.
pub fn load(name_or_folder: impl AsRef<Path>, data_dir: Option<&Path>, images: Images) -> Result<Dataset> {
    let path = name_or_folder.as_ref();
    let name_or_folder = &*path.to_string_lossy();
    if name_or_folder == "glyphs" {
        return glyphs::prepared(&glyphs::Glyphs::default(), images);
    }
    let data_dir = data_dir.unwrap_or(Path::new("."));
    if let Some(published) = PUBLISHED.iter().find(|set| set.name == name_or_folder) {
        return load_published(published, data_dir, images);
    }
    for place in [path, &data_dir.join(path)] {
        if let Some(folder) = Folder::find(place)? {
            let Some(kind) = folder.kind() else { return Err(folder.of_no_kind()) };
            let name = place.file_name().map_or(name_or_folder.into(), |name| name.to_string_lossy());
            return folder.load(kind, &name, None, "", images);
        }
    }
    if name_or_folder.contains(['/', '\\']) {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no such folder");
        return Err(Error::io("open", path)(source));
    }
    Err(Error::unknown("data set", name_or_folder, NAMES.into_iter().chain(["or a folder"])))
}

fn load_published(set: &Published, data_dir: &Path, images: Images) -> Result<Dataset> {
    let places = set.folders.iter().map(|folder| data_dir.join(folder)).chain([data_dir.to_owned()]);
    for place in places.filter(|place| place.is_dir()) {
        if let Some(folder) = Folder::find(&place)?.filter(|folder| folder.has(set.kind)) {
            return folder.load(set.kind, set.name, Some(PUBLISHED_CLASSES), set.address, images);
        }
    }
    Err(Error::Missing {
        what: format!("data set {}", set.name),
        folder: data_dir.to_owned(),
        expected: format!("{}, in {} or the folder itself", set.kind.files(), set.folders.join(", ")),
        hint: hint(set.address),
    })
}
