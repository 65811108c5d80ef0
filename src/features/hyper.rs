//! Hyperparameters as columns: numbers as they are (`hyper.learning_rate`), names as one column each, 1 where it is the
//! network's (`hyper.activation=relu`).

use super::{Columns, Networks, Worker};
use crate::Result;
use crate::zoo::hyper::{HYPERPARAMETERS, find};
use crate::zoo::{Config, Schema, Value};

/// What the key `hyper` stands for, the reference's seven: of format 1 all but the optimizer, which `hyper+hyper.optimizer` has
/// too.
pub const REFERENCE: [&str; 7] =
    ["w_init", "activation", "learning_rate", "init_std", "l2reg", "train_fraction", "dropout"];

/// The hyperparameter of a name, by its name in the table.
///
/// # Errors
/// [`Error::Unknown`](crate::Error::Unknown).
pub fn named(name: &str) -> Result<&'static str> {
    find(name).map(|at| HYPERPARAMETERS[at].name)
}

/// Some hyperparameters of each network.
pub(super) struct Hyper<'n> {
    schema: &'n Schema,
    configs: Vec<Config>,
    names: &'n [&'static str],
}

impl<'n> Hyper<'n> {
    /// The hyperparameters `names` of the networks of a zoo.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for networks that are in no zoo.
    pub fn new(networks: &'n Networks<'n>, names: &'n [&'static str]) -> Result<Hyper<'n>> {
        let key = if names == REFERENCE { "hyper".into() } else { format!("hyper.{}", names.join(", hyper.")) };
        let (schema, configs) = networks.configs(&key)?;
        Ok(Hyper { schema, configs: configs.collect(), names })
    }
}

impl Columns for Hyper<'_> {
    fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for name in self.names {
            match self.schema.names_of(name) {
                [] => columns.push(format!("hyper.{name}")),
                names => columns.extend(names.iter().map(|value| format!("hyper.{name}={value}"))),
            }
        }
        columns
    }

    fn worker(&self) -> Worker<'_> {
        Box::new(|network, values| {
            let mut values = values.iter_mut();
            for name in self.names {
                let at = HYPERPARAMETERS.iter().position(|hyper| hyper.name == *name).unwrap_or(0);
                match self.configs[network].values[at] {
                    Value::Number(number) => values.by_ref().take(1).for_each(|value| *value = number),
                    Value::Code(code) => {
                        for (other, value) in values.by_ref().take(self.schema.names_of(name).len()).enumerate() {
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
    use crate::Context;
    use crate::cnn::Arch;
    use crate::features::Input;
    use crate::out::{FileKind, OutPath};
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
            names: [
                ("optimizer", &["sgd", "adam"][..]),
                ("activation", &["relu", "tanh", "softplus"]),
                ("w_init", &["he_normal"]),
                ("schedule", &["constant"]),
            ]
            .map(|(name, all)| (name.into(), names(all)))
            .into(),
            optional: Vec::new(),
            shard: None,
            rounding: Vec::new(),
            dataset_notes: Vec::new(),
            program: String::new(),
        };
        let numbers = [("learning_rate", 0.5), ("dropout", 0.25)];
        let second = numbers.into_iter().fold(Config::default(), |all, (name, x)| all.with(name, Value::Number(x)));
        let second = second.with("activation", Value::Code(2)).with("optimizer", Value::Code(1));
        let writer =
            Writer::create_or_open(&OutPath::new(&path, FileKind::Zoo).unwrap(), &schema, &[Config::default(), second])
                .unwrap();
        for run in 0..2 {
            writer.write(run, 1, &[0.0; 4970], &Metrics::default(), &[0.0; 10], Status::Done).unwrap();
        }
        let zoo = Zoo::open(&path).unwrap();
        let rows = zoo.final_rows();
        let table = |key: &str| {
            key.parse::<Input>().unwrap().table(&Context::default(), &super::Networks::Zoo { zoo: &zoo, rows: &rows })
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
