//! `Recipe`: the laws that a zoo's hyperparameters are drawn by.

use super::run::{Activation, Choice, Optimizer, Run};
use crate::cnn::{Conv, init::Init, reference_stack};
use crate::rng::Stream;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Purposes of the random numbers used here.
const HYPERPARAMETERS: u32 = u32::from_be_bytes(*b"hypr");
const SEEDS: u32 = u32::from_be_bytes(*b"seed");

/// The law of a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "LawText")]
pub enum Law {
    /// Uniform between two bounds.
    Uniform(f64, f64),
    /// Its logarithm is uniform between the logarithms of two bounds.
    LogUniform(f64, f64),
    /// One of these, all equally likely.
    Choice(Vec<f64>),
}

/// What a recipe file may write for a [`Law`]: also a plain number.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LawText {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Choice(Vec<f64>),
    #[serde(untagged)]
    Number(f64),
}

impl From<LawText> for Law {
    fn from(text: LawText) -> Law {
        match text {
            LawText::Uniform(low, high) => Law::Uniform(low, high),
            LawText::LogUniform(low, high) => Law::LogUniform(low, high),
            LawText::Choice(values) => Law::Choice(values),
            LawText::Number(value) => Law::Choice(vec![value]),
        }
    }
}

impl Law {
    /// The value at quantile `u` in [0, 1).
    fn quantile(&self, u: f64) -> f32 {
        let value = match self {
            Law::Uniform(low, high) => low + (high - low) * u,
            Law::LogUniform(low, high) => libm::exp(libm::log(*low) + (libm::log(*high) - libm::log(*low)) * u),
            Law::Choice(values) => values[pick(u, values.len())],
        };
        value as f32
    }

    /// Refuses a law that can give a value outside `low..=high`.
    fn check(&self, name: &str, low: f64, high: f64) -> Result<()> {
        let (values, ordered) = match self {
            Law::Uniform(a, b) => (vec![*a, *b], a <= b),
            Law::LogUniform(a, b) => (vec![*a, *b], a <= b && *a > 0.0),
            Law::Choice(values) => (values.clone(), !values.is_empty()),
        };
        if ordered && values.iter().all(|value| (low..=high).contains(value)) {
            return Ok(());
        }
        let expected = match self {
            Law::Choice(_) => format!("numbers from {low} to {high}"),
            _ => format!("two numbers in order from {low} to {high}, above 0 if log-uniform"),
        };
        let got: Vec<String> = values.iter().map(f64::to_string).collect();
        Err(Error::invalid(name, expected, got.join(", ")))
    }
}

/// The index in `0..n` that quantile `u` falls into.
fn pick(u: f64, n: usize) -> usize {
    ((u * n as f64) as usize).min(n - 1)
}

/// The laws of all hyperparameters, and what is the same for every network of a zoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// What the recipe is called.
    pub name: String,
    /// The stack of convolutions, written as in [`Conv`]'s `FromStr`: `"16s2,16s2,16s2"`.
    #[serde(with = "commas")]
    pub layers: Vec<Conv>,
    /// Images a step.
    pub batch: usize,
    /// Whether every network gets one seed, as in the released zoo, instead of its own.
    pub shared_seed: bool,
    /// Law of η.
    pub learning_rate: Law,
    /// Law of λ.
    pub l2reg: Law,
    /// Law of the dropped share.
    pub dropout: Law,
    /// Law of the initial standard deviation.
    pub init_std: Law,
    /// Law of the share of the training set.
    pub train_fraction: Law,
    /// Optimizers, all equally likely: names separated by commas.
    #[serde(with = "commas")]
    pub optimizer: Vec<Optimizer>,
    /// Activations, all equally likely: names separated by commas.
    #[serde(with = "commas")]
    pub activation: Vec<Activation>,
    /// Initialisers, all equally likely: names separated by commas.
    #[serde(with = "commas")]
    pub w_init: Vec<Init>,
}

/// The laws of the released Small CNN Zoo.
impl Default for Recipe {
    fn default() -> Recipe {
        Recipe {
            name: "small-cnn-zoo".into(),
            layers: reference_stack(),
            batch: 512,
            shared_seed: false,
            learning_rate: Law::LogUniform(5e-4, 5e-2),
            l2reg: Law::LogUniform(1e-8, 1e-2),
            dropout: Law::Uniform(0.0, 0.7),
            init_std: Law::LogUniform(1e-3, 0.5),
            train_fraction: Law::Choice(vec![0.1, 0.25, 0.5, 1.0]),
            optimizer: vec![Optimizer::Adam, Optimizer::RmsProp, Optimizer::Sgd],
            activation: vec![Activation::Relu, Activation::Tanh],
            w_init: Init::ALL.to_vec(),
        }
    }
}

