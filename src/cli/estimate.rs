//! What a training is going to take: room on the disk, which is known, and time, by a measurement of a second or two.

use super::STOP;
use super::output::{self, Output, duration, size};
use std::path::Path;
use std::time::Instant;
use zoometry::Result;
use zoometry::dataset::{Dataset, Examples};
use zoometry::kernels::LANES;
use zoometry::out::{FileKind, OutPath, check_room, free_room};
use zoometry::train::{self, Executor, Job, run::Run};
use zoometry::zoo::{Config, Place};

/// Images through training steps from which on a job is said to be long: a minute or so of a core.
const LONG: u64 = 20_000_000;

/// Images of the set that is measured.
const IMAGES: usize = 2048;

/// What a job is made of.
struct Work {
    networks: usize,
    /// Images through training steps, and through evaluations.
    images: [u64; 2],
    bytes: u64,
}

impl Work {
    fn of(job: &Job) -> Result<Work> {
        let configs = job.configs();
        let schema = job.schema(&configs)?;
        let (all, tested) = (job.dataset.train.len(), job.dataset.test.len());
        let (epochs, checkpoints) = (job.checkpoints.last().copied().unwrap_or(0), job.checkpoints.len());
        let own = |config: &Config| Run::from(config).train_images(all) + tested;
        let evaluated = checkpoints * configs.iter().map(own).sum::<usize>();
        let images = [u64::from(epochs) * an_epoch(job, &configs), evaluated as u64];
        Ok(Work { networks: configs.len(), images, bytes: schema.bytes()? })
    }
}

/// Images that go through training steps in an epoch of all networks.
fn an_epoch(job: &Job, configs: &[Config]) -> u64 {
    let images = |run: &Run| {
        let batch = job.recipe.batch_of(run);
        run.train_images(job.dataset.train.len()) / batch * batch
    };
    configs.iter().map(|config| images(&Run::from(config)) as u64).sum()
}

/// Says before a long job, or where it is asked, what it is going to take, and refuses it where the disk is too small.
///
/// # Errors
/// [`zoometry::Error::Io`] for a disk without room; those of a training.
pub fn tell(job: &Job, executor: &dyn Executor, out: &Path, asked: bool, output: &mut Output) -> Result<()> {
    let work = Work::of(job)?;
    let all = job.checkpoints.len();
    let mut line = format!(
        "{} × {}: {}",
        output::counted(work.networks, "network"),
        output::counted(all, "checkpoint"),
        size(work.bytes)
    );
    if let Some(free) = free_room(out) {
        line += &format!(" ({} free)", size(free));
        output.set("free_bytes", free);
    }
    output.set("bytes", work.bytes);
    if !asked {
        check_room(out, work.bytes)?;
    }
    if asked || work.images[0] > LONG {
        let seconds = seconds(job, executor, &work)?;
        let there = if out.exists() { ", less what is there" } else { "" };
        line += &format!(", about {} on {}{there}", duration(seconds), output::counted(threads(job), "thread"));
        output.set("estimated_seconds", seconds);
        match asked {
            true => output.line(&line),
            false => output::tell(&line),
        }
    }
    check_room(out, work.bytes)
}

/// Seconds of all of it, by two trainings of a few images that differ in the number of epochs alone.
fn seconds(job: &Job, executor: &dyn Executor, work: &Work) -> Result<f64> {
    let batches = job.configs().iter().map(|config| job.recipe.batch_of(&Run::from(config))).max();
    let short = |images: &Examples| {
        let n = IMAGES.max(batches.unwrap_or(0)).min(images.len());
        let &Examples { height, width, channels, .. } = images;
        let pixels = images.images[..n * height * width * channels].to_vec();
        Examples { images: pixels, labels: images.labels[..n].to_vec(), height, width, channels }
    };
    // a copy of the whole would double the memory
    let whole = job.dataset;
    let (train, test, classes) = (short(&whole.train), short(&whole.test), whole.classes);
    let (name, digest, notes) = (whole.name.clone(), whole.digest.clone(), whole.notes.clone());
    let dataset = Dataset { name, train, test, classes, digest, notes };
    let mut recipe = job.recipe.clone();
    recipe.set("train_fraction=1")?;
    let models = (LANES * threads(job)).min(job.models);
    let folder = tempfile::tempdir().map_err(zoometry::Error::io("create", std::env::temp_dir()))?;
    let mut few = job.clone();
    (few.dataset, few.recipe, few.models, few.place) = (&dataset, &recipe, models, Place::WHOLE);
    let an_epoch = an_epoch(&few, &few.configs()) as f64;
    let mut once = |name: &str, epochs: u32| -> Result<f64> {
        few.checkpoints = vec![epochs];
        // a zoo that is there already would take no time
        let out = OutPath::new(folder.path().join(name), FileKind::Zoo)?;
        let start = Instant::now();
        train::train_on(executor, &few, &out, &|_| {}, &STOP)?;
        Ok(start.elapsed().as_secs_f64())
    };
    // the first one also wakes the processor
    once("first", 1)?;
    let (one, three) = (once("one", 1)?, once("three", 3)?);
    let (own, tested) = (dataset.train.len(), dataset.test.len());
    let step = ((three - one) / 2.0).max(0.0) / an_epoch;
    let look = (one - (three - one) / 2.0).max(0.0) / (models * (own + tested)) as f64;
    Ok(step * work.images[0] as f64 + look * work.images[1] as f64)
}

fn threads(job: &Job) -> usize {
    match job.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}
