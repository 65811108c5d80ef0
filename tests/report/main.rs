//! The report of studies large, ugly and empty.

#[path = "../common/mod.rs"]
mod common;
mod fake;

use common::{fail, scratch, small_zoo, succeed};
use std::collections::HashSet;
use std::io::Write;
use zoometry::report::{html, pictures};
use zoometry::study::{Continued, Entry, Protocol, Study};

/// Anchors of all sections.
const SECTIONS: [&str; 16] = [
    "found",
    "zoos",
    "accuracy",
    "predicted",
    "results",
    "transfer",
    "architectures",
    "learning-curves",
    "early",
    "ablation",
    "seeds",
    "importance",
    "images",
    "map",
    "intervals",
    "made",
];

/// Panics unless every tag is closed in its order, every attribute is quoted and every `&` begins an entity.
#[track_caller]
fn well_formed(text: &str) {
    let text = text.strip_prefix("<!DOCTYPE html>").unwrap_or(text);
    let mut open: Vec<&str> = Vec::new();
    let mut parts = text.split('<');
    let before = parts.next().unwrap_or_default();
    assert!(before.trim().is_empty(), "{before:?} before the first tag");
    for part in parts {
        let (tag, content) = part.split_once('>').unwrap_or_else(|| panic!("<{part} is not closed"));
        for entity in part.split('&').skip(1) {
            let name = entity.split_once(';').map_or("", |(name, _)| name);
            assert!(!name.is_empty() && name.len() < 6, "a bare & in <{part}");
        }
        assert!(!content.contains('"') || open.last() != Some(&"svg"), "{content}");
        let name = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "</{closed}>"),
            None => {
                assert!(tag.matches('"').count().is_multiple_of(2), "<{tag}>");
                assert_eq!(tag.matches("=\"").count() * 2, tag.matches('"').count(), "<{tag}>");
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
    }
    assert!(open.is_empty(), "{open:?} are open at the end");
}

#[track_caller]
fn check(study: &Study) -> String {
    let page = html(study, "A title with <b> & \"quotes\"");
    well_formed(&page);
    let lower = page.to_lowercase();
    for forbidden in ["http:", "https:", "<script", "nan,", "nan\"", "\"nan", "inf\"", "url(", "@import"] {
        assert!(!lower.contains(forbidden), "{forbidden} in the page");
    }
    let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
    let files = pictures(study);
    assert_eq!(files.iter().map(|file| &file.0).collect::<HashSet<_>>().len(), files.len());
    for (name, svg) in &files {
        assert!(
            name.ends_with(".svg") && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)),
            "{name}"
        );
        well_formed(svg);
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && !svg.contains("var("), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{name}");
    }
    page
}

#[test]
fn a_full_study_fills_every_section() {
    let study = fake::study();
    let page = check(&study);
    for section in SECTIONS {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "{section}");
        assert!(page.contains(&format!("href=\"#{section}\"")), "{section}");
    }
    // each kind of predictor has its own picture, each picture of predictions its scores
    for title in ["R² · gbm", "τ · gbm"] {
        assert!(page.contains(&format!("aria-label=\"{title}\"")), "{title}");
    }
    let predicted = page.split("<section id=").find(|part| part.starts_with("\"predicted\"")).unwrap();
    assert_eq!(predicted.matches("<svg").count(), predicted.matches(">R² 0.").count());
    assert!(page.contains("by chance</small><small>750 test, 150 validation"));
    // three other shapes; none of the zoos' own scores
    assert!(page.contains("of one shape and scored on others, wstats-pooled+probes orders them: a median τ of <b>"));
    assert!(page.contains(", 3 pairs of zoos)."));
    assert!(!page.contains("class=\"warning\""));
    assert!(page.len() < 6_000_000, "{} bytes", page.len());
    assert_eq!(page, html(&study, "A title with <b> & \"quotes\""), "the same twice");
    let names: Vec<String> = pictures(&study).into_iter().map(|file| file.0).collect();
    for name in ["accuracy.svg", "transfer.svg", "learning-curves.svg", "importance-mnist-wstats.svg", "map.svg"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
}

#[test]
fn a_page_of_scores_that_are_too_good_warns() {
    let mut study = fake::study();
    study.header.protocol = Protocol::Optimistic;
    study.continued.push(Continued { command: "zoometry table 'a b'".into(), program: "zoometry 0.1.0".into() });
    study.zoos[0].overrides = vec!["batch=36".into()];
    let page = check(&study);
    assert!(page.contains("class=\"warning\"") && !page.contains("never seen"));
    assert!(page.contains("<code>zoometry table 'a b'</code>") && page.contains("<small>with batch=36</small>"));
    assert!(pictures(&study).iter().all(|(_, svg)| svg.contains("protocol optimistic")));
}

