//! Scores that cannot lie: a network that a predictor was fitted to is told wherever it comes up again, and what is wrong with a
//! zoo is said.

mod common;
use common::{fail, run, scratch, small_zoo, succeed, there};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zoometry::Context;
use zoometry::eval::{Fractions, Split};
use zoometry::features::{Input, Networks};
use zoometry::kernels::{Isa, IsaKind};
use zoometry::out::{FileKind, OutPath};
use zoometry::predictor::{Options, Predictor};
use zoometry::zoo::{Config, Metrics, Status, Writer, Zoo};

/// Networks of the zoo: a few dozen that take a moment.
const RUNS: usize = 60;

/// A zoo and a predictor fitted to it, and what the fit said.
struct Fitted {
    folder: tempfile::TempDir,
    zoo: PathBuf,
    model: String,
    fit: Value,
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&succeed(&format!("{arguments} --json"))).unwrap()
}

fn number(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {value}")) as usize
}

/// The arguments that train it.
fn training(zoo: &Path) -> String {
    format!("{} --checkpoints 0 --set train_fraction=0.1 --set batch=16", small_zoo(zoo, RUNS, 1))
}

impl Fitted {
    fn new() -> Fitted {
        let (folder, zoo) = scratch("zoo.safetensors");
        succeed(&training(&zoo));
        let model = folder.path().join("model.safetensors").display().to_string();
        let fit = json(&format!("fit {} --param n_estimators=20 --out {model}", zoo.display()));
        Fitted { folder, zoo, model, fit }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Networks that the fit made use of.
    fn known(&self) -> usize {
        number(&self.fit, "n_train") + number(&self.fit, "n_val")
    }

    /// The zoo's folder as somebody else may have saved it: networks in the opposite order under other names, none of our columns,
    /// a byte order mark, Windows' line ends, and without the first network.
    fn saved_again(&self) -> PathBuf {
        let (export, folder) = (self.at("export"), self.at("again"));
        succeed(&format!("export {} {}", self.zoo.display(), export.display()));
        fs::create_dir(&folder).unwrap();
        let weights = fs::read(export.join("weights.npy")).unwrap();
        let data = 10 + usize::from(u16::from_le_bytes([weights[8], weights[9]]));
        let rows: Vec<&[u8]> = weights[data..].chunks(4 * 4970).skip(2).collect();
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 4970), }}\n", rows.len());
        let head = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
        let turned: Vec<u8> = rows.iter().rev().flat_map(|row| row.iter().copied()).collect();
        fs::write(folder.join("weights.npy"), [head, turned].concat()).unwrap();

        let mut text = String::new();
        GzDecoder::new(&fs::read(export.join("metrics.csv.gz")).unwrap()[..]).read_to_string(&mut text).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let kept = |line: &[&str]| line[..23].join(",").replace("run-", "theirs/");
        let turned = lines[3..].iter().rev().map(|line| kept(line));
        let text: Vec<String> = std::iter::once(kept(&lines[0])).chain(turned).collect();
        let mut gz = GzEncoder::new(fs::File::create(folder.join("metrics.csv.gz")).unwrap(), Compression::fast());
        gz.write_all(format!("\u{feff}{}\r\n", text.join("\r\n")).as_bytes()).unwrap();
        gz.finish().unwrap();
        let zoo = self.at("again.safetensors");
        succeed(&format!("import {} --image 28x28 --out {}", folder.display(), zoo.display()));
        zoo
    }
}

/// A zoo with some of another's networks, whose metrics may be changed; its checksums are those of what it holds.
fn copy(from: &Path, to: &Path, keep: impl Fn(usize) -> bool, change: impl Fn(usize, &mut Metrics)) {
    let zoo = Zoo::open(from).unwrap();
    let schema = zoo.schema();
    let configs: Vec<Config> = (0..schema.runs).map(|run| zoo.config(run)).collect();
    let out = OutPath::new(to, FileKind::Zoo).unwrap();
    let writer = Writer::create_or_open(&out, schema, &configs).unwrap();
    let checkpoints = schema.checkpoints.len();
    for row in (0..zoo.rows()).filter(|row| keep(row / checkpoints)) {
        let mut metrics = zoo.metrics(row);
        change(row, &mut metrics);
        let (run, at) = (row / checkpoints, row % checkpoints);
        writer.write(run, at, zoo.weights(row), &metrics, zoo.class_accuracy(row), zoo.status()[row]).unwrap();
    }
}

