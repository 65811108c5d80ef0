//! Experiments on whole zoos, through the real binary.

mod common;
use common::{fail, run, scratch, small_zoo, succeed};
use serde_json::Value;
use std::fs;

fn json(arguments: &str) -> Value {
    serde_json::from_str(&succeed(&format!("{arguments} --json"))).expect("JSON on stdout")
}

#[test]
fn a_study_is_continued_where_it_was_cut_off() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --checkpoints 0,1", small_zoo(&zoo, 40, 2)));
    let (zoo, study) = (zoo.display(), at("study"));
    let only = "--only ablation,early";
    let whole = json(&format!("reproduce {zoo} --out {study} {only}"));
    let cells = whole["cells"].as_array().unwrap();
    // single layers, all but one, raw layers; at epochs 0, 1 and 2 both inputs, and what is measured at 0 and 1
    assert_eq!(cells.len(), 1 + 3 * 4 + 2 + 8 + 1 + 3 * 2 + 2);
    assert_eq!(whole["stopping"].as_array().unwrap().len(), 3);
    let csv = fs::read_to_string(at("study/results.csv")).unwrap();
    assert_eq!(csv.lines().count(), cells.len() + 1);

    let journal = at("study/results.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let torn = format!("{}\n{}", lines[..lines.len() - 4].join("\n"), &lines[lines.len() - 4][..50]);
    fs::write(&journal, torn).unwrap();
    json(&format!("reproduce {zoo} --out {study} {only}"));
    let seconds = |text: &str| -> Vec<Value> {
        let mut entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        entries.iter_mut().for_each(|entry| entry["seconds"] = Value::Null);
        entries
    };
    assert_eq!(seconds(&fs::read_to_string(&journal).unwrap()), seconds(&text));

    // another command is named where it finds something, not where all is there already
    succeed(&format!("reproduce {zoo} --out {study} --only early"));
    let continued = |text: &str| text.lines().filter(|line| line.contains("\"kind\":\"continued\"")).count();
    assert_eq!(continued(&fs::read_to_string(&journal).unwrap()), 0);
    let torn = format!("{}\n", lines[..lines.len() - 4].join("\n"));
    fs::write(&journal, torn).unwrap();
    succeed(&format!("reproduce {zoo} --out {study} --only early"));
    assert_eq!(continued(&fs::read_to_string(&journal).unwrap()), 1);
    let page = fs::read_to_string(at("study/report.html")).unwrap();
    assert!(page.contains("--only ablation,early --json</code>") && page.contains("--only early</code>"));

    fail(&format!("reproduce {zoo} --out {study} --protocol optimistic"), 1, &["results.jsonl", "protocol"]);
    fail(&format!("reproduce {zoo} --out {study} --split-seed 3"), 1, &["results.jsonl", "--split-seed"]);
    succeed(&format!("{} --checkpoints 0,1 --set batch=100", small_zoo(at("zoo2.safetensors").as_ref(), 20, 2)));
    fs::rename(at("zoo2.safetensors"), at("zoo.safetensors")).unwrap();
    fail(&format!("reproduce {zoo} --out {study}"), 1, &["zoo zoo", "40 networks", "with batch=100", "another folder"]);
    fs::write(&journal, "nonsense\n").unwrap();
    fail(&format!("reproduce {zoo} --out {study}"), 1, &["results.jsonl", "is not replaced"]);
}

