//! How much of the processor this program has: CPU time, and threads that stay where they are.

use std::time::Duration;
use zoometry::{Error, Result};

/// CPU time of all threads of this program, where the system tells.
#[cfg(unix)]
pub fn cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(unix))]
pub fn cpu_time() -> Option<Duration> {
    None
}

/// Keeps this thread, and those that it starts, on the first processors of those that it may use.
///
/// # Errors
/// [`Error::Invalid`] where there are fewer, or the system has no such call.
#[cfg(target_os = "linux")]
pub fn pin(threads: usize) -> Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let refused = |error: rustix::io::Errno| Error::invalid("--pin", "a system that keeps threads in place", error);
    let allowed = sched_getaffinity(None).map_err(refused)?;
    let mut chosen = CpuSet::new();
    let some: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).take(threads).collect();
    if some.len() < threads {
        return Err(Error::invalid("--pin", format!("at most {} threads with it", some.len()), threads));
    }
    some.into_iter().for_each(|cpu| chosen.set(cpu));
    sched_setaffinity(None, &chosen).map_err(refused)
}

#[cfg(not(target_os = "linux"))]
pub fn pin(_: usize) -> Result<()> {
    Err(Error::invalid("--pin", "Linux", std::env::consts::OS))
}
