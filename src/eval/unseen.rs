//! `Unseen`: the networks that a predictor may be scored on, those that it was not fitted to.

use super::Division;
use crate::predictor::Predictor;
use crate::table::{Part, Table, origin};
use crate::zoo::Zoo;
use crate::{Error, Result};
use std::path::Path;

/// Which rows of a table a predictor may be scored on.
#[derive(Clone, Debug, PartialEq)]
pub struct Unseen {
    /// The rows, ascending.
    pub rows: Vec<usize>,
    /// What they are, in words.
    pub said: String,
    /// Networks that the predictor was fitted to, which are left out.
    pub left_out: usize,
    /// Whether it is known that the predictor was not fitted to them.
    pub known: bool,
}

impl Unseen {
    /// The rows of `table`, computed of `zoo`, that `predictor` was not fitted to; of a division's `file` those of its test part.
    ///
    /// A predictor tells the networks of its fit by their weights. One without a provenance, as older versions wrote, is known not
    /// to be fitted to the test part of a zoo that looks like its own, by number; of any other zoo nothing is known.
    ///
    /// # Errors
    /// Those of [`Division::new`] and [`Division::split`]; [`Error::Malformed`] where no row is left; [`Error::Invalid`] for an older
    /// predictor and another division of what looks like its own zoo.
    pub fn new(predictor: &Predictor, zoo: &Zoo, table: &Table, file: Option<&Path>) -> Result<Unseen> {
        let about = |key: &str| predictor.info.get(key);
        let seed = about(origin::SPLIT_SEED).and_then(|seed| seed.parse().ok()).unwrap_or(0);
        let division = Division::new(file, seed, zoo)?;
        let asked = match file {
            Some(_) => division.split(&table.group)?.test,
            None => (0..table.rows()).collect(),
        };
        let found = match &predictor.provenance {
            Some(provenance) => {
                let parts =
                    table.origin.networks.iter().map(|&network| provenance.part(network)).collect::<Vec<Part>>();
                by_weights(&asked, &parts, file.is_some())
            }
            None if about(origin::ZOO) == Some(&zoo.identity()) => {
                let digest = division.digest();
                if about(origin::SPLIT).map(String::as_str) != digest {
                    let expected = if digest.is_none() { "the file of the fit" } else { "none, as in the fit" };
                    let got = file.map_or("none".into(), |file| file.display().to_string());
                    return Err(Error::invalid("split", format!("{expected}, on the zoo of the fit"), got));
                }
                let said = "the test part of the zoo it was fitted to, by their numbers: its file is too old to know them by weights";
                Unseen { rows: division.split(&table.group)?.test, said: said.into(), left_out: 0, known: true }
            }
            None => {
                let said = "unknown whether it was fitted to some of them: its file does not say";
                Unseen { rows: asked, said: said.into(), left_out: 0, known: false }
            }
        };
        if found.rows.is_empty() {
            let got = format!("{} that it was fitted to", found.left_out);
            return Err(Error::unsuitable(zoo.path(), "networks that the predictor was not fitted to", got));
        }
        Ok(found)
    }
}

/// Those of the rows that are asked for whose networks the fit did not use.
fn by_weights(asked: &[usize], parts: &[Part], divided: bool) -> Unseen {
    let rows: Vec<usize> = asked.iter().copied().filter(|&row| !parts[row].is_fitted()).collect();
    let left_out = parts.iter().filter(|part| part.is_fitted()).count();
    let tests = rows.iter().filter(|&&row| parts[row] == Part::Test).count();
    let all = if divided { "the test part" } else { "all networks" };
    let mut said = match tests {
        0 if left_out == 0 => format!("{all} of a zoo it was not fitted to"),
        0 => "those it was not fitted to".into(),
        tests if tests == rows.len() => "the test part of the zoo it was fitted to".into(),
        tests => format!("{tests} of its fit's test part and {} that are new to it", rows.len() - tests),
    };
    if left_out > 0 {
        said += &format!("; {left_out} that it was fitted to are left out");
    }
    Unseen { rows, said, left_out, known: true }
}
