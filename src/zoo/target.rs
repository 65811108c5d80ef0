//! What is predicted of a network: something that its zoo knows.

use super::hyper::{self, HYPERPARAMETERS};
use super::{Metrics, Zoo};
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A measure of a checkpoint by its name, and the range that its values cannot leave.
struct Measure {
    name: &'static str,
    of: fn(&Metrics) -> f32,
    range: [f32; 2],
}

/// The measures; the first is predicted where nothing else is asked for.
const MEASURES: [Measure; 5] = [
    Measure { name: "test_accuracy", of: |metrics| metrics.test_accuracy, range: [0.0, 1.0] },
    Measure { name: "train_accuracy", of: |metrics| metrics.train_accuracy, range: [0.0, 1.0] },
    Measure { name: "gap", of: |metrics| metrics.train_accuracy - metrics.test_accuracy, range: [-1.0, 1.0] },
    Measure { name: "test_loss", of: |metrics| metrics.test_loss, range: [0.0, f32::INFINITY] },
    Measure { name: "train_loss", of: |metrics| metrics.train_loss, range: [0.0, f32::INFINITY] },
];

/// What is predicted: a measure of a checkpoint, or a hyperparameter of its run.
///
/// `gap` is the generalisation gap, train accuracy less test accuracy. A hyperparameter whose values are names makes the
/// prediction a classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(Of);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// A place in [`MEASURES`].
    Measure(usize),
    /// A place in [`HYPERPARAMETERS`].
    Hyperparameter(usize),
}

impl Default for Target {
    /// `test_accuracy`
    fn default() -> Target {
        Target(Of::Measure(0))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By its name; [`Error::Unknown`] where it has none.
impl FromStr for Target {
    type Err = Error;
    fn from_str(name: &str) -> Result<Target> {
        let measure = MEASURES.iter().position(|measure| measure.name == name).map(Of::Measure);
        let found = measure.or_else(|| hyper::find(name).ok().map(Of::Hyperparameter));
        found.map(Target).ok_or_else(|| Error::unknown("target", name, Target::names()))
    }
}

impl Target {
    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MEASURES.iter().map(|measure| measure.name).chain(HYPERPARAMETERS.iter().map(|hyper| hyper.name))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Of::Measure(place) => MEASURES[place].name,
            Of::Hyperparameter(place) => HYPERPARAMETERS[place].name,
        }
    }

    /// What its values cannot leave, as far as that is known.
    pub fn range(&self) -> [f32; 2] {
        match self.0 {
            Of::Measure(place) => MEASURES[place].range,
            Of::Hyperparameter(_) => [f32::NEG_INFINITY, f32::INFINITY],
        }
    }

    /// Whether it is one of several names.
    pub fn is_class(&self) -> bool {
        matches!(self.0, Of::Hyperparameter(place) if HYPERPARAMETERS[place].is_name())
    }

    /// The names that it has among some rows of a zoo, in the order of their codes; none of what is a number.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn classes(&self, zoo: &Zoo, rows: &[usize]) -> Vec<String> {
        if !self.is_class() {
            return Vec::new();
        }
        let names = zoo.schema().names_of(self.name());
        let mut there = vec![false; names.len()];
        rows.iter().for_each(|&row| there[self.code(zoo, row)] = true);
        names.iter().zip(there).filter(|(_, there)| *there).map(|(name, _)| name.clone()).collect()
    }

    /// Its values in some rows of a zoo; of a name its place among `classes`, NaN where it is none of them.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn values(&self, zoo: &Zoo, rows: &[usize], classes: &[String]) -> Vec<f32> {
        let names = zoo.schema().names_of(self.name());
        let place = |name: &String| classes.iter().position(|class| class == name);
        let places: Vec<f32> = names.iter().map(|name| place(name).map_or(f32::NAN, |place| place as f32)).collect();
        let value = |&row: &usize| match self.0 {
            Of::Measure(place) => (MEASURES[place].of)(&zoo.metrics(row)),
            Of::Hyperparameter(_) if self.is_class() => places[self.code(zoo, row)],
            Of::Hyperparameter(_) => zoo.config(zoo.network(row)).number(self.name()),
        };
        rows.iter().map(value).collect()
    }

    /// The code of a name in a row.
    fn code(&self, zoo: &Zoo, row: usize) -> usize {
        zoo.config(zoo.network(row)).code(self.name()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_names_and_ranges() {
        for name in Target::names() {
            let target: Target = name.parse().unwrap();
            assert_eq!(target.to_string(), name);
            assert_eq!(target.is_class(), ["optimizer", "activation", "w_init", "schedule"].contains(&name), "{name}");
        }
        assert_eq!(Target::default(), "test_accuracy".parse().unwrap());
        assert_eq!("gap".parse::<Target>().unwrap().range(), [-1.0, 1.0]);
        assert!("test_acuracy".parse::<Target>().unwrap_err().to_string().contains("test_accuracy"));
    }
}
