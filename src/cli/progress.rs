//! Progress on stderr: a bar on a terminal, elsewhere (a log, `nohup`) a plain line now and then.

use super::output;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
#[cfg(feature = "full")]
use zoometry::eval::search::Trial;
#[cfg(feature = "full")]
use zoometry::train::Event;

/// How far plain lines are apart at least; what takes less time than this has none.
const PACE: Duration = Duration::from_secs(30);

/// A bar, or plain lines in its place.
pub struct Bar {
    bar: ProgressBar,
    /// What is done to what: `training`, `networks`.
    what: &'static str,
    unit: &'static str,
    start: Instant,
    /// What was there at the start.
    kept: AtomicU64,
    /// When the next line is due, where stderr is no terminal.
    next: Option<Mutex<Duration>>,
}

impl Bar {
    /// Nothing done yet of `all` (none: nobody knows).
    fn new(what: &'static str, unit: &'static str, all: Option<u64>, template: &str) -> Bar {
        let bar = all.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_prefix(what);
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let next = (!std::io::stderr().is_terminal() && !output::is_quiet()).then(|| Mutex::new(PACE));
        if output::is_quiet() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Bar { bar, what, unit, start: Instant::now(), kept: AtomicU64::new(0), next }
    }

    /// Begins where an earlier session ended.
    #[cfg(feature = "full")]
    fn begin_at(&self, kept: u64) {
        self.kept.store(kept, Ordering::Relaxed);
        self.bar.set_position(kept);
        self.bar.reset_eta();
    }

    /// Moves to a place.
    fn place(&self, done: usize, all: usize) {
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.write();
    }

    /// Moves on.
    #[cfg(feature = "full")]
    pub fn inc(&self, steps: u64) {
        self.bar.inc(steps);
        self.write();
    }

    /// Says something beside the numbers.
    #[cfg(feature = "full")]
    pub fn set_message(&self, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.bar.set_message(message);
        self.write();
    }

    /// Ends it; nothing of a bar is left on a terminal.
    pub fn finish_and_clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Writes a plain line if one is due.
    fn write(&self) {
        let Some(next) = &self.next else { return };
        let now = self.start.elapsed();
        if due(&mut next.lock().unwrap_or_else(|poisoned| poisoned.into_inner()), now) {
            let (done, kept) = (self.bar.position(), self.kept.load(Ordering::Relaxed));
            let numbers = self.bar.length().map(|all| numbers(self.unit, [kept, done, all], now));
            output::tell(line(self.what, numbers, &self.bar.message()));
        }
    }
}

/// Whether a line is due `now`; the next one then is so later.
fn due(next: &mut Duration, now: Duration) -> bool {
    let due = now >= *next;
    if due {
        *next = now + PACE;
    }
    due
}

/// `120 of 800 networks` and `3 min 20 s left`, which is not known before something is done.
fn numbers(unit: &str, [kept, done, all]: [u64; 3], passed: Duration) -> [String; 2] {
    let place = format!("{} of {} {unit}", output::count(done), output::count(all));
    let left = match done.saturating_sub(kept) {
        0 => String::new(),
        new => {
            let seconds = passed.as_secs_f64() * all.saturating_sub(done) as f64 / new as f64;
            format!("{} left", output::duration(seconds))
        }
    };
    [place, left]
}

/// `training: 120 of 800 networks, 132k images/s, 3 min 20 s left`
fn line(what: &str, numbers: Option<[String; 2]>, message: &str) -> String {
    let [place, left] = numbers.unwrap_or_default();
    let parts: Vec<&str> = [&*place, message, &*left].into_iter().filter(|part| !part.is_empty()).collect();
    format!("{what}: {}", parts.join(", "))
}

/// A training session's progress: networks finished, images a second.
#[cfg(feature = "full")]
pub struct Training {
    bar: Bar,
    images: AtomicU64,
    diverged: AtomicU64,
}

#[cfg(feature = "full")]
impl Training {
    /// Progress towards `models` networks.
    pub fn new(models: usize) -> Training {
        let template = "{prefix} {wide_bar} {pos}/{len} networks  {msg}  {eta} left";
        let bar = Bar::new("training", "networks", Some(models as u64), template);
        Training { bar, images: AtomicU64::new(0), diverged: AtomicU64::new(0) }
    }

