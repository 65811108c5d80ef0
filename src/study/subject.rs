//! `Subject`: a zoo under study.

use super::ZooEntry;
use super::recent::Recent;
use crate::cnn::layer;
use crate::eval::{Division, MIN_NETWORKS};
use crate::features::{Fitted, Input, Networks};
use crate::kernels::Isa;
use crate::par::Stop;
use crate::rng::Stream;
use crate::table::{Origin, Table};
use crate::train::overrides::overrides;
use crate::zoo::{Status, Zoo};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The input that is the accuracy measured at an early checkpoint: what a predictor there has to beat.
pub const MEASURED: &str = "test_accuracy";

/// What the order is for in which networks are looked at.
const PURPOSE: u32 = u32::from_be_bytes(*b"look");

/// A zoo and what a study says of it.
pub struct Subject {
    /// What is kept of it.
    pub entry: ZooEntry,
    zoo: Zoo,
    /// Finished rows of the last epoch that are looked at, and those that are not.
    finals: Vec<usize>,
    rest: Vec<usize>,
    division: Division,
    /// Inputs by their text and the rows that they were fitted to.
    sights: Recent<(String, Vec<usize>), Sight>,
    /// Tables by the input's place in memory, which its owner keeps, and the rows.
    tables: Recent<(Place, Vec<usize>), Table>,
}

/// An input that was fitted; equal only to itself.
struct Place(Arc<Sight>);

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The largest table that is kept, bytes: raw weights of thousands of networks are not.
const LARGEST: usize = 64 << 20;

impl Subject {
    /// Opens a zoo, in one file or several, to be divided as [`Division::new`] says; its name is the file's, unlike those in `taken`.
    ///
    /// # Errors
    /// Those of [`Zoo::open`] and of [`Division::new`]; [`Error::Malformed`] for a zoo with fewer than [`MIN_NETWORKS`] finished
    /// networks.
    pub fn open<P: AsRef<Path>>(files: &[P], taken: &[Subject], split: Option<&Path>, seed: u64) -> Result<Subject> {
        let zoo = Zoo::open_all(files)?;
        let path = zoo.path();
        let finals = zoo.final_rows();
        if finals.len() < MIN_NETWORKS {
            let expected = format!("a zoo with at least {MIN_NETWORKS} finished networks that have not diverged");
            let got = format!("{} of {}", finals.len(), zoo.schema().runs);
            return Err(Error::unsuitable(path, expected, got));
        }
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        let name = |n: usize| if n == 1 { stem.to_string() } else { format!("{stem}-{n}") };
        let free = |name: &String| taken.iter().all(|other| other.entry.name != *name);
        let name = (1..).map(name).find(free).unwrap_or_default();
        let entry = describe(name, path, &zoo, finals.len());
        let division = Division::new(split, seed, &zoo)?;
        Ok(Subject {
            entry,
            zoo,
            finals,
            rest: Vec::new(),
            division,
            sights: Recent::default(),
            tables: Recent::default(),
        })
    }

    /// The zoo, of which no more than `most` networks are looked at, drawn at random; of the others only the accuracies are read.
    pub fn sampled(mut self, most: usize) -> Subject {
        if self.finals.len() > most {
            Stream::new(0, PURPOSE, 0).shuffle(&mut self.finals);
            self.rest = self.finals.split_off(most);
            self.finals.sort_unstable();
            self.rest.sort_unstable();
            self.entry.sample = Some(most);
        }
        self
    }

    /// How its networks are divided.
    pub fn division(&self) -> &Division {
        &self.division
    }

    /// The zoo itself.
    pub fn zoo(&self) -> &Zoo {
        &self.zoo
    }

    /// Its finished rows of the last epoch, as far as they are looked at.
    pub fn finals(&self) -> &[usize] {
        &self.finals
    }

    /// The other finished rows of the last epoch.
    pub fn rest(&self) -> &[usize] {
        &self.rest
    }

    /// Those of [`Subject::finals`] whose networks an input can be computed of.
    ///
    /// # Errors
    /// Those of parsing an [`Input`].
    pub fn computable(&self, input: &str) -> Result<Vec<usize>> {
        Ok(match input {
            MEASURED => self.finals.clone(),
            input => input.parse::<Input>()?.computable(&self.zoo, &self.finals).0,
        })
    }

    /// Layers with weights; the dense one is the last.
    pub fn layers(&self) -> usize {
        self.zoo.schema().arch.plan().names.len()
    }

    /// Whether the networks of both have the same weights, whatever the size of their images.
    pub fn same_shape(&self, other: &Subject) -> bool {
        let (a, b) = (&self.zoo.schema().arch, &other.zoo.schema().arch);
        (&a.layers, a.plan().tensors) == (&b.layers, b.plan().tensors)
    }

