//! The released format in and out: folders with every quirk, other people's divisions, PyTorch's files.

#[path = "../common/mod.rs"]
mod common;
mod export;
mod split;

use common::{fail, python, run, scratch, small_zoo, succeed};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use zoometry::Context;
use zoometry::out::{FileKind, OutPath};
use zoometry::par::Stop;
use zoometry::zoo::{self, Config, Import, Status, Writer, Zoo};

/// A folder with networks of 5×5→4s2→3, which have 55 weights.
struct Folder {
    root: tempfile::TempDir,
    /// Cells of each line by the names in `columns`.
    lines: Vec<Vec<String>>,
    columns: Vec<&'static str>,
    weights: Vec<[f32; 55]>,
}

const LAYOUT: &str = "varname,start_idx,end_idx,shape\n\
    sequential/conv2d/bias:0,0,4,\"(4,)\"\nsequential/conv2d/kernel:0,4,40,\"(3, 3, 1, 4)\"\n\
    sequential/dense/bias:0,40,43,\"(3,)\"\nsequential/dense/kernel:0,43,55,\"(4, 3)\"\n";

impl Folder {
    /// Runs with the released order of checkpoints.
    fn new(runs: usize) -> Folder {
        let columns = "|config.activation|config.dataset|config.dropout|config.epochs|config.init_std|config.l2reg|\
            config.learning_rate|config.optimizer|config.random_seed|config.train_fraction|config.w_init|laststep|modeldir|\
            step|test_accuracy|test_loss|train_accuracy|train_loss";
        let columns: Vec<&str> = columns.split('|').collect();
        let mut folder = Folder { root: tempfile::tempdir().unwrap(), lines: Vec::new(), columns, weights: Vec::new() };
        for run in 0..runs {
            for step in [0, 1, 2, 20, 3, 40] {
                let row = folder.lines.len();
                let line = format!(
                    "{row}|{}|tiny|0.{run}|40|0.01|1.5e-08|0.0{}|adam|42|0.25|he_normal|{}|/cns/run{run}|{step}|{}|{}|0.5|1.25",
                    ["relu", "tanh"][run % 2],
                    run + 1,
                    if step == 40 { "True" } else { "False" },
                    row as f64 / 1000.0,
                    2.0 + row as f64,
                );
                folder.lines.push(line.split('|').map(String::from).collect());
                folder.weights.push(std::array::from_fn(|k| (run * 100 + step) as f32 + k as f32 / 64.0));
            }
        }
        folder
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn set(&mut self, row: usize, column: &str, cell: &str) {
        let column = self.columns.iter().position(|name| *name == column).unwrap();
        self.lines[row][column] = cell.into();
    }

    fn remove(&mut self, row: usize) {
        self.lines.remove(row);
        self.weights.remove(row);
    }

    fn csv(&self) -> String {
        let mut text = self.columns.join(",");
        self.lines.iter().for_each(|line| write!(text, "\n{}", line.join(",")).unwrap());
        text + "\n"
    }

    fn data(&self) -> Vec<u8> {
        self.weights.iter().flatten().flat_map(|weight| weight.to_le_bytes()).collect()
    }

    fn npy(&self) -> Vec<u8> {
        npy("<f4", self.weights.len(), 55, &self.data())
    }

    fn write(&self) -> String {
        use std::io::Write;
        let file = std::fs::File::create(self.path().join("metrics.csv.gz")).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gz.write_all(self.csv().as_bytes()).unwrap();
        gz.finish().unwrap();
        std::fs::write(self.path().join("weights.npy"), self.npy()).unwrap();
        std::fs::write(self.path().join("layout.csv"), LAYOUT).unwrap();
        format!("import {} --image 5x5", self.path().display())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

fn npy(kind: &str, rows: usize, columns: usize, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

#[test]
fn a_released_folder_becomes_a_zoo() {
    let folder = Folder::new(3);
    let (out, last) = (folder.at("zoo.safetensors"), folder.at("last.safetensors"));
    let import = folder.write();
    let text = succeed(&format!("{import} --out {}", out.display()));
    assert!(text.contains("3 networks of 55 weights × 6 checkpoints") && text.contains("laststep: left out"), "{text}");
    assert!(text.contains("one seed, 42"), "{text}");
    let zoo = Zoo::open(&out).unwrap();
    assert_eq!(zoo.schema().checkpoints, [0, 1, 2, 3, 20, 40]);
    assert_eq!((zoo.schema().seed, zoo.schema().recipe["constants"]["config.epochs"].as_str()), (42, Some("40")));
    for row in 0..18 {
        let theirs = row / 6 * 6 + [0, 1, 2, 4, 3, 5][row % 6];
        assert_eq!(zoo.weights(row), folder.weights[theirs], "{row}");
        assert_eq!(zoo.metrics(row).test_accuracy, (theirs as f64 / 1000.0) as f32);
        assert_eq!((zoo.metrics(row).test_loss, zoo.metrics(row).train_loss), (2.0 + theirs as f32, 1.25));
        assert!(zoo.class_accuracy(row).iter().all(|accuracy| accuracy.is_nan()));
    }
    let config = zoo.config(2);
    assert_eq!(
        (config.number("learning_rate"), config.number("l2reg"), config.number("dropout"), config.seed),
        (0.03, 1.5e-8, 0.2, 42)
    );
    assert_eq!(zoo.schema().name("activation", &zoo.config(1)), "tanh");
    assert_eq!(zoo.schema().name("optimizer", &config), "adam");
    assert!(succeed(&format!("info {}", out.display())).contains("tiny (images unknown)"));
    succeed(&format!("features {} --epoch 20", out.display()));

    let json = succeed(&format!("{import} --final-only --out {} --json", last.display()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json["rows"].as_u64(), json["finished"].as_u64(), json["folder_rows"].as_u64()),
        (Some(3), Some(3), Some(18))
    );
    let last = Zoo::open(&last).unwrap();
    assert_eq!((last.schema().checkpoints.as_slice(), last.weights(1)), (&[40][..], zoo.weights(11)));
    assert_eq!(last.schema().recipe, zoo.schema().recipe, "both hold the same networks");
}

#[test]
fn quirks_are_handled_and_reported() {
    let mut folder = Folder::new(5);
    folder.set(5, "test_accuracy", "");
    folder.set(6, "test_loss", "nan");
    folder.weights[11][7] = f32::INFINITY;
    for row in 12..18 {
        folder.set(row, "config.optimizer", "adagrad");
        folder.set(row, "config.init_std", "");
        folder.set(row, "config.random_seed", "7.0");
        folder.set(row, "step", &format!("{}.0", [0, 1, 2, 20, 3, 40][row - 12]));
    }
    // run 3 lacks its last checkpoint, run 4 its third; their lines are mixed
    folder.remove(26);
    folder.remove(23);
    folder.lines.swap(20, 25);
    folder.weights.swap(20, 25);
    let out = folder.at("zoo.safetensors");
    let text = succeed(&format!("{} --out {}", folder.write(), out.display()));
    for says in [
        "28 of the folder's 28",
        "2 checkpoints are not in",
        "2 rows with weights that are not finite or a test accuracy",
        "\"adagrad\"",
        "1 rows have a test loss",
    ] {
        assert!(text.contains(says), "no {says:?} in {text}");
    }
    let zoo = Zoo::open(&out).unwrap();
    let status: Vec<u8> = zoo.status().iter().map(|&status| status as u8).collect();
    let mut expected = [1; 30];
    (expected[5], expected[11], expected[23], expected[26]) = (2, 2, 0, 0);
    assert_eq!(status, expected);
    assert_eq!(zoo.final_rows(), [17, 29]);
    assert!(
        zoo.metrics(5).test_accuracy.is_nan()
            && zoo.weights(11)[7].is_infinite()
            && zoo.config(2).number("init_std").is_nan()
    );
    assert_eq!((zoo.config(2).seed, zoo.schema().seed), (7, 0));
    assert_eq!(zoo.schema().name("optimizer", &zoo.config(2)), "adagrad");
    // rows 20 and 25 of the file: run 3's third line came after run 4's first two
    assert_eq!((zoo.weights(20)[0], zoo.weights(25)[0]), (302.0, 401.0));
    succeed(&format!("info {}", out.display()));
    assert_eq!(succeed(&format!("features {}", out.display())).lines().count(), 3);
    // what is not there stays away on the way out and in again
    let (export, again) = (folder.at("export"), folder.at("again.safetensors"));
    succeed(&format!("export {} {}", out.display(), export.display()));
    succeed(&format!("import {} --out {}", export.display(), again.display()));
    assert!(std::fs::read(&again).unwrap() == std::fs::read(&out).unwrap());
}

#[test]
fn the_older_notebooks_folder_is_one_too() {
    // paths of checkpoints as index, no modeldir, no step, no layout, doubles
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("fashion_mnist");
    std::fs::create_dir(&folder).unwrap();
    let mut text = String::from(",config.w_init,test_accuracy,test_loss,train_accuracy,train_loss\n");
    for (run, step) in [(0, 0), (0, 12), (0, 18), (0, 6), (1, 0), (1, 12), (1, 18), (1, 6)] {
        writeln!(text, "/a/b-1/{run}/permanent_ckpt-{step},orthogonal,0.{step},1,0.5,1").unwrap();
    }
    std::fs::write(folder.join("all_metrics.csv"), text).unwrap();
    let weights: Vec<f64> = (0..8 * 4970).map(f64::from).collect();
    let data: Vec<u8> = weights.iter().flat_map(|weight| weight.to_be_bytes()).collect();
    std::fs::write(folder.join("all_weights.npy"), npy(">f8", 8, 4970, &data)).unwrap();
    let out = root.path().join("zoo.safetensors");
    let text = succeed(&format!("import {} --out {}", folder.display(), out.display()));
    assert!(text.contains("no layout.csv") && text.contains("no column config.learning_rate"), "{text}");
    let zoo = Zoo::open(&out).unwrap();
    assert_eq!((zoo.schema().dataset.as_str(), zoo.schema().arch.height), ("fashion-mnist", 28));
    assert_eq!((zoo.schema().checkpoints.as_slice(), zoo.schema().runs), (&[0, 6, 12, 18][..], 2));
    assert_eq!((zoo.weights(5)[0], zoo.metrics(7).test_accuracy), (7.0 * 4970.0, 0.18));
    assert!(zoo.config(0).number("learning_rate").is_nan());
}

#[test]
fn what_a_table_of_metrics_does_not_say_is_not_invented() {
    let mut folder = Folder::new(3);
    // a percentage, a negative number
    folder.set(5, "test_accuracy", "7.55");
    folder.set(11, "test_accuracy", "-0.1");
    let seed = folder.columns.iter().position(|name| *name == "config.random_seed").unwrap();
    folder.columns.remove(seed);
    folder.lines.iter_mut().for_each(|line| drop(line.remove(seed)));
    let [out, export, again] = ["zoo", "export", "again"].map(|name| folder.at(name));
    let text = succeed(&format!("{} --out {}", folder.write(), out.display()));
    assert!(text.contains("no column config.random_seed") && !text.contains("one seed"), "{text}");
    assert!(text.contains("2 rows with weights that are not finite or a test accuracy"), "{text}");
    let zoo = Zoo::open(&out).unwrap();
    assert_eq!(
        (zoo.final_rows(), zoo.status()[5], zoo.schema().seeds_are_known()),
        (vec![17], Status::Diverged, false)
    );
    succeed(&format!("export {} {}", out.display(), export.display()));
    let text = succeed(&format!("import {} --out {}", export.display(), again.display()));
    assert!(!text.contains("one seed"), "{text}");

    let mut latin = folder.csv().into_bytes();
    let at = latin.windows(4).position(|text| text == b"tanh").unwrap();
    latin[at] = 0xe9;
    std::fs::write(folder.at("metrics.csv.gz"), &latin).unwrap();
    fail(
        &format!("import {} --image 5x5 --out {}", folder.path().display(), folder.at("new").display()),
        1,
        &["UTF-8", "line 8", "Latin-1"],
    );
}

#[test]
fn networks_that_cannot_be_run_are_left_out_of_probes_alone() {
    let mut folder = Folder::new(24);
    for row in 0..folder.lines.len() {
        let (run, step) = (row / 6, row % 6);
        folder.set(row, "test_accuracy", &format!("0.{:03}", (run * 37 + step) % 1000));
        folder.set(row, "config.dropout", "0.1");
        if run % 8 == 3 {
            folder.set(row, "config.activation", "swish");
        }
    }
    let out = folder.at("zoo.safetensors");
    succeed(&format!("{} --out {}", folder.write(), out.display()));
    let zoo = out.display();
    let lines = |arguments: &str| {
        let output = run(arguments);
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap().lines().count(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(lines(&format!("features {zoo}")), (25, String::new()));
    let (count, says) = lines(&format!("features {zoo} --input wstats+probes"));
    assert_eq!((count, says.lines().count()), (22, 1), "{says}");
    assert!(says.contains("3 of 24 networks") && says.contains("swish"), "{says}");
    let model = folder.at("model");
    succeed(&format!("fit {zoo} --input probes --param n_estimators=5 --out {}", model.display()));
    assert_eq!(lines(&format!("predict {} {zoo}", model.display())).0, 22);
    succeed(&format!("evaluate {} {zoo}", model.display()));
    let (study, page) = (folder.at("study"), folder.at("page.html"));
    succeed(&format!("report {zoo} --out {}", page.display()));
    let table = format!("reproduce {zoo} --only early --out {}", study.display());
    let first = succeed(&format!("{table} --json"));
    let cells: serde_json::Value = serde_json::from_str(&first).unwrap();
    let of = |input: &str| {
        let cells = cells["cells"].as_array().unwrap().iter();
        let cells = cells.filter(|cell| cell["input"] == input);
        cells.map(|cell| cell["n_train"].as_u64().unwrap() + cell["score"]["n"].as_u64().unwrap()).max().unwrap()
    };
    assert!(of("wstats") > of("wstats+probes"), "{cells}");
    // what is there already is not computed again
    let journal = std::fs::read(study.join("results.jsonl")).unwrap();
    succeed(&table);
    assert!(journal == std::fs::read(study.join("results.jsonl")).unwrap());
    // none is left
    (0..folder.lines.len()).for_each(|row| folder.set(row, "config.activation", "swish"));
    let all = folder.at("all");
    succeed(&format!("{} --out {}", folder.write(), all.display()));
    fail(&format!("features {} --input probes", all.display()), 1, &["relu, tanh", "swish"]);
    succeed(&format!("report {} --out {}", all.display(), page.display()));
}

#[test]
fn folders_that_are_not_right_are_refused() {
    let good = Folder::new(2);
    let out = good.at("zoo.safetensors");
    let refuse = |name: &str, bytes: &[u8], code: i32, texts: &[&str]| {
        let import = good.write();
        std::fs::write(good.at(name), bytes).unwrap();
        fail(&format!("{import} --out {}", out.display()), code, texts);
        let left: Vec<_> = std::fs::read_dir(good.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    };
    let with = |change: &dyn Fn(&mut Folder)| {
        let mut folder = Folder::new(2);
        change(&mut folder);
        folder.csv()
    };
    let metrics = |change: &dyn Fn(&mut Folder), texts: &[&str]| {
        refuse("metrics.csv.gz", with(change).as_bytes(), 1, &[&["metrics.csv.gz"], texts].concat());
    };
    metrics(&|f| f.remove(3), &["12 rows", "11 lines"]);
    metrics(&|f| f.lines.push(f.lines[0].clone()), &["12 rows", "more lines"]);
    metrics(&|f| f.lines.clear(), &["0 lines"]);
    metrics(&|f| f.set(4, "step", "2"), &["twice"]);
    metrics(&|f| f.set(4, "step", "2.5"), &["an epoch", "line 6", "2.5"]);
    metrics(&|f| f.set(4, "step", "-1"), &["an epoch", "line 6"]);
    metrics(&|f| f.set(4, "modeldir", ""), &["a run", "line 6"]);
    metrics(&|f| f.set(4, "test_accuracy", "high"), &["a number", "line 6", "high"]);
    metrics(&|f| f.set(4, "config.dropout", "0.7"), &["settings", "/cns/run0"]);
    metrics(&|f| f.set(4, "config.dataset", "mnist"), &["tiny", "mnist"]);
    metrics(&|f| f.set(4, "config.random_seed", "x"), &["seed", "line 6"]);
    metrics(&|f| f.columns[13] = "dir", &["modeldir", "line 2"]);
    metrics(&|f| f.columns[15] = "accuracy", &["test_accuracy"]);
    metrics(&|f| f.lines[3].push("more".into()), &["CSV"]);
    good.write();
    let zipped = std::fs::read(good.at("metrics.csv.gz")).unwrap();
    refuse("metrics.csv.gz", &zipped[..zipped.len() / 2], 1, &["metrics.csv.gz", "gzipped or plain"]);
    refuse("metrics.csv.gz", b"", 1, &["modeldir"]);

    let weights = good.npy();
    refuse("weights.npy", &weights[..weights.len() - 1], 1, &["weights.npy", "bytes of data"]);
    refuse("weights.npy", b"numbers", 1, &["weights.npy", "begins with"]);
    refuse("weights.npy", &npy("<f4", 11, 60, &good.data()), 1, &["11 rows"]);
    refuse("weights.npy", &npy("<f4", 12, 54, &good.data()), 1, &["55 columns", "54"]);
    refuse("weights.npy", &npy("<i4", 12, 55, &good.data()), 1, &["f4 or f8", "integers"]);
    // our own export's metadata against the rest of it
    let (imported, export) = (good.at("a"), good.at("b"));
    succeed(&format!("{} --out {}", good.write(), imported.display()));
    succeed(&format!("export {} {}", imported.display(), export.display()));
    let kept = std::fs::read_to_string(export.join("layout.csv")).unwrap();
    for (from, to, says) in [
        ("\"\"runs\"\":2", "\"\"runs\"\":1", "a run below 1"),
        ("\"\"runs\"\":2", "\"\"runs\"\":4294967295", "at most 12 runs"),
        ("\"\"channels\"\":4", "\"\"channels\"\":5", "not the layout"),
        ("[0,1,2,3,20,40]", "[0,1,2,3,20]", "one of epochs"),
        ("\"\"arch\"\"", "\"\"shape\"\"", "metadata"),
    ] {
        assert!(kept.contains(from), "{kept}");
        std::fs::write(export.join("layout.csv"), kept.replacen(from, to, 1)).unwrap();
        fail(&format!("import {} --out {}", export.display(), out.display()), 1, &[says]);
    }
    std::fs::remove_dir_all(export).unwrap();
    std::fs::remove_file(imported).unwrap();

    let mut column_major = weights.clone();
    let at = column_major.windows(5).position(|text| text == b"False").unwrap();
    column_major[at..at + 5].copy_from_slice(b"True ");
    refuse("weights.npy", &column_major, 1, &["C order"]);

    let layout = |from: &str, to: &str, texts: &[&str]| {
        assert!(LAYOUT.contains(from));
        refuse("layout.csv", LAYOUT.replacen(from, to, 1).as_bytes(), 1, &[&["layout.csv"], texts].concat());
    };
    layout("(3, 3, 1, 4)", "(3, 3, 1, 5)", &["not the layout"]);
    layout("(3, 3, 1, 4)", "(5, 5, 1, 4)", &["not the layout"]);
    layout("(3, 3, 1, 4)", "(3, 3, x, 4)", &["shape", "line 3"]);
    layout("(4, 3)", "(4, 9223372036854775807)", &["layout.csv"]);
    layout("bias:0,0,4", "kernel:0,0,4", &["kernel"]);
    layout("start_idx", "start", &["start_idx"]);
    layout(",4,40,", ",four,40,", &["index", "line 3"]);
    layout("varname", "\u{feff}varname2", &["varname"]);
    refuse("layout.csv", b"", 1, &["layout.csv"]);

    let import = good.write();
    fail(&format!("import {} --out {}", good.path().display(), out.display()), 2, &["--image", "tiny"]);
    fail(&format!("{import} --out {} --image 5", out.display()), 2, &["image"]);
    fail(&format!("import {} --out {} --image five", good.path().display(), out.display()), 2, &["--image", "five"]);
    fail(&format!("{import} --out {} --layers 4s5", out.display()), 2, &["stride"]);
    fail(&format!("{import} --out {} --layers 8s2", out.display()), 1, &["layout.csv", "8s2"]);
    fail(&format!("{import} --out {}/no/zoo", out.display()), 1, &["no/zoo"]);
    fail(&format!("import {}/none --out {}", good.path().display(), out.display()), 1, &["none"]);
    std::fs::remove_file(good.at("weights.npy")).unwrap();
    fail(&format!("{import} --out {}", out.display()), 1, &["weights.npy or all_weights.npy"]);
    assert!(!out.exists());
}

#[test]
fn a_stopped_job_leaves_nothing() {
    let folder = Folder::new(2);
    folder.write();
    let (out, export) = (folder.at("zoo.safetensors"), folder.at("export"));
    let zoo_out = OutPath::new(&out, FileKind::Zoo).unwrap();
    let mut options = Import::default();
    options.image = Some((5, 5));
    let stop = Stop::new();
    let context = &Context::new().stop(&stop);
    let stopped = zoo::import(context, folder.path(), &zoo_out, &options, &mut |_, _| stop.request()).unwrap_err();
    assert!(matches!(stopped, zoometry::Error::Cancelled), "{stopped}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    zoo::import(&Context::default(), folder.path(), &zoo_out, &options, &mut |_, _| {}).unwrap();
    assert!(
        zoo::export(
            context,
            &Zoo::open(&out).unwrap(),
            &OutPath::new(&export, FileKind::Folder).unwrap(),
            &mut |_, _| {},
        )
        .is_err()
    );
    assert!(!export.exists());
}

#[test]
fn their_help_is_there() {
    for verb in ["import", "export"] {
        assert!(succeed(&format!("{verb} --help")).contains("Usage"), "{verb}");
    }
    assert_eq!(run("import").status.code(), Some(2));
}

#[test]
fn each_network_keeps_its_own_last_checkpoint() {
    let mut folder = Folder::new(30);
    // the last of every third network ends at epoch 20: its rows 40 and 3 are not there
    for run in (0..30).rev().step_by(3) {
        folder.remove(run * 6 + 5);
    }
    let last = folder.at("last.safetensors");
    let text = succeed(&format!("{} --final-only --out {}", folder.write(), last.display()));
    assert!(text.contains("30 of the folder's 170 rows") && text.contains("20 at 40, 10 at 20"), "{text}");
    assert!(!text.contains("not written"), "{text}");
    let zoo = Zoo::open(&last).unwrap();
    assert_eq!(zoo.schema().checkpoints, [20, 40]);
    assert_eq!((zoo.final_rows().len(), zoo.rows_at_epoch(20).unwrap().len()), (20, 10));
    let output = run(&format!("features {}", last.display()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("10 of 30 networks") && stderr.contains("10 end at 20"), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 21);
}

#[test]
fn weights_that_single_precision_does_not_hold_are_told() {
    let folder = Folder::new(2);
    let import = folder.write();
    let doubles: Vec<u8> = folder.weights.iter().flatten().flat_map(|&w| (f64::from(w) + 1e-9).to_le_bytes()).collect();
    std::fs::write(folder.at("weights.npy"), npy("<f8", 12, 55, &doubles)).unwrap();
    let text = succeed(&format!("{import} --out {}", folder.at("zoo.safetensors").display()));
    assert!(text.contains("of 660 weights are f64 that f32 does not hold exactly"), "{text}");
}
