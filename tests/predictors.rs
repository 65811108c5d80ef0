//! Searches, configurations, intervals and importance through the real binary.

mod common;
use common::{fail, scratch, small_zoo, succeed};
use serde_json::Value;
use std::path::Path;
use zoometry::out::{FileKind, OutPath};

/// A zoo of 60 networks that take a moment.
fn zoo(path: &Path) {
    succeed(&format!("{} --checkpoints 0 --set train_fraction=0.1 --set batch=16", small_zoo(path, 60, 1)));
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&succeed(&format!("{arguments} --json"))).unwrap()
}

#[test]
fn a_search_finds_what_fit_takes() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, best, model) = (path.display(), at("best.json"), at("model"));
    let search = format!("search {zoo} --input wstats-pooled --param n_estimators=40 --out {best}");
    let first = json(&format!("{search} --trials 3"));
    let long = json(&format!("{search} --trials 6 --threads 1"));
    let numbers = |found: &Value| {
        let mut numbers: Vec<u64> =
            found["trials"].as_array().unwrap().iter().map(|trial| trial["number"].as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!((numbers(&first), numbers(&long)), (vec![0, 1, 2], vec![0, 1, 2, 3, 4, 5]));
    assert!(long["validation"]["mse"].as_f64() <= first["validation"]["mse"].as_f64());
    let of = |found: &Value, number: u64| {
        found["trials"].as_array().unwrap().iter().find(|trial| trial["number"] == number).unwrap()["score"].clone()
    };
    assert!((0..3).all(|number| of(&first, number) == of(&long, number)), "other trials the second time");

    // the same command again, after a last line that was cut short
    let journal = at("best.trials.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &whole[..whole.len() - 9]).unwrap();
    let again = json(&format!("{search} --trials 6"));
    assert_eq!((&again["trial"], &again["r2"]), (&long["trial"], &long["r2"]));
    assert!(succeed(&format!("{search} --trials 6")).contains("6 trials"));
    fail(&format!("{search} --trials 6 --seed 1"), 1, &["best.trials.jsonl does not match: --seed is 0", "not 1"]);
    let other = search.replace("pooled", "glob");
    fail(&format!("{other} --trials 6"), 1, &["input is wstats-pooled, not wstats-glob"]);
    fail(&format!("{search} --trials 6 --split-seed 3"), 1, &["--split-seed is 0"]);

    let fit = json(&format!("fit {zoo} --config {best} --out {model}"));
    assert_eq!((&fit["r2"], &fit["n_test"]), (&long["r2"], &long["n_test"]));
    assert_eq!(json(&format!("evaluate {model} {zoo}"))["r2"], fit["r2"], "the input came from the configuration");
    let other = json(&format!("fit {zoo} --config {best} --input wstats --param num_leaves=2 --predictor gbm"));
    assert_ne!(other["r2"], fit["r2"]);
    fail(&format!("fit {zoo} --config {best} --predictor mlp"), 2, &["--predictor", "gbm"]);
    fail(&format!("fit {zoo} --config {best} --out {best}"), 2, &["output", "input"]);
    fail(&format!("fit {zoo} --config {}", at("none.json")), 1, &["none.json"]);
    fail(&format!("fit {zoo} --config {zoo}"), 1, &["is a safetensors file, not a JSON object"]);
    let text = std::fs::read_to_string(&best).unwrap();
    std::fs::write(&best, text.replace("wstats-pooled", "wstat")).unwrap();
    fail(&format!("fit {zoo} --config {best}"), 2, &["did you mean \"wstats\"?"]);
    std::fs::write(&best, text.replace("num_leaves", "num_leafs")).unwrap();
    fail(&format!("fit {zoo} --config {best}"), 1, &["best.json", "did you mean \"num_leaves\"?"]);
}

#[test]
fn what_a_configuration_lacks_has_its_default() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, config) = (path.display(), at("config.json"));
    let write = |text: &str| std::fs::write(&config, text).unwrap();
    write("{}");
    assert_eq!(json(&format!("fit {zoo} --config {config}"))["r2"], json(&format!("fit {zoo}"))["r2"]);
    write(r#"{"params": {"units": 5, "epochs": 3}}"#);
    assert!(succeed(&format!("fit {zoo} --config {config} --predictor mlp")).contains("perceptron"));
    fail(&format!("fit {zoo} --config {config}"), 1, &["config.json", "epochs"]);
    fail(&format!("fit {zoo} --config {config} --predictor mpl"), 2, &["known: gbm"]);
    write(r#"{"predictor": "mlp", "params": {"layers": 0}}"#);
    fail(&format!("fit {zoo} --config {config}"), 1, &["config.json", "layers", "at least 1"]);
    fail(&format!("fit {zoo} --predictor linear --param layers=3"), 2, &["layers", "linear", "mlp has hidden layers"]);
}

#[test]
fn trials_that_are_not_shown_are_somewhere() {
    let (folder, path) = scratch("zoo.safetensors");
    zoo(&path);
    let best = folder.path().join("best.json");
    let search = format!("search {} --predictor linear --param epochs=2 --out {}", path.display(), best.display());
    let text = succeed(&format!("{search} --trials 12"));
    assert!(text.contains("the other 2 are in") && text.contains("best.trials.jsonl"), "{text}");
}

#[test]
fn wrong_searches_are_refused() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, best) = (path.display(), at("best.json"));
    fail(&format!("search {zoo} --out {best}"), 2, &["--trials"]);
    fail(&format!("search {zoo} --trials 0 --out {best}"), 2, &["--trials"]);
    fail(&format!("search {zoo} --trials 2"), 2, &["--out"]);
    fail(&format!("search --trials 2 --out {best}"), 2, &["ZOO"]);
    fail(&format!("search {zoo} --trials 2 --out {zoo}"), 2, &["output", "input"]);
    fail(&format!("search {zoo} --trials 2 --out {best} --predictor gmb"), 2, &["known: gbm"]);
    fail(&format!("search {zoo} --trials 2 --out {best} --param unit=3"), 2, &["unknown parameter"]);
    fail(&format!("search {zoo} --trials 2 --out {best} --input wstat"), 2, &["did you mean \"wstats\"?"]);
    fail(&format!("search {zoo} --trials 2 --out {}", at("none/best.json")), 1, &["no such folder"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a refused search left files");
    std::fs::write(at("best.trials.jsonl"), "mine").unwrap();
    fail(&format!("search {zoo} --trials 2 --out {best}"), 1, &["best.trials.jsonl", "is not replaced"]);
    assert_eq!(std::fs::read_to_string(at("best.trials.jsonl")).unwrap(), "mine");
    let tables = succeed(&format!("search {zoo} --predictor linear --param epochs=5 --trials 2 --out {}", at("b")));
    assert!(tables.contains("epochs") && tables.contains("the best is trial"), "{tables}");
}

#[cfg(unix)]
#[test]
fn a_search_that_is_stopped_goes_on() {
    let (folder, path) = scratch("zoo.safetensors");
    zoo(&path);
    let best = folder.path().join("best.json");
    let journal = folder.path().join("best.trials.jsonl");
    let search = format!("search {} --out {}", path.display(), best.display());
    let mut child = common::zoometry()
        .args(format!("{search} --trials 100000").split(' '))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while std::fs::read_to_string(&journal).unwrap_or_default().lines().count() < 4 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    fail(&format!("{search} --trials 3"), 1, &["best.trials.jsonl", "another process"]);
    common::interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!best.exists());
    let found = json(&format!("{search} --trials 3"));
    assert_eq!(found["trials"].as_array().unwrap().len(), 3);
}

#[test]
fn intervals_need_errors_enough() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, model) = (path.display(), at("model"));
    let fit = json(&format!("fit {zoo} --out {model} --param n_estimators=30"));
    let count = fit["n_val"].as_u64().unwrap();
    assert!((2..9).contains(&count) && fit["interval_coverage"].is_null() && fit["interval_level"] == 0.9, "{fit}");
    let csv = succeed(&format!("predict {model} {zoo} --interval 0.5"));
    assert!(csv.starts_with("run,epoch,predicted,measured,low,high,outside,farther_than,part\n"), "{csv}");
    for line in csv.lines().skip(1) {
        let cells: Vec<f64> = line.split(',').take(6).map(|cell| cell.parse().unwrap()).collect();
        let [_, _, predicted, _, low, high] = cells[..] else { panic!("{line}") };
        assert!(0.0 <= low && low <= predicted && predicted <= high && high <= 1.0, "{line}");
    }
    let predicted = json(&format!("predict {model} {zoo} --interval 0.5"));
    assert!(predicted["interval_level"] == 0.5 && predicted["networks"][0]["high"].is_number());
    assert!(json(&format!("predict {model} {zoo}"))["networks"][0].get("high").is_none());
    let too_few = format!("has {count} validation errors, 0.9 needs 9");
    fail(&format!("predict {model} {zoo} --interval 0.9"), 2, &["--interval", &too_few]);
    for level in ["0", "1", "-0.5", "90", "nan", "inf"] {
        fail(&format!("predict {model} {zoo} --interval {level}"), 2, &["--interval", "below 1"]);
    }
    fail(&format!("predict {model} {zoo} --interval most"), 2, &["--interval"]);
    // as old files are: without the tensor
    let mut predictor = zoometry::predictor::Predictor::load(Path::new(&model)).unwrap();
    predictor.residuals.clear();
    predictor.save(&OutPath::new(&model, FileKind::Predictor).unwrap()).unwrap();
    succeed(&format!("evaluate {model} {zoo}"));
    fail(&format!("predict {model} {zoo} --interval 0.5"), 1, &["model", "validation part"]);
}

