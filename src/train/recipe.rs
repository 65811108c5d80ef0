//! `Recipe`: what a zoo's networks have in common, and the distributions that their hyperparameters are drawn from.

use super::distribution::Distribution;
use super::run::{self, Run};
use crate::cnn::layer::{self, Layer};
use crate::dataset::{Images, Preparation};
use crate::number::whole;
use crate::rng::Stream;
use crate::zoo::hyper::{self, COUNT, HYPERPARAMETERS, Kind, MAX_BATCH};
use crate::zoo::{Config, Value};
use crate::{Error, Result};
use serde_json::{Map, Value as Json};
use std::path::Path;

/// Purposes of the random numbers used here.
const DRAWS: u32 = u32::from_be_bytes(*b"hypr");
const SEEDS: u32 = u32::from_be_bytes(*b"seed");
const GRID: u32 = u32::from_be_bytes(*b"grid");

/// Combinations of a grid at most: they are shuffled in memory.
const MAX_COMBINATIONS: usize = 10_000_000;

/// The distributions of all hyperparameters, and what is the same for every network of a zoo.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// What the recipe is called.
    pub name: String,
    /// The networks' layers.
    pub layers: Vec<Layer>,
    /// How the images are prepared.
    pub images: Images,
    /// Images a step, of networks that have no number of their own.
    pub batch: usize,
    /// Whether every network gets one seed, as in the released zoo, instead of its own.
    pub shared_seed: bool,
    /// Whether every combination of the listed values comes once before one comes twice.
    pub grid: bool,
    /// In the order of [`HYPERPARAMETERS`].
    pub distributions: [Distribution; COUNT],
}

/// A field of a recipe.
pub(super) struct Entry {
    pub name: &'static str,
    pub value: Json,
    /// Whether a zoo keeps it.
    pub kept: bool,
}

/// The recipe of the released Small CNN Zoo.
impl Default for Recipe {
    fn default() -> Recipe {
        let names = |text: &str| Distribution::Names(text.split(',').map(str::to_owned).collect());
        let distribution = |hyper: &hyper::Hyperparameter| match hyper.name {
            "learning_rate" => Distribution::LogUniform(5e-4, 5e-2),
            "l2reg" => Distribution::LogUniform(1e-8, 1e-2),
            "dropout" => Distribution::Uniform(0.0, 0.7),
            "init_std" => Distribution::LogUniform(1e-3, 0.5),
            "train_fraction" => Distribution::Choice(vec![0.1, 0.25, 0.5, 1.0]),
            "optimizer" => names("adam,rmsprop,sgd"),
            "activation" => names("relu,tanh"),
            "w_init" => names("glorot_normal,he_normal,orthogonal,RandomNormal,TruncatedNormal"),
            _ => Distribution::default_of(hyper).unwrap_or(Distribution::constant(0.0)),
        };
        Recipe {
            name: "small-cnn-zoo".into(),
            layers: layer::reference(),
            images: Images::default(),
            batch: 512,
            shared_seed: false,
            grid: false,
            distributions: HYPERPARAMETERS.each_ref().map(distribution),
        }
    }
}

/// A recipe that is built in: its name and the settings in which it differs from `small-cnn-zoo`.
struct BuiltIn {
    name: &'static str,
    grid: bool,
    settings: &'static [(&'static str, &'static str)],
}

/// What the Model Zoos (Schürholt et al., NeurIPS 2022, «hyp-10-rand») have in common.
const MODEL_ZOOS: [(&str, &str); 11] = [
    ("preparation", "standard"),
    ("batch", "10"),
    ("activation", "tanh,relu,sigmoid,gelu"),
    ("dropout", "0,0.5"),
    ("w_init", "uniform,normal,kaiming_uniform,kaiming_normal"),
    ("optimizer", "adam,momentum"),
    ("momentum", "0.9"),
    ("bias_init", "0.01"),
    ("l2reg", "0"),
    ("init_std", "0"),
    ("learning_rate", "0.001,0.0001"),
];

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn { name: "small-cnn-zoo", grid: false, settings: &[] },
    BuiltIn {
        name: "model-zoos-small",
        grid: true,
        settings: &[
            ("layers", "8k5,max2,act,drop,6k5,max2,act,drop,4k2,act,flatten,20,act,drop"),
            ("weight_decay", "0.001,0.0001"),
            // 50,000 of MNIST's 60,000
            ("train_fraction", "0.8333333"),
        ],
    },
    BuiltIn {
        name: "model-zoos-large",
        grid: true,
        settings: &[
            ("layers", "16k3,max2,act,drop,32k3,max2,act,drop,15k3,max2,act,drop,flatten,20,act,drop"),
            ("images", "colour"),
            ("learning_rate", "0.001"),
            ("weight_decay", "0.01,0.001"),
            // 42,000 of CIFAR-10's 50,000
            ("train_fraction", "0.84"),
        ],
    },
    // flattened images, three layers (Zhou et al., NeurIPS 2023, neural functionals)
    BuiltIn {
        name: "mlp",
        grid: false,
        settings: &[("layers", "flatten,10,act,10,act"), ("activation", "relu"), ("dropout", "0"), ("batch", "128")],
    },
];