impl Recipe {
    /// A recipe by name, or from a JSON file; fields left out are those of `small-cnn-zoo`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is neither known nor a file, [`Error::Malformed`] for a file that is no recipe.
    pub fn load(name_or_file: &str) -> Result<Recipe> {
        let path = Path::new(name_or_file);
        if name_or_file == "small-cnn-zoo" {
            return Ok(Recipe::default());
        }
        if !path.exists() && !name_or_file.ends_with(".json") {
            return Err(Error::unknown("recipe", name_or_file, ["small-cnn-zoo", "FILE.json"]));
        }
        let malformed = |error: &dyn std::fmt::Display| Error::malformed(path, "a recipe", error.to_string());
        let value: serde_json::Value =
            serde_json::from_slice(&crate::bytes::read(path)?).map_err(|error| malformed(&error))?;
        if !value.is_object() {
            return Err(Error::malformed(path, "a recipe: an object of hyperparameters", value.to_string()));
        }
        let recipe: Recipe = serde_json::from_value(value).map_err(|error| malformed(&error))?;
        recipe.check().map_err(|error| malformed(&error))?;
        Ok(recipe)
    }

    /// Refuses laws that can give impossible values.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the hyperparameter.
    pub fn check(&self) -> Result<()> {
        self.learning_rate.check("learning_rate", 0.0, 1e3)?;
        self.l2reg.check("l2reg", 0.0, 1e3)?;
        self.dropout.check("dropout", 0.0, 0.999)?;
        self.init_std.check("init_std", 0.0, 1e3)?;
        self.train_fraction.check("train_fraction", 1e-9, 1.0)?;
        if self.batch == 0 || self.batch > 1 << 20 {
            return Err(Error::invalid("batch", "1 to 1048576", self.batch));
        }
        for (name, empty) in [
            ("layers", self.layers.is_empty()),
            ("optimizer", self.optimizer.is_empty()),
            ("activation", self.activation.is_empty()),
            ("w_init", self.w_init.is_empty()),
        ] {
            if empty {
                return Err(Error::invalid(name, "at least one", "none"));
            }
        }
        Ok(())
    }

    /// Fixes a hyperparameter: `learning_rate=0.01`, `optimizer=adam`, `layers=32s2,32s2same`; several values, separated by
    /// commas, are equally likely.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name, [`Error::Invalid`] for a value.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| Error::invalid("--set", "NAME=VALUE", assignment))?;
        let numbers = || -> Result<Law> {
            let parsed: std::result::Result<Vec<f64>, _> = value.split(',').map(str::parse).collect();
            parsed.map(Law::Choice).map_err(|_| Error::invalid(name, "numbers separated by commas", value))
        };
        match name {
            "learning_rate" => self.learning_rate = numbers()?,
            "l2reg" => self.l2reg = numbers()?,
            "dropout" => self.dropout = numbers()?,
            "init_std" => self.init_std = numbers()?,
            "train_fraction" => self.train_fraction = numbers()?,
            "optimizer" => self.optimizer = choices(value)?,
            "activation" => self.activation = choices(value)?,
            "w_init" => self.w_init = choices(value)?,
            "layers" => self.layers = value.split(',').map(str::parse).collect::<Result<_>>()?,
            "batch" => self.batch = value.parse().map_err(|_| Error::invalid("batch", "a whole number", value))?,
            _ => return Err(Error::unknown("hyperparameter", name, SETTABLE)),
        }
        self.check()
    }

    /// The hyperparameters of network `index` of the zoo with this seed.
    ///
    /// Each is drawn from its own number, so that fixing one leaves the others as they were.
    pub fn draw(&self, zoo_seed: u64, index: u32) -> Run {
        let mut stream = Stream::new(zoo_seed, HYPERPARAMETERS, index);
        let learning_rate = self.learning_rate.quantile(stream.uniform());
        let l2reg = self.l2reg.quantile(stream.uniform());
        let dropout = self.dropout.quantile(stream.uniform());
        let init_std = self.init_std.quantile(stream.uniform());
        let train_fraction = self.train_fraction.quantile(stream.uniform());
        let optimizer = self.optimizer[pick(stream.uniform(), self.optimizer.len())];
        let activation = self.activation[pick(stream.uniform(), self.activation.len())];
        let w_init = self.w_init[pick(stream.uniform(), self.w_init.len())];
        let seed = Stream::new(zoo_seed, SEEDS, if self.shared_seed { 0 } else { index }).next_u64();
        Run { optimizer, activation, w_init, learning_rate, l2reg, dropout, init_std, train_fraction, seed }
    }
}

