//! Predictors: fitted to a [`Table`], they predict its target.
//!
//! A fitted predictor is one safetensors file. It knows the columns it was fitted on and refuses others.

pub mod bag;
pub mod boost;
mod config;
mod distribution;
pub mod domain;
mod file;
mod kind;
pub mod mean;
mod option;
pub mod perceptron;
pub mod process;
mod product;
mod provenance;
mod spec;

pub use bag::BagModel;
pub use config::Config;
pub use domain::{Domain, Measure, Place};
pub use kind::{Estimator, Kind, Model};
pub use provenance::Provenance;

use crate::features::Fitted;
use crate::kernels::Isa;
use crate::out::OutPath;
use crate::rng::Stream;
use crate::table::{Table, origin};
use crate::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The kinds of predictors.
pub static KINDS: [&Kind; 6] =
    [&boost::KIND, &perceptron::LINEAR, &perceptron::MLP, &process::KIND, &mean::KIND, &bag::KIND];

/// Entry of [`Predictor::info`] that names the input of [`Predictor::input`].
pub const INPUT: &str = "input";

/// Name of the kind that is taken where none is named.
pub const DEFAULT: &str = boost::KIND.name;

/// Names of [`KINDS`], as `--predictor` takes them.
pub fn names() -> [&'static str; KINDS.len()] {
    KINDS.map(|kind| kind.name)
}

/// The kind of a name.
///
/// # Errors
/// [`Error::Unknown`].
pub fn kind(name: &str) -> Result<&'static Kind> {
    let found = KINDS.into_iter().find(|kind| kind.name == name);
    found.ok_or_else(|| Error::unknown("predictor", name, names()))
}

/// The options of a fit of one of [`KINDS`]; in JSON a [`Config`] without an input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(into = "Config", try_from = "Config")]
pub struct Options(Box<dyn Estimator>);

impl Clone for Options {
    fn clone(&self) -> Options {
        Options(self.0.copy())
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Options) -> bool {
        self.spec() == other.spec() && self.values() == other.values()
    }
}

impl Options {
    /// The default options of a kind, or of what is made of several: `gbm`, `mean(gbm,gp)`, `bag(gbm)`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of [`names`], [`Error::Invalid`] for what cannot be put together.
    pub fn new(spec: &str) -> Result<Options> {
        spec::parse(spec, |kind| (kind.options)())
    }

    /// The options that it is fitted to a zoo's networks with.
    ///
    /// # Errors
    /// Those of [`Options::new`].
    pub fn networks(spec: &str) -> Result<Options> {
        spec::parse(spec, |kind| (kind.networks)())
    }

    /// What [`Options::new`] makes such options of.
    pub fn spec(&self) -> String {
        self.0.spec()
    }

    /// In words.
    pub fn title(&self) -> String {
        self.0.title()
    }

    /// The same for a target that is one of so many classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] of a kind that predicts numbers only.
    pub fn of_classes(&self, classes: usize) -> Result<Options> {
        self.0.of_classes(classes).map(Options)
    }

    /// The kind whose options these are.
    pub fn kind(&self) -> &'static Kind {
        self.0.kind()
    }

    /// Every option with its value.
    pub fn values(&self) -> Map<String, Value> {
        self.0.values()
    }

    /// Sets one option from `name=value`.
    ///
    /// # Errors
    /// Those of [`Estimator::set`].
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        self.0.set(assignment)
    }

    /// Draws options from the kind's search space, for a table of so many rows and columns.
    pub fn draw(&mut self, stream: &mut Stream, rows: usize, width: usize) {
        self.0.draw(stream, rows, width);
    }

    /// Whether a fit looks at a validation part.
    pub fn stops_early(&self) -> bool {
        self.0.stops_early()
    }

    /// Whether a fit holds out rows by itself, so that it needs no validation part.
    pub fn holds_out(&self) -> bool {
        self.0.holds_out()
    }
}

/// The absolute errors on rows that a fit did not see, ascending; none after a fit that diverged, and where classes are predicted.
fn held_out(model: &dyn Model, isa: Isa, held: &Table) -> Vec<f32> {
    if model.outputs() > 1 {
        return Vec::new();
    }
    let predicted = model.predict(isa, &held.x);
    let mut errors: Vec<f32> = predicted.iter().zip(&held.y).map(|(p, y)| (p - y).abs()).collect();
    errors.sort_unstable_by(f32::total_cmp);
    if errors.iter().all(|error| error.is_finite()) { errors } else { Vec::new() }
}

/// A fitted predictor.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Names of the columns it was fitted on.
    pub columns: Vec<String>,
    /// What the file says of the fit by the keys of [`origin`]: zoo, division, numbers of rows, and under [`INPUT`]
    /// the input's key, if there is one; and what else the caller wants to find again.
    pub info: BTreeMap<String, String>,
    /// What it sees of networks; none where it was fitted to a table.
    pub input: Option<Fitted>,
    /// The fitted state.
    pub model: Arc<dyn Model>,
    /// Absolute errors on the validation rows of the fit, ascending, in the target's units; empty where there were none. Intervals are made of them ([`crate::eval::conformal`]).
    pub residuals: Vec<f32>,
    /// What it was fitted to; a file of an older version does not tell.
    pub domain: Option<Domain>,
    /// The networks of the fit; without it nobody knows what the predictor has seen.
    pub provenance: Option<Provenance>,
}

