//! Running a study: what is missing in its journal is computed.

use super::parts::{draw_split, fit, kept, shares};
use super::plan::{self, Job};
use super::subject::{Seen, Sight, Subject};
use super::{Cell, EXPERIMENTS, Entry, Header, Journal, Study, extra, published, reason, stopping};
use crate::eval::bootstrap::{Intervals, replicates};
use crate::eval::division::{digests, known, unlike};
use crate::eval::{MIN_NETWORKS, Parts, Score, Split};
use crate::features::Input;
use crate::predictor::Predictor;
use crate::{Context, Error, Result};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Subsets that a point of a learning curve is the mean of.
const DRAWS: usize = 5;

/// Bootstrap replicates that are kept of a point of a learning curve.
const REPLICATES: usize = 200;

/// Experiments that look at each zoo by itself.
const ALONE: [&str; 3] = ["learning-curve", "early", "ablation"];

/// Refuses what is no experiment.
///
/// # Errors
/// [`Error::Unknown`].
pub fn check(names: &[&str]) -> Result<()> {
    match names.iter().find(|name| !EXPERIMENTS.contains(name)) {
        Some(unknown) => Err(Error::unknown("experiment", *unknown, EXPERIMENTS)),
        None => Ok(()),
    }
}

/// A study under way.
pub struct StudyRun<'a> {
    context: Context,
    zoos: &'a [Subject],
    journal: Journal,
}

