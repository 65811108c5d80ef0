//! `Pace`: how much work a dispatch gets, and how many networks a GPU trains at a time.

use super::fleet::{Fleet, MOST_STEPS, Steps};
use crate::Result;
use crate::train::run::Run;

/// Seconds that a dispatch should last: well below a watchdog's two, long enough that the host is ready with the next.
const DISPATCH: f64 = 0.2;

/// Images of the first evaluation where nothing has been measured.
const EVALUATED: usize = 1 << 21;

/// Seconds that a GPU is kept busy before it is timed: one that has been idle for a second runs at a fraction of its clock.
pub(super) const WARM_UP: f64 = 0.5;

/// See the head of the file.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Networks that a GPU trains in the time of one: its multiprocessors, times the workgroups that one of them holds.
    pub width: usize,
    /// Steps of a dispatch.
    pub steps: usize,
    /// Images of an evaluation, of all networks together.
    pub images: usize,
}

impl Pace {
    /// For a GPU that has not been asked.
    pub fn unknown() -> Pace {
        Pace { width: 1, steps: 1, images: EVALUATED }
    }

    /// Asks a card: keeps it busy until its clock is up, then times steps.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn measure(fleet: &Fleet, run: &Run) -> Result<Pace> {
        let width = Pace::widths(fleet, run)?;
        let all = step(fleet, run, fleet.slots())?;
        let steps = ((DISPATCH / all.max(1e-6)) as usize).clamp(1, MOST_STEPS);
        Ok(Pace { width, steps, images: EVALUATED })
    }

    /// The networks that a GPU trains in the time of one, at most as many as there are slots.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device): any failure up to here.
    pub fn widths(fleet: &Fleet, run: &Run) -> Result<usize> {
        let mut busy = 0.0;
        while busy < WARM_UP {
            busy += step(fleet, run, fleet.slots())?.max(1e-3);
        }
        let one = step(fleet, run, 1)?;
        let (mut low, mut high) = (1, fleet.slots() + 1);
        while high - low > 1 {
            // doubled while nothing is known of larger ones
            let middle = if high > fleet.slots() { (2 * low).min(high - 1) } else { low.midpoint(high) };
            if step(fleet, run, middle)? < 1.5 * one { low = middle } else { high = middle }
        }
        Ok(low)
    }

    /// Networks side by side: whole widths of at most `most`, as few as make no more rounds of `models` networks.
    pub fn slots(&self, most: usize, models: usize) -> usize {
        let most = if most >= self.width { most / self.width * self.width } else { most };
        let rounds = models.div_ceil(most);
        models.div_ceil(rounds).next_multiple_of(self.width).min(most)
    }

    /// Takes into account that `steps` steps took so long.
    pub fn stepped(&mut self, steps: usize, seconds: f64) {
        let more = DISPATCH / seconds.max(1e-6) * steps as f64;
        self.steps = (more as usize).clamp((self.steps / 2).max(1), (2 * self.steps).min(MOST_STEPS));
    }

    /// Takes into account that an evaluation of so many images took so long.
    pub fn evaluated(&mut self, images: usize, seconds: f64) {
        let more = (DISPATCH / seconds.max(1e-6) * images as f64) as usize;
        self.images = more.clamp(self.images / 2, 2 * self.images);
    }
}

/// Seconds of a step of the first networks, which moves nothing.
fn step(fleet: &Fleet, run: &Run, networks: usize) -> Result<f64> {
    let run = Run { learning_rate: 0.0, ..*run };
    let work: Vec<Steps> =
        (0..networks).map(|slot| Steps { slot, run, first: 0, before: 0, count: 1, all: 1 }).collect();
    fleet.time(&work, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_whole_widths_and_rounds_are_even() {
        let pace = |width| Pace { width, ..Pace::unknown() };
        assert_eq!(pace(132).slots(2048, 2000), 1056);
        assert_eq!(pace(132).slots(2048, 100_000), 1980);
        assert_eq!(pace(132).slots(100, 2000), 100);
        assert_eq!(pace(1).slots(4, 64), 4);
        assert_eq!(pace(132).slots(64, 64), 64);
    }

    #[test]
    fn work_is_made_as_long_as_it_should_be() {
        let mut pace = Pace { width: 1, steps: 8, images: 1000 };
        pace.stepped(8, DISPATCH / 100.0);
        assert_eq!(pace.steps, 16);
        pace.stepped(16, 10.0 * DISPATCH);
        assert_eq!(pace.steps, 8);
        pace.evaluated(1000, DISPATCH / 1.5);
        assert_eq!(pace.images, 1500);
    }
}
