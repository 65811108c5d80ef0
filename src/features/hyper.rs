//! Hyperparameters as columns: numbers as they are (`hyper.learning_rate`), names as one column each, 1 where it is the
//! network's (`hyper.activation=relu`).

use super::{Networks, Part, Worker};
use crate::zoo::{Config, Schema};
use crate::{Error, Result};

/// What the key `hyper` stands for, the reference's seven: all but the optimizer.
pub const REFERENCE: [&str; 7] =
    ["w_init", "activation", "learning_rate", "init_std", "l2reg", "train_fraction", "dropout"];

/// The one that it leaves out; `hyper+hyper.optimizer` has it.
pub const OPTIMIZER: &str = "optimizer";

/// The hyperparameter of a name.
///
/// # Errors
/// [`Error::Unknown`].
pub fn named(name: &str) -> Result<&'static str> {
    let mut all = REFERENCE.into_iter().chain([OPTIMIZER]);
    all.find(|known| *known == name)
        .ok_or_else(|| Error::unknown("hyperparameter", name, REFERENCE.into_iter().chain([OPTIMIZER])))
}

/// Some hyperparameters of each network.
pub(super) struct Hyper<'n> {
    schema: &'n Schema,
    configs: Vec<Config>,
    names: &'n [&'static str],
}

/// A hyperparameter's value.
enum Value<'s> {
    Number(f32),
    /// Its code and the names of all codes.
    Name(u8, &'s [String]),
}

impl<'n> Hyper<'n> {
    /// The hyperparameters `names` of the networks of a zoo.
    ///
    /// # Errors
    /// [`Error::Invalid`] for networks that are in no zoo.
    pub fn new(networks: &'n Networks<'n>, names: &'n [&'static str]) -> Result<Hyper<'n>> {
        let key = if names == REFERENCE { "hyper".into() } else { format!("hyper.{}", names.join(", hyper.")) };
        let (schema, configs) = networks.configs(&key)?;
        Ok(Hyper { schema, configs, names })
    }

    fn value(&self, name: &str, config: &Config) -> Value<'_> {
        match name {
            "w_init" => Value::Name(config.w_init, &self.schema.w_init),
            "activation" => Value::Name(config.activation, &self.schema.activation),
            OPTIMIZER => Value::Name(config.optimizer, &self.schema.optimizer),
            "learning_rate" => Value::Number(config.learning_rate),
            "init_std" => Value::Number(config.init_std),
            "l2reg" => Value::Number(config.l2reg),
            "train_fraction" => Value::Number(config.train_fraction),
            "dropout" => Value::Number(config.dropout),
            other => unreachable!("{other} is no name that `named` gives"),
        }
    }
}

impl Part for Hyper<'_> {
    fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for name in self.names {
            match self.value(name, &Config::default()) {
                Value::Number(_) => columns.push(format!("hyper.{name}")),
                Value::Name(_, names) => columns.extend(names.iter().map(|value| format!("hyper.{name}={value}"))),
            }
        }
        columns
    }

    fn worker(&self) -> Worker<'_> {
        Box::new(|network, values| {
            let mut values = values.iter_mut();
            for name in self.names {
                match self.value(name, &self.configs[network]) {
                    Value::Number(number) => values.by_ref().take(1).for_each(|value| *value = number),
                    Value::Name(code, names) => {
                        for (other, value) in values.by_ref().take(names.len()).enumerate() {
                            *value = f32::from(u8::from(other == usize::from(code)));
                        }
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cnn::Arch;
    use crate::features::Input;
    use crate::kernels::Isa;
    use crate::zoo::{Metrics, Status, Writer, Zoo};

    #[test]
    fn names_become_columns_of_zeros_and_a_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zoo");
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let schema = Schema {
            arch: Arch::reference(28, 28, 10).unwrap(),
            runs: 2,
            checkpoints: vec![0, 4],
            dataset: String::new(),
            digest: String::new(),
            recipe: serde_json::Value::Null,
            seed: 0,
            optimizer: names(&["sgd", "adam"]),
            activation: names(&["relu", "tanh", "softplus"]),
            w_init: names(&["he_normal"]),
            program: String::new(),
        };
        let second = Config { learning_rate: 0.5, activation: 2, optimizer: 1, dropout: 0.25, ..Config::default() };
        let writer = Writer::create_or_open(&path, &schema, &[Config::default(), second], false).unwrap();
        for run in 0..2 {
            writer.write(run, 1, &[0.0; 4970], &Metrics::default(), &[0.0; 10], Status::Done).unwrap();
        }
        let zoo = Zoo::open(&path).unwrap();
        let rows = zoo.final_rows();
        let table = |key: &str| {
            key.parse::<Input>().unwrap().table(Isa::detect(), &super::Networks::Zoo { zoo: &zoo, rows: &rows })
        };
        let all = table("hyper+hyper.optimizer").unwrap();
        let want = "w_init=he_normal activation=relu activation=tanh activation=softplus learning_rate init_std l2reg \
                    train_fraction dropout optimizer=sgd optimizer=adam";
        assert_eq!(all.columns.join(" ").replace("hyper.", ""), want);
        assert_eq!(all.row(0), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(all.row(1), [1.0, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.25, 0.0, 1.0]);
        assert_eq!(table("hyper.dropout").unwrap().x, [0.0, 0.25]);
        // an activation that cannot be computed
        let error = table("probes").unwrap_err();
        assert!(error.to_string().contains("softplus") && error.to_string().contains("gelu"), "{error}");
    }
}
