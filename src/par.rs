//! Threads: how many, and the one way to run over them.

use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop that workers look at between pieces of work; Ctrl-C sets it.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// A request not yet made.
    pub const fn new() -> Stop {
        Stop(AtomicBool::new(false))
    }
    /// Asks the workers to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
