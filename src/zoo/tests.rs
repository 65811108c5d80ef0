//! A zoo that grows, that is continued, that is hostile.

use super::*;
use crate::Error;
use crate::cnn::Arch;
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn schema(runs: usize) -> Schema {
    Schema {
        arch: Arch::grey(5, 5, "4s2", 3).unwrap(),
        runs,
        checkpoints: vec![0, 1, 5],
        dataset: "glyphs".into(),
        digest: "00ff".into(),
        recipe: serde_json::json!({"learning_rate": {"law": "log_uniform", "low": 0.1, "high": 1.0 / 3.0}, "epochs": 5}),
        seed: u64::MAX,
        names: [
            ("optimizer", &["sgd", "adam"][..]),
            ("activation", &["relu", "tanh"]),
            ("w_init", &["orthogonal \"é\""]),
            ("schedule", &["constant"]),
        ]
        .map(|(name, names)| (name.to_owned(), names.iter().map(|name| name.to_string()).collect()))
        .into(),
        optional: Vec::new(),
        shard: None,
        rounding: Schema::begun_with("fused"),
        dataset_notes: vec!["2 of 5 training batches".into()],
        program: "zoometry test".into(),
    }
}

fn configs(runs: usize) -> Vec<Config> {
    let config = |run: usize| {
        let seeded = Config { seed: u64::MAX - run as u64, ..Config::default() };
        let numbers = seeded.with("learning_rate", Value::Number(1.0 / (run + 1) as f32));
        numbers.with("l2reg", Value::Number(1e-8)).with("optimizer", Value::Code((run % 2) as u8))
    };
    (0..runs).map(config).collect()
}

fn open(path: &Path, runs: usize) -> crate::Result<Writer> {
    Writer::create_or_open(path, &schema(runs), &configs(runs), false)
}

/// Weights of a row, different in every row.
fn weights(row: usize) -> Vec<f32> {
    (0..schema(1).arch.parameters()).map(|i| (row * 1000 + i) as f32).collect()
}

fn write(writer: &Writer, run: usize, checkpoint: usize, status: Status) -> crate::Result<()> {
    let row = writer.row(run, checkpoint);
    let value = row as f32 / 16.0;
    let metrics = Metrics {
        test_accuracy: value.min(1.0),
        test_loss: -value,
        train_accuracy: value + 1.0,
        train_loss: value + 2.0,
    };
    writer.write(run, checkpoint, &weights(row), &metrics, &[value, 0.5, 1.0], status)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zoo.safetensors");
    (folder, path)
}

#[test]
fn it_is_readable_at_every_step_and_ends_with_the_same_bytes_in_any_order() {
    let (_folder, path) = folder();
    let writer = open(&path, 4).unwrap();
    for row in 0..12 {
        let status = if row == 8 { Status::Diverged } else { Status::Done };
        write(&writer, row / 3, row % 3, status).unwrap();
        let zoo = Zoo::open(&path).unwrap();
        assert_eq!(zoo.status().iter().filter(|&&status| status != Status::NotWritten).count(), row + 1);
        assert_eq!(zoo.weights(row), weights(row));
        assert_eq!(zoo.metrics(row).train_loss, row as f32 / 16.0 + 2.0);
        assert_eq!(zoo.class_accuracy(row), [row as f32 / 16.0, 0.5, 1.0]);
        assert_eq!((zoo.run()[row], zoo.epoch()[row]), (row as u32 / 3, [0, 1, 5][row % 3]));
    }
    let zoo = Zoo::open(&path).unwrap();
    assert_eq!(zoo.schema(), &schema(4));
    assert_eq!((0..4).map(|run| zoo.config(run)).collect::<Vec<_>>(), configs(4));
    assert_eq!(zoo.final_rows(), [2, 5, 11]);
    assert_eq!(zoo.rows_at_epoch(1).unwrap(), [1, 4, 7, 10]);
    assert!(zoo.rows_at_epoch(2).unwrap_err().to_string().contains("[0, 1, 5]"));
    assert_eq!(zoo.column("test_loss").unwrap()[3], -3.0 / 16.0);
    assert!(zoo.column("test_lost").unwrap_err().to_string().contains("did you mean \"test_loss\""));

    let other = path.with_file_name("other");
    let writer = open(&other, 4).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for row in (0..12).rev().filter(|row| row % 4 == thread) {
                    write(writer, row / 3, row % 3, if row == 8 { Status::Diverged } else { Status::Done }).unwrap();
                }
            });
        }
    });
    assert!(fs::read(&path).unwrap() == fs::read(&other).unwrap());
}