#[test]
fn a_page_of_a_sample_says_so() {
    let mut study = fake::study();
    study.zoos[0].sample = Some(123);
    let page = check(&study);
    assert!(page.contains("class=\"warning\"") && page.contains("of 123 networks drawn at random"));
    assert!(page.contains("<small>scores of 123</small>"));
    let of_all = |name: &str| ["accuracy", "train-test"].iter().any(|all| name.starts_with(all));
    for (name, svg) in pictures(&study) {
        assert_eq!(svg.contains("of a sample of the networks"), !of_all(&name), "{name}");
    }
}

#[test]
fn ugly_small_and_empty_studies_are_no_trouble() {
    let page = check(&fake::ugly());
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let page = check(&fake::small());
    assert!(page.contains("id=\"results\"") && !page.contains("id=\"transfer\""));
    let page = check(&Study::default());
    assert!(page.contains("Nothing here yet") && !page.contains("<nav"));
    let part = fake::study();
    check(&Study { zoos: part.zoos.clone(), ..Study::default() });
    check(&Study { cells: part.cells.clone(), ..Study::default() });
    check(&Study { networks: part.networks.clone(), stopping: part.stopping.clone(), ..Study::default() });
    check(&Study { importance: part.importance, coverage: part.coverage, ..Study::default() });
}

fn save(study: &Study, path: &std::path::Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let header = std::iter::once(Entry::Study(study.header.clone()));
    let entries = header.chain(study.zoos.iter().cloned().map(Entry::Zoo));
    let entries = entries.chain(study.cells.iter().cloned().map(Entry::Cell));
    let entries = entries.chain(study.stopping.iter().cloned().map(Entry::Stopping));
    let entries = entries.chain(study.networks.iter().cloned().map(Entry::Networks));
    let entries = entries.chain(study.importance.iter().cloned().map(Entry::Importance));
    let entries = entries.chain(study.galleries.iter().cloned().map(Entry::Images));
    for entry in entries.chain(study.coverage.iter().cloned().map(Entry::Coverage)) {
        writeln!(file, "{}", serde_json::to_string(&entry).unwrap()).unwrap();
    }
}

#[test]
fn the_command_makes_a_page_of_a_study_and_of_a_zoo() {
    let (folder, zoo) = scratch("small.safetensors");
    let at = |name: &str| folder.path().join(name);
    let study = fake::study();
    std::fs::create_dir(at("study")).unwrap();
    save(&study, &at("study/results.jsonl"));
    let (source, out, pictures) = (at("study"), at("report.html"), at("pictures"));
    let (source, out, pictures) = (source.display(), out.display(), pictures.display());
    let text = succeed(&format!("report {source} --out {out} --pictures {pictures} --json"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["pictures"].as_array().unwrap().len(), std::fs::read_dir(at("pictures")).unwrap().count());
    let page = std::fs::read_to_string(at("report.html")).unwrap();
    assert_eq!(page, html(&study, "What weights tell of accuracy"), "what is read back is what was written");
    succeed(&small_zoo(&zoo, 12, 1));
    succeed(&format!("report {} --out {out}", zoo.display()));
    let page = std::fs::read_to_string(at("report.html")).unwrap();
    assert!(page.contains("The zoo small") && page.contains("id=\"accuracy\""));
    let text = succeed(&format!("report {} --out {out} --sample 10 --json", zoo.display()));
    assert!(text.contains("\"samples\":[10]"), "{text}");
    let page = std::fs::read_to_string(at("report.html")).unwrap();
    assert!(page.contains("of 10 networks drawn at random from the"));
    fail(&format!("report {} --out {out} --sample 9", zoo.display()), 2, &["--sample", "at least 10"]);
    fail(&format!("report {} --out {}", zoo.display(), zoo.display()), 2, &["output"]);
    fail(&format!("report {} --out {out}", at("none").display()), 1, &["none"]);
    std::fs::write(at("study/results.jsonl"), "{\"kind\":\"study\",\"program\":\"\",\"command\":\"\"}\n{}\n\n")
        .unwrap();
    fail(&format!("report {source} --out {out}"), 1, &["line 2"]);
}

/// `cargo test --test report look -- --ignored` writes the pages for a person to look at, to the folder `target/report`.
#[test]
#[ignore = "writes files to look at"]
fn look() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report");
    std::fs::create_dir_all(folder.join("pictures")).unwrap();
    let studies =
        [("full", fake::study()), ("ugly", fake::ugly()), ("small", fake::small()), ("empty", Study::default())];
    for (name, study) in studies {
        std::fs::write(folder.join(format!("{name}.html")), html(&study, "What weights tell of accuracy")).unwrap();
    }
    for (name, svg) in pictures(&fake::study()) {
        std::fs::write(folder.join("pictures").join(name), svg).unwrap();
    }
}