#[test]
fn a_fitted_network_is_known_under_any_name_and_number() {
    let fitted = Fitted::new();
    let (model, zoo, fit) = (&fitted.model, fitted.zoo.display(), &fitted.fit);
    let own = json(&format!("evaluate {model} {zoo}"));
    assert_eq!((number(&own, "left_out"), &own["n"], &own["r2"]), (fitted.known(), &fit["n_test"], &fit["r2"]));

    let again = fitted.saved_again();
    let parts = succeed(&format!("split {zoo}"));
    let first = parts.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    let (known, tests) = match first {
        "test" => (fitted.known(), number(fit, "n_test") - 1),
        _ => (fitted.known() - 1, number(fit, "n_test")),
    };
    let text = succeed(&format!("evaluate {model} {}", again.display()));
    assert!(text.contains(&format!("; {known} that it was fitted to are left out")), "{text}");
    let there = json(&format!("evaluate {model} {}", again.display()));
    assert_eq!((number(&there, "left_out"), number(&there, "n")), (known, tests), "{there}");
    let importance = json(&format!("importance {model} {} --rounds 1", again.display()));
    assert_eq!((number(&importance, "n"), number(&importance, "left_out")), (tests, known));

    // an untrained network is the one that it becomes
    let untrained = json(&format!("evaluate {model} {zoo} --epoch 0"));
    assert_eq!((number(&untrained, "left_out"), &untrained["n"]), (fitted.known(), &fit["n_test"]));

    // other data by its name, the same networks by their weights
    let cells = json(&format!("transfer {zoo} {}", again.display()))["cells"].clone();
    let crossed: Vec<&Value> =
        cells.as_array().unwrap().iter().filter(|cell| cell["fitted"] != cell["tested"]).collect();
    assert!(!crossed.is_empty(), "{cells}");
    for cell in crossed {
        let (left_out, n) = (number(cell, "left_out"), number(&cell["score"], "n"));
        assert!(left_out > 0 && n > 0 && left_out + n <= RUNS, "{cell}");
    }
    let text = succeed(&format!("transfer {zoo} {}", again.display()));
    assert!(text.contains("networks of again are in no score of the predictors of zoo"), "{text}");
}

#[test]
fn predictions_say_which_part_of_the_fit_a_network_was_in() {
    let fitted = Fitted::new();
    let (model, zoo, fit) = (&fitted.model, fitted.zoo.display(), &fitted.fit);
    let of = |text: &str, part: &str| text.lines().filter(|line| line.ends_with(&format!(",{part}"))).count();
    let all = succeed(&format!("predict {model} {zoo}"));
    assert!(all.starts_with("run,epoch,predicted,measured,outside,farther_than,part\n"), "{all}");
    let counts = [("train", "n_train"), ("validation", "n_val"), ("test", "n_test")];
    assert!(counts.iter().all(|(part, key)| of(&all, part) == number(fit, key)), "{all}");
    let tests = succeed(&format!("predict {model} {zoo} --part test"));
    assert_eq!((of(&tests, "test"), tests.lines().count()), (number(fit, "n_test"), 1 + number(fit, "n_test")));
    fail(&format!("predict {model} {zoo} --part tets"), 2, &["did you mean \"test\"?"]);
    let output = run(&format!("predict {model} {zoo} --interval 0.5"));
    let said = format!("was fitted to {} networks of", fitted.known());
    assert!(String::from_utf8_lossy(&output.stderr).contains(&said));
    let (train, network) =
        (all.lines().find(|line| line.ends_with(",train")).unwrap(), fitted.at("network.safetensors"));
    let number = train.split(',').next().unwrap();
    succeed(&format!("export --torch {zoo} --run {number} {}", network.display()));
    let alone = succeed(&format!("predict {model} {}", network.display()));
    assert!(alone.lines().nth(1).unwrap().ends_with(",train"), "{alone}");

    let other = fitted.at("other.safetensors");
    succeed(&training(&other).replace("--seed 5", "--seed 6"));
    assert_eq!(of(&succeed(&format!("predict {model} {}", other.display())), "unseen"), RUNS);
    let text = succeed(&format!("evaluate {model} {}", other.display()));
    assert!(text.contains("60 networks, all networks of a zoo it was not fitted to"), "{text}");
    assert_eq!(json(&format!("evaluate {model} {}", other.display()))["provenance"], "known");
}