#[test]
fn predictors_are_made_of_predictors_and_compared() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, plain, bag, again) = (path.display(), at("plain"), at("bag"), at("again"));
    let quick = "--param gbm.n_estimators=30 --param gp.steps=5";
    let fit = json(&format!("fit {zoo} --param n_estimators=30 --out {plain}"));
    let bagged = json(&format!("fit {zoo} --predictor mean(gbm,gp) --folds 3 {quick} --out {bag}"));
    json(&format!("fit {zoo} --predictor bag(mean(gbm,gp)) --param folds=3 {quick} --out {again}"));
    assert_eq!(std::fs::read(&bag).unwrap(), std::fs::read(&again).unwrap());
    // the errors of all folds: of the train and of the validation networks
    assert!(fit["interval_reach"].is_null() && bagged["interval_reach"].is_number(), "{bagged}");
    let evaluated = json(&format!("evaluate {bag} {zoo}"));
    assert_eq!((&evaluated["r2"], &evaluated["r2_interval"]), (&bagged["r2"], &bagged["r2_interval"]));
    assert!(succeed(&format!("evaluate {bag} {zoo}")).contains("networks tested, which are few]"));
    assert!(
        succeed(&format!("predict {bag} {zoo} --interval 0.9")).starts_with("run,epoch,predicted,measured,low,high,")
    );

    let compared = json(&format!("compare {plain} {bag} {zoo}"));
    let difference = bagged["tau"].as_f64().unwrap() - fit["tau"].as_f64().unwrap();
    assert!((compared["difference"]["tau"]["value"].as_f64().unwrap() - difference).abs() < 1e-12, "{compared}");
    assert_eq!((&compared["n"], &compared["a"]["r2"]["value"]), (&fit["n_test"], &fit["r2"]));
    let same = json(&format!("compare {plain} {plain} {zoo}"));
    assert_eq!(same["difference"]["r2"]["interval"], serde_json::json!([0.0, 0.0]));

    let refit = json(&format!("fit {zoo} --param n_estimators=30 --refit --out {again}"));
    assert_ne!(refit["r2"], fit["r2"]);
    let rounds = |path: &str| zoometry::predictor::Predictor::load(Path::new(path)).unwrap().model.rounds();
    assert_eq!(rounds(&again), rounds(&plain), "as many trees as the first fit");
    fail(&format!("fit {zoo} --folds 3 --refit"), 2, &["--folds", "--refit"]);
    fail(&format!("fit {zoo} --folds 1000"), 2, &["--folds", "a network for each of the folds"]);
    fail(&format!("fit {zoo} --predictor mean(gbm,gmb)"), 2, &["gmb", "known: gbm"]);
    fail(&format!("fit {zoo} --predictor mean(gbm,gp) --param num_leaves=3"), 2, &["num_leaves", "gbm.num_leaves"]);
}

