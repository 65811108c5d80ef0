//! When a network's weights are kept.

use crate::number::whole;
use crate::{Error, Result};

/// The reference's schedule: epochs 0, 1, 2, 3, every twentieth, and the last.
pub fn reference(epochs: u32) -> Vec<u32> {
    (0..=epochs).filter(|&epoch| epoch < 4 || epoch.is_multiple_of(20) || epoch == epochs).collect()
}

/// A schedule from text such as `0,1,2,3,20`; the last epoch is always kept.
///
/// # Errors
/// [`Error::Invalid`] for what is not a list of epochs up to `epochs`.
pub fn parse(text: &str, epochs: u32) -> Result<Vec<u32>> {
    let wrong = || Error::invalid("checkpoints", format!("epochs 0 to {epochs}, such as 0,1,2"), text);
    let mut schedule = vec![epochs];
    for part in text.split(',') {
        let epoch: u32 = whole(part).ok_or_else(wrong)?;
        if epoch > epochs {
            return Err(wrong());
        }
        schedule.push(epoch);
    }
    schedule.sort_unstable();
    schedule.dedup();
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_released_schedule_comes_out() {
        assert_eq!(reference(86), [0, 1, 2, 3, 20, 40, 60, 80, 86]);
        assert_eq!(reference(18), [0, 1, 2, 3, 18]);
        assert_eq!(reference(2), [0, 1, 2]);
        assert_eq!(reference(0), [0]);
    }

    #[test]
    fn text_is_checked() {
        assert_eq!(parse("5, 1,1e0", 8).unwrap(), [1, 5, 8]);
        for wrong in ["9", "", "1,,2", "x", "-1"] {
            assert!(parse(wrong, 8).is_err(), "{wrong}");
        }
    }
}
