use super::*;
use std::fs;

/// What is in a folder, without what is hidden.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write(path: &Path, kind: FileKind, text: &str) -> Result<()> {
    replace(&OutPath::new(path, kind)?, |file| file.write_all(text.as_bytes()))
}

#[test]
fn a_failed_replacement_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    write(&path, FileKind::Table, "run,a\n").unwrap();
    let failed = replace(&OutPath::new(&path, FileKind::Table).unwrap(), |file| {
        file.write_all(b"run,b\n")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(matches!(failed, Err(Error::Io { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"run,a\n");
    assert_eq!(names(folder.path()), ["table.csv"]);
}

#[test]
fn the_rule_of_what_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let may = |name: &str, kind: FileKind, force: bool| Guard::new([at("input")], force).file(at(name), kind);
    for (name, text) in [("input", "run,a\n"), ("table.csv", "run,a\n"), ("empty", ""), ("notes.txt", "my notes\n")] {
        fs::write(at(name), text).unwrap();
    }
    let zoo = br#"{"__metadata__":{"format":"zoometry zoo"}}"#;
    fs::write(at("zoo"), [&(zoo.len() as u64).to_le_bytes()[..], zoo].concat()).unwrap();
    fs::write(at("trials"), "{\"format\":\"zoometry search 1\"}\n").unwrap();
    fs::create_dir_all(at("full/one")).unwrap();

    for free in ["new", "table.csv", "empty"] {
        may(free, FileKind::Table, false).unwrap();
    }
    let occupied = |outcome: Result<OutPath>| match outcome {
        Err(Error::Occupied { what, forcible, .. }) => (what, forcible),
        other => panic!("{other:?}"),
    };
    assert_eq!(occupied(may("notes.txt", FileKind::Table, false)), ("another text".into(), true));
    assert_eq!(occupied(may("table.csv", FileKind::Compact, false)), ("a table".into(), true));
    // whatever is there
    for (name, kind) in [("table.csv", FileKind::Page), ("new.csv", FileKind::Zoo), ("new.SVG", FileKind::Array)] {
        assert!(matches!(may(name, kind, true), Err(Error::Invalid { .. })), "{name}");
    }
    may("notes.txt", FileKind::Table, true).unwrap();
    for force in [false, true] {
        for (precious, kind) in [("zoo", FileKind::Zoo), ("zoo", FileKind::Picture), ("trials", FileKind::Table)] {
            assert!(!occupied(may(precious, kind, force)).1);
        }
        assert!(occupied(may("full", FileKind::Folder, force)).0.starts_with("a folder"));
        assert!(matches!(may("input", FileKind::Table, force), Err(Error::Invalid { .. })));
        assert!(matches!(may("no/such", FileKind::Table, force), Err(Error::Io { .. })));
        assert!(matches!(Guard::new([""; 0], force).file("-", FileKind::Table), Err(Error::Invalid { .. })));
    }
    may("full/one", FileKind::Folder, false).unwrap();
    Guard::default().continued(at("zoo"), FileKind::Zoo).unwrap();
    assert!(!occupied(Guard::default().continued(at("notes.txt"), FileKind::Zoo)).1);
    // two outputs that are one file
    let mut guard = Guard::default();
    guard.array(at("a.npy")).unwrap();
    assert!(matches!(guard.file(at("full/../a.columns.json"), FileKind::Table), Err(Error::Invalid { .. })));
    // what has appeared since
    let out = may("late", FileKind::Table, false).unwrap();
    fs::copy(at("zoo"), at("late")).unwrap();
    assert!(matches!(replace(&out, |_| Ok(())), Err(Error::Occupied { .. })));
    assert_eq!(FileKind::of(at("late")), FileKind::Zoo);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&at("page.html"), FileKind::Page, PAGE).unwrap();
    fs::set_permissions(at("page.html"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("page.html", at("link")).unwrap();
    write(&at("link"), FileKind::Page, &format!("{PAGE}\nnew")).unwrap();
    assert!(at("link").is_symlink() && fs::read_to_string(at("page.html")).unwrap().ends_with("new"));
    assert_eq!(fs::metadata(at("page.html")).unwrap().permissions().mode() & 0o777, 0o640);
    symlink("nowhere", at("dangling")).unwrap();
    let message = write(&at("dangling"), FileKind::Page, "").unwrap_err().to_string();
    assert!(message.contains("link to nowhere"), "{message}");
}

#[test]
fn the_longest_names_work() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x".repeat(255), "動".repeat(85)] {
        write(&folder.path().join(&name), FileKind::Table, "run,a\n").unwrap();
        assert!(folder.path().join(&name).exists());
    }
}

#[test]
fn leftovers_of_the_dead_go_and_the_living_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let living = Partial::new(&OutPath::new(at("zoo"), FileKind::Zoo).unwrap()).unwrap();
    let filling = PartialFolder::new(&OutPath::new(at("folder"), FileKind::Folder).unwrap()).unwrap();
    fs::write(at(".zoo.abcDEF.partial"), "left").unwrap();
    fs::create_dir(at(".folder.abc123.partial")).unwrap();
    fs::write(at(".folder.abc123.partial/layout.csv"), "left").unwrap();
    for other in [".zoo.abc.partial", ".abcdef.partial", "zoo.abcdef.partial", ".zoo.abc-ef.partial"] {
        fs::write(at(other), "not ours").unwrap();
    }
    OutPath::new(at("next"), FileKind::Table).unwrap();
    assert!(!at(".zoo.abcDEF.partial").exists() && !at(".folder.abc123.partial").exists());
    assert_eq!(names(folder.path()).len(), 6);
    living.claim().unwrap();
    filling.file("layout.csv", |file| file.write_all(b"whole").map_err(Error::io("write", "layout.csv"))).unwrap();
    filling.finish().unwrap();
    assert_eq!(fs::read(at("folder/layout.csv")).unwrap(), b"whole");
    assert_eq!(names(folder.path()).len(), 6);
}

#[test]
fn an_array_never_stands_beside_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let out = Guard::default().array(at("a.npy")).unwrap();
    replace_array(&out, &["one".into()], |file| file.write_all(b"\x93NUMPY one")).unwrap();
    let out = Guard::default().array(at("a.npy")).unwrap();
    let failed = replace_array(&out, &["two".into()], |_| Err(io::ErrorKind::StorageFull.into()));
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(at("a.columns.json")).unwrap(), "[\"one\"]");
    replace_array(&out, &["two".into()], |file| file.write_all(b"\x93NUMPY two")).unwrap();
    assert_eq!(fs::read_to_string(at("a.columns.json")).unwrap(), "[\"two\"]");
    assert_eq!(fs::read(at("a.npy")).unwrap(), b"\x93NUMPY two");
}
