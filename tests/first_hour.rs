//! What a stranger tries in the first hour, through the real binary: other people's files, several files, streams, manners.

mod common;
use common::{fail, run, scratch, small_zoo, succeed};
use serde_json::Value;
use std::path::Path;

fn json(arguments: &str) -> Value {
    serde_json::from_str(&succeed(arguments)).unwrap()
}

#[test]
fn what_one_verb_writes_another_reads() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 24, 1));
    let (zoo, model) = (zoo.display(), at("model"));
    succeed(&format!("fit {zoo} --param n_estimators=20 --out {model}"));
    // features with their target and parts
    let mut errors = Vec::new();
    for name in ["f.csv", "f.safetensors"] {
        succeed(&format!("features {zoo} --out {}", at(name)));
        let fitted = json(&format!("fit --x {} --param n_estimators=20 --json", at(name)));
        let sizes = [&fitted["n_train"], &fitted["n_val"], &fitted["n_test"]].map(|n| n.as_u64().unwrap());
        let own = json(&format!("fit {zoo} --param n_estimators=20 --json"));
        assert_eq!(sizes, [&own["n_train"], &own["n_val"], &own["n_test"]].map(|n| n.as_u64().unwrap()), "{name}");
        errors.push(fitted["mse"].clone());
    }
    assert!(errors[0].is_number() && errors[0] == errors[1], "{errors:?}");
    // all networks for PyTorch; each knows its run, its epoch and its accuracy
    let networks = at("networks");
    succeed(&format!("export --torch {zoo} {networks}"));
    let table = succeed(&format!("predict {model} {networks}/*.safetensors"));
    let of_zoo = succeed(&format!("predict {model} {zoo}"));
    for (one, other) in table.lines().skip(1).zip(of_zoo.lines().skip(1)) {
        let (line, file) = one.rsplit_once(',').unwrap();
        assert_eq!(line, other);
        assert!(file.contains("/network-"), "{file}");
    }
    assert_eq!(table.lines().count(), 25);
    let said = succeed(&format!("info {networks}/network-07.safetensors"));
    assert!(said.contains("run 7, epoch 1") && said.contains("F32 16×1×3×3"), "{said}");
    // tables as files, and nothing else on stdout
    succeed(&format!("predict {model} {zoo} --out {}", at("p.csv")));
    assert_eq!(std::fs::read_to_string(at("p.csv")).unwrap(), of_zoo);
    assert_eq!(succeed(&format!("predict {model} {zoo} --out -")), of_zoo);
    succeed(&format!("evaluate {model} {zoo} --out {}", at("e.csv")));
    assert!(std::fs::read_to_string(at("e.csv")).unwrap().starts_with("run,measured,predicted,file\n"));
    for (file, kind) in [(&*model, "a fitted predictor"), (&at("p.csv"), "24 rows"), (&at("f.csv"), "24 rows")] {
        let said = succeed(&format!("info {file}"));
        assert!(said.contains(kind), "{said}");
    }
    let said = succeed(&format!("info {zoo} {model} {}", at("f.safetensors")));
    assert!(said.contains("test accuracy") && said.contains("wstats, 56 columns") && said.contains("scores"), "{said}");
}

#[test]
fn zoos_of_other_kinds_are_told_apart() {
    let (folder, first) = scratch("a.safetensors");
    let second = folder.path().join("b.safetensors");
    let model = folder.path().join("model");
    succeed(&small_zoo(&first, 24, 1));
    succeed(&format!("{} --set learning_rate=0.01", small_zoo(&second, 24, 1)));
    let (a, b, model) = (first.display(), second.display(), model.display());
    let fitted = json(&format!("fit {a} {b} --param n_estimators=20 --out {model} --json"));
    let sizes = ["n_train", "n_val", "n_test"].map(|key| fitted[key].as_u64().unwrap());
    assert!(sizes.iter().sum::<u64>() + fitted["repeated"].as_u64().unwrap() == 48, "{fitted}");
    let scored = json(&format!("evaluate {model} {a} {b} --json"));
    assert_eq!(scored["zoos"].as_array().unwrap().len(), 2, "{scored}");
    for verb in ["predict", "features"] {
        let words = if verb == "predict" { format!("predict {model} {a} {b}") } else { format!("features {a} {b}") };
        let table = succeed(&words);
        let of = |name: &str| table.lines().filter(|line| line.contains(name)).count();
        assert_eq!((of("a.safetensors"), of("b.safetensors")), (24, 24), "{verb}");
    }
    assert_eq!(json(&format!("info {a} {b} --json"))["files"].as_array().unwrap().len(), 2);
}