#[test]
fn the_library_says_as_much_as_the_command_line() {
    let fitted = Fitted::new();
    let zoo = Zoo::open(&fitted.zoo).unwrap();
    let (context, rows) = (&Context::default(), zoo.final_rows());
    let input: Input = "wstats+probes".parse().unwrap();
    let table = input.table(context, &Networks::Zoo { zoo: &zoo, rows: &rows }).unwrap();
    let split = Split::new(&table.group, 3, Fractions { train: 0.5, validation: 0.2 }).unwrap();
    let [train, validation] = [&split.train, &split.validation].map(|rows| table.select(rows));
    let options = Options::networks("gbm").unwrap();
    let mut predictor = Predictor::fit(context, &options, &train, Some(&validation)).unwrap();
    let model = fitted.at("library.safetensors");
    predictor.save(&OutPath::new(&model, FileKind::Predictor).unwrap()).unwrap();
    assert!(Predictor::load(&model).unwrap() == predictor);
    let found = json(&format!("evaluate {} {}", model.display(), fitted.zoo.display()));
    let known = train.rows() + validation.rows();
    assert_eq!((number(&found, "left_out"), number(&found, "n")), (known, RUNS - known), "{found}");
    assert_eq!((number(&found, "n_train"), number(&found, "n_val")), (train.rows(), validation.rows()));

    // what says nothing is not taken for innocent
    predictor.provenance = None;
    predictor.info.remove("zoo");
    predictor.save(&OutPath::new(&model, FileKind::Predictor).unwrap()).unwrap();
    let text = succeed(&format!("evaluate {} {}", model.display(), fitted.zoo.display()));
    assert!(text.contains("unknown whether it was fitted to") && !text.contains("never seen"), "{text}");
    let parts = succeed(&format!("predict {} {}", model.display(), fitted.zoo.display()));
    assert!(parts.lines().skip(1).all(|line| line.ends_with(",unknown")), "{parts}");
}

#[test]
fn a_division_goes_out_and_comes_back() {
    let fitted = Fitted::new();
    let (zoo, fit, file) = (fitted.zoo.display(), &fitted.fit, fitted.at("parts.csv"));
    let text = succeed(&format!("split {zoo} --out {}", file.display()));
    assert!(text.contains(&format!("{} train", fit["n_train"])), "{text}");
    let by_file = json(&format!("fit {zoo} --param n_estimators=20 --split {} --out {}", file.display(), fitted.model));
    assert_eq!((&by_file["r2"], &by_file["n_test"]), (&fit["r2"], &fit["n_test"]));
    // a network of the fit is left out of whatever division it is evaluated by
    let (turned, parts) = (fitted.at("turned.csv"), fs::read_to_string(&file).unwrap());
    fs::write(&turned, parts.replace("train", "TEST").replace("test", "train").replace("TEST", "test")).unwrap();
    fail(&format!("evaluate {} {zoo} --split {}", fitted.model, turned.display()), 1, &["not fitted to"]);
    let table = succeed(&format!("features {zoo} --split {}", file.display()));
    for (line, part) in table.lines().skip(1).zip(parts.lines().skip(1)) {
        assert_eq!(line.split(',').take(2).collect::<Vec<_>>(), part.split(',').take(2).collect::<Vec<_>>());
    }
    let tests = succeed(&format!("features {zoo} --part test"));
    assert_eq!(tests.lines().count(), 1 + number(fit, "n_test"));
    fs::write(&turned, "run,part\n0,trian\n").unwrap();
    fail(&format!("fit {zoo} --split {}", turned.display()), 1, &["turned.csv", "line 2", "trian"]);
}

#[test]
fn what_is_wrong_with_a_zoo_is_found() {
    let fitted = Fitted::new();
    let (whole, damaged) = (fs::read(&fitted.zoo).unwrap(), fitted.at("damaged.safetensors"));
    let check = format!("check {}", damaged.display());
    let all = succeed(&format!("check {} --sample 1000", fitted.zoo.display()));
    assert!(all.contains("120 rows evaluated again") && all.contains("nothing is wrong"), "{all}");

    // a weight's last bit
    let zoo = Zoo::open(&fitted.zoo).unwrap();
    let weight = bytemuck::bytes_of(&zoo.weights(9)[17]);
    let row = bytemuck::cast_slice::<f32, u8>(zoo.weights(9));
    let at = whole.windows(row.len()).position(|window| window == row).unwrap() + 17 * weight.len();
    let mut bytes = whole.clone();
    bytes[at] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let output = run(&check);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("row 9 (network 4, epoch 1): checksum") && text.contains("1 thing is wrong"), "{text}");
    fs::remove_file(&damaged).unwrap();

    // numbers whose checksums are right: an accuracy that is none, which no verb opens; one that is another's, a network twice
    copy(
        &fitted.zoo,
        &damaged,
        |_| true,
        |row, metrics| {
            if row == 3 {
                metrics.test_accuracy = 1.5
            }
        },
    );
    fail(&check, 1, &["run 1 at epoch 1", "1.5"]);
    fs::remove_file(&damaged).unwrap();
    copy(
        &fitted.zoo,
        &damaged,
        |_| true,
        |row, metrics| {
            if row == 5 {
                metrics.test_accuracy += 0.01
            }
        },
    );
    let found = run(&format!("{check} --sample 1000 --json"));
    assert_eq!(found.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    let rows: Vec<(u64, &str)> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["row"].as_u64().unwrap(), f["what"].as_str().unwrap()))
        .collect();
    assert!(rows.len() == 1 && rows[0].0 == 5 && rows[0].1.contains("evaluated again"), "{rows:?}");
    fs::remove_file(&damaged).unwrap();
    let configs: Vec<Config> = (0..RUNS).map(|run| zoo.config(run)).collect();
    let out = OutPath::new(&damaged, FileKind::Zoo).unwrap();
    let writer = Writer::create_or_open(&out, zoo.schema(), &configs).unwrap();
    for run in [0, 7] {
        writer.write(run, 1, zoo.weights(1), &zoo.metrics(1), zoo.class_accuracy(1), Status::Done).unwrap();
    }
    fail_with(
        &format!("{check} --sample 0"),
        &["row 15 (network 7, epoch 1): the weights of network 0", "2 of 60 networks finished"],
    );

    // a folder is as its checksums say, or it is refused
    let folder = fitted.at("folder");
    succeed(&format!("export {} {}", fitted.zoo.display(), folder.display()));
    let npy = folder.join("weights.npy");
    let mut bytes = fs::read(&npy).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&npy, bytes).unwrap();
    let again = format!("import {} --out {}", folder.display(), fitted.at("again.safetensors").display());
    fail(&again, 1, &["metrics.csv.gz", "row 119 as its checksum", "without the column checksum"]);
}