#[test]
fn an_interrupted_zoo_is_continued() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    write(&writer, 0, 0, Status::Done).unwrap();
    let before = fs::read(&path).unwrap();
    drop(writer);
    let writer = open(&path, 2).unwrap();
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!((0..6).map(|row| writer.status(row) as u8).collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0]);
    write(&writer, 0, 0, Status::Diverged).unwrap();
    assert_eq!(Zoo::open(&path).unwrap().status()[0], Status::Diverged);
    drop(writer);
    let writer = Writer::create_or_open(&path, &schema(3), &configs(3), true).unwrap();
    assert!((0..9).all(|row| writer.status(row) == Status::NotWritten));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn another_zoo_is_refused_by_the_field_that_differs() {
    let (_folder, path) = folder();
    drop(open(&path, 2).unwrap());
    let before = fs::read(&path).unwrap();
    let refused = |change: &dyn Fn(&mut Schema, &mut Vec<Config>)| {
        let (mut schema, mut configs) = (schema(2), configs(2));
        change(&mut schema, &mut configs);
        Writer::create_or_open(&path, &schema, &configs, false).unwrap_err().to_string()
    };
    let says =
        |message: String, parts: [&str; 2]| assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    says(refused(&|schema, _| schema.dataset = "mnist".into()), ["dataset is \"glyphs\"", "\"mnist\" was asked"]);
    says(refused(&|schema, _| schema.seed = 1), ["seed is 18446744073709551615", "1 was asked"]);
    says(refused(&|schema, _| schema.checkpoints = vec![0, 1]), ["checkpoints is [0, 1, 5]", "[0, 1] was asked"]);
    says(refused(&|schema, _| schema.arch = Arch::grey(5, 5, "8s2", 3).unwrap()), ["architecture is 5×5→4s2→3", "8s2"]);
    says(
        refused(&|schema, _| schema.recipe["learning_rate"]["low"] = 0.2.into()),
        ["recipe.learning_rate.low is 0.1", "0.2"],
    );
    says(refused(&|schema, _| schema.recipe["l2reg"] = 1.into()), ["recipe.l2reg is null", "1 was asked"]);
    says(
        refused(&|schema, _| schema.names.entry("optimizer".into()).or_default().push("rmsprop".into())),
        ["config.optimizer", "rmsprop"],
    );
    says(
        refused(&|_, configs| configs[1] = configs[1].with("dropout", Value::Number(0.5))),
        ["config.dropout of run 1 is 0", "0.5 was asked"],
    );
    says(
        refused(&|schema, configs| {
            schema.runs = 3;
            configs.push(configs[0]);
        }),
        ["networks is 2", "3 was asked"],
    );
    says(refused(&|_, configs| configs[0] = configs[0].with("w_init", Value::Code(1))), ["config.w_init", "below 1"]);
    says(refused(&|schema, _| schema.checkpoints = vec![1, 1]), ["checkpoints", "ascending"]);
    says(refused(&|schema, _| schema.runs = usize::MAX), ["runs", "4294967295"]);
    says(refused(&|_, configs| configs.clear()), ["configs", "2 runs"]);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn one_writer_at_a_time() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    assert!(matches!(open(&path, 2), Err(Error::Locked { .. })));
    let overwriting = Writer::create_or_open(&path, &schema(2), &configs(2), true);
    assert!(matches!(overwriting, Err(Error::Locked { .. })));
    assert!(Zoo::open(&path).is_ok());
    drop(writer);
    open(&path, 2).unwrap();
}

