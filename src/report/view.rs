//! A study as the sections look at it: what belongs together, in one order and in one colour everywhere.

use super::palette;
use crate::study::{Cell, MEASURED, Study};

/// Predictor that is meant where nothing else is said.
pub const USUAL: &str = crate::predictor::DEFAULT;

/// Experiments whose inputs get colours first, so that these differ where they stand side by side.
const COLOURED: [&str; 4] = ["learning-curve", "early", "transfer", "architectures"];

/// A study with its orders.
pub struct View<'s> {
    pub study: &'s Study,
    inputs: Vec<&'s str>,
    predictors: Vec<&'s str>,
}

/// Each item once, in the order of its first appearance.
pub fn unique<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

impl<'s> View<'s> {
    /// Orders a study.
    pub fn new(study: &'s Study) -> View<'s> {
        let first = COLOURED.iter().flat_map(|name| study.cells.iter().filter(move |cell| cell.experiment == *name));
        let cells = first.chain(&study.cells).map(|cell| cell.input.as_str());
        let predicted = study.networks.iter().flat_map(|zoo| &zoo.predictions).map(|of| of.input.as_str());
        let predictors = std::iter::once(USUAL).chain(study.cells.iter().map(|cell| cell.predictor.as_str()));
        View { study, inputs: unique(cells.chain(predicted)), predictors: unique(predictors) }
    }

    /// The cells of an experiment.
    pub fn cells(&self, experiment: &str) -> Vec<&'s Cell> {
        self.study.cells.iter().filter(|cell| cell.experiment == experiment).collect()
    }

    /// Names of zoos in the study's order; those that it does not list come last.
    pub fn zoos<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names = unique(names);
        let place = |name: &str| self.study.zoos.iter().position(|zoo| zoo.name == name).unwrap_or(usize::MAX);
        names.sort_by_key(|name| place(name));
        names
    }

    /// An input's colour; that of measured accuracies is plain.
    pub fn colour(&self, input: &str) -> &'static str {
        match self.inputs.iter().position(|known| *known == input) {
            _ if input == MEASURED => palette::PLAIN,
            Some(number) => palette::series(number),
            None => palette::series(self.inputs.len()),
        }
    }

    /// A predictor's number.
    pub fn number(&self, predictor: &str) -> usize {
        self.predictors.iter().position(|known| *known == predictor).unwrap_or(self.predictors.len())
    }

    /// A predictor's dashes.
    pub fn dash(&self, predictor: &str) -> &'static str {
        ["", "6 4", "2 3", "9 3 2 3"][self.number(predictor).min(3)]
    }

    /// Networks whose accuracies are known and of one length.
    pub fn networks(&self) -> impl Iterator<Item = &'s crate::study::Networks> {
        self.study.networks.iter().filter(|zoo| !zoo.test_accuracy.is_empty())
    }
}

/// What a cell is about: its input, and its predictor where that is not the usual one.
pub fn what(cell: &Cell) -> String {
    match cell.predictor.as_str() {
        USUAL => cell.input.clone(),
        other => format!("{}, {other}", cell.input),
    }
}

/// A measure of a score with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    R2,
    Tau,
}

impl Measure {
    /// Both.
    pub const BOTH: [Measure; 2] = [Measure::R2, Measure::Tau];

    /// As it stands in titles.
    pub fn short(self) -> &'static str {
        match self {
            Measure::R2 => "R²",
            Measure::Tau => "τ",
        }
    }

    /// As it stands at axes.
    pub fn long(self) -> &'static str {
        match self {
            Measure::R2 => "R² on test networks",
            Measure::Tau => "τ on test networks",
        }
    }

    /// Its value in a cell.
    pub fn of(self, cell: &Cell) -> f64 {
        match self {
            Measure::R2 => cell.score.r2,
            Measure::Tau => cell.score.tau,
        }
    }

    /// Its interval in a cell.
    pub fn interval(self, cell: &Cell) -> [f64; 2] {
        match self {
            Measure::R2 => cell.r2_interval,
            Measure::Tau => cell.tau_interval,
        }
    }
}

/// Part of a file's name: lower-case letters and digits of a text with hyphens between them.
pub fn slug(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars().take(60) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.trim_end_matches('-').to_owned()
}
