//! Threads: how many, and the one way to run over them.

use crate::{Error, Result};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request to stop that workers look at between pieces of work; Ctrl-C sets it. Clones are the same request.
#[derive(Clone, Debug, Default)]
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
    /// As [`Stop::check`], for work of which nothing is kept.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn go_on(&self) -> Result<()> {
        if self.requested() { Err(Error::Cancelled) } else { Ok(()) }
    }
    /// Ends the caller's work if somebody asked.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn check(&self) -> Result<()> {
        if self.requested() { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Runs `job` where rayon's parallel iterators use `threads` threads (0: one for each core), or as many as the system gives.
pub fn with_threads<R: Send>(threads: usize, job: impl FnOnce() -> R + Send) -> R {
    let mut threads = wanted(threads);
    loop {
        match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
            Ok(pool) => return pool.install(job),
            Err(_) if threads > 1 => threads /= 2,
            Err(_) => break,
        }
    }
    // not one more thread: the job is done on this one
    match rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
        Ok(pool) => pool.install(job),
        Err(_) => job(),
    }
}

/// Runs both, `b` on a thread of its own where the system gives one.
pub fn join<A, B: Send>(a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    // taken by whoever runs it
    let b = Mutex::new(Some(b));
    let other = || b.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take().map(|b| b());
    std::thread::scope(|scope| {
        let running = std::thread::Builder::new().spawn_scoped(scope, other);
        let a = a();
        let joined = running.ok().and_then(|running| running.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (a, joined.or_else(other).expect("one of the two threads ran it"))
    })
}

fn wanted(threads: usize) -> usize {
    if threads == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { threads }
}

/// Runs `work(number)` on `threads` threads (0: one for each core) and waits for all; the first error stops the others. What the
/// system refuses a thread for is done by this one, when it is done with its own.
///
/// # Errors
/// The first worker's that fails, in the order of their numbers.
pub fn workers(threads: usize, stop: &Stop, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let guarded = |number: usize| {
        let outcome = work(number);
        if outcome.is_err() {
            stop.request();
        }
        outcome
    };
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let start =
            |number| std::thread::Builder::new().spawn_scoped(scope, move || guarded(number)).map_err(|_| number);
        let others: Vec<_> = (1..wanted(threads)).map(start).collect();
        let own = guarded(0);
        let joined = others.into_iter().map(|worker| match worker {
            Ok(worker) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(number) => guarded(number),
        });
        std::iter::once(own).chain(joined).collect()
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
