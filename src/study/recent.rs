//! `Recent`: what was computed last, so that jobs that follow each other need not compute it again.

use crate::Result;
use std::sync::{Arc, Mutex, PoisonError};

/// How many are kept: as many inputs as are compared where all are too many.
const KEPT: usize = 4;

/// The last few values, each with what it was computed of.
pub struct Recent<K, V> {
    kept: Mutex<Vec<(K, Arc<V>)>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Recent<K, V> {
        Recent { kept: Mutex::default() }
    }
}

impl<K: PartialEq, V> Recent<K, V> {
    /// The value of a key; where it is not there it is made, and kept if `keep` says so.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&self, key: K, make: impl FnOnce() -> Result<V>, keep: impl Fn(&V) -> bool) -> Result<Arc<V>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(known, _)| *known == key) {
            let found = kept.remove(place);
            let value = Arc::clone(&found.1);
            kept.push(found);
            return Ok(value);
        }
        let value = Arc::new(make()?);
        if keep(&value) {
            if kept.len() == KEPT {
                kept.remove(0);
            }
            kept.push((key, Arc::clone(&value)));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_last_are_kept_and_the_oldest_goes() {
        let (recent, made) = (Recent::default(), Cell::new(0));
        let get = |key: u32, keep: bool| {
            let make = || {
                made.set(made.get() + 1);
                Ok(key * 10)
            };
            *recent.get(key, make, |_| keep).unwrap()
        };
        assert_eq!((get(1, true), get(1, true), made.get()), (10, 10, 1));
        // one that is asked for again is no longer the oldest
        (2..=4).for_each(|key| assert_eq!(get(key, true), key * 10));
        assert_eq!((get(1, true), get(5, true), get(1, true), made.get()), (10, 50, 10, 5));
        assert_eq!((get(2, true), made.get()), (20, 6));
        assert_eq!((get(9, false), get(9, false), made.get()), (90, 90, 8));
        assert!(recent.get(7, || Err(crate::Error::Cancelled), |_| true).is_err());
    }
}
