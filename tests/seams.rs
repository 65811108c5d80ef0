//! Where a stranger stumbled: what is said of a wrong word, and what is done with a file that somebody else wrote.

mod common;
use common::{fail, run, scratch, small_zoo, succeed};
use std::fs;

#[test]
fn a_name_says_what_is_in_the_file() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    fail(&small_zoo(&folder.path().join("zoo.csv"), 12, 1), 2, &["invalid output", "a zoo, .safetensors", "zoo.csv"]);
    succeed(&small_zoo(&zoo, 12, 1));
    let (zoo, model) = (zoo.display(), at("model"));
    succeed(&format!("fit {zoo} --param lr=0.1 --param objective=regression --param n_estimators=5 -o {model}"));
    fail(&format!("report {zoo} --out {}", at("page.csv")), 2, &["a page, .html"]);
    fail(&format!("importance {model} {zoo} --shap {}", at("shap.csv")), 2, &["an array, .npy"]);
    fail(&format!("features {zoo} --out {}", at("none.json")), 2, &["unknown kind of table"]);
    // what is there stays there
    assert!(["zoo.csv", "page.csv", "shap.csv", "none.json"].iter().all(|name| !folder.path().join(name).exists()));
    fail(&format!("predict {model} {model}"), 1, &["is a fitted predictor, not a zoo"]);
    for verb in ["predict", "evaluate", "importance"] {
        fail(&format!("{verb} - {zoo}"), 1, &["- is a stream"]);
    }
    for words in ["--config -", "--split -"] {
        fail(&format!("fit {zoo} {words}"), 1, &["- is a stream"]);
    }
    fail(&format!("fit {zoo} --config {zoo}"), 1, &["zoo.safetensors is"]);
    fs::write(at("words.json"), "run,part\n").unwrap();
    fail(&format!("fit {zoo} --config {}", at("words.json")), 1, &["that begins with \"run,part", "not a JSON object"]);
    fail(&format!("man --out {}", at("words.json")), 1, &["words.json is not replaced"]);
    fail(&format!("report {}", folder.path().display()), 1, &["is a folder, not that of a study"]);
}

#[test]
fn wrong_words_are_answered_in_plain_ones() {
    let (_folder, zoo) = scratch("zoo.safetensors");
    let train = small_zoo(&zoo, 12, 1);
    fail(&format!("{train} --barriers subgroup"), 2, &["--barriers", "--device gpu"]);
    succeed(&train);
    let zoo = zoo.display();
    fail(&format!("fit {zoo} --epoch -1"), 2, &["--epoch", "expected a whole number"]);
    fail(&format!("fit {zoo} --split-seed x"), 2, &["--split-seed", "expected a whole number"]);
    fail(&format!("fit {zoo} --param objective=huber"), 2, &["objective", "regression", "huber"]);
    assert!(!succeed("bench pool/forward --seconds 0.05").contains("\\n"), "a line's end as two letters");
    fail("bench --seconds -1", 2, &["--seconds", "a positive number"]);
    fail(&format!("early {zoo}"), 1, &[]);
    let said = run(&format!("early {zoo}"));
    assert!(String::from_utf8_lossy(&said.stdout).contains("left out: early"), "{said:?}");
}

#[test]
fn one_bad_file_hides_no_good_one() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 12, 1));
    let (zoo, copy) = (zoo.display().to_string(), at("copy.safetensors"));
    fs::copy(&zoo, &copy).unwrap();
    fs::write(at("words"), "words").unwrap();
    let said = run(&format!("info {zoo} {}", at("words")));
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stdout).contains("test accuracy"), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("begins with \"words\""), "{said:?}");
    // copies are no zoo together, but each is one
    assert_eq!(succeed(&format!("info {zoo} {copy}")).matches("data set").count(), 2);
    let networks = at("networks");
    succeed(&format!("export {zoo} --torch --out {networks}"));
    assert!(succeed(&format!("info {networks}")).contains("12 networks for PyTorch"));
    let exported = at("folder");
    succeed(&format!("export {zoo} --out {exported}"));
    fail(&format!("import {exported} --out {} --image 99x99", at("i")), 2, &["--image", "28x28", "99x99"]);
    fail(&format!("import {exported} --out {} --layers 8s2", at("i")), 2, &["--layers", "16s2", "8s2"]);
    succeed(&format!("import {exported} --out {} --image 28x28", at("i")));
    assert!(fs::read(at("i")).unwrap() == fs::read(&zoo).unwrap());
}

#[test]
fn tables_of_others_are_taken_for_what_they_are() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 24, 1));
    let (zoo, model) = (zoo.display(), at("model"));
    succeed(&format!("fit {zoo} --param n_estimators=20 --out {model}"));
    let (table, indexed) = (at("t.csv"), at("i.csv"));
    succeed(&format!("features {zoo} --out {table}"));
    // as pandas writes it: an index without a name
    let text = fs::read_to_string(&table).unwrap();
    let line = |(number, line): (usize, &str)| {
        format!("{},{line}\n", number.checked_sub(1).map_or(String::new(), |n| n.to_string()))
    };
    fs::write(&indexed, text.lines().enumerate().map(line).collect::<String>()).unwrap();
    // a predictor tells the rows of a table what it tells the networks
    let of = |words: &str| -> Vec<String> {
        let text = succeed(words);
        text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned()).collect()
    };
    let told = of(&format!("predict {model} {zoo}"));
    assert!(told.len() == 24 && told.iter().any(|number| *number != told[0]), "{told:?}");
    assert_eq!(told, of(&format!("predict {model} {table}")));
    assert_eq!(told, of(&format!("predict {model} {indexed}")));
    fail(&format!("predict {model} {}", folder.path().display()), 1, &[]);
    succeed(&format!("features {zoo} --input weights.0 --out {}", at("w.csv")));
    fail(&format!("predict {model} {}", at("w.csv")), 1, &["input of the predictor is 160 columns", "not 56 columns"]);
    // rows of the fit are in no score
    fail(&format!("fit --x {table} --x-test {table}"), 1, &["cannot be used for this", "does not have"]);
    let rows: Vec<&str> = text.lines().collect();
    fs::write(at("some.csv"), rows[..19].join("\n")).unwrap();
    let said = run(&format!("fit --x {} --x-test {table} --param min_data_in_leaf=1", at("some.csv")));
    assert!(String::from_utf8_lossy(&said.stderr).contains("18 rows of"), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stdout).contains("18 train, 0 validation and 6 test"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn a_name_begins_no_line() {
    let (folder, zoo) = scratch("zoo.safetensors");
    succeed(&small_zoo(&zoo, 12, 1));
    let forged = folder.path().join("zoo\n  scores        R² 1.0");
    fs::rename(&zoo, &forged).unwrap();
    let info = std::process::Command::new(env!("CARGO_BIN_EXE_zoometry")).arg("info").arg(&forged).output().unwrap();
    let said = String::from_utf8(info.stdout).unwrap();
    assert!(info.status.success() && said.lines().next().unwrap().ends_with("zoo\\n  scores        R² 1.0"), "{said}");
    fs::write(&forged, "words").unwrap();
    let info = std::process::Command::new(env!("CARGO_BIN_EXE_zoometry")).arg("info").arg(&forged).output().unwrap();
    assert_eq!(String::from_utf8(info.stderr).unwrap().lines().count(), 1);
}
