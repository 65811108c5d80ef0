//! What of a zoo is there before training, and what training adds to it.

use super::executor::Session;
use super::run::{Run, Schedule};
use super::{Event, Job};
use crate::zoo::Zoo;
use crate::{Error, Result};
use std::path::Path;

/// What a zoo had before it grew.
pub(super) struct Growth {
    networks: usize,
    checkpoints: usize,
}

/// The job, whose rows are of the family that `rounding` names last, on the zoo at `out`, keeping the checkpoints that are there besides its own, and what was there if that is less.
///
/// Another zoo is left to the writer, which says what differs.
///
/// # Errors
/// Those of [`Zoo::open`]; [`Error::Mismatch`] for rows of another family of rounding, [`Error::Invalid`] where the zoo has more networks or epochs, or cannot have more epochs.
pub(super) fn on<'j>(job: &Job<'j>, rounding: &[String], out: &Path) -> Result<(Job<'j>, Option<Growth>)> {
    let mut job = job.clone();
    if !out.exists() {
        return Ok((job, None));
    }
    let zoo = Zoo::open(out)?;
    let (there, configs) = (zoo.schema(), job.configs());
    if !job.schema(&configs)?.is_of_one_zoo(there) {
        return Ok((job, None));
    }
    let shown = out.display();
    if job.models < there.networks() {
        let expected =
            format!("at least {}, the networks of {shown}; another file for a zoo of fewer", there.networks());
        return Err(Error::invalid("models", expected, job.models));
    }
    let [wanted, had] = [&job.checkpoints, &there.checkpoints].map(|epochs| epochs.last().copied().unwrap_or(0));
    if wanted < had {
        let expected = format!("at least {had}, the epochs of {shown}; another file for shorter trainings");
        return Err(Error::invalid("epochs", expected, wanted));
    }
    let old = configs.iter().take(there.runs);
    let scheduled = old.filter(|config| Run::from(*config).schedule != Schedule::Constant).count();
    if wanted > had && scheduled > 0 {
        let expected = format!(
            "{had}, the epochs of {shown}: the learning rates of {scheduled} of its networks follow a schedule made for as many; \
             another file for longer trainings"
        );
        return Err(Error::invalid("epochs", expected, wanted));
    }
    job.checkpoints.extend_from_slice(&there.checkpoints);
    job.checkpoints.sort_unstable();
    job.checkpoints.dedup();
    let growth = Growth { networks: there.runs, checkpoints: there.checkpoints.len() };
    let grows = job.models > there.networks() || job.checkpoints.len() > growth.checkpoints;
    if grows {
        // refused before the file is another
        job.check_mixture(out, zoo.mixture(rounding).as_ref())?;
    }
    Ok((job, grows.then_some(growth)))
}

impl Growth {
    /// What is said of it; `todo` are the networks to be trained.
    pub fn event(&self, session: &Session, todo: &[usize]) -> Event {
        let begun = todo.iter().filter(|&&run| run < self.networks && session.has_rows(run));
        let continued = begun.clone().filter(|&&run| session.resumed(run).is_some()).count();
        let again = begun.count() - continued;
        Event::Grown { networks: self.networks, checkpoints: self.checkpoints, continued, again }
    }
}