impl Recipe {
    /// A recipe by name, or from a JSON file; fields left out are those of `small-cnn-zoo`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is neither known nor a file, [`Error::Malformed`] for a file that is no recipe.
    pub fn load(name_or_file: &str) -> Result<Recipe> {
        if let Some(recipe) = Recipe::built_in(name_or_file) {
            return recipe;
        }
        let path = Path::new(name_or_file);
        if !path.exists() && !name_or_file.ends_with(".json") {
            let known = Recipe::names().chain(["FILE.json"]);
            return Err(Error::unknown("recipe", name_or_file, known));
        }
        let value: Json = crate::json::read(path, "a recipe")?;
        Recipe::from_json(&value).map_err(|error| match error {
            Error::Invalid { what, expected, got } => Error::malformed(path, format!("{expected} as {what}"), got),
            other => Error::malformed(path, "a recipe", other.to_string()),
        })
    }

    /// The names of those built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|recipe| recipe.name)
    }

    /// The recipe of that name, if there is one.
    pub(super) fn built_in(name: &str) -> Option<Result<Recipe>> {
        let built_in = BUILT_IN.iter().find(|recipe| recipe.name == name)?;
        let mut recipe = Recipe { name: name.into(), grid: built_in.grid, ..Recipe::default() };
        let common = if built_in.grid { &MODEL_ZOOS[..] } else { &[] };
        let mut settings = common.iter().chain(built_in.settings);
        Some(settings.try_for_each(|(name, value)| recipe.set(&format!("{name}={value}"))).map(|()| recipe))
    }

    /// The recipe in a JSON object.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a field, [`Error::Invalid`] for a value.
    pub fn from_json(value: &Json) -> Result<Recipe> {
        let wrong = |name: &str, expected: &str, got: &Json| Error::invalid(name, expected, got);
        let object = value.as_object().ok_or_else(|| wrong("recipe", "an object of hyperparameters", value))?;
        let mut recipe = Recipe::default();
        let text =
            |name: &str, value: &Json| value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "a text", value));
        let truth = |name: &str, value: &Json| value.as_bool().ok_or_else(|| wrong(name, "true or false", value));
        for (name, value) in object {
            match name.as_str() {
                "name" => recipe.name = text(name, value)?,
                "layers" => recipe.layers = layer::from_json(value)?,
                "images" => recipe.images.colour = colour(&text(name, value)?)?,
                "preparation" => recipe.images.preparation = text(name, value)?.parse()?,
                "batch" if value.is_number() => {
                    let whole = value.as_u64().and_then(|batch| usize::try_from(batch).ok());
                    recipe.set_batch(whole.ok_or_else(|| wrong(name, "a whole number", value))?)?;
                }
                "shared_seed" => recipe.shared_seed = truth(name, value)?,
                "grid" => recipe.grid = truth(name, value)?,
                name => {
                    let at = settable(meant(name))?;
                    let names = run::names(name);
                    recipe.distributions[at] = Distribution::from_json(&HYPERPARAMETERS[at], &names, value)?;
                }
            }
        }
        recipe.combinations()?;
        Ok(recipe)
    }

    /// The recipe as a zoo keeps it: what was not known to format 1 only where it is not the default.
    pub fn to_json(&self) -> Json {
        let kept = self.entries().into_iter().filter(|entry| entry.kept);
        kept.map(|entry| (entry.name.to_owned(), entry.value)).collect::<Map<_, _>>().into()
    }

    /// Everything that a recipe says, by the names in [`Recipe::to_json`].
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |name, value: Json, kept| Entry { name, value, kept };
        let Images { colour, preparation } = self.images;
        let mut entries = vec![
            entry("name", self.name.as_str().into(), true),
            entry("layers", layer::text(&self.layers).into(), true),
            entry("batch", self.batch.into(), true),
            entry("shared_seed", self.shared_seed.into(), true),
            entry("images", if colour { "colour" } else { "grey" }.into(), colour),
            entry("preparation", preparation.name().into(), preparation != Preparation::default()),
            entry("grid", self.grid.into(), self.grid),
        ];
        for (hyper, distribution) in HYPERPARAMETERS.iter().zip(&self.distributions) {
            let kept = Distribution::default_of(hyper).as_ref() != Some(distribution);
            entries.push(entry(hyper.name, distribution.to_json(), kept));
        }
        entries
    }

    /// Fixes a hyperparameter: `learning_rate=0.01`, `optimizer=adam`, `layers=32s2,32s2same`; several values, separated by
    /// commas, are equally likely.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name, [`Error::Invalid`] for a value.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| Error::invalid("assignment", "NAME=VALUE", assignment))?;
        match name {
            "layers" => self.layers = layer::parse(value)?,
            "images" => self.images.colour = colour(value)?,
            "preparation" => self.images.preparation = value.parse()?,
            "batch" if !value.contains([',', '.']) => {
                self.set_batch(whole(value).ok_or_else(|| Error::invalid("batch", "a whole number", value))?)?;
            }
            name => {
                let at = settable(meant(name))?;
                self.distributions[at] = Distribution::parse(&HYPERPARAMETERS[at], &run::names(name), value)?;
            }
        }
        self.combinations().map(drop)
    }

    fn set_batch(&mut self, batch: usize) -> Result<()> {
        if batch == 0 || batch > MAX_BATCH {
            return Err(Error::invalid("batch", format!("1 to {MAX_BATCH}"), batch));
        }
        self.batch = batch;
        // one for all, whatever was said of each before
        let at = hyper::find("batch_size")?;
        self.distributions[at] = Distribution::constant(0.0);
        Ok(())
    }

    /// Images of a network's training step: its own number or, where it has none, the recipe's.
    pub fn batch_of(&self, run: &Run) -> usize {
        if run.batch_size == 0 { self.batch } else { run.batch_size }
    }

    /// Combinations of a grid; 1 where the recipe is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] where they are too many.
    pub fn combinations(&self) -> Result<usize> {
        let mut choices = self.distributions.iter().filter_map(Distribution::choices);
        let all = if self.grid { choices.try_fold(1usize, |all, choices| all.checked_mul(choices)) } else { Some(1) };
        let expected = format!("at most {MAX_COMBINATIONS} combinations");
        all.filter(|&all| all <= MAX_COMBINATIONS).ok_or_else(|| Error::invalid("grid", expected, "more"))
    }

    /// The hyperparameters of the first `models` networks of the zoo with this seed; see [`Recipe::networks`].
    pub fn draw(&self, zoo_seed: u64, models: usize) -> Vec<Config> {
        self.networks(zoo_seed).take(models).collect()
    }

    /// The hyperparameters of the networks of the zoo with this seed, without an end.
    ///
    /// Each is drawn from its own number, so that fixing one leaves the others as they were. A grid goes through all its
    /// combinations, each time in another order, so that a part of it is a fair sample.
    pub fn networks(&self, zoo_seed: u64) -> impl Iterator<Item = Config> + '_ {
        let combinations = self.combinations().unwrap_or(1);
        let mut order: Vec<u32> = Vec::new();
        (0..).map(move |index: usize| {
            if self.grid && index.is_multiple_of(combinations) {
                order = (0..combinations as u32).collect();
                Stream::new(zoo_seed, GRID, (index / combinations) as u32).shuffle(&mut order);
            }
            let combination = order.get(index % combinations).map(|&number| number as usize);
            self.config(zoo_seed, index as u32, combination)
        })
    }

    fn config(&self, zoo_seed: u64, index: u32, mut combination: Option<usize>) -> Config {
        let mut stream = Stream::new(zoo_seed, DRAWS, index);
        let mut config = Config::default();
        for (at, (hyper, distribution)) in HYPERPARAMETERS.iter().zip(&self.distributions).enumerate() {
            let u = stream.uniform();
            let drawn = match (&mut combination, distribution.choices()) {
                (Some(rest), Some(choices)) => {
                    let choice = *rest % choices;
                    *rest /= choices;
                    (choice as f64 + 0.5) / choices as f64
                }
                _ => u,
            };
            let value = distribution.quantile(drawn);
            config.values[at] = match (hyper.kind, distribution) {
                (Kind::Name { .. }, Distribution::Names(names)) => {
                    let known = run::names(hyper.name);
                    let code = known.iter().position(|name| *name == names[value as usize]);
                    Value::Code(code.unwrap_or(0) as u8)
                }
                (Kind::Number { whole: true, .. }, _) => Value::Number(value.round() as f32),
                _ => Value::Number(value as f32),
            };
        }
        config.seed = Stream::new(zoo_seed, SEEDS, if self.shared_seed { 0 } else { index }).next_u64();
        config
    }

    /// The hyperparameters as training takes them; see [`Recipe::draw`].
    pub fn runs(&self, zoo_seed: u64, models: usize) -> Vec<Run> {
        self.draw(zoo_seed, models).iter().map(Run::from).collect()
    }
}

