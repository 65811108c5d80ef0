//! A zoo that grows and is continued, readable at every step.

use super::*;
use std::process::Command;

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
    // a place that is not for going on takes no zoo's place, but that of an empty file
    assert!(matches!(OutPath::new(&path, FileKind::Zoo), Err(Error::Occupied { .. })));
    fs::write(&path, b"").unwrap();
    let out = OutPath::new(&path, FileKind::Zoo).unwrap();
    let writer = Writer::create_or_open(&out, &schema(3), &configs(3)).unwrap();
    assert!((0..9).all(|row| writer.status(row) == Status::NotWritten));
    assert!(matches!(Writer::create_or_open(&out, &schema(3), &configs(3)), Err(Error::Occupied { .. })));
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
        begin(&path, &schema, &configs).unwrap_err().to_string()
    };
    let says =
        |message: String, parts: [&str; 2]| assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    says(refused(&|schema, _| schema.dataset = "mnist".into()), ["dataset is \"glyphs\"", "not \"mnist\""]);
    says(refused(&|schema, _| schema.seed = 1), ["seed is 18446744073709551615", "not 1"]);
    says(refused(&|schema, _| schema.checkpoints = vec![0, 1]), ["checkpoints is [0, 1, 5]", "not [0, 1]"]);
    says(refused(&|schema, _| schema.arch = Arch::grey(5, 5, "8s2", 3).unwrap()), ["architecture is 5×5→4s2→3", "8s2"]);
    says(
        refused(&|schema, _| schema.recipe["learning_rate"]["low"] = 0.2.into()),
        ["recipe.learning_rate.low is 0.1", "0.2"],
    );
    says(refused(&|schema, _| schema.recipe["l2reg"] = 1.into()), ["recipe.l2reg is null", "not 1"]);
    says(
        refused(&|schema, _| schema.names.entry("optimizer".into()).or_default().push("rmsprop".into())),
        ["config.optimizer", "rmsprop"],
    );
    says(
        refused(&|_, configs| configs[1] = configs[1].with("dropout", Value::Number(0.5))),
        ["config.dropout of run 1 is 0", "not 0.5"],
    );
    says(
        refused(&|schema, configs| {
            schema.runs = 3;
            configs.push(configs[0]);
        }),
        ["networks is 2", "not 3"],
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
    assert!(Zoo::open(&path).is_ok());
    drop(writer);
    open(&path, 2).unwrap();
}

#[test]
fn places_that_cannot_be_written_are_errors() {
    let (folder, path) = folder();
    assert!(matches!(open(&folder.path().join("no/such/folder"), 2), Err(Error::Io { .. })));
    assert!(matches!(open(folder.path(), 2), Err(Error::Occupied { .. })));
    fs::write(&path, b"notes").unwrap();
    assert!(matches!(open(&path, 2), Err(Error::Occupied { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"notes");
    assert!(matches!(Zoo::open(folder.path().join("none")), Err(Error::Io { action: "open", .. })));
}

#[test]
fn six_gigabytes_open_without_being_read() {
    let (_folder, path) = folder();
    let runs = 110_000;
    let arch = Arch::reference(28, 28, 10).unwrap();
    let large = Schema { arch, ..schema(runs) };
    let writer = match begin(&path, &large, &configs(runs)) {
        Ok(writer) => writer,
        Err(error) => {
            assert!(!crate::needed("disk"), "no sparse file of 6 GB here: {error}");
            return eprintln!("SKIPPED: no sparse file of 6 GB here: {error}");
        }
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
