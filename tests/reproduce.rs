//! Experiments on whole zoos, through the real binary.

mod common;
use common::{fail, scratch, small_zoo, succeed};
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
    succeed(&format!("reproduce {zoo} --out {study} {only}"));
    let seconds = |text: &str| -> Vec<Value> {
        let mut entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        entries.iter_mut().for_each(|entry| entry["seconds"] = Value::Null);
        entries
    };
    assert_eq!(seconds(&fs::read_to_string(&journal).unwrap()), seconds(&text));

    fail(&format!("reproduce {zoo} --out {study} --protocol optimistic"), 1, &["results.jsonl", "protocol"]);
    fail(&format!("reproduce {zoo} --out {study} --split-seed 3"), 1, &["results.jsonl", "--split-seed"]);
    fs::write(&journal, "nonsense\n").unwrap();
    fail(&format!("reproduce {zoo} --out {study}"), 1, &["results.jsonl", "line 1"]);
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
    // three inputs, two predictors: from the reference to itself and to the other, and the other alone
    let shapes = cells("architectures", &format!("{own} {other}"));
    assert_eq!(shapes.len(), 3 * 2 * 3);
    assert!(shapes.iter().any(|cell| cell["fitted"] == "own" && cell["tested"] == "other"));
    let curve = cells("learning-curve", &own.to_string());
    assert!(curve.iter().all(|cell| cell["n_train"].as_u64().unwrap() < 30 && cell["draws"] == 1));
    assert!(succeed(&format!("transfer {own} {other}")).contains("nothing to compare"));

    fail("reproduce nowhere.safetensors --out x", 1, &["nowhere.safetensors"]);
    fail(&format!("reproduce {own} --out {} --only tables", at("x")), 2, &["tables", "table"]);
    fail(&format!("table {own} --protocol honest"), 2, &["honest", "clean"]);
    fail(&format!("reproduce {own} --out {own}"), 1, &["own.safetensors"]);
}