/// What [`Recipe::set`] knows besides the hyperparameters.
const SETTINGS: [&str; 4] = ["layers", "images", "preparation", "batch"];

/// The hyperparameter that a name stands for: a setting where networks are to differ in it, a short name.
fn meant(name: &str) -> &str {
    match name {
        "batch" => "batch_size",
        "lr" => "learning_rate",
        other => other,
    }
}

/// The place of a hyperparameter; a message about another name lists everything that can be set.
fn settable(name: &str) -> Result<usize> {
    let known = HYPERPARAMETERS.iter().map(|hyper| hyper.name).chain(SETTINGS);
    hyper::find(name).map_err(|_| Error::unknown("hyperparameter", name, known))
}

fn colour(text: &str) -> Result<bool> {
    match text {
        "grey" | "gray" => Ok(false),
        "colour" | "color" => Ok(true),
        other => Err(Error::unknown("kind of images", other, ["grey", "colour"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::choice::Choice;
    use crate::cnn::init::Init;
    use crate::kernels::activation::Activation;
    use crate::train::run::Optimizer;
    use serde_json::json;
    use std::collections::HashMap;

    #[test]
    fn short_names_and_powers_of_ten_are_understood() {
        let set = |settings: [&str; 2]| {
            let mut recipe = Recipe::default();
            settings.iter().try_for_each(|setting| recipe.set(setting)).map(|()| recipe.to_json())
        };
        let long = set(["learning_rate=0.1", "batch=100"]).unwrap();
        assert_eq!(set(["lr=0.1", "batch=1e2"]).unwrap(), long);
        assert!(set(["lr=0.1", "batch=1e9"]).is_err() && set(["lr=0.1", "batch=1.5e0"]).is_err());
    }

    #[test]
    fn draws_follow_the_reference_distributions() {
        let recipe = Recipe::default();
        let runs = recipe.runs(7, 20_000);
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
        for optimizer in [Optimizer::Adam, Optimizer::RmsProp, Optimizer::Sgd] {
            close(mean(&|run| f64::from(u8::from(run.optimizer == optimizer))), 1.0 / 3.0, 0.02);
        }
        for w_init in &Init::ALL[..5] {
            close(mean(&|run| f64::from(u8::from(run.w_init == *w_init))), 0.2, 0.017);
        }
        close(mean(&|run| f64::from(u8::from(run.activation == Activation::Relu))), 0.5, 0.0213);
        let in_range = |run: &Run| (5e-4..5e-2).contains(&run.learning_rate) && (0.0..0.7).contains(&run.dropout);
        assert!(runs.iter().all(in_range));
        assert!(runs.iter().all(|run| (run.weight_decay, run.momentum, run.bias_init) == (0.0, 0.9, 0.0)));
    }

    #[test]
    fn fixing_one_hyperparameter_leaves_the_others() {
        let mut fixed = Recipe::default();
        fixed.set("learning_rate=0.01").unwrap();
        fixed.set("activation=gelu,sigmoid").unwrap();
        let (a, b) = (Recipe::default().runs(1, 6)[5], fixed.runs(1, 6)[5]);
        assert_eq!((b.learning_rate, a.dropout, a.w_init, a.seed), (0.01, b.dropout, b.w_init, b.seed));
    }

    #[test]
    fn a_grid_has_every_combination_once_before_one_comes_twice() {
        let recipe = Recipe::load("model-zoos-small").unwrap();
        assert_eq!(recipe.combinations().unwrap(), 4 * 2 * 4 * 2 * 2 * 2);
        let runs = recipe.runs(3, 3 * 256 + 10);
        let key = |run: &Run| format!("{:?}", Run { seed: 0, ..*run });
        for round in runs.chunks(256) {
            let mut counts: HashMap<String, usize> = HashMap::new();
            round.iter().for_each(|run| *counts.entry(key(run)).or_default() += 1);
            assert_eq!(counts.len(), round.len());
        }
        assert_ne!(key(&runs[0]), key(&runs[256]), "each round in an order of its own");
        assert!(runs.iter().all(|run| run.bias_init == 0.01 && run.train_images(60_000) == 50_000));
        assert_eq!(Recipe::load("model-zoos-large").unwrap().runs(1, 1)[0].train_images(50_000), 42_000);
    }

    #[test]
    fn seeds_are_own_or_shared() {
        let mut recipe = Recipe::default();
        let seeds = |recipe: &Recipe| [0, 1].map(|index| recipe.runs(1, 2)[index].seed);
        assert_ne!(seeds(&recipe)[0], seeds(&recipe)[1]);
        recipe.shared_seed = true;
        assert_eq!(seeds(&recipe)[0], seeds(&recipe)[1]);
    }

    #[test]
    fn wrong_assignments_are_refused() {
        let mut recipe = Recipe::default();
        for wrong in [
            "dropout=1.5",
            "dropout",
            "optimizer=adm",
            "learningrate=1",
            "layers=16x9",
            "batch=0",
            "batch=8,9.5",
            "batch=0,16",
            "l2reg=x",
            "images=green",
            "preparation=none",
            "schedule=cosin",
        ] {
            assert!(recipe.set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_recipe_survives_json() {
        for built_in in &BUILT_IN {
            let recipe = Recipe::load(built_in.name).unwrap();
            assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        }
        // format 1, by the program that wrote it first
        let first = r#"{"activation":"relu,tanh","batch":512,"dropout":{"uniform":[0.0,0.7]},"init_std":{"log_uniform":[0.001,0.5]},"l2reg":{"log_uniform":[1e-8,0.01]},"layers":"16s2,16s2,16s2","learning_rate":{"log_uniform":[0.0005,0.05]},"name":"small-cnn-zoo","optimizer":"adam,rmsprop,sgd","shared_seed":false,"train_fraction":{"choice":[0.1,0.25,0.5,1.0]},"w_init":"glorot_normal,he_normal,orthogonal,RandomNormal,TruncatedNormal"}"#;
        assert_eq!(Recipe::default().to_json().to_string(), first);
        let mut recipe = Recipe::default();
        recipe.set("batch=8..64:log").unwrap();
        assert!(recipe.runs(1, 99).iter().all(|run| (8..=64).contains(&run.batch_size)));
        assert_eq!(Recipe::from_json(&recipe.to_json()).unwrap(), recipe);
        assert_eq!(Recipe::from_json(&json!({ "batch": "8..64:log" })).unwrap(), recipe);
        // the last word counts
        recipe.set("batch=512").unwrap();
        assert_eq!(recipe, Recipe::default());
        let recipe = Recipe::from_json(&json!({ "dropout": 0.25, "layers": "8s1same", "optimizer": ["sgd"] })).unwrap();
        assert_eq!((&recipe.distributions[2], recipe.batch), (&Distribution::constant(0.25), 512));
        for wrong in
            [json!({ "drop": 1 }), json!([]), json!({ "dropout": { "normal": [0, 1] } }), json!({ "batch": -1 })]
        {
            assert!(Recipe::from_json(&wrong).is_err(), "{wrong}");
        }
    }
}
