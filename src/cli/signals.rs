//! Ctrl-C and its relatives: the first asks for a clean stop, the second ends the program at once.

use super::{STOP, output};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a shell says of a program that was stopped.
const STOPPED: i32 = 130;

/// How long the message after the first signal may wait.
const GLANCE: Duration = Duration::from_millis(100);

/// Listens from now on. The handlers only set flags: whatever stderr is, a signal is heard.
pub fn listen() {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals() {
        // in this order: what the second signal finds set was set by the first
        let outcome = signal_hook::flag::register_conditional_shutdown(signal, STOPPED, asked.clone())
            .and_then(|_| signal_hook::flag::register(signal, asked.clone()))
            .and_then(|_| signal_hook::flag::register(signal, STOP.flag()));
        if let Err(error) = outcome {
            output::tell(format!("warning: signal {signal} will not stop cleanly: {error}"));
        }
    }
    let message = move || {
        while !asked.load(Ordering::Relaxed) {
            std::thread::sleep(GLANCE);
        }
        output::tell("\nstopping; press Ctrl-C again to give up at once");
    };
    // without a thread to spare there is no message
    let _ = std::thread::Builder::new().name("signals".into()).spawn(message);
}

/// Those that ask to stop. A closed terminal does, unless this was started with `nohup`.
fn signals() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    if !hangups_are_ignored() {
        signals.push(signal_hook::consts::SIGHUP);
    }
    signals
}

/// Whether SIGHUP, signal 1, was ignored by whoever started this; where the system does not tell, it was not.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