#[test]
fn faults_of_files_end_with_1_and_are_named() {
    use npyz::WriterBuilder;
    let (folder, zoo) = scratch("zoo.safetensors");
    let save = |name: &str, shape: &[u64], value: f64| {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
        writer.extend(std::iter::repeat_n(value, shape.iter().product::<u64>() as usize)).unwrap();
        writer.finish().unwrap();
        path.display().to_string()
    };
    let (y, y5) = (save("y.npy", &[20], 0.5), save("y5.npy", &[20], 5.0));
    let (x0, x, wide) =
        (save("x0.npy", &[20, 0], 0.0), save("x.npy", &[20, 2], 1.0), save("w.npy", &[20, 40_000], 0.0));
    fail(&format!("fit --x {x0} --y {y}"), 1, &["x0.npy"]);
    fail(&format!("fit --x {wide} --y {y}"), 1, &["w.npy", "got 40000"]);
    fail(&format!("fit --x {x} --y {y5} --predictor linear"), 1, &["x.npy", "targets from 0 to 1"]);
    fail(&format!("fit --x {x}"), 2, &["--y"]);
    std::fs::write(folder.path().join("comma.csv"), "a,test_accuracy\n0;1,0.5\n").unwrap();
    fail(&format!("fit --x {}/comma.csv", folder.path().display()), 1, &["comma.csv", "line 2, column a"]);
    for (start, what) in [
        ("version https://git-lfs.github.com/spec/v1", "git-lfs"),
        ("<!DOCTYPE html>", "an HTML page"),
        ("PK\u{3}\u{4}", "torch.save"),
        ("run,epoch\n", "a table"),
    ] {
        std::fs::write(&zoo, format!("{start}{}", " ".repeat(64))).unwrap();
        for verb in ["features", "fit", "check"] {
            fail(&format!("{verb} {}", zoo.display()), 1, &["zoo.safetensors", what, "not a safetensors file"]);
        }
    }
    fail(&format!("features {}", folder.path().display()), 1, &["is a folder, not a file"]);
    fail("features -", 1, &["a stream", "./-"]);
    fail(&format!("features {}/none-*", folder.path().display()), 1, &["none-*", "no file of that name"]);
}

#[cfg(unix)]
#[test]
fn any_name_will_do() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (folder, zoo) = scratch("zoo.safetensors");
    succeed(&small_zoo(&zoo, 24, 1));
    let model = folder.path().join(OsStr::from_bytes(b"m\xff"));
    let mut fit = common::zoometry();
    let output =
        fit.args(["fit", "--json", "--param", "n_estimators=5"]).arg(&zoo).arg("--out").arg(&model).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["out"].as_str().is_some_and(|out| out.ends_with("m\u{fffd}")), "{found}");
    // a data set's folder too: there is none in it, and that is what is said
    let images = folder.path().join(OsStr::from_bytes(b"d\xff"));
    std::fs::create_dir(&images).unwrap();
    let mut train = common::zoometry();
    train
        .args(["train", "--models", "1", "--epochs", "1", "--out"])
        .arg(folder.path().join("z"))
        .arg("--dataset")
        .arg(&images);
    let output = train.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("data set not found"));
    // as long as file systems take
    for name in ["a".repeat(251) + ".csv", "模".repeat(81) + ".csv"] {
        succeed(&format!("features {} --out {}", zoo.display(), folder.path().join(name).display()));
    }
}

