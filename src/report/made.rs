//! Whether the intervals keep their promise, and how all of it was made.

use super::number;
use super::page::{Block, Section, table};
use super::svg::escape;
use super::view::View;
use crate::study::{Coverage, ZooEntry};
use std::fmt::Write;

/// Promised and found coverage of the prediction intervals.
pub fn coverage(view: &View) -> Option<Section> {
    if view.study.coverage.is_empty() {
        return None;
    }
    let lead = "Split-conformal intervals promise to hold the truth for a given share of new networks. Found is the share of the \
                test networks inside; by chance it lies within the range given in 95 of 100 cases. The interval reaches so far \
                from the prediction, in units of accuracy.";
    let head = ["Zoo", "Input", "#Promised", "#Found", "#By chance", "#Interval", "#Networks"];
    let rows: Vec<Vec<String>> = view.study.coverage.iter().map(row).collect();
    Some(Section::new("intervals", "Prediction intervals", lead).with(Block::Html(table("", &head, &rows))))
}

fn row(of: &Coverage) -> Vec<String> {
    let chance = 1.96 * (of.level * (1.0 - of.level) / of.n.max(1) as f64).max(0.0).sqrt();
    let range = format!(
        "{} … {}",
        number::fixed(100.0 * (of.level - chance), 1),
        number::percent((of.level + chance).min(1.0), 1)
    );
    vec![
        escape(&of.zoo),
        escape(&of.input),
        number::percent(of.level, 0),
        format!("<b>{}</b>", number::percent(of.coverage, 1)),
        range,
        format!("± {}", number::fixed(of.reach, 3)),
        number::count(of.n),
    ]
}

/// Command, program, seeds, digests, files.
pub fn section(view: &View) -> Option<Section> {
    let study = view.study;
    if study.header.command.is_empty() && study.header.program.is_empty() && study.zoos.is_empty() {
        return None;
    }
    let lead = "All randomness follows from the seeds; the same command on the same files finds the same.";
    let mut list = String::from("<dl>\n");
    for (name, value) in [("Command", &study.header.command), ("Program", &study.header.program)] {
        if !value.is_empty() {
            let _ = writeln!(list, "<dt>{name}</dt><dd><code>{}</code></dd>", escape(value));
        }
    }
    let seconds: f64 = study.cells.iter().map(|cell| cell.seconds).filter(|seconds| seconds.is_finite()).sum();
    if !study.cells.is_empty() {
        let fits = number::count(study.cells.len());
        let _ = writeln!(list, "<dt>Scores</dt><dd>{fits}, fitted in {} s</dd>", number::fixed(seconds, 0));
    }
    list.push_str("</dl>\n");
    let mut section = Section::new("made", "How it was made", lead).with(Block::Html(list));
    if !study.zoos.is_empty() {
        let head = ["Zoo", "File", "Trained by", "#Seed", "SHA-256 of the data set"];
        let rows: Vec<Vec<String>> = study.zoos.iter().map(file).collect();
        section = section.with(Block::Html(table("", &head, &rows)));
    }
    Some(section)
}

fn file(zoo: &ZooEntry) -> Vec<String> {
    let digest = if zoo.digest.is_empty() { "unknown".into() } else { format!("<code>{}</code>", escape(&zoo.digest)) };
    let path = format!("<code>{}</code>", escape(&zoo.path));
    vec![escape(&zoo.name), path, escape(&zoo.program), zoo.seed.to_string(), digest]
}