/// Expects findings on stdout.
#[track_caller]
fn fail_with(arguments: &str, texts: &[&str]) {
    let output = run(arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(texts.iter().all(|says| text.contains(says)), "{texts:?} in\n{text}");
}

#[test]
fn scores_begin_with_what_their_reader_must_know() {
    let fitted = Fitted::new();
    let part = fitted.at("part.safetensors");
    copy(&fitted.zoo, &part, |run| run < 35, |_, _| ());
    let first = |arguments: &str| succeed(arguments).lines().next().unwrap().to_owned();
    let says = "35 of 60 networks finished";
    for verb in ["fit", "evaluate", "importance"] {
        let model = if verb == "fit" { "" } else { &*fitted.model };
        let line = first(&format!("{verb} {model} {}", part.display()));
        assert!(line.contains(says), "{verb}: {line}");
    }
    assert!(first(&format!("ablation {}", part.display())).contains(says));

    // one batch of five, and a class that only test images have
    let data = fitted.at("cifar10");
    fs::create_dir(&data).unwrap();
    let record = |n: usize, classes: usize| {
        std::iter::once((n % classes) as u8).chain((0..3072).map(move |p| (n * p % 251) as u8))
    };
    let batch = |classes: usize| (0..64).flat_map(|n| record(n, classes)).collect::<Vec<u8>>();
    fs::write(data.join("data_batch_1.bin"), batch(9)).unwrap();
    fs::write(data.join("test_batch.bin"), batch(10)).unwrap();
    let zoo = fitted.at("cifar.safetensors");
    let set = "--set train_fraction=1 --set batch=16";
    let train = "train --dataset cifar10 --models 12 --epochs 1 --checkpoints 1";
    succeed(&format!("{train} {set} --data-dir {} --out {}", fitted.folder.path().display(), zoo.display()));
    for arguments in [format!("fit {}", zoo.display()), format!("table {}", zoo.display())] {
        let line = first(&arguments);
        assert!(line.contains("no training image of class 9") && line.contains("1 of 5 training batches"), "{line}");
    }
}

#[test]
fn another_family_of_rounding_is_asked_for() {
    if !there("avx2", Isa::new(IsaKind::Avx2).is_some()) {
        return;
    }
    let (folder, whole) = scratch("whole.safetensors");
    let part = folder.path().join("part.safetensors");
    let training = |path: &Path| format!("{} --checkpoints 0 --set train_fraction=0.1", small_zoo(path, 4, 1));
    succeed(&format!("{} --isa avx2", training(&whole)));
    copy(&whole, &part, |run| run < 2, |_, _| ());
    let portable = format!("{} --isa portable", training(&part));
    fail(&portable, 1, &["rounding is fused, not unfused", "--allow-mixed"]);
    succeed(&format!("{portable} --allow-mixed"));
    let info = succeed(&format!("info {}", part.display()));
    assert!(info.contains("rounding      other; fused"), "{info}");
    assert!(succeed(&format!("check {}", part.display())).contains("nothing is wrong"));
    // nothing is left to train, so nothing is mixed
    succeed(&portable);
}