#[test]
fn a_long_job_says_what_it_takes() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let few = "--dataset glyphs --epochs 3 --set train_fraction=0.1 --set layers=4s2";
    let said = json(&format!("train {few} --models 1e2 --out {} --estimate --json", zoo.display()));
    assert!(said["bytes"].as_u64().is_some_and(|bytes| (100_000..1_000_000).contains(&bytes)), "{said}");
    assert!(said["estimated_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{said}");
    assert!(!zoo.exists(), "an estimate wrote a zoo");
    // no disk has room for these, 200 TB
    let many = "--models 1e6 --epochs 400 --set layers=16s2,64s2,flatten,1024,1024";
    fail(&format!("train --dataset glyphs {many} --out {}", at("big")), 1, &["are free"]);
    fail(&format!("train {few} --models 1e-1 --out {}", at("z")), 2, &["--models", "1e4"]);
}

#[test]
fn manners() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    let train = small_zoo(&zoo, 3, 1);
    let told = |arguments: &str| String::from_utf8(run(arguments).stderr).unwrap();
    assert_eq!(told(&format!("{train} --quiet")), "");
    std::fs::remove_file(&zoo).unwrap();
    let lines = told(&format!("{train} --verbose"));
    assert_eq!(lines.lines().filter(|line| line.starts_with("network ")).count(), 3, "{lines}");
    assert!(told("info none --color=always").starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m cannot open none"));
    assert!(told("info none --quiet").starts_with("error: cannot open none"));
    let info = json(&format!("info {} --json", zoo.display()));
    assert!(info["accuracy_quantiles"].is_array());
    for shell in ["bash", "zsh", "fish"] {
        assert!(succeed(&format!("completions {shell}")).contains("reproduce"), "{shell}");
    }
    assert!(succeed("man").contains(".SH NAME"));
    let (folder, _) = scratch("");
    let pages = folder.path().join("man");
    for _ in 0..2 {
        succeed(&format!("man --out {}", pages.display()));
    }
    assert!(Path::new(&pages.join("zoometry-train.1")).exists());
}

#[test]
fn every_verb_takes_zoos_of_other_kinds() {
    let (folder, first) = scratch("a.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (a, b, model, linear) = (first.display(), at("b.safetensors"), at("model"), at("linear"));
    let other = "--set layers=4s2,4s2 --set train_fraction=0.1 --set batch=100";
    succeed(&format!("train --dataset glyphs --models 24 --epochs 1 --seed 5 {other} --out {a}"));
    succeed(&format!("train --dataset glyphs --models 14 --epochs 2 --seed 6 {other} --out {b}"));
    succeed(&format!("fit {a} --param n_estimators=20 --out {model}"));
    succeed(&format!("fit {a} --predictor linear --out {linear}"));
    // the scores of each zoo are those that it has alone
    let both = json(&format!("compare {model} {linear} {a} {b} --json"));
    for (zoo, file) in both["zoos"].as_array().unwrap().iter().zip([a.to_string(), b.clone()]) {
        let alone = json(&format!("compare {model} {linear} {file} --json"));
        assert_eq!((&zoo["file"], &zoo["difference"]), (&file.into(), &alone["difference"]));
    }
    let (csv, shap) = (at("i.csv"), at("s.npy"));
    let both = json(&format!("importance {model} {a} {b} --rounds 2 --out {csv} --shap {shap} --json"));
    let alone = json(&format!("importance {model} {b} --rounds 2 --json"));
    assert_eq!(both["zoos"][1]["columns"], alone["columns"]);
    let table = std::fs::read_to_string(&csv).unwrap();
    let width = alone["columns"].as_array().unwrap().len();
    assert!(table.starts_with("column,permutation,gain,cuts,shap,file\n"), "{table}");
    assert_eq!(table.lines().filter(|line| line.ends_with(&b)).count(), width);
    let networks: usize = both["zoos"].as_array().unwrap().iter().map(|zoo| zoo["n"].as_u64().unwrap() as usize).sum();
    let bytes = std::fs::read(&shap).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains(&format!("({networks}, {width})")));
    // a division of both is one that fit takes, for both or for one
    let parts = at("parts.csv");
    succeed(&format!("split {a} {b} --out {parts}"));
    let table = std::fs::read_to_string(&parts).unwrap();
    assert!(table.starts_with("run,part,digest,file\n") && table.lines().count() == 39, "{table}");
    let divided = json(&format!("fit {a} {b} --split {parts} --json"));
    let by_seed = json(&format!("fit {a} {b} --json"));
    assert_eq!((&divided["n_train"], &divided["r2"]), (&by_seed["n_train"], &by_seed["r2"]));
    // trials are fitted to both
    let found = json(&format!("search {a} {b} --trials 2e0 --param n_estimators=5 --out {} --json", at("best.json")));
    assert_eq!((found["trials"].as_array().unwrap().len(), &found["n_train"]), (2, &by_seed["n_train"]));
    fail(&format!("search {a} --trials 1e9 --out {}", at("x.json")), 2, &["--trials", "1 to 1,000,000"]);
}

