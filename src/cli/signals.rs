//! Signals. Ctrl-C and its relatives: the first asks for a clean stop, the second ends the program at once. A file that is cut
//! while it is read, a limit on the size of files: an error, not a kill.

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
    #[cfg(unix)]
    files();
}

/// Those that ask to stop, but for what this was started to ignore: SIGHUP by `nohup`, SIGINT by a shell's `&`.
fn signals() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    #[cfg(unix)]
    {
        signals.push(signal_hook::consts::SIGHUP);
        signals.retain(|&signal| !is_ignored(signal));
    }
    signals
}

/// Whether a signal was ignored by whoever started this.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.map_or_else(|| child_ignores(signal), |mask| mask >> (signal - 1) & 1 == 1)
}

/// Whether a child, which inherits what is ignored, survives the signal: for systems that do not tell.
#[cfg(unix)]
fn child_ignores(signal: i32) -> bool {
    use std::process::{Command, Stdio};
    let script = format!("kill -{signal} $$; exit 0");
    let mut child = Command::new("sh");
    child.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().is_ok_and(|status| status.success())
}

/// A write beyond the limit on the size of files gives an error that is reported where it occurs; reading what was cut off a
/// mapped file ends the program with the file's name.
#[cfg(unix)]
fn files() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let _ = zoometry::bytes::on_cut(|files| {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        output::error(match files.is_empty() {
            true => "a file could not be read: it was made shorter meanwhile, or its disk failed".into(),
            false => format!("{} was made shorter while it was being read", files.join(", ")),
        });
        std::process::exit(1);
    });
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_ask_agree() {
        for signal in signals() {
            assert!(!is_ignored(signal) && !child_ignores(signal), "signal {signal}");
        }
    }
}
