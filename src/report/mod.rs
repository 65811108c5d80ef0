//! A study as something to look at: one HTML page that needs nothing else, and its pictures as files.
//!
//! Each part of the page is a file here that makes a `page::Section` of what the study has, or nothing. `svg`, `axes`, `rows`
//! and `heat` draw, `palette` names the colours, `figure` puts pictures side by side.

mod accuracy;
mod axes;
mod curves;
mod figure;
mod findings;
mod heat;
mod images;
mod importance;
mod made;
mod map;
mod number;
mod overview;
mod page;
mod palette;
mod results;
#[cfg(feature = "bench")]
pub mod roofline;
mod rows;
mod svg;
mod transfer;
mod trial;
mod view;

use crate::study::{Protocol, Study, ZooEntry};
use page::Section;
use view::View;

pub use trial::trial;

/// A chapter of the report, where the study has something for it.
type Chapter = fn(&View) -> Option<Section>;

/// The chapters, first to last.
const CHAPTERS: [Chapter; 16] = [
    findings::section,
    overview::section,
    accuracy::section,
    accuracy::predicted,
    results::section,
    transfer::section,
    transfer::architectures,
    curves::learning,
    curves::early,
    results::ablation,
    results::seeds,
    importance::section,
    images::section,
    map::section,
    made::coverage,
    made::section,
];

/// The percentiles that a key names where it means the usual ones.
const USUAL: &str = "-qts:0,25,50,75,100";

/// The study with keys short enough for a picture: the usual percentiles go without saying.
fn shortened(study: &Study) -> Study {
    let mut study = study.clone();
    let cells = study.cells.iter_mut().map(|cell| &mut cell.input);
    let stopping = study.stopping.iter_mut().map(|stopping| &mut stopping.input);
    cells.chain(stopping).for_each(|input| *input = input.replace(USUAL, ""));
    study
}

/// What stands above a page of scores that are too good.
const OPTIMISTIC: &str = "Protocol optimistic: the number of trees and epochs was chosen on the very networks that the scores \
                          are of, as in the reference’s notebook. The scores are too good, for comparison with published \
                          figures alone; the protocol clean has honest ones.";

/// The chapter that looks at all networks of a zoo of which others see a sample.
const OF_ALL: &str = "accuracy";

/// What stands above a page that is not of all networks.
fn sampled(study: &Study) -> Vec<String> {
    let one = |zoo: &ZooEntry| {
        let (sample, all) = (number::count(zoo.sample?), number::count(zoo.networks));
        Some(format!(
            "Scores, importances and the map are of {sample} networks drawn at random from the {all} of {}; counts and the accuracies \
             of the networks are of all. `zoometry report --sample` looks at more, `zoometry table` at all.",
            zoo.name
        ))
    };
    study.zoos.iter().filter_map(one).collect()
}

fn sections(study: &Study) -> Vec<Section> {
    let study = shortened(study);
    let view = View::new(&study);
    let mut sections: Vec<Section> = CHAPTERS.iter().filter_map(|chapter| chapter(&view)).collect();
    if study.header.protocol == Protocol::Optimistic {
        // a picture as a file stands alone
        let figures = sections.iter_mut().flat_map(Section::figures_mut);
        figures.for_each(|figure| figure.title += " (protocol optimistic: too good)");
    }
    if study.zoos.iter().any(|zoo| zoo.sample.is_some()) {
        let sampled = sections.iter_mut().filter(|section| section.id != OF_ALL);
        sampled.flat_map(Section::figures_mut).for_each(|figure| figure.title += " (of a sample of the networks)");
    }
    sections
}

/// The study as one HTML page: no script, nothing from the network, light or dark as the reader has it.
pub fn html(study: &Study, title: &str) -> String {
    let mut sections = sections(study);
    if sections.is_empty() {
        let lead = "This study holds no zoo, no score and no picture yet.";
        sections.push(Section::new("nothing", "Nothing here yet", lead));
    }
    let zoos = match study.zoos.len() {
        0 => String::new(),
        1 => format!(" One zoo, {}.", networks(study)),
        n => format!(" {n} zoos, {}.", networks(study)),
    };
    let what =
        "How well the accuracy of small convolutional networks can be told from their weights, without a test image.";
    let mut warnings = sampled(study);
    warnings.extend((study.header.protocol == Protocol::Optimistic).then(|| OPTIMISTIC.to_owned()));
    page::page(title, &format!("{what}{zoos}"), &warnings, &sections)
}

fn networks(study: &Study) -> String {
    let n: usize = study.zoos.iter().map(|zoo| zoo.networks).sum();
    format!("{} networks", number::count(n))
}

/// The pictures of [`html`] as files of their own, white and with explicit colours: names, all different, and contents.
pub fn pictures(study: &Study) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for figure in sections(study).iter().flat_map(Section::figures) {
        let names = std::iter::once(String::new()).chain((2..).map(|number| format!("-{number}")));
        let mut names = names.map(|suffix| format!("{}{suffix}.svg", figure.name));
        let name = names.find(|name| files.iter().all(|file| file.0 != *name)).unwrap_or_default();
        files.push((name, figure.svg()));
    }
    files
}
