//! `Log`: a table of finished networks that grows while a zoo is trained, for whoever watches.

use super::Event;
use crate::out::{Held, OutPath};
use crate::{Error, Result, bytes};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The first line: the network's number, its test accuracy at its last row, whether it diverged, seconds since the session began.
pub const HEAD: &str = "run,test_accuracy,diverged,seconds\n";

/// A line for each network that is finished, as CSV; later sessions go on at its end.
#[derive(Debug)]
pub struct Log {
    begun: Instant,
    /// Nothing, once a line could not be written, and why.
    file: Mutex<(Option<Held>, Option<Error>)>,
}

impl Log {
    /// Opens a log, a new one if there is none. A last line that was cut short is taken off.
    ///
    /// # Errors
    /// [`Error::OtherKind`] for another table, [`Error::Locked`] where another process writes it, [`Error::Io`].
    pub fn open(out: &OutPath) -> Result<Log> {
        let mut file = Held::open_or_begin(out)?;
        let contents = bytes::read(out.path())?;
        let whole = contents.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole > 0 && !contents.starts_with(HEAD.as_bytes()) {
            let first = String::from_utf8_lossy(contents.split(|&byte| byte == b'\n').next().unwrap_or_default());
            let first: String = first.chars().take(40).collect();
            let found = format!("a table that begins with {first:?}");
            return Err(Error::other_kind(out.path(), format!("a log: {}", HEAD.trim_end()), found));
        }
        file.cut(whole as u64)?;
        if whole == 0 {
            file.append(HEAD.as_bytes())?;
        }
        Ok(Log { begun: Instant::now(), file: Mutex::new((Some(file), None)) })
    }

    /// Takes an event from any worker. The training goes on where a line cannot be written; [`Log::close`] says why.
    pub fn tell(&self, event: Event) {
        let Event::Finished { run, accuracy, diverged } = event else { return };
        let mut state = self.state();
        let (Some(file), failure) = &mut *state else { return };
        let line = format!("{run},{accuracy},{diverged},{:.3}\n", self.begun.elapsed().as_secs_f64());
        if let Err(error) = file.extend(line.as_bytes()) {
            *failure = Some(error);
            state.0 = None;
        }
    }

    /// Ends the log.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Disturbed`] where a line could not be written.
    pub fn close(self) -> Result<()> {
        let (file, failure) = self.file.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or_else(|| file.iter().try_for_each(Held::sync), Err)
    }

    fn state(&self) -> MutexGuard<'_, (Option<Held>, Option<Error>)> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::{FileKind, Guard};

    #[test]
    fn later_sessions_go_on_and_other_tables_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let open = || Log::open(&Guard::default().continued(&path, FileKind::Table)?);
        let finished = |run| Event::Finished { run, accuracy: 0.25, diverged: run == 7 };
        let log = open().unwrap();
        log.tell(Event::Trained { images: 5 });
        log.tell(finished(3));
        assert!(matches!(open(), Err(Error::Locked { .. })));
        log.close().unwrap();
        // a session that was killed in the middle of a line
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}5,0.2")).unwrap();
        let log = open().unwrap();
        log.tell(finished(7));
        log.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, HEAD.trim_end()), "{text}");
        assert!(lines[1].starts_with("3,0.25,false,") && lines[2].starts_with("7,0.25,true,"), "{text}");
        std::fs::write(&path, "run,part,digest\n1,test,00\n").unwrap();
        let message = open().unwrap_err().to_string();
        assert!(message.contains(HEAD.trim_end()) && message.contains("run,part,digest"), "{message}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "run,part,digest\n1,test,00\n");
    }

    #[test]
    fn a_log_that_is_taken_away_is_a_failure_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.csv");
        let log = Log::open(&OutPath::new(&path, FileKind::Table).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        log.tell(Event::Finished { run: 1, accuracy: 0.5, diverged: false });
        assert!(matches!(log.close(), Err(Error::Disturbed { .. })));
    }
}
