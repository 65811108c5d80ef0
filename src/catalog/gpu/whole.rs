//! A zoo from end to end: initial weights, orders, steps, measurements and the file.

use super::networks::split;
use super::{Bench, Work};
use crate::bench::Cost;
use crate::bench::measure::Timing;
use crate::cnn::Arch;
use crate::dataset::Dataset;
use crate::gpu::Gpu;
use crate::kernels::Isa;
use crate::out::{FileKind, OutPath};
use crate::train::gpu::Executor;
use crate::train::{self, Job, recipe::Recipe};
use crate::zoo::Place;
use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

impl Bench<'_> {
    /// A zoo of the default recipe, kept after each of its epochs. Its rate is that of the images trained; with the rows of
    /// the same path it follows what share of the kernels' speed is left.
    pub(super) fn whole(&mut self, gpu: Gpu) -> Result<Gpu> {
        let [models, images, epochs] = self.size.zoo;
        let shape = format!("28x28/{models}_networks_{epochs}_epochs");
        if !self.wants("end_to_end", &shape) {
            return Ok(gpu);
        }
        let (train, test) = (split(28, images), split(28, images / 6));
        let dataset =
            Dataset { name: "noise".into(), train, test, classes: 10, digest: "noise".into(), notes: Vec::new() };
        let recipe = Recipe { batch: self.size.batch, ..Recipe::default() };
        let checkpoints: Vec<u32> = (1..=epochs as u32).collect();
        let job = Job {
            dataset: &dataset,
            recipe: &recipe,
            models,
            place: Place::WHOLE,
            checkpoints,
            seed: 1,
            isa: Isa::detect(),
            threads: 0,
            allow_mixed: false,
        };
        let executor = Executor::new(gpu, &job)?;
        let folder = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
        let trained = AtomicU64::new(0);
        let on_event = |event| {
            if let train::Event::Trained { images } = event {
                trained.fetch_add(images, Ordering::Relaxed);
            }
        };
        let start = Instant::now();
        let out = OutPath::new(folder.path().join("zoo"), FileKind::Zoo)?;
        train::train_on(&executor, &job, &out, &on_event, self.stop)?;
        let seconds = start.elapsed().as_secs_f64();
        let runs = recipe.runs(1, models);
        let measured: usize = runs.iter().map(|run| run.train_images(images) + images / 6).sum();
        let (trained, measured) = (trained.into_inner() as f64, (epochs * measured) as f64);
        self.end_to_end = self.expected(trained, measured).map(|expected| expected / seconds);
        let (flops_of, _) = Arch::reference(28, 28, 10)?.plan().flops();
        let flops = trained * flops_of.training as f64 + measured * flops_of.forward as f64;
        let cost = Cost { flops, bytes: 4.0 * 784.0 * (trained + measured), items: trained };
        let work = Work { name: "end_to_end", shape: &shape, cost, items: "images", executed: 1.0, tolerance: 0.0 };
        self.push(&work, Timing::new(vec![seconds]), 0.0);
        Ok(executor.into_gpu())
    }

    /// Seconds that steps and evaluations alone would take, where their rows have been measured.
    fn expected(&self, trained: f64, measured: f64) -> Option<f64> {
        let rate = |name: &str, shape: &str| {
            let of = |row: &&crate::bench::Row| row.name == name && row.shape.starts_with(shape);
            self.rows.iter().filter(of).filter_map(|row| row.images_per_second).reduce(f64::max)
        };
        let train = rate("train_step", "28x28_mixed_fast/")?;
        Some(trained / train + measured / rate("evaluate", "28x28_relu_fast/")?)
    }
}