#[test]
fn other_targets_are_predicted_and_classes_scored_as_such() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, gap, class) = (path.display(), at("gap"), at("class"));
    json(&format!("fit {zoo} --target gap --param n_estimators=30 --out {gap}"));
    let networks = json(&format!("predict {gap} {zoo}"));
    let accuracy = json(&format!("fit {zoo} --target test_loss --param n_estimators=30"));
    assert!(accuracy["r2"].is_number() && networks["networks"][0]["measured"].as_f64().unwrap().abs() < 0.5);

    let fit = json(&format!("fit {zoo} --target activation --param n_estimators=30 --out {class}"));
    assert!(fit["accuracy"].as_f64() >= fit["majority"].as_f64() && fit.get("r2").is_none(), "{fit}");
    let evaluated = json(&format!("evaluate {class} {zoo}"));
    assert_eq!((&evaluated["accuracy"], &evaluated["log_loss"]), (&fit["accuracy"], &fit["log_loss"]));
    let csv = succeed(&format!("predict {class} {zoo}"));
    assert!(csv.starts_with("run,epoch,predicted,measured,probability,outside,farther_than,part\n"), "{csv}");
    assert!(csv.lines().skip(1).all(|line| line.contains("relu,") || line.contains("tanh,")), "{csv}");
    let compared = json(&format!("compare {class} {class} {zoo}"));
    assert_eq!(compared["difference"]["log_loss"]["value"], 0.0);
    fail(&format!("compare {class} {gap} {zoo}"), 2, &["same target", "activation and gap"]);
    fail(&format!("fit {zoo} --target activation --predictor mlp"), 2, &["tell classes apart", "mlp"]);
    fail(&format!("fit {zoo} --target acitvation"), 2, &["did you mean \"activation\""]);
    fail(&format!("predict {class} {zoo} --interval 0.5"), 2, &["--interval", "probabilities"]);
    let matters = json(&format!("importance {class} {zoo} --rounds 3"));
    assert_eq!(matters["accuracy"], fit["accuracy"]);
    let falls = matters["columns"].as_array().unwrap();
    assert!(
        falls.iter().all(|column| column["permutation"].as_f64().unwrap().abs() <= 1.0 && column.get("gain").is_none())
    );
    fail(&format!("importance {class} {zoo} --shap {}", at("s.npy")), 2, &["--shap", "one of names"]);
    let search = format!("search {zoo} --trials 1e0 --param n_estimators=5 --out {}", at("best.json"));
    assert!(json(&format!("{search} --target gap"))["r2"].is_number());
    fail(&search, 1, &["does not match"]);
    fail(&format!("{search}x --target activation"), 2, &["squared error", "activation"]);
}