#[test]
fn nothing_in_a_part_is_a_failure() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --set train_fraction=0.1", small_zoo(&zoo, 12, 1)));
    let (zoo, model, parts) = (zoo.display(), at("model"), at("parts.csv"));
    succeed(&format!("fit {zoo} --param n_estimators=5 --out {model}"));
    std::fs::write(&parts, "run,part\n1,train\n2,train\n").unwrap();
    fail(&format!("predict {model} {zoo} --part unseen"), 1, &["the part unseen", "test", "train", "only"]);
    for verb in ["features", "split"] {
        fail(
            &format!("{verb} {zoo} --split {parts} --part validation,test"),
            1,
            &["validation or test", "2 train only"],
        );
    }
}

#[test]
fn a_training_keeps_a_log() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let log = folder.path().join("log.csv");
    let train = |models| format!("{} --set train_fraction=0.1 --log {}", small_zoo(&zoo, models, 1), log.display());
    succeed(&train(3));
    succeed(&train(5));
    let text = std::fs::read_to_string(&log).unwrap();
    let mut runs: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert!(text.starts_with("run,test_accuracy,diverged,seconds\n"), "{text}");
    runs.sort_unstable();
    assert_eq!(runs, ["0", "1", "2", "3", "4"]);
    // neither a zoo nor another table is written over
    fail(&train(5).replace("log.csv", "zoo.safetensors"), 2, &["another file than"]);
    std::fs::write(&log, "run,part\n").unwrap();
    fail(&train(6), 1, &["a log", "run,part"]);
    assert_eq!(json(&format!("info {} --json", zoo.display()))["models"], 5);
}

#[test]
fn the_bench_says_what_it_knows() {
    let list = succeed("bench --list pool 'conv/*'".replace('\'', "").as_str());
    assert!(
        list.lines().all(|line| line.contains("pool") || line.starts_with("conv/")) && list.lines().count() > 3,
        "{list}"
    );
    fail("bench pool nothing-of-it", 2, &["nothing-of-it"]);
    let (folder, _) = scratch("");
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("old.json"), succeed("bench pool/forward --seconds 0.5 --json")).unwrap();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(at("old.json")).unwrap()).unwrap();
    let row = &report["rows"][0];
    assert!(row["sample_seconds"].as_array().is_some_and(|all| all.len() == row["samples"].as_u64().unwrap() as usize));
    assert!(row["peak_beside"].as_f64().is_some_and(|peak| peak > 0.0), "{row}");
    // one sample says nothing, however slow it is
    let mut slow = report.clone();
    for row in slow["rows"].as_array_mut().unwrap() {
        row["samples"] = 1.into();
        row["seconds"] = 1e-12.into();
    }
    std::fs::write(at("slow.json"), slow.to_string()).unwrap();
    let changes =
        json(&format!("bench pool/forward --seconds 0.5 --json --fail-slower 10% --compare {}", at("slow.json")));
    assert!(changes["changes"].as_array().unwrap().iter().all(|change| change["verdict"] == "unknown"), "{changes}");
    fail("bench pool --fail-slower 10%", 2, &["--compare"]);
    fail(&format!("bench pool --compare {} --fail-slower ten", at("old.json")), 2, &["10% or 0.1"]);
}
