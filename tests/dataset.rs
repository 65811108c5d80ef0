//! Data sets through the public API: found by name, recognised in folders, and clear about what is missing.

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zoometry::dataset::{Dataset, Images, scale};

fn load(name: &str, folder: Option<&Path>) -> zoometry::Result<Dataset> {
    zoometry::dataset::load(name, folder, Images::default())
}

/// An IDX file of `u8`.
fn idx(dims: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// Writes two training images and one test image of 2×2 pixels under names with that beginning.
fn write_idx(folder: &Path, prefix: &str, labels: [u8; 3]) {
    write(folder, &format!("{prefix}train-images-idx3-ubyte"), &idx(&[2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]));
    write(folder, &format!("{prefix}train-labels-idx1-ubyte"), &idx(&[2], &labels[..2]));
    write(folder, &format!("{prefix}t10k-images-idx3-ubyte"), &idx(&[1, 2, 2], &[8, 9, 10, 11]));
    write(folder, &format!("{prefix}t10k-labels-idx1-ubyte"), &idx(&[1], &labels[2..]));
}

fn path(folder: &TempDir, below: &str) -> String {
    folder.path().join(below).to_str().unwrap().to_owned()
}

#[track_caller]
fn refused(result: zoometry::Result<Dataset>, reasons: &[&str]) {
    let message = result.unwrap_err().to_string();
    for reason in reasons {
        assert!(message.contains(reason), "{reason:?} is not in: {message}");
    }
}

#[test]
fn a_named_set_is_found_in_its_usual_folders() {
    let root = TempDir::new().unwrap();
    for (n, (name, folder)) in [
        ("mnist", "MNIST/raw"),
        ("mnist", "mnist"),
        ("fashion-mnist", "fashion_mnist"),
        ("fashion-mnist", "fashion-mnist"),
    ]
    .into_iter()
    .enumerate()
    {
        // each is preferred to those before it
        write_idx(&root.path().join(folder), "", [n as u8, 9, 0]);
        let set = load(name, Some(root.path())).unwrap();
        assert_eq!((set.name.as_str(), set.classes, &set.train.labels[..]), (name, 10, &[n as u8, 9][..]));
    }
}

#[test]
fn a_named_set_is_found_in_the_data_folder_itself() {
    let root = TempDir::new().unwrap();
    write_idx(root.path(), "", [3, 4, 5]);
    let set = load("mnist", Some(root.path())).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.train.height, set.train.width), (2, 1, 2, 2));
    assert_eq!(set.train.image(1), [4, 5, 6, 7].map(scale));
    assert_eq!((&set.train.labels[..], &set.test.labels[..]), (&[3, 4][..], &[5][..]));
}

#[test]
fn any_folder_will_do_absolute_or_below_the_data_folder() {
    let root = TempDir::new().unwrap();
    write_idx(&root.path().join("kmnist"), "", [0, 11, 4]);
    let set = load(&path(&root, "kmnist"), None).unwrap();
    assert_eq!((set.name.as_str(), set.classes), ("kmnist", 12));
    assert_eq!(load("kmnist", Some(root.path())).unwrap(), set);
}

#[test]
fn one_of_several_sets_in_a_folder_is_named_by_the_beginning_of_its_files() {
    let root = TempDir::new().unwrap();
    write_idx(root.path(), "emnist-letters-", [1, 26, 2]);
    write_idx(root.path(), "emnist-digits-", [0, 9, 2]);
    let letters = load(&path(&root, "emnist-letters"), None).unwrap();
    assert_eq!(
        (letters.name.as_str(), letters.classes, &letters.train.labels[..]),
        ("emnist-letters", 26, &[0, 25][..])
    );
    assert_eq!(load("emnist-digits", Some(root.path())).unwrap().classes, 10);
    refused(
        load(&path(&root, ""), None),
        &["emnist-digits-train-images", "emnist-letters-train-images", "FOLDER/NAME"],
    );
}