/// Stops a run that would take hours.
#[cfg(target_os = "linux")]
#[test]
fn importance_can_be_stopped() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (model, out) = (at("model"), at("i.csv"));
    succeed(&format!("fit {} --input weights --predictor linear --param epochs=2 --out {model}", path.display()));
    let mut child = common::zoometry()
        .args(format!("importance {model} {} --rounds 65535 --threads 1 --out {out}", path.display()).split(' '))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // handlers are there before threads for the work are
    while std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    common::interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!Path::new(&out).exists());
}

#[test]
fn importance_says_what_matters() {
    let (folder, path) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    zoo(&path);
    let (zoo, model, csv, shap) = (path.display(), at("model"), at("i.csv"), at("s.npy"));
    let fit = json(&format!("fit {zoo} --out {model} --param n_estimators=30"));
    let text = succeed(&format!("importance {model} {zoo} --out {csv} --rounds 2"));
    assert!(text.contains("add up to the predictions") && text.contains("permutation"), "{text}");
    let lines = std::fs::read_to_string(&csv).unwrap();
    assert!(lines.starts_with("column,permutation,gain,cuts,shap\n") && lines.lines().count() == 57, "{lines}");
    let found = json(&format!("importance {model} {zoo} --shap {shap}"));
    assert!(found["additivity"].as_f64().unwrap() < 1e-6 && found["n"] == fit["n_test"], "{found}");
    assert_eq!(
        (&found["r2"], found["runs"].as_array().unwrap().len() as u64),
        (&fit["r2"], fit["n_test"].as_u64().unwrap())
    );
    let total: f64 = found["columns"].as_array().unwrap().iter().map(|column| column["gain"].as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-9 && Path::new(&at("s.columns.json")).exists());
    fail(&format!("importance {model} {zoo} --out {zoo}"), 2, &["output", "input"]);
    fail(&format!("importance {model} {zoo} --rounds 0"), 2, &["--rounds"]);
    fail(&format!("importance {zoo} {zoo}"), 1, &["a fitted predictor"]);

    succeed(&format!("fit {zoo} --predictor linear --param epochs=5 --out {model}"));
    let text = succeed(&format!("importance {model} {zoo} --out {csv}"));
    assert!(text.contains("gbm only"), "{text}");
    assert!(std::fs::read_to_string(&csv).unwrap().starts_with("column,permutation\n"));
    fail(&format!("importance {model} {zoo} --shap {shap}"), 2, &["--shap", "gbm", "linear"]);
}
