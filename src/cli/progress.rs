//! Progress on stderr.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use zoometry::eval::search::Trial;
use zoometry::train::Event;

/// A training session's progress: networks finished, images a second.
pub struct Training {
    bar: ProgressBar,
    images: AtomicU64,
    diverged: AtomicU64,
    start: Instant,
}

impl Training {
    /// Progress towards `models` networks, `kept` of which are there already.
    pub fn new(models: usize) -> Training {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} networks  {msg}  {eta} left");
        let bar = ProgressBar::new(models as u64).with_prefix("training");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Training { bar, images: AtomicU64::new(0), diverged: AtomicU64::new(0), start: Instant::now() }
    }

    /// Takes an event from any worker.
    pub fn tell(&self, event: Event) {
        match event {
            Event::Found { kept } => {
                self.bar.set_position(kept as u64);
                self.bar.reset_eta();
            }
            Event::Trained { images } => {
                let images = self.images.fetch_add(images, Ordering::Relaxed) + images;
                let rate = images as f64 / self.start.elapsed().as_secs_f64();
                self.bar.set_message(format!("{:.0}k images/s", rate / 1e3));
            }
            Event::Finished { diverged, .. } => {
                self.diverged.fetch_add(u64::from(diverged), Ordering::Relaxed);
                self.bar.inc(1);
            }
        }
    }

    /// Clears the bar; images that went through a training step, networks that diverged, seconds.
    pub fn finish(self) -> (u64, u64, f64) {
        self.bar.finish_and_clear();
        (self.images.into_inner(), self.diverged.into_inner(), self.start.elapsed().as_secs_f64())
    }
}

/// A search's progress: trials finished, the best R² on the part for choosing.
pub struct Searching {
    bar: ProgressBar,
    best: Mutex<f64>,
}

impl Searching {
    /// Progress towards `trials`, of which those in `done` are there already.
    pub fn new(trials: u32, done: &[Trial]) -> Searching {
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} trials  {msg}  {eta} left");
        let bar = ProgressBar::new(trials.into()).with_prefix("searching").with_position(done.len() as u64);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        let best = done.iter().map(|trial| trial.score.r2).fold(f64::NEG_INFINITY, f64::max);
        Searching { bar, best: Mutex::new(best) }
    }

    /// Takes a finished trial from any worker.
    pub fn tell(&self, trial: &Trial) {
        let mut best = self.best.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *best = best.max(trial.score.r2);
        self.bar.set_message(format!("best R² {best:.4}"));
        self.bar.inc(1);
    }

    /// Clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A benchmark's progress over its rows; the message names the one that is measured.
pub fn bench(rows: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{pos}/{len} {wide_bar} {msg:40}");
    ProgressBar::new(rows as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A benchmark's progress on a card; the message names the row that was measured last.
#[cfg(feature = "gpu")]
pub fn rows_of_a_card() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed} {msg}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// A bar for rows that are copied; their number comes with the first [`tell`].
pub fn rows(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} checkpoints  {eta} left");
    let bar = ProgressBar::new(0).with_prefix(what);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Moves a bar of [`rows`].
pub fn tell(bar: &ProgressBar, done: usize, all: usize) {
    bar.set_length(all as u64);
    bar.set_position(done as u64);
}

/// A bar for the steps of a study.
pub fn steps() -> ProgressBar {
    let style = ProgressStyle::with_template("{pos}/{len} {bar:20} {elapsed}  {wide_msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Moves a bar of [`steps`]; `next` is what is done now.
pub fn step(bar: &ProgressBar, done: usize, all: usize, next: &str) {
    bar.set_length(all as u64);
    bar.set_position(done as u64);
    bar.set_message(next.to_owned());
}
