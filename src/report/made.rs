//! Whether the intervals keep their promise, and how all of it was made.

use super::number;
use super::page::{Block, Section, breakable, table};
use super::svg::escape;
use super::view::{View, unique};
use crate::eval::conformal;
use crate::study::{Coverage, Study, ZooEntry};
use std::fmt::Write;

/// Promised and found coverage of the prediction intervals.
pub fn coverage(view: &View) -> Option<Section> {
    if view.study.coverage.is_empty() {
        return None;
    }
    let lead = "Split-conformal intervals promise to hold the truth for a given share of new networks; they are made of \
                the errors on the validation networks. The table has the share of the test networks inside, how far \
                the interval reaches from the prediction in units of accuracy, and the range in which the share lies by \
                chance in 95 of 100 cases, for so few validation and test networks (beta-binomial law). Early \
                stopping used the same validation networks, so the intervals are a little too narrow; of other zoos \
                nothing is promised.";
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
    let (test, validation) = (number::count(of.n), number::count(of.calibration));
    let chance = match conformal::chance(of.calibration, of.level, of.n) {
        Some([low, high]) => {
            let mark =
                if (low..=high).contains(&of.coverage) { "" } else { "<small class=\"outside\">not by chance</small>" };
            let (low, high) = (number::fixed(100.0 * low, 1), number::percent(high, 1));
            format!("{mark}<small>{low} … {high} by chance</small><small>{test} test, {validation} validation</small>")
        }
        None => format!("<small>{test} test</small>"),
    };
    format!("<b>{}</b> ± {}{chance}", number::percent(of.coverage, 1), number::fixed(of.reach, 3))
}

/// Commands, program, division, seeds, digests, files.
pub fn section(view: &View) -> Option<Section> {
    let study = view.study;
    if study.header.command.is_empty() && study.header.program.is_empty() && study.zoos.is_empty() {
        return None;
    }
    let lead = match study.continued.is_empty() {
        true => "All randomness follows from the seeds; the same command on the same files finds the same.",
        false => {
            "All randomness follows from the seeds; the same commands, one after the other, on the same files find the \
             same."
        }
    };
    let mut section = Section::new("made", "How it was made", lead).with(Block::Html(list(study)));
    if !study.zoos.is_empty() {
        let head = ["Zoo", "File", "Origin", "#Seed", "SHA-256 of the data set"];
        let rows: Vec<Vec<String>> = study.zoos.iter().map(file).collect();
        section = section.with(Block::Html(table("", &head, &rows)));
    }
    Some(section)
}

fn list(study: &Study) -> String {
    let mut list = String::from("<dl>\n");
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(list, "<dt>{name}</dt><dd>{value}</dd>");
        }
    };
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("<code>{}</code>", escape(text)) };
    let header = &study.header;
    put("Command", &code(&header.command));
    study.continued.iter().for_each(|continued| put("Continued by", &code(&continued.command)));
    let programs = std::iter::once(&header.program).chain(study.continued.iter().map(|continued| &continued.program));
    let programs: Vec<&str> = unique(programs.map(String::as_str));
    put("Program", &code(&programs.join(", ")));
    if !study.cells.is_empty() {
        put("Protocol", &header.protocol.to_string());
        let seed = || format!("by a hash of each network’s number, seed {}", header.split_seed);
        let division = header.split.as_ref().map_or_else(seed, |digest| format!("a published file: {}", code(digest)));
        put("Division", &division);
        let seconds: f64 = study.cells.iter().map(|cell| cell.seconds).filter(|seconds| seconds.is_finite()).sum();
        let fits = number::count(study.cells.len());
        put("Scores", &format!("{fits}, fitted in {} s", number::fixed(seconds, 0)));
    }
    list + "</dl>\n"
}

fn file(zoo: &ZooEntry) -> Vec<String> {
    let digest = if zoo.digest.is_empty() { "unknown".into() } else { format!("<code>{}</code>", escape(&zoo.digest)) };
    let path = format!("<code>{}</code>", breakable(&zoo.path));
    vec![breakable(&zoo.name), path, escape(&zoo.origin), zoo.seed.to_string(), digest]
}