#[test]
fn places_that_cannot_be_written_are_errors() {
    let (folder, path) = folder();
    assert!(matches!(open(&folder.path().join("no/such/folder"), 2), Err(Error::Io { .. })));
    assert!(matches!(open(folder.path(), 2), Err(Error::Io { .. })));
    fs::write(&path, b"notes").unwrap();
    assert!(matches!(open(&path, 2), Err(Error::Malformed { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"notes");
    assert!(matches!(Zoo::open(folder.path().join("none")), Err(Error::Io { action: "open", .. })));
}

/// A written zoo of one run as bytes.
fn sample() -> Vec<u8> {
    let (_folder, path) = folder();
    let writer = open(&path, 1).unwrap();
    write(&writer, 0, 0, Status::Done).unwrap();
    fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> crate::Result<Zoo> {
    let (_folder, path) = folder();
    fs::write(&path, bytes).unwrap();
    Zoo::open(&path)
}

/// The message with which `bytes` are refused.
fn refusal(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(error @ (Error::Malformed { .. } | Error::OtherKind { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Where in a file a column is.
fn place(path: &Path, column: &str) -> std::ops::Range<usize> {
    let bytes = std::fs::read(path).unwrap();
    let (header, data) = super::header::parse(path, &bytes).unwrap();
    let (start, end) = header.info(column).unwrap().data_offsets;
    data + start..data + end
}

fn header_end(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
}

/// The file with `from` in its header replaced.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let bytes = sample();
    let end = header_end(&bytes);
    let text = std::str::from_utf8(&bytes[8..end]).unwrap();
    assert!(text.contains(from), "{text}");
    let mut text = text.replacen(from, to, 1);
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &bytes[end..]].concat()
}

#[test]
fn truncated_files_are_refused() {
    let bytes = sample();
    let end = header_end(&bytes);
    for length in (0..10).chain([end / 2, end - 1, end, end + 1, bytes.len() - 1]) {
        refusal(&bytes[..length]);
    }
    refusal(&[&bytes[..], &[0]].concat());
    for length in [0, 1, end as u64 - 9, end as u64 - 7, 1 << 20, 1 << 40, u64::MAX - 7, u64::MAX] {
        refusal(&[&length.to_le_bytes(), &bytes[8..]].concat());
    }
}

#[test]
fn hostile_headers_are_refused() {
    for (from, to, says) in [
        ("\"weights\":{\"dtype\":\"F32\"", "\"weights\":{\"dtype\":\"U32\"", "tensor weights of F32 [3, 55]"),
        ("\"shape\":[3,55]", "\"shape\":[55,3]", "got F32 [55, 3]"),
        ("\"shape\":[3,55]", "\"shape\":[18446744073709551615,55]", "safetensors header"),
        ("\"weights\":", "\"weight\":", "tensor weights"),
        ("\"data_offsets\":[0,24]", "\"data_offsets\":[0,25]", "safetensors header"),
        ("\"data_offsets\":[0,24]", "\"data_offsets\":[24,0]", "safetensors header"),
        ("\"runs\":\"1\"", "\"runs\":\"2\"", "tensor config.seed of U64 [6]"),
        ("\"runs\":\"1\"", "\"runs\":\"0\"", "runs"),
        ("\"runs\":\"1\"", "\"runs\":\"9999999999999\"", "runs"),
        ("[0,1,5]", "[0,1]", "U64 [2]"),
        ("[0,1,5]", "[0,5,1]", "ascending"),
        ("[0,1,5]", "[0,1,-5]", "checkpoints"),
        ("\"seed\":\"18446744073709551615\"", "\"seed\":\"18446744073709551616\"", "\"seed\""),
        ("\"dataset\":", "\"datasets\":", "a text as metadata \"dataset\", got none"),
        ("\"format_version\":\"3\"", "\"format_version\":\"4\"", "format_version"),
        ("\"rounding\":", "\"sounding\":", "rounding"),
        ("[\\\"other\\\",\\\"fused\\\"]", "[]", "rounding"),
        ("\\\"other\\\"", "\\\"fused\\\"", "rounding"),
        ("\\\"channels\\\":4", "\\\"channels\\\":40000", "channels"),
        ("\\\"channels\\\":4", "\\\"channels\\\":5", "layout"),
        ("[\\\"relu\\\",\\\"tanh\\\"]", "[]", "config.activation"),
        ("{\"__metadata__\"", "{\"__metadata\"", "safetensors header"),
        ("{", "[", "safetensors header"),
    ] {
        let message = refusal(&changed(from, to));
        assert!(message.contains(says), "{from} → {to}: {message}");
    }
    let mut bytes = sample();
    let place = bytes.windows(6).position(|text| text == b"glyphs").unwrap();
    bytes[place] = 0xff;
    refusal(&bytes);
    // a safetensors file, but no zoo
    let text = br#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let message = refusal(&[&(text.len() as u64).to_le_bytes(), &text[..], &[0]].concat());
    assert!(message.contains("format"), "{message}");
}

#[test]
fn a_shard_says_which_networks_it_holds() {
    let (_folder, path) = folder();
    let shard = Some(Shard { index: 1, count: 3, networks: 6 });
    let writer = Writer::create_or_open(&path, &Schema { shard, ..schema(2) }, &configs(2), false).unwrap();
    (0..6).for_each(|row| write(&writer, row / 3, row % 3, Status::Done).unwrap());
    let zoo = Zoo::open(&path).unwrap();
    assert_eq!((zoo.run(), zoo.networks(), zoo.schema().shard), (&[1, 1, 1, 4, 4, 4][..], 6, shard));
    assert_eq!((zoo.find(4), zoo.find(1), zoo.find(0), zoo.find(7)), (Some(1), Some(0), None, None));
    assert!((0..6).all(|row| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row))));
    let bytes = fs::read(&path).unwrap();
    let text = r#"\"index\":1,\"count\":3,\"networks\":6"#;
    let place = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    // the same length, so that everything stays where it is
    for (hostile, says) in [
        (r#"\"index\":1,\"count\":3,\"networks\":9"#, "shard of 2 networks"),
        (r#"\"index\":1,\"count\":0,\"networks\":6"#, "shard"),
        (r#"\"index\":1,\"count\":1,\"networks\":6"#, "shard"),
        (r#"\"index\":5,\"count\":3,\"networks\":6"#, "shard"),
        (r#"\"index\":0,\"count\":3,\"networks\":6"#, "run 0 and epoch 0 in row 0, got run 1"),
        (r#"\"index\":1,\"count\":3,\"networks\":-"#, "shard"),
    ] {
        let mut bytes = bytes.clone();
        bytes[place..place + text.len()].copy_from_slice(hostile.as_bytes());
        let message = refusal(&bytes);
        assert!(message.contains(says), "{hostile}: {message}");
    }
}

#[test]
fn hostile_columns_are_refused() {
    let (_folder, path) = folder();
    drop(open(&path, 2).unwrap());
    for (column, value, says) in [
        ("status", 7, "status 0 to 2 in row 0, got 7"),
        ("config.optimizer", 2, "config.optimizer below 2 in row 0, got 2"),
        ("run", 1, "run 0 and epoch 0 in row 0, got run 1"),
        ("epoch", 9, "epoch 9"),
    ] {
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut old = [0];
        file.read_exact_at(&mut old, place(&path, column).start as u64).unwrap();
        file.write_all_at(&[value], place(&path, column).start as u64).unwrap();
        let message = Zoo::open(&path).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
        file.write_all_at(&old, place(&path, column).start as u64).unwrap();
    }
    Zoo::open(&path).unwrap();
}

proptest! {
    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = sample();
        let end = header_end(&bytes);
        for (place, value) in flips {
            bytes[place.index(end)] = value;
        }
        if let Ok(zoo) = read(&bytes) {
            for row in 0..zoo.rows() {
                prop_assert_eq!(zoo.weights(row).len(), zoo.schema().arch.parameters());
                prop_assert_eq!(zoo.class_accuracy(row).len(), zoo.schema().arch.classes);
            }
        }
    }
}

#[test]
fn six_gigabytes_open_without_being_read() {
    let (_folder, path) = folder();
    let runs = 110_000;
    let arch = Arch::reference(28, 28, 10).unwrap();
    let large = Schema { arch, ..schema(runs) };
    let writer = match Writer::create_or_open(&path, &large, &configs(runs), false) {
        Ok(writer) => writer,
        Err(error) => return eprintln!("skipped: no sparse file of 6 GB here: {error}"),
    };
    let last = vec![0.25; 4970];
    writer.write(runs - 1, 2, &last, &Metrics::default(), &[1.0; 10], Status::Done).unwrap();
    let start = std::time::Instant::now();
    let zoo = Zoo::open(&path).unwrap();
    eprintln!("{} bytes opened in {:?}", zoo.bytes(), start.elapsed());
    assert!(zoo.bytes() > 6_000_000_000);
    assert_eq!(zoo.final_rows(), [3 * runs - 1]);
    assert_eq!(zoo.weights(3 * runs - 1), last);
    assert!(zoo.weights(3 * runs - 2).iter().all(|&weight| weight == 0.0));
    assert_eq!(zoo.weights(0).as_ptr() as usize % 64, 0);
}

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
fn a_done_row_has_an_accuracy() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    let with = |test_accuracy| Metrics { test_accuracy, ..Metrics::default() };
    for (wrong, status) in [(f32::NAN, Status::Done), (-0.1, Status::Done), (1.5, Status::Done)] {
        writer.write(1, 2, &weights(5), &with(wrong), &[0.5; 3], status).unwrap();
        let error = Zoo::open(&path).unwrap_err();
        assert!(error.to_string().contains("run 1"), "{error}");
    }
    writer.write(1, 2, &weights(5), &with(f32::NAN), &[0.5; 3], Status::Diverged).unwrap();
    Zoo::open(&path).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let Some(disk) = Tiny::mount() else {
        return eprintln!("skipped: only root can mount a small disk");
    };
    let path = disk.0.path().join("zoo.safetensors");
    let writer = open(&path, 3000).unwrap();
    let failed = (0..9000).find_map(|row| Some((row, write(&writer, row / 3, row % 3, Status::Done).err()?)));
    let (row, error) = failed.expect("9,000 rows do not fit");
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull), "{error}");
    assert!(!matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!(writer.status(row), Status::NotWritten);
    drop(writer);
    let zoo = Zoo::open(&path).unwrap();
    assert!((0..row).all(|row| zoo.status()[row] == Status::Done && zoo.weights(row) == weights(row)));
    assert!(zoo.status()[row..].iter().all(|&status| status == Status::NotWritten));
    // a zoo that does not even fit as an empty one leaves nothing behind
    assert!(open(&path.with_file_name("second"), 30_000).is_err());
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 1);
}

const PYTHON: &str = r#"
import sys, json, numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
path, rows, copy = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with safe_open(path, "np") as f:
    t = {name: f.get_tensor(name) for name in f.keys()}
    m = f.metadata()
assert (t["status"] != 0).sum() == rows, t["status"]
assert t["weights"].dtype == np.float32 and t["weights"].shape == (6, 55)
assert t["config.seed"].dtype == np.uint64 and t["config.seed"][3] == 2**64 - 2
assert t["run"].dtype == np.uint32 and t["epoch"].tolist() == [0, 1, 5] * 2
for r in range(rows): assert (t["weights"][r] == r * 1000 + np.arange(55)).all()
assert (t["weights"][rows:] == 0).all()
assert json.loads(m["config.optimizer"])[t["config.optimizer"][5]] == "adam"
assert [x["varname"] for x in json.loads(m["layout"])][1] == "sequential/conv2d/kernel:0"
save_file(t, copy, metadata=m)
"#;

#[test]
fn python_reads_it_at_every_step_and_its_copy_is_a_zoo() {
    let python = "python3";
    let modules = Command::new(python).args(["-c", "import numpy, safetensors"]).output();
    if !modules.is_ok_and(|output| output.status.success()) {
        assert!(!crate::needed("python"), "no {python} with numpy and safetensors");
        return eprintln!("SKIPPED: there is no {python} with numpy and safetensors");
    }
    let (folder, path) = folder();
    let copy = folder.path().join("copy.safetensors");
    let writer = open(&path, 2).unwrap();
    for rows in 0..=6 {
        if rows > 0 {
            write(&writer, (rows - 1) / 3, (rows - 1) % 3, Status::Done).unwrap();
        }
        let mut script = Command::new(python);
        let output = script.args(["-c", PYTHON]).arg(&path).arg(rows.to_string()).arg(&copy).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    drop(writer);
    let (ours, theirs) = (Zoo::open(&path).unwrap(), Zoo::open(&copy).unwrap());
    assert_eq!(ours.schema(), theirs.schema());
    assert!((0..6).all(|row| ours.weights(row) == theirs.weights(row) && ours.metrics(row) == theirs.metrics(row)));
    drop(open(&copy, 2).unwrap());
    assert_eq!(File::open(&copy).unwrap().metadata().unwrap().len(), fs::read(&copy).unwrap().len() as u64);
}

#[test]
fn every_row_has_a_checksum_that_any_changed_bit_breaks() {
    let (_folder, path) = folder();
    let writer = open(&path, 2).unwrap();
    (0..5).for_each(|row| write(&writer, row / 3, row % 3, Status::Done).unwrap());
    let zoo = Zoo::open(&path).unwrap();
    let right = |zoo: &Zoo, row: usize| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row));
    assert!((0..5).all(|row| right(&zoo, row)) && !right(&zoo, 5));
    assert_eq!(
        (zoo.rounding_of(0), zoo.rounding_of(5), zoo.families()),
        (Some("fused"), Some("other"), vec!["fused".into()])
    );
    let whole = fs::read(&path).unwrap();
    for column in zoo.schema().columns() {
        let place = place(&path, &column.name);
        let (width, row) = (place.len() / 6, 4);
        let mut damaged = whole.clone();
        damaged[place.start + row * width] ^= 1;
        fs::write(&path, &damaged).unwrap();
        // what the reader refuses is noticed too
        let wrong: Vec<usize> = match Zoo::open(&path) {
            Ok(zoo) => (0..5).filter(|&row| !right(&zoo, row)).collect(),
            Err(_) => vec![row],
        };
        assert_eq!(wrong, [row], "{}", column.name);
    }
}

#[test]
fn a_mixture_of_roundings_is_told_and_every_row_says_its_own() {
    let (_folder, path) = folder();
    let by = |families: &[&str]| {
        let rounding = families.iter().map(|name| name.to_string()).collect();
        Writer::create_or_open(&path, &Schema { rounding, ..schema(2) }, &configs(2), false).unwrap()
    };
    let (fused, portable) = (["other", "fused"], ["other", "portable"]);
    assert_eq!(by(&fused).mixture(), None);
    let mixture = |found: &[&str], wanted: &str| {
        Some(Mixture { found: found.iter().map(|name| name.to_string()).collect(), wanted: wanted.into() })
    };
    // before there is any row, what it was begun with counts
    assert_eq!(by(&portable).mixture().cloned(), mixture(&["fused"], "portable"));
    write(&by(&fused), 0, 0, Status::Done).unwrap();
    assert_eq!(by(&fused).mixture(), None);
    write(&by(&portable), 0, 1, Status::Done).unwrap();
    assert_eq!(by(&fused).mixture().cloned(), mixture(&["other", "fused"], "fused"));
    let zoo = Zoo::open(&path).unwrap();
    assert_eq!((zoo.rounding_of(0), zoo.rounding_of(1)), (Some("fused"), Some("other")));
    assert!((0..2).all(|row| zoo.checksum(row) == zoo.checksums().map(|sums| sums(row))));
    let bytes = fs::read(&path).unwrap();
    let place = place(&path, "rounding");
    let mut hostile = bytes.clone();
    hostile[place.start + 3] = 2;
    assert!(refusal(&hostile).contains("rounding below 2 in row 3"));
}