impl<'a> StudyRun<'a> {
    /// Begins or continues the study in `folder`; without one nothing is kept.
    ///
    /// # Errors
    /// Those of [`Journal::open`].
    pub fn new(context: &Context, zoos: &'a [Subject], header: Header, folder: Option<&Path>) -> Result<StudyRun<'a>> {
        let entries: Vec<_> = zoos.iter().map(|zoo| zoo.entry.clone()).collect();
        let journal = match folder {
            Some(folder) => Journal::open(folder, header, &entries)?,
            None => Journal::in_memory(header, entries),
        };
        Ok(StudyRun { context: context.clone(), zoos, journal })
    }

    /// What has been found so far.
    pub fn study(&self) -> &Study {
        self.journal.study()
    }

    /// Runs some of [`EXPERIMENTS`]; `on_progress` hears of every step: how many are done, of how many, and what comes next.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that is none of them; [`Error::Interrupted`]; those of features and fits.
    pub fn experiments(&mut self, names: &[&str], on_progress: &mut dyn FnMut(usize, usize, &str)) -> Result<()> {
        check(names)?;
        let train = self.train_sizes()?;
        let jobs: Vec<Job> = names.iter().flat_map(|name| plan::jobs(name, self.zoos, &train)).collect();
        self.jobs(&jobs, names.contains(&"table"), on_progress)
    }

    /// Those of some experiments that have nothing to do with these zoos, and why; of one that leaves out some of the zoos, which;
    /// predictors that a zoo is too large for; networks that probes cannot run.
    ///
    /// # Errors
    /// Those of [`crate::eval::Division::split`].
    pub fn left_out(&self, names: &[&str]) -> Result<Vec<(String, String)>> {
        let train = self.train_sizes()?;
        let mut found = Vec::new();
        for name in names {
            let jobs = plan::jobs(name, self.zoos, &train);
            let used = |zoo: usize| jobs.iter().any(|job| job.fitted == zoo || job.tested.contains(&zoo));
            let without: Vec<usize> = (0..self.zoos.len()).filter(|&zoo| !used(zoo)).collect();
            match jobs.is_empty() {
                true => found.push(((*name).to_owned(), reason::why(name, self.zoos))),
                // of pairs a zoo without a like needs no word
                false if !without.is_empty() && ALONE.contains(name) => {
                    let names: Vec<&str> = without.iter().map(|&zoo| self.name(zoo)).collect();
                    found.push((format!("{name} of {}", names.join(", ")), reason::why(name, self.zoos)));
                }
                false => {}
            }
            let refused =
                |job: &Job| Some((job.fitted, job.predictor, job.refuses(job.size.unwrap_or(train[job.fitted]))?));
            let mut refused: Vec<_> = jobs.iter().filter_map(refused).collect();
            refused.dedup();
            let told = |(zoo, kind, why)| (format!("{kind} in {name} of {}", self.name(zoo)), why);
            found.extend(refused.into_iter().map(told));
        }
        for (place, zoo) in self.zoos.iter().enumerate() {
            if let without @ 1.. = zoo.finals().len() - zoo.computable("probes")?.len() {
                let what = format!("{without} networks of {} where probes are seen", self.name(place));
                found.push((what, "their activation cannot be computed".into()));
            }
        }
        Ok(found)
    }

    /// What is worth knowing of a zoo at a glance: a small part of the experiment `table`.
    ///
    /// # Errors
    /// Those of [`StudyRun::experiments`].
    pub fn brief(&mut self, on_progress: &mut dyn FnMut(usize, usize, &str)) -> Result<()> {
        let jobs: Vec<Job> = (0..self.zoos.len()).flat_map(plan::brief).collect();
        self.jobs(&jobs, true, on_progress)
    }

    fn jobs(&mut self, jobs: &[Job], extras: bool, on_progress: &mut dyn FnMut(usize, usize, &str)) -> Result<()> {
        let extras = if extras { self.zoos.len() } else { 0 };
        let all = jobs.len() + extras;
        for (done, job) in jobs.iter().enumerate() {
            on_progress(
                done,
                all,
                &format!("{} {} {} {}", job.experiment, self.name(job.fitted), job.input, job.predictor),
            );
            self.job(job)?;
        }
        for zoo in 0..extras {
            on_progress(jobs.len() + zoo, all, &format!("importance {}", self.name(zoo)));
            self.go_on()?;
            extra::add(&self.context, &self.zoos[zoo], &mut self.journal)?;
        }
        on_progress(all, all, "done");
        Ok(())
    }

    fn name(&self, zoo: usize) -> &str {
        &self.zoos[zoo].entry.name
    }

    fn go_on(&self) -> Result<()> {
        if self.context.stop.requested() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Train networks of each zoo.
    fn train_sizes(&self) -> Result<Vec<usize>> {
        self.zoos.iter().map(|zoo| self.train_size(zoo, zoo.finals())).collect()
    }

    /// Train networks among some of a zoo's.
    fn train_size(&self, zoo: &Subject, finals: &[usize]) -> Result<usize> {
        let group: Vec<u64> = finals.iter().map(|&row| u64::from(zoo.zoo().run()[row])).collect();
        Ok(shares(zoo.division().split(&group)?, self.study().header.protocol).train.len())
    }

    /// Whether a score is there already.
    fn has(&self, job: &Job, tested: usize, n_train: usize) -> bool {
        let (fitted, tested) = (self.name(job.fitted), self.name(tested));
        self.study().cells.iter().any(|cell| {
            (&*cell.experiment, &*cell.fitted, &*cell.tested) == (job.experiment, fitted, tested)
                && (&*cell.input, &*cell.predictor, cell.epoch) == (&*job.input, job.predictor, job.epoch)
                && cell.n_train == n_train
        })
    }

    /// Fits and scores what is missing of a job; zoos with too few networks that its input can be computed of are left out.
    fn job(&mut self, job: &Job) -> Result<()> {
        let zoos = self.zoos;
        let enough = |zoo: usize| zoos[zoo].computable(&job.input).map(|rows| rows.len() >= MIN_NETWORKS);
        if !enough(job.fitted)? {
            return Ok(());
        }
        let whole = self.train_size(&zoos[job.fitted], &zoos[job.fitted].computable(&job.input)?)?;
        let n_train = job.size.unwrap_or(whole).min(whole);
        if job.refuses(n_train).is_some() {
            return Ok(());
        }
        let mut missing = Vec::new();
        for &zoo in &job.tested {
            if enough(zoo)? && !self.has(job, zoo, n_train) {
                missing.push(zoo);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        self.go_on()?;
        let fits = self.fits(job, n_train)?;
        for zoo in missing {
            let seen = self.seen(zoo, job)?;
            let test = self.split(zoo, &seen)?.test;
            let (mut predicted, mut y, mut left_out) = (Vec::new(), Vec::new(), 0);
            let anew = match &fits.guide {
                Some(guide) if zoo != job.fitted => Some(self.anew(zoo, job, guide)?),
                _ => None,
            };
            for (sight, predictors) in &fits.found {
                let sight = anew.as_ref().unwrap_or(sight);
                let table = zoos[zoo].table(&self.context, sight, &seen).map_err(kept)?;
                let new = unlike(&table, &test, if zoo == job.fitted { &fits.own } else { &fits.known });
                left_out = test.len() - new.len();
                let test = table.select(&new);
                for predictor in predictors {
                    predicted.push(predictor.predict(&self.context, &test)?);
                }
                y = test.y;
            }
            let cell = self.cell(job, zoo, n_train, &predicted, &y, fits.seconds);
            self.journal.add(Entry::Cell(Cell { left_out, ..cell }))?;
            if let Some(entry) = stopping::curve(&self.zoos[zoo].entry, job, &predicted[0], &y) {
                self.journal.add(Entry::Stopping(entry))?;
            }
        }
        Ok(())
    }

    /// The fits of a job: one, or several to subsets. An input that depends on the train networks is fitted to each subset anew.
    fn fits(&self, job: &Job, n_train: usize) -> Result<Fits> {
        let zoo = &self.zoos[job.fitted];
        let seen = self.seen(job.fitted, job)?;
        let split = self.split(job.fitted, &seen)?;
        let draws = if n_train < split.train.len() { DRAWS } else { 1 };
        let drawn: Vec<Split> = (0..draws).map(|draw| draw_split(&split, n_train, draw)).collect();
        let depends = job.input.parse::<Input>().is_ok_and(|input| input.needs_fit());
        let mut fits = Fits::default();
        for drawn in drawn.chunks(if depends { 1 } else { draws }) {
            let sight = zoo.sight(&self.context, &job.input, &seen, &drawn[0].train).map_err(kept)?;
            let table = zoo.table(&self.context, &sight, &seen).map_err(kept)?;
            fits.own = known(&table, &split);
            fits.known = digests(&table, &[&*split.train, &split.validation].concat());
            let start = Instant::now();
            let fit = |split: &Split| fit(&self.context, &Parts::new(&table, split), job.predictor);
            let predictors: Result<Vec<Predictor>> = drawn.iter().map(fit).collect();
            fits.seconds += start.elapsed().as_secs_f64() / draws as f64;
            fits.found.push((sight, predictors?));
        }
        if job.anew {
            let sight = zoo.sight(&self.context, plan::PLAIN, &seen, &split.train).map_err(kept)?;
            let table = zoo.table(&self.context, &sight, &seen).map_err(kept)?;
            fits.guide = Some(fit(&self.context, &Parts::new(&table, &split), plan::PREDICTOR)?);
        }
        Ok(fits)
    }

    /// The input of a job fitted to training networks of another zoo: those are the best that `guide` predicts to be, so that no
    /// accuracy is looked at, and no network that is tested.
    fn anew(&self, zoo: usize, job: &Job, guide: &Predictor) -> Result<Arc<Sight>> {
        let subject = &self.zoos[zoo];
        let seen = self.seen(zoo, job)?;
        let train = self.split(zoo, &seen)?.train;
        let plain = subject.sight(&self.context, plan::PLAIN, &seen, &train).map_err(kept)?;
        let table = subject.table(&self.context, &plain, &seen).map_err(kept)?.select(&train);
        let predicted = guide.predict(&self.context, &table)?;
        subject.sight_by(&self.context, &job.input, &seen, (&train, &predicted)).map_err(kept)
    }

    /// The networks of a zoo that a job sees.
    fn seen(&self, zoo: usize, job: &Job) -> Result<Seen> {
        // the last checkpoint is that of the finished networks
        let last = self.zoos[zoo].entry.checkpoints.last().copied();
        self.zoos[zoo].networks(&job.input, job.epoch.filter(|_| job.epoch != last))
    }

    fn split(&self, zoo: usize, seen: &Seen) -> Result<Split> {
        Ok(shares(self.zoos[zoo].division().split(&seen.group)?, self.study().header.protocol))
    }

    fn cell(&self, job: &Job, zoo: usize, n_train: usize, predicted: &[Vec<f32>], y: &[f32], seconds: f64) -> Cell {
        let replicates = replicates(predicted, y, 0);
        let interval = Intervals::of(&replicates);
        let kept = if job.experiment == "learning-curve" { REPLICATES } else { 0 };
        let entry = &self.zoos[zoo].entry;
        let comparable = job.experiment == "table" && entry.reference;
        Cell {
            experiment: job.experiment.into(),
            fitted: self.name(job.fitted).into(),
            tested: entry.name.clone(),
            input: job.input.clone(),
            predictor: job.predictor.into(),
            epoch: job.epoch,
            n_train,
            draws: predicted.len(),
            score: mean(predicted.iter().map(|predicted| Score::new(predicted, y)).collect()),
            r2_interval: interval.r2,
            tau_interval: interval.tau,
            r2_replicates: replicates.iter().take(kept).map(|&[r2, _]| r2 as f32).collect(),
            published_r2: published::r2(&entry.dataset, &job.input, job.predictor).filter(|_| comparable),
            seconds,
            left_out: 0,
        }
    }
}

/// What a job's fits found.
#[derive(Default)]
struct Fits {
    /// Digests of the networks of the fits: of those that are in no score on another zoo, and in none on the same.
    known: HashSet<u64>,
    own: HashSet<u64>,
    /// How networks are seen, and the predictors that see them so.
    found: Vec<(Arc<Sight>, Vec<Predictor>)>,
    /// What predicts the networks of other zoos that an input is fitted to anew.
    guide: Option<Predictor>,
    /// Seconds of a predictor's fit.
    seconds: f64,
}

/// The mean of several scores.
fn mean(scores: Vec<Score>) -> Score {
    let n = scores.len() as f64;
    let of = |get: fn(&Score) -> f64| scores.iter().map(get).sum::<f64>() / n;
    Score {
        r2: of(|score| score.r2),
        tau: of(|score| score.tau),
        mse: of(|score| score.mse),
        mae: of(|score| score.mae),
        n: scores.first().map_or(0, |score| score.n),
    }
}