/// What [`Recipe::set`] knows.
const SETTABLE: [&str; 10] = [
    "learning_rate",
    "l2reg",
    "dropout",
    "init_std",
    "train_fraction",
    "optimizer",
    "activation",
    "w_init",
    "layers",
    "batch",
];

fn choices<C: Choice>(value: &str) -> Result<Vec<C>> {
    value.split(',').map(|name| C::parse(name.trim())).collect()
}

/// What a recipe writes as one text with commas, as on the command line.
trait Item: Sized {
    fn text(&self) -> String;
    fn item(text: &str) -> Result<Self>;
}

impl Item for Conv {
    fn text(&self) -> String {
        self.to_string()
    }
    fn item(text: &str) -> Result<Conv> {
        text.parse()
    }
}

impl<C: Choice> Item for C {
    fn text(&self) -> String {
        self.name().to_owned()
    }
    fn item(text: &str) -> Result<C> {
        C::parse(text)
    }
}

/// Lists as texts in JSON: `"16s2,16s2"`, `"adam,sgd"`.
mod commas {
    use super::Item;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<I: Item, S: Serializer>(items: &[I], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&items.iter().map(I::text).collect::<Vec<_>>().join(","))
    }

    pub fn deserialize<'de, I: Item, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<I>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.split(',').map(|item| I::item(item.trim()).map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_reference_laws() {
        let recipe = Recipe::default();
        let runs: Vec<Run> = (0..20_000).map(|index| recipe.draw(7, index)).collect();
        let mean = |value: &dyn Fn(&Run) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
        let close = |got: f64, expected: f64, tolerance: f64| {
            assert!((got - expected).abs() < tolerance, "{got} is not {expected} ± {tolerance}");
        };
        // six standard errors each
        close(mean(&|run| f64::from(run.learning_rate).log10()), (5e-4_f64.log10() + 5e-2_f64.log10()) / 2.0, 0.025);
        close(mean(&|run| f64::from(run.l2reg).log10()), -5.0, 0.074);
        close(mean(&|run| f64::from(run.dropout)), 0.35, 0.0087);
        close(mean(&|run| f64::from(run.init_std).ln()), (1e-3_f64.ln() + 0.5_f64.ln()) / 2.0, 0.077);
        close(mean(&|run| f64::from(run.train_fraction)), 0.4625, 0.0146);
        for optimizer in &recipe.optimizer {
            close(mean(&|run| f64::from(u8::from(run.optimizer == *optimizer))), 1.0 / 3.0, 0.02);
        }
        for w_init in Init::ALL {
            close(mean(&|run| f64::from(u8::from(run.w_init == *w_init))), 0.2, 0.017);
        }
        close(mean(&|run| f64::from(u8::from(run.activation == Activation::Relu))), 0.5, 0.0213);
        let in_range = |run: &Run| (5e-4..5e-2).contains(&run.learning_rate) && (0.0..0.7).contains(&run.dropout);
        assert!(runs.iter().all(in_range));
    }

    #[test]
    fn fixing_one_hyperparameter_leaves_the_others() {
        let mut fixed = Recipe::default();
        fixed.set("learning_rate=0.01").unwrap();
        fixed.set("activation=gelu,sigmoid").unwrap();
        let (a, b) = (Recipe::default().draw(1, 5), fixed.draw(1, 5));
        assert_eq!((b.learning_rate, a.dropout, a.w_init, a.seed), (0.01, b.dropout, b.w_init, b.seed));
    }

    #[test]
    fn seeds_are_own_or_shared() {
        let mut recipe = Recipe::default();
        assert_ne!(recipe.draw(1, 0).seed, recipe.draw(1, 1).seed);
        recipe.shared_seed = true;
        assert_eq!(recipe.draw(1, 0).seed, recipe.draw(1, 1).seed);
    }

    #[test]
    fn wrong_assignments_are_refused() {
        let mut recipe = Recipe::default();
        for wrong in ["dropout=1.5", "dropout", "optimizer=adm", "learningrate=1", "layers=16s9", "batch=0", "l2reg=x"]
        {
            assert!(recipe.set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_recipe_survives_json() {
        let text = serde_json::to_string(&Recipe::default()).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), Recipe::default());
        let recipe: Recipe = serde_json::from_str(r#"{"dropout": 0.25, "layers": "8s1same"}"#).unwrap();
        assert_eq!((recipe.dropout, recipe.layers.len(), recipe.batch), (Law::Choice(vec![0.25]), 1, 512));
        assert!(serde_json::from_str::<Recipe>(r#"{"drop": 1}"#).is_err());
    }
}
