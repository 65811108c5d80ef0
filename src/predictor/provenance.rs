//! `Provenance`: which networks a predictor was fitted to, by their weights.
//!
//! Names, numbers and files change, weights do not: a network that the fit saw is told wherever it comes up again. A predictor
//! without a provenance may have been fitted to anything.

use crate::table::{Identity, Part, Table};

/// The networks of a fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// Of each part, [`Part::Train`] first, the digests of its networks, ascending.
    parts: [Vec<u64>; 3],
}

impl Provenance {
    /// That of a fit; nothing where it is not known which networks the rows are.
    pub fn new(train: &Table, validation: Option<&Table>, test: Option<&Table>) -> Option<Provenance> {
        let known = |table: &&Table| table.origin.networks.len() == table.rows();
        let all = [Some(train), validation, test];
        let named = all.iter().flatten().all(known) && train.rows() > 0;
        let digests = |table: Option<&Table>| {
            Provenance::sorted(table.iter().flat_map(|table| &table.origin.networks).flatten().copied().collect())
        };
        named.then(|| Provenance { parts: all.map(digests) })
    }

    /// From digests in any order, those of [`Part::Train`] first.
    pub(super) fn of(parts: [Vec<u64>; 3]) -> Provenance {
        Provenance { parts: parts.map(Provenance::sorted) }
    }

    fn sorted(mut digests: Vec<u64>) -> Vec<u64> {
        digests.sort_unstable();
        digests.dedup();
        digests
    }

    /// Digests of the networks of a part; none of [`Part::Unseen`] and [`Part::Unknown`].
    pub fn digests(&self, part: Part) -> &[u64] {
        self.parts.get(part as usize).map_or(&[], Vec::as_slice)
    }

    /// The same with the networks of another fit, for a predictor that is made of several.
    pub fn with(&self, other: &Provenance) -> Provenance {
        let both = |at: usize| [&*self.parts[at], &*other.parts[at]].concat();
        Provenance::of([both(0), both(1), both(2)])
    }

    /// The part that a network was in; of several the first.
    pub fn part(&self, network: Identity) -> Part {
        let has = |part: &Part| network.iter().any(|digest| self.digests(*part).binary_search(digest).is_ok());
        Part::ALL[..3].iter().copied().find(has).unwrap_or(Part::Unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Origin;

    fn table(networks: &[Identity]) -> Table {
        let origin = Origin { networks: networks.to_vec(), ..Origin::default() };
        Table { group: (0..networks.len() as u64).collect(), origin, ..Table::default() }
    }

    #[test]
    fn a_network_is_told_by_either_digest_and_belongs_to_the_first_part() {
        let (train, validation) = (table(&[[1, 2], [3, 3]]), table(&[[4, 4], [3, 3]]));
        let known = Provenance::new(&train, Some(&validation), Some(&table(&[[5, 6]]))).unwrap();
        let part = |network| known.part(network);
        assert_eq!([part([9, 2]), part([1, 9]), part([3, 3])], [Part::Train; 3]);
        assert_eq!([part([4, 9]), part([6, 6]), part([9, 9])], [Part::Validation, Part::Test, Part::Unseen]);
        let both = known.with(&Provenance::new(&table(&[[9, 9]]), None, None).unwrap());
        assert_eq!((both.part([9, 9]), both.part([2, 2])), (Part::Train, Part::Train));
        assert_eq!(both.digests(Part::Train), [1, 2, 3, 9]);
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let unknown = Table { group: vec![0], ..Table::default() };
        assert_eq!(Provenance::new(&unknown, None, None), None);
        assert_eq!(Provenance::new(&table(&[[1, 1]]), Some(&unknown), None), None);
        assert_eq!(Provenance::new(&Table::default(), None, None), None);
    }
}
