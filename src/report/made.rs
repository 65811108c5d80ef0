//! Whether the intervals keep their promise, and how all of it was made.

use super::number;
use super::page::{Block, Section, breakable, table};
use super::svg::escape;
use super::view::{View, unique};
use crate::study::{Coverage, ZooEntry};
use std::fmt::Write;

/// Promised and found coverage of the prediction intervals.
pub fn coverage(view: &View) -> Option<Section> {
    if view.study.coverage.is_empty() {
        return None;
    }
    let lead = "Split-conformal intervals promise to hold the truth for a given share of new networks. The table has \
                the share of the test networks inside, how far the interval reaches from the prediction in units of \
                accuracy, and the range in which the share lies by chance in 95 of 100 cases.";
    let all = &view.study.coverage;
    let mut levels: Vec<f64> = all.iter().map(|of| of.level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let heads: Vec<String> = levels.iter().map(|level| format!("{} promised", number::percent(*level, 0))).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (zoo, input) in unique(all.iter().map(|of| (&of.zoo, &of.input))) {
        let found = |level: &f64| all.iter().find(|of| (&of.zoo, &of.input, &of.level) == (zoo, input, level));
        let cells = levels.iter().map(|level| found(level).map_or_else(|| "–".into(), entry));
        rows.push([breakable(zoo), breakable(input)].into_iter().chain(cells).collect());
    }
    let head: Vec<&str> = ["Zoo", "Input"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    Some(Section::new("intervals", "Prediction intervals", lead).with(Block::Html(table("", &head, &rows))))
}

fn entry(of: &Coverage) -> String {
    let chance = 1.96 * (of.level * (1.0 - of.level) / of.n.max(1) as f64).max(0.0).sqrt();
    let (low, high) = (100.0 * (of.level - chance).max(0.0), (of.level + chance).min(1.0));
    format!(
        "<b>{}</b> ± {}<small>{} … {} of {} by chance</small>",
        number::percent(of.coverage, 1),
        number::fixed(of.reach, 3),
        number::fixed(low, 1),
        number::percent(high, 1),
        number::count(of.n)
    )
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
    let path = format!("<code>{}</code>", breakable(&zoo.path));
    vec![breakable(&zoo.name), path, escape(&zoo.program), zoo.seed.to_string(), digest]
}