    /// The networks that came to the end and that the input can be computed of, at a checkpoint or at the last.
    ///
    /// # Errors
    /// Those of [`Subject::computable`] and of a checkpoint that is not there.
    pub fn networks(&self, input: &str, epoch: Option<u32>) -> Result<Seen> {
        let (run, accuracy, finals) = (self.zoo.run(), self.zoo.test_accuracy(), self.computable(input)?);
        let target: HashMap<u32, f32> = finals.iter().map(|&row| (run[row], accuracy[row])).collect();
        let rows = match epoch {
            None => finals,
            Some(epoch) => self.zoo.rows_at_epoch(epoch)?,
        };
        let (rows, y): (Vec<usize>, Vec<f32>) =
            rows.into_iter().filter_map(|row| Some((row, *target.get(&run[row])?))).unzip();
        let group = rows.iter().map(|&row| u64::from(run[row])).collect();
        Ok(Seen { rows, y, group })
    }

    /// How an input sees networks, fitted to those of `seen` at the places `train`.
    ///
    /// # Errors
    /// Those of parsing an [`Input`] and of [`Input::fit`].
    pub fn sight(&self, isa: Isa, input: &str, seen: &Seen, train: &[usize], stop: &Stop) -> Result<Arc<Sight>> {
        if input == MEASURED {
            return self.sights.get((input.into(), Vec::new()), || Ok(Sight::Measured), |_| true);
        }
        let parsed: Input = input.parse()?;
        let rows: Vec<usize> = match parsed.needs_fit() {
            true => train.iter().map(|&place| seen.rows[place]).collect(),
            false => Vec::new(),
        };
        let make = || Ok(Sight::Input(parsed.fit(isa, &Networks::Zoo { zoo: &self.zoo, rows: &rows }, stop)?));
        self.sights.get((input.into(), rows.clone()), make, |_| true)
    }

    /// [`Subject::sight`] where accuracies are not known, one for each of `train`: predicted ones say which networks are the best.
    ///
    /// # Errors
    /// As [`Subject::sight`].
    pub fn sight_by(
        &self,
        isa: Isa,
        input: &str,
        seen: &Seen,
        (train, predicted): (&[usize], &[f32]),
        stop: &Stop,
    ) -> Result<Arc<Sight>> {
        let rows: Vec<usize> = train.iter().map(|&place| seen.rows[place]).collect();
        let networks = Networks::Zoo { zoo: &self.zoo, rows: &rows };
        Ok(Arc::new(Sight::Input(input.parse::<Input>()?.fit_to(isa, &networks, predicted, stop)?)))
    }

    /// What is seen of some networks; the target is the *final* test accuracy.
    ///
    /// # Errors
    /// Those of [`Fitted::table`].
    pub fn table(&self, isa: Isa, sight: &Arc<Sight>, seen: &Seen, stop: &Stop) -> Result<Arc<Table>> {
        let key = (Place(Arc::clone(sight)), seen.rows.clone());
        self.tables.get(key, || self.made(isa, sight, seen, stop), |table| table.x.len() * size_of::<f32>() <= LARGEST)
    }

    fn made(&self, isa: Isa, sight: &Sight, seen: &Seen, stop: &Stop) -> Result<Table> {
        let table = match sight {
            Sight::Measured => Table {
                columns: vec![MEASURED.into()],
                x: seen.rows.iter().map(|&row| self.zoo.test_accuracy()[row]).collect(),
                y: Vec::new(),
                group: seen.group.clone(),
                origin: Origin {
                    networks: Networks::Zoo { zoo: &self.zoo, rows: &seen.rows }.identities(),
                    ..Origin::default()
                },
            },
            Sight::Input(input) => input.table(isa, &Networks::Zoo { zoo: &self.zoo, rows: &seen.rows }, stop)?,
        };
        Ok(Table { y: seen.y.clone(), ..table })
    }
}

/// Networks of a zoo.
pub struct Seen {
    rows: Vec<usize>,
    /// Their final test accuracies.
    y: Vec<f32>,
    /// Their runs.
    pub group: Vec<u64>,
}

/// How networks are seen.
pub enum Sight {
    /// By the test accuracy at the checkpoint.
    Measured,
    /// By an input.
    Input(Fitted),
}

fn describe(name: String, path: &Path, zoo: &Zoo, networks: usize) -> ZooEntry {
    let schema = zoo.schema();
    let recipe = |key: &str| schema.recipe.get(key);
    let last = schema.checkpoints.len() - 1;
    let ends = zoo.status().iter().skip(last).step_by(last + 1);
    ZooEntry {
        name,
        path: path.display().to_string(),
        dataset: schema.dataset.clone(),
        digest: schema.digest.clone(),
        arch: schema.arch.to_string(),
        reference: schema.arch.layers == layer::reference(),
        weights: schema.arch.parameters(),
        networks,
        sample: None,
        diverged: ends.filter(|&&status| status == Status::Diverged).count(),
        checkpoints: schema.checkpoints.clone(),
        overrides: overrides(&schema.recipe),
        recipe: recipe("name").and_then(|name| name.as_str()).unwrap_or("unknown").into(),
        seed: schema.seed,
        shared_seed: shared_seed(zoo),
        origin: schema.origin(),
        caveats: zoo.caveats(),
    }
}

/// Whether all networks have one seed: by what they say themselves, so imported zoos are told apart too.
fn shared_seed(zoo: &Zoo) -> bool {
    let mut seeds = zoo.final_rows().into_iter().map(|row| zoo.config(zoo.network(row)).seed);
    let first = seeds.next();
    zoo.schema().seeds_are_known() && seeds.all(|seed| Some(seed) == first)
}
