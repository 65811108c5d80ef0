//! Searches that are stopped, continued, extended and mistaken for others.

use super::*;
use crate::out::{FileKind, Guard, OutPath};
use crate::par::{Stop, with_threads};
use crate::predictor::{Config, names};
use std::fs;
use std::path::Path;

fn table(rows: usize, seed: u64) -> Table {
    let mut stream = Stream::new(seed, 0, 0);
    let x: Vec<f32> = (0..rows * 3).map(|_| stream.uniform() as f32).collect();
    let y = x.chunks(3).map(|row| 0.5 * row[0] + 0.4 * f32::from(u8::from(row[1] > 0.5)));
    Table {
        columns: vec!["a".into(), "b".into(), "c".into()],
        y: y.collect(),
        group: (0..rows as u64).collect(),
        x,
        ..Table::default()
    }
}

#[test]
fn every_trial_is_allowed_and_depends_on_its_number_alone() {
    for kind in names() {
        assert_eq!(draw(kind, 3, 0, 100, 5).unwrap(), Options::networks(kind).unwrap());
        let trials: Vec<Options> = (0..300).map(|trial| draw(kind, 3, trial, 100, 5).unwrap()).collect();
        for (trial, options) in (0..).zip(&trials) {
            assert_eq!(options.kind().name, kind);
            assert_eq!(*options, draw(kind, 3, trial, 100, 5).unwrap());
            // a configuration is refused where an option is out of its range
            assert_eq!(*options, Options::try_from(Config::new(options, None)).unwrap());
        }
        assert!(trials.windows(2).all(|pair| pair[0] != pair[1]));
        assert_ne!(trials[1], draw(kind, 4, 1, 100, 5).unwrap());
    }
    assert!(draw("gmb", 0, 1, 100, 5).is_err());
}

fn out(path: &Path) -> Result<OutPath> {
    Guard::default().continued(path, FileKind::Trials)
}

/// Runs a search with a journal; the trials without their seconds.
fn run(search: &Search, journal: &Path, threads: usize) -> Result<Vec<Trial>> {
    let about = [("input".to_owned(), "wstats".to_owned())];
    let (journal, done) = Journal::open(&out(journal)?, &about, search)?;
    let finished = |trial: &Trial| journal.append(trial);
    let trials = with_threads(threads, || search.run(&Context::default(), done, &finished))?;
    Ok(trials.into_iter().map(|trial| Trial { seconds: 0.0, ..trial }).collect())
}

/// The numbers of the trials in a journal.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["number"].as_u64().unwrap();
    text.lines().skip(1).map(number).collect()
}

#[test]
fn a_search_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials");
    let fixed = ["n_estimators=20".to_owned()];
    let (train, validation) = (table(80, 1), table(30, 2));
    let short = Search { kind: "gbm", fixed: &fixed, seed: 7, trials: 4, train: &train, validation: &validation };
    let long = Search { trials: 9, ..short };
    let whole = run(&long, &folder.path().join("whole"), 1).unwrap();
    assert!(whole.windows(2).all(|pair| pair[0].score.mse <= pair[1].score.mse) && whole.len() == 9);
    let mut first: Vec<Trial> = whole.iter().filter(|trial| trial.number < 4).cloned().collect();
    assert_eq!(run(&short, &path, 2).unwrap(), first);

    // cut in the middle of the last line, and in the middle of the first
    let mut written = fs::read(&path).unwrap();
    written.truncate(written.len() - 20);
    fs::write(&path, &written).unwrap();
    assert_eq!(run(&long, &path, 3).unwrap(), whole);
    let mut found = numbers(&path);
    found.sort_unstable();
    assert_eq!(found, (0..9).collect::<Vec<_>>());
    let before = fs::read(&path).unwrap();
    assert_eq!(run(&short, &path, 1).unwrap(), first, "a shorter search after a longer one");
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, &before[..30]).unwrap();
    first.sort_by_key(|trial| trial.number);
    let mut again = run(&short, &path, 1).unwrap();
    again.sort_by_key(|trial| trial.number);
    assert_eq!(again, first);
}

#[test]
fn another_search_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials");
    let (train, validation, other) = (table(40, 1), table(20, 2), table(20, 3));
    let fixed = ["epochs=2".to_owned()];
    let search = Search { kind: "linear", fixed: &fixed, seed: 0, trials: 2, train: &train, validation: &validation };
    run(&search, &path, 1).unwrap();
    for (another, says) in [
        (Search { kind: "mlp", ..search }, "predictor is linear, not mlp"),
        (Search { seed: 1, ..search }, "seed is 0"),
        (Search { fixed: &[], ..search }, "params is epochs=2, not none"),
        (Search { train: &validation, ..search }, "fitting and choosing is 40 + 20, not 20 + 20"),
        (Search { validation: &other, ..search }, "digest"),
    ] {
        let error = run(&another, &path, 1).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains(says), "{error}");
    }
    let whole = fs::read_to_string(&path).unwrap();
    let broken = whole.replacen("\"options\"", "\"option\"", 1);
    for text in ["{}\n", "not a journal", "run,epoch\n", &whole.replace("search 1", "search 2"), &broken] {
        fs::write(&path, text).unwrap();
        assert!(matches!(run(&search, &path, 1), Err(Error::Malformed { .. } | Error::Occupied { .. })), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a file that is none of ours was changed");
    }
    let rate = whole.lines().nth(1).unwrap().split("\"learning_rate\":").nth(1).unwrap().split(',').next().unwrap();
    fs::write(&path, whole.replacen(rate, "0.5", 1)).unwrap();
    let error = run(&search, &path, 1).unwrap_err().to_string();
    assert!(error.contains("options of trial"), "{error}");
}

#[test]
fn a_request_to_stop_ends_a_search_and_keeps_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials");
    let (train, validation) = (table(40, 1), table(20, 2));
    let search = Search { kind: "gbm", fixed: &[], seed: 0, trials: 50, train: &train, validation: &validation };
    let stop = Stop::new();
    let (journal, done) = Journal::open(&out(&path).unwrap(), &[], &search).unwrap();
    let finished = |trial: &Trial| {
        stop.request();
        journal.append(trial)
    };
    let outcome = with_threads(1, || search.run(&Context::new().stop(&stop), done, &finished));
    assert!(matches!(outcome, Err(Error::Interrupted)));
    assert_eq!(numbers(&path), [0]);
    assert!(matches!(Journal::open(&out(&path).unwrap(), &[], &search), Err(Error::Locked { .. })));
    let nothing = Search { validation: &Table::default(), ..search };
    assert!(matches!(nothing.run(&Context::default(), Vec::new(), &|_| Ok(())), Err(Error::Invalid { .. })));
}

#[test]
fn a_fit_that_diverged_comes_last() {
    let (train, validation) = (table(40, 1), table(20, 2));
    let search = Search { kind: "gbm", fixed: &[], seed: 0, trials: 2, train: &train, validation: &validation };
    let trials = search.run(&Context::default(), Vec::new(), &|_| Ok(())).unwrap();
    let mut lost = trials[0].clone();
    (lost.number, lost.score.mse) = (7, -f64::NAN);
    let text = serde_json::to_string(&lost).unwrap();
    let lost: Trial = serde_json::from_str(&text).unwrap();
    let all = search.run(&Context::default(), [vec![lost], trials.clone()].concat(), &|_| Ok(())).unwrap();
    assert_eq!((all.len(), all[2].number, &all[0]), (3, 7, &trials[0]));
}