#[test]
fn of_two_spellings_of_a_file_the_readable_one_is_taken() {
    let root = TempDir::new().unwrap();
    write_idx(root.path(), "", [0, 1, 1]);
    let plain = load("mnist", Some(root.path())).unwrap();
    // a broken .gz beside the raw file; a folder of the file's name beside the file
    write(root.path(), "t10k-images-idx3-ubyte.gz", b"broken");
    let images = root.path().join("train-images-idx3-ubyte");
    std::fs::rename(&images, root.path().join("train-images.idx3-ubyte")).unwrap();
    std::fs::create_dir(&images).unwrap();
    assert_eq!(load("mnist", Some(root.path())).unwrap(), plain);
    // nothing but the folder: it is named in the error
    std::fs::remove_file(root.path().join("train-images.idx3-ubyte")).unwrap();
    refused(load("mnist", Some(root.path())), &["is a folder, not a file", "train-images-idx3-ubyte"]);
}

#[test]
fn hidden_files_and_copies_beside_the_usual_ones_are_no_data() {
    let folder = TempDir::new().unwrap();
    write_idx(folder.path(), "", [0, 1, 1]);
    for name in ["._train-images-idx3-ubyte", "train-images-idx3-ubyte (1)", "t10k-labels-idx1-ubyte.part"] {
        write(folder.path(), name, b"no data");
    }
    assert_eq!(load(&path(&folder, ""), None).unwrap().train.len(), 2);
}

#[test]
fn cifar_takes_the_batches_that_are_there() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("cifar-10-batches-bin");
    let record = |label: u8| [vec![label], vec![label * 10; 3072]].concat();
    write(&folder, "data_batch_4.bin", &record(4));
    write(&folder, "data_batch_2.bin", &[record(2), record(3)].concat());
    refused(load("cifar10", Some(root.path())), &["test_batch.bin", "cs.toronto.edu"]);
    write(&folder, "test_batch.bin", &record(9));
    let set = load("cifar10", Some(root.path())).unwrap();
    assert_eq!((set.classes, &set.train.labels[..], &set.test.labels[..]), (10, &[2, 3, 4][..], &[9][..]));
    assert!((set.train.image(0)[5] - scale(20)).abs() < 1e-6);
    assert_eq!(load(folder.to_str().unwrap(), None).unwrap().digest, set.digest);
    std::fs::remove_file(folder.join("data_batch_2.bin")).unwrap();
    assert_ne!(load("cifar10", Some(root.path())).unwrap().digest, set.digest);
}

#[test]
fn svhn_is_found_and_recognised() {
    let root = TempDir::new().unwrap();
    let folder = root.path().join("svhn");
    write(&folder, "train_32x32.mat", include_bytes!("data/scipy_compressed.mat"));
    refused(load("svhn", Some(root.path())), &["test_32x32.mat", "ufldl.stanford.edu/housenumbers"]);
    write(&folder, "test_32x32.mat", include_bytes!("data/scipy_plain.mat"));
    let set = load("svhn", Some(root.path())).unwrap();
    assert_eq!((set.classes, &set.train.labels[..]), (10, &[0, 3][..]));
    assert_eq!(set.train, set.test);
    assert_eq!(load(folder.to_str().unwrap(), None).unwrap().digest, set.digest);
}

