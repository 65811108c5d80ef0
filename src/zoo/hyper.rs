//! The one table of hyperparameters: name, type, default. Schema, reader, writer, export, import, recipes, features and help
//! read it; what a hyperparameter *does* is in `train`.
//!
//! A zoo has a column `config.NAME` for each. Those with a default may be missing: every network of such a zoo has the default.
//! A file has them only where some network differs, so that the others are as older versions wrote and read them.

use crate::{Error, Result};
use std::ops::Range;

/// What values a hyperparameter has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number in `low..=high`.
    Number {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
        /// Its value in zoos without the column; none: every zoo has it.
        default: Option<f32>,
        /// Whether only whole numbers make sense.
        whole: bool,
    },
    /// A name; its codes are places in a list in the zoo's metadata.
    Name {
        /// Names that every zoo lists: those of format 1.
        always: usize,
        /// Its value in zoos without the column; none: every zoo has it.
        default: Option<&'static str>,
    },
}

/// A hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyperparameter {
    /// Its name: that of the column is `config.NAME`.
    pub name: &'static str,
    /// What values it has.
    pub kind: Kind,
}

impl Hyperparameter {
    /// Whether a zoo may lack its column.
    pub fn is_optional(&self) -> bool {
        match self.kind {
            Kind::Number { default, .. } => default.is_some(),
            Kind::Name { default, .. } => default.is_some(),
        }
    }

    /// The value of networks of a zoo without the column; 0 where every zoo has it.
    pub fn default(&self) -> Value {
        match self.kind {
            Kind::Number { default, .. } => Value::Number(default.unwrap_or(0.0)),
            Kind::Name { .. } => Value::Code(0),
        }
    }

    /// Whether its values are names.
    pub fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Name { .. })
    }
}

const fn number(name: &'static str, values: Range<f64>, default: Option<f32>) -> Hyperparameter {
    Hyperparameter { name, kind: Kind::Number { low: values.start, high: values.end, default, whole: false } }
}

const fn whole(name: &'static str, most: f64, default: f32) -> Hyperparameter {
    Hyperparameter { name, kind: Kind::Number { low: 1.0, high: most, default: Some(default), whole: true } }
}

const fn name(name: &'static str, always: usize, default: Option<&'static str>) -> Hyperparameter {
    Hyperparameter { name, kind: Kind::Name { always, default } }
}

/// Number of hyperparameters.
pub const COUNT: usize = HYPERPARAMETERS.len();

/// Images of a training step at most.
pub const MAX_BATCH: usize = 1 << 20;

/// Every hyperparameter, in the order in which recipes draw them; new ones come last.
pub const HYPERPARAMETERS: [Hyperparameter; 13] = [
    number("learning_rate", 0.0..1e3, None),
    number("l2reg", 0.0..1e3, None),
    number("dropout", 0.0..0.999, None),
    number("init_std", 0.0..1e3, None),
    number("train_fraction", 1e-9..1.0, None),
    name("optimizer", 4, None),
    name("activation", 4, None),
    name("w_init", 5, None),
    number("weight_decay", 0.0..1e3, Some(0.0)),
    number("momentum", 0.0..0.9999, Some(0.9)),
    number("bias_init", -1e3..1e3, Some(0.0)),
    name("schedule", 1, Some("constant")),
    // 0 stands for the recipe's own
    whole("batch_size", MAX_BATCH as f64, 0.0),
];

/// The place of a hyperparameter in the table.
///
/// # Errors
/// [`Error::Unknown`].
pub fn find(name: &str) -> Result<usize> {
    let names = || HYPERPARAMETERS.iter().map(|hyper| hyper.name);
    names().position(|known| known == name).ok_or_else(|| Error::unknown("hyperparameter", name, names()))
}

/// The value of a hyperparameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f32),
    /// The code of a name.
    Code(u8),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Code(code) => write!(f, "{code}"),
        }
    }
}

/// The hyperparameters of one run; its fields are the columns `config.*`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// In the order of [`HYPERPARAMETERS`].
    pub values: [Value; COUNT],
    /// Seed of the run.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config { values: HYPERPARAMETERS.map(|hyper| hyper.default()), seed: 0 }
    }
}

impl Config {
    /// The value of a number.
    ///
    /// # Panics
    /// If the table has no number of that name.
    pub fn number(&self, name: &str) -> f32 {
        match find(name).map(|at| self.values[at]) {
            Ok(Value::Number(number)) => number,
            _ => panic!("{name} is no number of the table"),
        }
    }

    /// The code of a name.
    ///
    /// # Panics
    /// If the table has no hyperparameter of that name whose values are names.
    pub fn code(&self, name: &str) -> u8 {
        match find(name).map(|at| self.values[at]) {
            Ok(Value::Code(code)) => code,
            _ => panic!("{name} has no codes in the table"),
        }
    }

    /// The same with another value.
    ///
    /// # Panics
    /// If the table has no hyperparameter of that name and kind.
    pub fn with(mut self, name: &str, value: Value) -> Config {
        let at = find(name).unwrap_or(COUNT);
        assert!(at < COUNT && matches!(value, Value::Code(_)) == HYPERPARAMETERS[at].is_name(), "{name} as {value:?}");
        self.values[at] = value;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_what_the_table_says() {
        let config = Config::default().with("dropout", Value::Number(0.5)).with("activation", Value::Code(2));
        assert_eq!((config.number("momentum"), config.number("weight_decay"), config.code("schedule")), (0.9, 0.0, 0));
        assert_eq!((config.number("dropout"), config.code("activation")), (0.5, 2));
        assert!(find("momentun").unwrap_err().to_string().contains("momentum"));
    }
}
