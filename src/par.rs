//! Threads: how many, and the one way to run over them.

use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop that workers look at between pieces of work; Ctrl-C sets it.
#[derive(Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A request not yet made.
    pub fn new() -> Stop {
        Stop::default()
    }
    /// The request itself, for a signal handler to set.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
    /// Asks the workers to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
    /// Ends the caller's work if somebody asked.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn check(&self) -> Result<()> {
        if self.requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Runs `job` where rayon's parallel iterators use `threads` threads (0: one for each core).
pub fn with_threads<R: Send>(threads: usize, job: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(job),
        // a machine that cannot start a thread can still do the job on this one
        Err(_) => job(),
    }
}

/// Runs `work(number)` on `threads` threads (0: one for each core) and waits for all; the first error stops the others.
///
/// # Errors
/// The first worker's that fails, in the order of their numbers.
pub fn workers(threads: usize, stop: &Stop, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let threads = if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads };
    let guarded = |number: usize| {
        let outcome = work(number);
        if outcome.is_err() {
            stop.request();
        }
        outcome
    };
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|number| scope.spawn(move || guarded(number))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    // a worker that was stopped by another's failure is not the one to blame
    let mut failures = outcomes.into_iter().filter_map(Result::err);
    let first = failures.next();
    match first {
        Some(Error::Interrupted) => {
            Err(failures.find(|error| !matches!(error, Error::Interrupted)).unwrap_or(Error::Interrupted))
        }
        Some(error) => Err(error),
        None => Ok(()),
    }
}
