//! `Distribution`: what a hyperparameter is drawn from.

use crate::zoo::hyper::{Hyperparameter, Kind};
use crate::{Error, Result};
use serde_json::{Value, json};

/// The distribution of a hyperparameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// A number, uniform between two bounds.
    Uniform(f64, f64),
    /// A number whose logarithm is uniform between the logarithms of two bounds.
    LogUniform(f64, f64),
    /// One of these numbers, all equally likely.
    Choice(Vec<f64>),
    /// One of these names, all equally likely.
    Names(Vec<String>),
}

impl Distribution {
    /// Always this number.
    pub fn constant(value: f64) -> Distribution {
        Distribution::Choice(vec![value])
    }

    /// The default of a hyperparameter that has one.
    pub fn default_of(hyper: &Hyperparameter) -> Option<Distribution> {
        match hyper.kind {
            // through its shortest text: 0.9 and not 0.89999998
            Kind::Number { default, .. } => {
                default.and_then(|x| Some(Distribution::constant(x.to_string().parse().ok()?)))
            }
            Kind::Name { default, .. } => default.map(|name| Distribution::Names(vec![name.into()])),
        }
    }

    /// The number at quantile `u` in [0, 1); of names the place in the list.
    pub fn quantile(&self, u: f64) -> f64 {
        match self {
            Distribution::Uniform(low, high) => low + (high - low) * u,
            Distribution::LogUniform(low, high) => {
                libm::exp(libm::log(*low) + (libm::log(*high) - libm::log(*low)) * u)
            }
            Distribution::Choice(values) => values[pick(u, values.len())],
            Distribution::Names(names) => pick(u, names.len()) as f64,
        }
    }

    /// How many values a grid tries; nothing of a continuous distribution.
    pub fn choices(&self) -> Option<usize> {
        match self {
            Distribution::Choice(values) => Some(values.len()),
            Distribution::Names(names) => Some(names.len()),
            Distribution::Uniform(..) | Distribution::LogUniform(..) => None,
        }
    }

    /// The distribution that a recipe writes for a hyperparameter: `{"uniform": [a, b]}`, `{"log_uniform": [a, b]}`,
    /// `{"choice": [a, b, …]}`, a number, a list of numbers, or a text as on the command line; names as one text with commas or a
    /// list of texts.
    ///
    /// # Errors
    /// [`Error::Invalid`], also for numbers out of range; [`Error::Unknown`] for a name that is none of `names`.
    pub fn from_json(hyper: &Hyperparameter, names: &[String], value: &Value) -> Result<Distribution> {
        let found = match hyper.kind {
            Kind::Name { .. } => texts(value).map(Distribution::Names),
            Kind::Number { .. } => numbers(value),
        };
        let expected = match hyper.kind {
            Kind::Name { .. } => "names separated by commas",
            Kind::Number { .. } => {
                "a number, a list of numbers, \"a..b\", \"a..b:log\", {\"uniform\": [a, b]}, {\"log_uniform\": [a, b]} or \
                 {\"choice\": [a, b, …]}"
            }
        };
        let distribution = found.ok_or_else(|| Error::invalid(hyper.name, expected, value))?;
        distribution.check(hyper, names)?;
        Ok(distribution)
    }

    /// What a recipe writes.
    pub fn to_json(&self) -> Value {
        match self {
            Distribution::Uniform(low, high) => json!({ "uniform": [low, high] }),
            Distribution::LogUniform(low, high) => json!({ "log_uniform": [low, high] }),
            Distribution::Choice(values) => json!({ "choice": values }),
            Distribution::Names(names) => names.join(",").into(),
        }
    }

    /// What a command line gives: values separated by commas, all equally likely, or a range, `0..0.3` uniform and
    /// `1e-4..1e-2:log` log-uniform.
    ///
    /// # Errors
    /// As [`Distribution::from_json`].
    pub fn parse(hyper: &Hyperparameter, names: &[String], text: &str) -> Result<Distribution> {
        let distribution = match hyper.kind {
            Kind::Name { .. } => Distribution::Names(text.split(',').map(|name| name.trim().to_owned()).collect()),
            Kind::Number { .. } => written(text).ok_or_else(|| {
                let expected = "numbers with a decimal point, separated by commas, or a range, a..b or a..b:log";
                Error::invalid(hyper.name, expected, text)
            })?,
        };
        distribution.check(hyper, names)?;
        Ok(distribution)
    }

