//! Other people's divisions of the released zoos.

use super::*;
use zoometry::out::{FileKind, OutPath};

#[test]
fn published_divisions_are_followed() {
    let (folder, zoo) = scratch("zoo.safetensors");
    let at = |name: &str| folder.path().join(name).display().to_string();
    succeed(&format!("{} --checkpoints 0,1 --set train_fraction=0.1", small_zoo(&zoo, 30, 2)));
    let (zoo, export, last) = (zoo.display().to_string(), at("export"), at("last.safetensors"));
    succeed(&format!("export {zoo} {export}"));
    succeed(&format!("import {export} --final-only --out {last}"));
    let order: Vec<String> = (0..90).map(|row| (row * 7 % 90).to_string()).collect();
    let split = at("split.csv");
    std::fs::write(&split, format!("0\n{}\n", order.join("\n"))).unwrap();
    let model = at("model.safetensors");
    let json = |arguments: &str| serde_json::from_str::<serde_json::Value>(&succeed(arguments)).unwrap();
    let fit = json(&format!("fit {zoo} --split {split} --param n_estimators=20 --out {model} --json"));
    assert_eq!((&fit["n_train"], &fit["n_val"], &fit["n_test"]), (&12.into(), &3.into(), &15.into()), "{fit}");
    let evaluate = json(&format!("evaluate {model} {zoo} --split {split} --json"));
    assert_eq!((&evaluate["mse"], &evaluate["n"]), (&fit["mse"], &15.into()));
    // without the file the fit's networks are known by their weights, with another those of its test part that are the fit's
    let without = json(&format!("evaluate {model} {zoo} --json"));
    assert_eq!((&without["mse"], &without["n"], &without["left_out"]), (&fit["mse"], &15.into(), &15.into()));
    std::fs::write(at("other.csv"), (0..90).map(|row| format!("{row}\n")).collect::<String>()).unwrap();
    let other = json(&format!("evaluate {model} {zoo} --split {} --json", at("other.csv")));
    assert!((1..15).contains(&other["n"].as_u64().unwrap()), "{other}");
    // a file without digests, as older versions wrote it, is asked for the division of its fit
    let old = at("old.safetensors");
    let mut predictor = zoometry::predictor::Predictor::load(Path::new(&model)).unwrap();
    predictor.provenance = None;
    predictor.save(&OutPath::new(&old, FileKind::Predictor).unwrap()).unwrap();
    fail(&format!("evaluate {old} {zoo}"), 2, &["--split", "the file of the fit"]);
    fail(&format!("evaluate {old} {zoo} --split {}", at("other.csv")), 2, &["--split", "other.csv"]);
    assert_eq!(json(&format!("evaluate {old} {zoo} --split {split} --json"))["mse"], fit["mse"]);
    fail(&format!("fit {zoo} --split {split} --split-seed 1"), 2, &["--split-seed"]);
    std::fs::write(at("other.csv"), "0\n1\n").unwrap();
    fail(&format!("fit {zoo} --split {}", at("other.csv")), 1, &["other.csv", "90", "another data set"]);
    fail(&format!("fit {zoo} --split {}", at("none.csv")), 1, &["none.csv"]);
}

#[test]
fn a_division_counts_the_rows_of_the_folder_it_came_from() {
    let mut folder = Folder::new(40);
    folder.remove(6);
    let (full, last) = (folder.at("full.safetensors"), folder.at("last.safetensors"));
    let import = folder.write();
    succeed(&format!("{import} --out {}", full.display()));
    succeed(&format!("{import} --final-only --out {}", last.display()));
    let sources = [&full, &last].map(|path| zoo::Source::of(&Zoo::open(path).unwrap()).unwrap());
    assert_eq!(sources[0], sources[1]);
    assert_eq!((sources[0].rows, &sources[0].finals[..3]), (239, &[Some(5), Some(10), Some(16)][..]));
    let split = folder.at("split.csv");
    let order: String = (0..239).map(|row| format!("{}\n", row * 100 % 239)).collect();
    std::fs::write(&split, format!("0\n{order}")).unwrap();
    let model = folder.at("model.safetensors");
    let fitted = succeed(&format!(
        "fit {} --split {} --param n_estimators=5 --out {}",
        last.display(),
        split.display(),
        model.display()
    ));
    assert!(fitted.contains("16 train, 4 validation and 20 test networks"), "{fitted}");
    // the full zoo holds the same networks
    let text = succeed(&format!("evaluate {} {} --split {}", model.display(), full.display(), split.display()));
    assert!(text.contains("20 networks, the test part of the zoo it was fitted to"), "{text}");
}
