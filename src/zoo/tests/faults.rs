//! A disk that is full, a file that another program takes away.

use super::*;
use std::process::Command;

/// A mounted folder of one megabyte.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Tiny> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "zoometry-test"]).arg(folder.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Tiny(folder))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[cfg(unix)]
#[test]
fn a_zoo_that_is_taken_away_ends_the_job() {
    let (folder, path) = folder();
    let other = folder.path().join("other");
    for (what, disturb) in [
        ("replaced", (|path, other| fs::rename(other, path)) as fn(&Path, &Path) -> std::io::Result<()>),
        ("deleted", |path, _| fs::remove_file(path)),
        ("made shorter", |path, _| File::options().write(true).open(path)?.set_len(100)),
    ] {
        let _ = fs::remove_file(&path);
        drop(open(&other, 3).unwrap());
        let writer = open(&path, 2).unwrap();
        write(&writer, 0, 0, Status::Done).unwrap();
        disturb(&path, &other).unwrap();
        let length = fs::metadata(&path).map(|file| file.len()).ok();
        for outcome in [write(&writer, 0, 1, Status::Done), writer.sync()] {
            assert!(matches!(&outcome, Err(Error::Disturbed { what: found, .. }) if *found == what), "{outcome:?}");
        }
        assert_eq!(fs::metadata(&path).map(|file| file.len()).ok(), length, "not one byte is written after that");
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let Some(disk) = Tiny::mount() else {
        assert!(!crate::needed("disk"), "a small disk cannot be mounted");
        return eprintln!("SKIPPED: only root can mount a small disk");
    };
    let path = disk.0.path().join("zoo.safetensors");
    let writer = open(&path, 3000).unwrap();
    let failed = (0..9000).find_map(|row| Some((row, write(&writer, row / 3, row % 3, Status::Done).err()?)));
    let (row, error) = failed.expect("9,000 rows do not fit");
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull), "{error}");
    assert_eq!(writer.status(row), Status::NotWritten);
    drop(writer);
    let zoo = Zoo::open(&path).unwrap();
    assert!((0..row).all(|row| zoo.status()[row] == Status::Done && zoo.weights(row) == weights(row)));
    assert!(zoo.status()[row..].iter().all(|&status| status == Status::NotWritten));
    // a zoo that does not even fit as an empty one leaves nothing behind
    assert!(open(&path.with_file_name("second"), 30_000).is_err());
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 1);
}