    /// Refuses what can give an impossible value.
    fn check(&self, hyper: &Hyperparameter, names: &[String]) -> Result<()> {
        let (values, ordered) = match self {
            Distribution::Names(found) => {
                let unknown = found.iter().find(|name| !names.contains(name));
                return unknown.map_or(Ok(()), |name| Err(Error::unknown(hyper.name, name, names)));
            }
            Distribution::Uniform(a, b) => (vec![*a, *b], a <= b),
            Distribution::LogUniform(a, b) => (vec![*a, *b], a <= b && *a > 0.0),
            Distribution::Choice(values) => (values.clone(), !values.is_empty()),
        };
        let Kind::Number { low, high, whole, .. } = hyper.kind else { return Ok(()) };
        // a default may stand for something that no value does
        let is_default = Distribution::default_of(hyper).as_ref() == Some(self);
        let fits = |value: &f64| (low..=high).contains(value) && (!whole || value.fract() == 0.0);
        if is_default || ordered && values.iter().all(fits) {
            return Ok(());
        }
        let whole = if whole { "whole " } else { "" };
        let expected = match self {
            Distribution::Choice(_) => format!("{whole}numbers from {low} to {high}"),
            _ => format!("two {whole}numbers in order from {low} to {high}, above 0 if log-uniform"),
        };
        let got: Vec<String> = values.iter().map(f64::to_string).collect();
        Err(Error::invalid(hyper.name, expected, got.join(", ")))
    }
}

/// The index in `0..n` that quantile `u` falls into.
fn pick(u: f64, n: usize) -> usize {
    ((u * n as f64) as usize).min(n - 1)
}

/// Names in a text with commas or in a list, at least one.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.split(',').map(|name| name.trim().to_owned()).collect()),
        Value::Array(list) if !list.is_empty() => list.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Numbers in a text: `0.1,0.01`, `0..0.3`, `1e-4..1e-2:log`.
fn written(text: &str) -> Option<Distribution> {
    // `0,01` is a decimal comma: no number is written 01
    let number = |text: &str| {
        let text = text.trim();
        let digits = text.trim_start_matches(['-', '+']).as_bytes();
        let doubled = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit();
        if doubled { None } else { text.parse::<f64>().ok() }
    };
    let Some((low, high)) = text.split_once("..") else {
        return Some(Distribution::Choice(text.split(',').map(number).collect::<Option<_>>()?));
    };
    match high.split_once(':') {
        None => Some(Distribution::Uniform(number(low)?, number(high)?)),
        Some((high, kind)) if kind.trim() == "log" => Some(Distribution::LogUniform(number(low)?, number(high)?)),
        Some(_) => None,
    }
}

fn numbers(value: &Value) -> Option<Distribution> {
    if let Some(number) = value.as_f64() {
        return Some(Distribution::constant(number));
    }
    if let Some(text) = value.as_str() {
        return written(text);
    }
    if let Some(list) = value.as_array() {
        return Some(Distribution::Choice(list.iter().map(Value::as_f64).collect::<Option<_>>()?));
    }
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (kind, list) = object.iter().next()?;
    let list: Vec<f64> = list.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    match (kind.as_str(), list.as_slice()) {
        ("uniform", &[low, high]) => Some(Distribution::Uniform(low, high)),
        ("log_uniform", &[low, high]) => Some(Distribution::LogUniform(low, high)),
        ("choice", _) => Some(Distribution::Choice(list)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::hyper;

    #[test]
    fn a_text_and_json_say_the_same() {
        let rate = &hyper::HYPERPARAMETERS[hyper::find("learning_rate").unwrap()];
        let parse = |text: &str| Distribution::parse(rate, &[], text);
        for (text, value, distribution) in [
            ("0.1,0.01", json!([0.1, 0.01]), Distribution::Choice(vec![0.1, 0.01])),
            ("1e-5", json!(1e-5), Distribution::constant(1e-5)),
            ("0.1..0.3", json!({ "uniform": [0.1, 0.3] }), Distribution::Uniform(0.1, 0.3)),
            ("1e-4 .. 1e-2 : log", json!({ "log_uniform": [1e-4, 1e-2] }), Distribution::LogUniform(1e-4, 1e-2)),
        ] {
            assert_eq!(parse(text).unwrap(), distribution);
            for value in [value, text.into()] {
                assert_eq!(Distribution::from_json(rate, &[], &value).unwrap(), distribution);
            }
        }
        for wrong in ["0,01", "1..", "0.1..0.2:exp", "0.3..0.1", "a", "", "0.1,,0.2", "-00.5"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("learning_rate"), "{wrong}: {error}");
        }
    }
}