    /// Takes an event from any worker.
    pub fn tell(&self, event: Event) {
        match event {
            Event::Grown { .. } => {}
            Event::Found { kept } => self.bar.begin_at(kept as u64),
            Event::Trained { images } => {
                let images = self.images.fetch_add(images, Ordering::Relaxed) + images;
                let rate = images as f64 / self.bar.start.elapsed().as_secs_f64();
                self.bar.set_message(format!("{:.0}k images/s", rate / 1e3));
            }
            Event::Finished { run, accuracy, diverged } => {
                if output::is_verbose() {
                    let end = if diverged { ", diverged" } else { "" };
                    self.bar.bar.suspend(|| output::tell(format!("network {run}: test accuracy {accuracy:.4}{end}")));
                }
                self.diverged.fetch_add(u64::from(diverged), Ordering::Relaxed);
                self.bar.inc(1);
            }
        }
    }

    /// Clears the bar; images that went through a training step, networks that diverged, seconds.
    pub fn finish(self) -> (u64, u64, f64) {
        self.bar.finish_and_clear();
        (self.images.into_inner(), self.diverged.into_inner(), self.bar.start.elapsed().as_secs_f64())
    }
}

/// A search's progress: trials finished, the best R² on the validation part.
#[cfg(feature = "full")]
pub struct Searching {
    bar: Bar,
    best: Mutex<f64>,
}

#[cfg(feature = "full")]
impl Searching {
    /// Progress towards `trials`, of which those in `done` are there already.
    pub fn new(trials: u32, done: &[Trial]) -> Searching {
        let template = "{prefix} {wide_bar} {pos}/{len} trials  {msg}  {eta} left";
        let bar = Bar::new("searching", "trials", Some(trials.into()), template);
        bar.begin_at(done.len() as u64);
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
#[cfg(feature = "full")]
pub fn bench(rows: usize) -> Bar {
    Bar::new("measuring", "rows", Some(rows as u64), "{pos}/{len} {wide_bar} {msg:40}")
}

/// A benchmark's progress on a GPU; the message names the row that was measured last.
#[cfg(all(feature = "full", feature = "gpu"))]
pub fn rows_of_a_card() -> Bar {
    Bar::new("measuring", "rows", None, "{elapsed} {msg}")
}

/// A bar for rows that are copied; their number comes with the first [`tell`].
pub fn rows(what: &'static str) -> Bar {
    Bar::new(what, "checkpoints", Some(0), "{prefix} {wide_bar} {pos}/{len} checkpoints  {eta} left")
}

/// Moves a bar of [`rows`].
pub fn tell(bar: &Bar, done: usize, all: usize) {
    bar.place(done, all);
}

/// A bar for the steps of a study.
#[cfg(feature = "full")]
pub fn steps() -> Bar {
    Bar::new("study", "steps", Some(0), "{pos}/{len} {bar:20} {elapsed}  {wide_msg}")
}

/// Moves a bar of [`steps`]; `next` is what is done now.
#[cfg(feature = "full")]
pub fn step(bar: &Bar, done: usize, all: usize, next: &str) {
    bar.bar.set_message(next.to_owned());
    bar.place(done, all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_are_apart() {
        let mut next = PACE;
        let seconds = [0, 29, 30, 31, 59, 60, 200, 229, 230];
        let told: Vec<u64> =
            seconds.into_iter().filter(|&second| due(&mut next, Duration::from_secs(second))).collect();
        assert_eq!(told, [30, 60, 200, 230]);
    }

    #[test]
    fn plain_lines_say_how_far_it_is() {
        let of = |place| Some(numbers("networks", place, Duration::from_secs(100)));
        // 400 done by an earlier session, 100 in 100 s by this one, 1,500 to do
        let text = line("training", of([400, 500, 2000]), "132k images/s");
        assert_eq!(text, "training: 500 of 2,000 networks, 132k images/s, 25 min 0 s left");
        assert_eq!(line("training", of([4, 4, 9]), ""), "training: 4 of 9 networks");
        assert_eq!(line("measuring", None, "gemm/256"), "measuring: gemm/256");
    }

    #[test]
    fn a_bar_knows_its_numbers_where_nobody_sees_it() {
        let bar = Bar::new("training", "networks", Some(9), "{pos}");
        bar.begin_at(3);
        bar.inc(2);
        bar.set_message("fast");
        let state = (bar.bar.position(), bar.bar.length(), bar.bar.message(), bar.kept.load(Ordering::Relaxed));
        assert_eq!(state, (5, Some(9), "fast".to_owned(), 3));
    }
}