impl PartialEq for Predictor {
    fn eq(&self, other: &Predictor) -> bool {
        let options = |predictor: &Predictor| predictor.model.options().values();
        let spec = |predictor: &Predictor| predictor.model.options().spec();
        (spec(self), &self.columns, &self.info) == (spec(other), &other.columns, &other.info)
            && self.input == other.input
            && options(self) == options(other)
            && self.model.tensors() == other.model.tensors()
            && self.residuals == other.residuals
            && self.domain == other.domain
            && self.provenance == other.provenance
    }
}

impl Predictor {
    /// Fits to a table, keeps the errors on the rows of `val`, and which networks the rows of both are. An input that is itself fitted
    /// to networks is the caller's to add.
    ///
    /// Early stopping looks at the same rows, so these errors are a little smaller than those on rows never seen. After a fit
    /// that diverged there are none.
    ///
    /// # Errors
    /// Those of [`Estimator::fit`].
    pub fn fit(context: &Context, options: &Options, train: &Table, val: Option<&Table>) -> Result<Predictor> {
        let model = options.0.fit(context, train, val)?;
        let (columns, mut info) = (train.columns.clone(), train.origin.about.clone());
        let rows = [(origin::N_TRAIN, train.rows()), (origin::N_VAL, val.map_or(0, Table::rows))];
        info.extend(rows.map(|(key, rows)| (key.to_owned(), rows.to_string())));
        let input = info.get(INPUT).and_then(|key| Fitted::without(&key.parse().ok()?).ok());
        if input.is_none() {
            info.remove(INPUT);
        }
        let (domain, provenance) = (Some(Domain::of(train)), Provenance::new(train, val, None));
        let mut predictor = Predictor { columns, info, input, model, residuals: Vec::new(), domain, provenance };
        if let Some(val) = val {
            predictor.check(val)?;
            predictor.residuals = held_out(&*predictor.model, context.isa, val);
        }
        Ok(predictor)
    }

    /// [`Predictor::fit`], then once more to both tables, with as many rounds as the first fit found to be best.
    ///
    /// The errors that are kept are those of the first fit, which had not seen their rows.
    ///
    /// # Errors
    /// Those of [`Estimator::fit`].
    pub fn refit(context: &Context, options: &Options, train: &Table, val: &Table) -> Result<Predictor> {
        let first = Predictor::fit(context, options, train, Some(val))?;
        let settled = options.0.settled(&*first.model);
        let all = train.join(val);
        let model = settled.fit(context, &all, None)?;
        Ok(Predictor { model, domain: Some(Domain::of(&all)), ..first })
    }

    /// One with these options, fitted to other rows with as many rounds as this one has.
    ///
    /// # Errors
    /// Those of [`Estimator::fit`].
    pub fn anew(&self, context: &Context, train: &Table) -> Result<Predictor> {
        let options = Options(self.model.options().settled(&*self.model));
        Predictor::fit(context, &options, train, None)
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        self.model.options().kind()
    }

    /// The fitted state, if it is of type `M`.
    pub fn model_as<M: Model>(&self) -> Option<&M> {
        (&*self.model as &dyn Any).downcast_ref()
    }

    /// The prediction of each row: a number, or of each class its probability ([`Model::outputs`]).
    ///
    /// # Errors
    /// [`Error::Unsuitable`] if the table's columns are not those of the fit.
    pub fn predict(&self, context: &Context, table: &Table) -> Result<Vec<f32>> {
        self.check(table)?;
        Ok(self.model.predict(context.isa, &table.x))
    }

    fn check(&self, table: &Table) -> Result<()> {
        let (expected, got) = (self.columns.len(), table.width());
        if expected != got {
            return Err(Error::unsuitable_table(
                "table",
                format!("the {expected} columns of the fit"),
                format!("{got} columns"),
            ));
        }
        if let Some(c) = (0..expected).find(|&c| self.columns[c] != table.columns[c]) {
            let column = |names: &[String]| format!("{:?} as column {c}", names[c]);
            return Err(Error::unsuitable_table("table", column(&self.columns), column(&table.columns)));
        }
        if table.x.len() != table.rows() * expected {
            let got = format!("{} in {} rows", table.x.len(), table.rows());
            return Err(Error::unsuitable_table("table", format!("{expected} values a row"), got));
        }
        Ok(())
    }

    /// Writes the predictor to a file: to a new one beside it first, which then takes its place, so a file that was there is
    /// never lost.
    ///
    /// # Errors
    /// Those of [`crate::out::replace`].
    pub fn save(&self, out: &OutPath) -> Result<()> {
        file::save(self, out)
    }

    /// Reads a predictor.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Malformed`] for anything that [`Predictor::save`] does not write.
    pub fn load(path: &Path) -> Result<Predictor> {
        file::load(path)
    }
}
