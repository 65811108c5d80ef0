//! A predictor that is to be fitted, as a file: kind, input and options.

use super::{DEFAULT, Options};
use crate::out::{OutPath, replace};
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::Path;

/// Kind, input and options: `{"predictor": "gbm", "input": "wstats+probes", "params": {"num_leaves": 8, …}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// As [`Options::new`] takes it; where there is none it is [`DEFAULT`].
    #[serde(default = "default_kind")]
    pub predictor: String,
    /// What is seen of a zoo's networks, as `--input` takes it; none where a table was searched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Values by the names that [`Options::set`] takes; what is missing stays at its default.
    #[serde(default)]
    pub params: Map<String, Value>,
}

fn default_kind() -> String {
    DEFAULT.into()
}

impl Config {
    /// Every option of a fit.
    pub fn new(options: &Options, input: Option<String>) -> Config {
        Config { predictor: options.spec(), input, params: options.values() }
    }

    /// Sets what the configuration names.
    ///
    /// # Errors
    /// Those of [`Options::set`]; [`Error::Invalid`] for two names of one option.
    pub fn apply(&self, options: &mut Options) -> Result<()> {
        let mut names: Vec<(&str, &String)> = self.params.keys().map(|name| (options.0.own_name(name), name)).collect();
        names.sort_unstable();
        if let Some([(own, one), (_, other)]) = names.array_windows().find(|[(a, _), (b, _)]| a == b) {
            return Err(Error::invalid(*own, "one value", format!("{one} and {other}, two names of it")));
        }
        self.params.iter().try_for_each(|(name, value)| match value {
            Value::String(text) => options.set(&format!("{name}={text}")),
            value => options.set(&format!("{name}={value}")),
        })
    }

    /// Reads a configuration; where it does not tell the kind, that is `kind` or [`DEFAULT`].
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for anything but such an object with a known kind, known options and values in their
    /// ranges. The input is not looked at.
    pub fn load(path: &Path, kind: Option<&str>) -> Result<Config> {
        const WHAT: &str = "a JSON object with predictor, input and params";
        let wrong = |got: String| Error::malformed(path, WHAT, got);
        let not_json = |error: serde_json::Error| wrong(error.to_string());
        let mut value: Value = json::read(path, WHAT)?;
        // a list of the fields in their order would do for serde
        let object = value.as_object_mut().ok_or_else(|| wrong("no object".into()))?;
        if let Some(kind) = kind {
            object.entry("predictor").or_insert_with(|| kind.into());
        }
        let config: Config = serde_json::from_value(value).map_err(not_json)?;
        Options::try_from(config.clone()).map_err(|error| wrong(error.to_string()))?;
        Ok(config)
    }

    /// Writes the configuration as indented JSON; the file has its name only when it is complete.
    ///
    /// # Errors
    /// Those of [`replace`].
    pub fn save(&self, out: &OutPath) -> Result<()> {
        replace(out, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }
}

/// The options alone, whatever the input; what is missing has the default of [`Options::new`].
impl TryFrom<Config> for Options {
    type Error = Error;
    fn try_from(config: Config) -> Result<Options> {
        let mut options = Options::new(&config.predictor)?;
        config.apply(&mut options)?;
        Ok(options)
    }
}

impl From<Options> for Config {
    fn from(options: Options) -> Config {
        Config::new(&options, None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::names;
    use super::*;
    use crate::out::FileKind;
    use crate::rng::Stream;

    #[test]
    fn two_names_of_one_option_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        for (predictor, says) in [("gbm", true), ("bag(gbm)", true), ("linear", false)] {
            let text =
                format!(r#"{{"predictor": "{predictor}", "params": {{"num_iterations": 3, "n_estimators": 500}}}}"#);
            std::fs::write(&path, text).unwrap();
            let message = Config::load(&path, None).unwrap_err().to_string();
            let both = message.contains("num_iterations") && message.contains("n_estimators");
            assert_eq!(both && message.contains("one value"), says, "{message}");
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        let drawn = |kind| {
            let mut options = Options::networks(kind).unwrap();
            options.draw(&mut Stream::new(1, 0, 0), 100, 5);
            options
        };
        let mut seeded = Options::new(DEFAULT).unwrap();
        seeded.set("seed=18446744073709551615").unwrap();
        for options in names().map(drawn).into_iter().chain([seeded]) {
            let config = Config::new(&options, Some("wstats+probes".into()));
            config.save(&OutPath::new(&path, FileKind::Config).unwrap()).unwrap();
            assert_eq!(Config::load(&path, None).unwrap(), config);
            assert_eq!(Options::try_from(config).unwrap(), options);
        }
    }

    #[test]
    fn what_is_missing_keeps_its_default_and_what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::load(&path, None)
        };
        let mut options = Options::networks("gbm").unwrap();
        load(r#"{"predictor": "gbm", "params": {"lambda_l2": 7}}"#).unwrap().apply(&mut options).unwrap();
        let mut expected = Options::networks("gbm").unwrap();
        expected.set("reg_lambda=7").unwrap();
        assert_eq!(options, expected);
        for text in ["{}", r#"{"params": {}}"#, r#"{"input": "probes"}"#] {
            assert_eq!(load(text).unwrap().predictor, "gbm", "{text}");
        }
        std::fs::write(&path, r#"{"params": {"units": 7}}"#).unwrap();
        assert_eq!(Config::load(&path, Some("mlp")).unwrap().predictor, "mlp");
        for (text, says) in [
            (r#"{"predictor": "mlp", "params": {"layers": 0}}"#, "at least 1"),
            (r#"{"predictor": "linear", "params": {"layers": 3}}"#, "mlp has hidden layers"),
            ("[]", "malformed"),
            (r#"{"predictor": "gmb"}"#, "known: gbm"),
            (r#"{"predictor": "gbm", "params": {"num_leave": 7}}"#, "did you mean \"num_leaves\"?"),
            (r#"{"predictor": "gbm", "params": {"num_leaves": 7.5}}"#, "num_leaves"),
            (r#"{"predictor": "gbm", "params": {"num_leaves": [7]}}"#, "num_leaves"),
            (r#"{"predictor": "mlp", "params": {"optimizer": "adm"}}"#, "did you mean \"adam\"?"),
            (r#"{"predictor": "gbm", "parameters": {}}"#, "parameters"),
            (r#"{"predictor""#, "malformed"),
        ] {
            let error = load(text).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(says), "{text}: {error}");
        }
        for (text, says) in [("", "an empty file"), ("run,part\n", "begins with")] {
            let error = load(text).unwrap_err();
            assert!(matches!(error, Error::OtherKind { .. }) && error.to_string().contains(says), "{text}: {error}");
        }
    }
}