#[test]
fn zoos_are_compared_with_their_likes() {
    let (folder, own) = scratch("own.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (one, other) = (at("one.safetensors"), at("other.safetensors"));
    succeed(&small_zoo(&own, 30, 1));
    succeed(&format!("{} --shared-seed", small_zoo(one.as_ref(), 30, 1)));
    succeed(&format!("{} --set layers=4s2,4s2", small_zoo(other.as_ref(), 20, 1)));
    let own = own.display();
    let cells = |verb: &str, zoos: &str| json(&format!("{verb} {zoos}"))["cells"].as_array().unwrap().clone();

    // two zoos, each scored on both, five inputs, three predictors
    let seeds = cells("seeds", &format!("{own} {one}"));
    assert_eq!(seeds.len(), 2 * 2 * 5 * 3);
    // four inputs, two predictors: from the reference to itself and to the other, and the other alone
    let shapes = cells("architectures", &format!("{own} {other}"));
    assert_eq!(shapes.len(), 4 * 2 * 3);
    assert!(shapes.iter().any(|cell| cell["fitted"] == "own" && cell["tested"] == "other"));
    let curve = cells("learning-curve", &own.to_string());
    assert!(curve.iter().all(|cell| cell["n_train"].as_u64().unwrap() < 30 && cell["draws"] == 1));
    // nothing done is a failure, which says why
    let nothing = |arguments: &str| {
        let said = run(arguments);
        assert_eq!(said.status.code(), Some(1), "{arguments}");
        String::from_utf8(said.stdout).unwrap()
    };
    assert!(nothing(&format!("transfer {own} {other}")).contains("two data sets are needed, here is glyphs"));
    let longer = at("longer.safetensors");
    succeed(&format!("{} --shared-seed", small_zoo(longer.as_ref(), 20, 2)));
    assert!(nothing(&format!("seeds {own} {longer}")).contains("longer and own differ in epochs (2 and 1)"));

    fail("reproduce nowhere.safetensors --out x", 1, &["nowhere.safetensors"]);
    fail(&format!("reproduce {own} --out {} --only tables", at("x")), 2, &["tables", "table"]);
    fail(&format!("reproduce {own} {other} {own} --out {}", at("x")), 2, &["own.safetensors twice"]);
    assert!(!folder.path().join("x").exists(), "a wrong command line leaves nothing");
    fail(&format!("table {own} --protocol honest"), 2, &["honest", "clean"]);
    fail(&format!("reproduce {own} --out {own}"), 1, &["own.safetensors"]);
}

/// An IDX file of bytes.
fn idx(folder: &std::path::Path, name: &str, dims: &[u32], bytes: Vec<u8>) {
    let head = [0, 0, 8, dims.len() as u8].into_iter().chain(dims.iter().flat_map(|n| n.to_be_bytes()));
    fs::write(folder.join(name), head.chain(bytes).collect::<Vec<u8>>()).unwrap();
}

#[test]
fn images_are_made_by_the_zoo_that_is_tested() {
    let (folder, own) = scratch("own.safetensors");
    let other = folder.path().join("other.safetensors");
    // stripes, as many as the class says
    for (part, count) in [("train", 600u32), ("t10k", 200)] {
        let pixel = |n: u32, x: u32| (128.0 + 127.0 * f64::from((n % 10 + 1) * x * 9 / 28 + n * 7 % 5).sin()) as u8;
        let images = (0..count).flat_map(|n| (0..28 * 28).map(move |at| pixel(n, at % 28))).collect();
        idx(folder.path(), &format!("{part}-images-idx3-ubyte"), &[count, 28, 28], images);
        idx(
            folder.path(),
            &format!("{part}-labels-idx1-ubyte"),
            &[count],
            (0..count).map(|n| (n % 10) as u8).collect(),
        );
    }
    succeed(&small_zoo(&own, 40, 1));
    let (stripes, data) = (other.display(), folder.path().display());
    succeed(&format!("train --dataset {data} --models 40 --epochs 1 --set batch=20 --out {stripes}"));
    let out = folder.path().join("study");
    let cells = |only: &str| {
        let command = format!("reproduce {} {stripes} --only {only} --out {}", own.display(), out.display());
        json(&command)["cells"].as_array().unwrap().clone()
    };
    let all = cells("transfer,transductive");
    // to itself and to the other, from each, two predictors
    let anew: Vec<&Value> = all.iter().filter(|cell| cell["experiment"] == "transductive").collect();
    assert_eq!(anew.len(), 2 * 2 * 2);
    for cell in anew.iter().filter(|cell| cell["predictor"] == "gbm") {
        let alike = |other: &&Value| {
            ["fitted", "tested", "input", "predictor"].iter().all(|key| other[*key] == cell[*key])
                && other["experiment"] == "transfer"
        };
        let fixed = all.iter().find(alike).unwrap();
        let itself = cell["fitted"] == cell["tested"];
        assert_eq!(cell["score"] == fixed["score"], itself, "{cell} {fixed}");
    }
}

#[test]
fn scores_that_are_too_good_say_so_everywhere() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&small_zoo(&zoo, 40, 1));
    let (zoo, study) = (zoo.display(), at("study"));
    let command = format!("table {zoo} --protocol optimistic --out {study}");
    assert!(succeed(&command).contains("too good"));
    let found = json(&command);
    assert_eq!((&found["protocol"], &found["coverage"]), (&"optimistic".into(), &Value::Array(Vec::new())));
    assert!(found["cells"].as_array().unwrap().iter().all(|cell| cell["protocol"] == "optimistic"));
    let csv = fs::read_to_string(at("study/results.csv")).unwrap();
    assert!(csv.lines().next().unwrap().ends_with(",protocol"));
    assert!(csv.lines().skip(1).all(|line| line.ends_with(",optimistic")));
    let page = fs::read_to_string(at("study/report.html")).unwrap();
    assert!(page.contains("class=\"warning\"") && !page.contains("never seen") && !page.contains("id=\"intervals\""));
}

#[test]
fn a_published_division_is_taken_for_one_zoo() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --checkpoints 0", small_zoo(&zoo, 30, 1)));
    let (zoo, split) = (zoo.display(), at("split.csv"));
    // 60 rows, of which each second is a last checkpoint
    fs::write(&split, (0..60).map(|i| format!("{}\n", i * 7 % 60)).collect::<String>()).unwrap();
    let found = json(&format!("ablation {zoo} --split {split} --out {}", at("study")));
    for cell in found["cells"].as_array().unwrap() {
        assert_eq!((cell["n_train"].as_u64(), cell["score"]["n"].as_u64()), (Some(12), Some(15)));
    }
    fail(&format!("ablation {zoo} --out {}", at("study")), 1, &["--split", "a file of digest"]);
    fs::copy(zoo.to_string(), at("other.safetensors")).unwrap();
    fail(&format!("ablation {zoo} {} --split {split}", at("other.safetensors")), 2, &["--split", "one zoo"]);
    fail(&format!("ablation {zoo} --split {zoo}"), 1, &["zoo.safetensors"]);
}
