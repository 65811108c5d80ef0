//! What a predictor predicts: which number or which name of a network.

use super::output;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use zoometry::predictor::Predictor;
use zoometry::table::Table;
use zoometry::zoo::{Target, Zoo};
use zoometry::{Error, Result};

/// Keys of a predictor's `info`.
pub const TARGET: &str = "target";
/// The names in the order of their numbers, as JSON; missing where a number is predicted.
const CLASSES: &str = "classes";

/// A target and, where it is one of several names, these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub target: Target,
    pub classes: Vec<String>,
}

impl Asked {
    /// A target with the names that it has among a zoo's finished networks.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a zoo whose networks all have the same name.
    pub fn of_zoo(target: Target, zoo: &Zoo, path: &Path, epoch: Option<u32>) -> Result<Asked> {
        let classes = target.classes(zoo, &rows(zoo, epoch)?);
        if let [only] = &*classes {
            let expected = format!("a zoo whose networks differ in {target}");
            return Err(Error::unsuitable(path, expected, format!("{only} only")));
        }
        Ok(Asked { target, classes })
    }

    /// As the info of a predictor's file says; what is older says nothing, and predicts the test accuracy.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a target of another version.
    pub fn of_info(info: &BTreeMap<String, String>) -> Result<Asked> {
        let target = info.get(TARGET).map_or_else(|| Ok(Target::default()), |name| name.parse())?;
        let classes = info.get(CLASSES).and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
        Ok(Asked { target, classes })
    }

    /// As a predictor says.
    ///
    /// # Errors
    /// [`Error::Malformed`] where it says something else, or has not as many outputs as names.
    pub fn of(predictor: &Predictor, path: &Path) -> Result<Asked> {
        let wrong = |got: String| Error::malformed(path, "a known target", got);
        let asked = Asked::of_info(&predictor.info).map_err(|error| wrong(error.to_string()))?;
        let (names, outputs) = (asked.classes.len(), predictor.model.outputs());
        if names.max(1) != outputs {
            return Err(wrong(format!("{outputs} outputs for {names} names")));
        }
        Ok(asked)
    }

    /// What a predictor's file is to say.
    pub fn note(&self, info: &mut BTreeMap<String, String>) {
        info.insert(TARGET.to_owned(), self.target.to_string());
        if !self.classes.is_empty() {
            let names = serde_json::Value::from(self.classes.clone());
            info.insert(CLASSES.to_owned(), names.to_string());
        }
    }

    /// The table of a zoo's networks with this as its target; networks that have none, or a name that the predictor does not
    /// know, are left out, and it is said how many.
    ///
    /// # Errors
    /// [`Error::Malformed`] where none is left; [`Error::Invalid`] for an epoch that is no checkpoint.
    pub fn set(&self, mut table: Table, zoo: &Zoo, path: &Path, epoch: Option<u32>) -> Result<Table> {
        if self.target == Target::default() {
            return Ok(table);
        }
        let rows: HashMap<u64, usize> =
            rows(zoo, epoch)?.into_iter().map(|row| (u64::from(zoo.run()[row]), row)).collect();
        let rows: Vec<usize> = table.group.iter().filter_map(|run| rows.get(run).copied()).collect();
        table.y = self.target.values(zoo, &rows, &self.classes);
        let known: Vec<usize> = (0..table.rows()).filter(|&row| table.y[row].is_finite()).collect();
        let (all, name) = (table.rows(), self.target.name());
        match all - known.len() {
            0 => return Ok(table),
            unknown if unknown == all => {
                let expected = format!("networks with a {name} that the predictor knows");
                return Err(Error::unsuitable(path, expected, "none"));
            }
            unknown => {
                output::tell(format!("{unknown} of {all} networks of {} left out: no known {name}", path.display()))
            }
        }
        Ok(table.select(&known))
    }
}

/// The finished rows of an epoch, of the last if none is given.
fn rows(zoo: &Zoo, epoch: Option<u32>) -> Result<Vec<usize>> {
    epoch.map_or_else(|| Ok(zoo.final_rows()), |epoch| zoo.rows_at_epoch(epoch))
}