#[test]
fn what_is_missing_is_named_with_its_publisher() {
    let root = TempDir::new().unwrap();
    let at = root.path().to_str().unwrap();
    for (name, file, publisher) in [
        ("mnist", "train-images-idx3-ubyte", "yann.lecun.com/exdb/mnist"),
        ("mnist", "MNIST/raw", "ossci-datasets.s3.amazonaws.com/mnist"),
        ("fashion-mnist", "t10k-labels-idx1-ubyte", "github.com/zalandoresearch/fashion-mnist"),
        ("cifar10", "test_batch.bin", "www.cs.toronto.edu/~kriz/cifar.html"),
        ("svhn", "train_32x32.mat", "ufldl.stanford.edu/housenumbers"),
    ] {
        refused(load(name, Some(root.path())), &[name, at, file, publisher, "--data-dir"]);
        refused(load(name, Some(&root.path().join("none"))), &[name, at, file, publisher]);
    }
    write_idx(&root.path().join("mnist"), "", [0, 1, 2]);
    std::fs::remove_file(root.path().join("mnist/t10k-labels-idx1-ubyte")).unwrap();
    refused(load("mnist", Some(root.path())), &["t10k-labels-idx1-ubyte.gz", "yann.lecun.com"]);
}

#[test]
fn names_and_folders_that_are_nothing_are_refused() {
    let root = TempDir::new().unwrap();
    refused(
        load("fashoin-mnist", Some(root.path())),
        &["unknown data set", "did you mean \"fashion-mnist\"", "glyphs"],
    );
    refused(load("MNIST", Some(root.path())), &["did you mean \"mnist\""]);
    refused(load("", Some(&root.path().join("none"))), &["unknown data set"]);
    refused(load(&path(&root, "no/such"), None), &["cannot open", "no/such"]);
    refused(load(&path(&root, ""), None), &["data set not found", "train-images-idx3-ubyte", "found there: nothing"]);
    write(root.path(), "photo.jpg", b"");
    refused(load(&path(&root, ""), None), &["data_batch_1.bin", "train_32x32.mat", "found there: photo.jpg"]);
    refused(load(&path(&root, "photo.jpg"), None), &["photo.jpg", "is a file, not a folder"]);
}

#[test]
fn parts_and_labels_that_do_not_fit_are_refused() {
    let root = TempDir::new().unwrap();
    write_idx(&root.path().join("mnist"), "", [0, 1, 10]);
    refused(load("mnist", Some(root.path())), &["t10k-labels-idx1-ubyte", "labels 0 to 9, got 10 for image 0"]);
    write(&root.path().join("mnist"), "t10k-images-idx3-ubyte", &idx(&[1, 4, 1], &[0; 4]));
    write(&root.path().join("mnist"), "t10k-labels-idx1-ubyte", &idx(&[1], &[0]));
    refused(load("mnist", Some(root.path())), &["test images of 2×2 as in training, got 4×1"]);
}

/// The folder with the published data, or a message that the test is skipped.
fn published() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("ZOOMETRY_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no published data at {}", folder.display());
    None
}

/// Digests by Python's gzip, struct and hashlib over the published files.
#[test]
fn published_sets_have_their_digests() {
    let Some(folder) = published() else { return };
    for (name, digest) in [
        ("mnist", "8d3be2d40c41b8c707f10f3ae6e5d0792026f86e310b6a74c844d8a8cd5755a0"),
        ("fashion-mnist", "c9372598d842c3095a390f67b1a9356bf03dbe62852e760e322138b0486fe813"),
    ] {
        match load(name, Some(&folder)) {
            Ok(set) => {
                assert_eq!((set.train.len(), set.test.len(), set.digest.as_str()), (60_000, 10_000, digest), "{name}")
            }
            Err(zoometry::Error::Missing { .. }) => eprintln!("skipped: {name} is not in {}", folder.display()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn published_cifar_loads_with_whichever_batches_are_there() {
    let Some(folder) = published() else { return };
    match load("cifar10", Some(&folder)) {
        Ok(set) => {
            assert_eq!((set.train.len() % 10_000, set.test.len(), set.train.height), (0, 10_000, 32));
            assert!(set.train.images.iter().all(|x| (-1.0..=1.0).contains(x)));
        }
        Err(zoometry::Error::Missing { .. }) => eprintln!("skipped: cifar10 is not in {}", folder.display()),
        Err(error) => panic!("{error}"),
    }
}
