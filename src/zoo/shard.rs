//! `Shard`: which networks of a zoo a file holds.
//!
//! A network depends on the zoo's seed and on its own number alone, so a zoo may be made in pieces by machines that know nothing
//! of each other. Shard I of N holds every N-th network from number I − 1 on; its rows are byte for byte those of the whole zoo.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Every `count`-th network of a zoo, from number `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its place among the shards, from 0.
    pub index: usize,
    /// Number of shards.
    pub count: usize,
    /// Networks of the whole zoo.
    pub networks: usize,
}

impl Shard {
    /// The networks of a zoo of `networks` that fall to a place; nothing where that is the whole zoo.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is no such place, or no network falls to it.
    pub fn new(Place { index, count }: Place, networks: usize) -> Result<Option<Shard>> {
        if index >= networks.min(count) {
            let expected = format!("a place from 1 to {}, for there are {networks} networks", networks.min(count));
            return Err(Error::invalid("shard", expected, Place { index, count }));
        }
        Ok((count > 1).then_some(Shard { index, count, networks }))
    }

    /// Its place.
    pub fn place(&self) -> Place {
        Place { index: self.index, count: self.count }
    }

    /// Networks that fall to it.
    pub fn runs(&self) -> usize {
        self.networks.saturating_sub(self.index).div_ceil(self.count.max(1))
    }

    /// The number in the whole zoo of its `run`-th network.
    pub fn number(&self, run: usize) -> usize {
        self.index + self.count * run
    }

    /// Which of its networks has a number, if it has that.
    pub fn run(&self, number: usize) -> Option<usize> {
        let ahead = number.checked_sub(self.index).filter(|ahead| number < self.networks && ahead % self.count == 0)?;
        Some(ahead / self.count)
    }
}

/// A place among shards; as text `I/N`, I from 1 to N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub index: usize,
    /// Number of shards.
    pub count: usize,
}

impl Place {
    /// The whole zoo.
    pub const WHOLE: Place = Place { index: 0, count: 1 };

    /// Shards at most: their numbers have five digits in the names of files.
    pub const MOST: usize = 99_999;
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

impl std::str::FromStr for Place {
    type Err = Error;
    fn from_str(text: &str) -> Result<Place> {
        let wrong = || Error::invalid("shard", "I/N, such as 2/8: I from 1 to N, N at most 99999", text);
        let (number, count) = text.split_once('/').ok_or_else(wrong)?;
        let parse = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let (number, count) = (parse(number)?, parse(count)?);
        if number == 0 || number > count || count > Place::MOST {
            return Err(wrong());
        }
        Ok(Place { index: number - 1, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_falls_to_one_shard() {
        for (networks, count) in [(1, 1), (7, 3), (9, 3), (5, 5), (1000, 7)] {
            let mut found = vec![0; networks];
            for index in 0..count {
                let whole = Shard { index, count, networks };
                let shard = Shard::new(whole.place(), networks).unwrap().unwrap_or(whole);
                for run in 0..shard.runs() {
                    found[shard.number(run)] += 1;
                    assert_eq!(shard.run(shard.number(run)), Some(run));
                }
                assert_eq!(shard.run(shard.number(shard.runs())), None);
            }
            assert!(found.iter().all(|&times| times == 1), "{networks} networks in {count} shards: {found:?}");
        }
        assert!(Shard::new(Place { index: 4, count: 8 }, 4).unwrap_err().to_string().contains("5/8"));
        assert_eq!(Shard::new(Place::WHOLE, 4).unwrap(), None);
        assert_eq!(Shard { index: 2, count: 3, networks: 9 }.run(1), None);
    }

    #[test]
    fn places_are_written_from_one() {
        let place: Place = "2/8".parse().unwrap();
        assert_eq!((place, place.to_string()), (Place { index: 1, count: 8 }, "2/8".into()));
        for wrong in ["", "2", "0/8", "9/8", "1/0", "a/b", "1/2/3", "-1/2", "1/100000"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
