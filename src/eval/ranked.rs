//! `Ranked`: pairs whose rank correlation is wanted again and again, each pair counted so many times.

use super::metrics::{Counts, pairs_among, rank, tau_b};

/// A pair by the rank of its x, and by which y it has among the different ones.
struct Pair {
    x: u32,
    y: usize,
    place: usize,
}

/// Pairs, sorted once: by x, then by y.
pub(super) struct Ranked {
    pairs: Vec<Pair>,
    /// Different ys.
    levels: usize,
}

/// Working memory: pairs of each y so far, and sums of these as a tree (Fenwick, Software: Practice and Experience 24, 1994).
#[derive(Default)]
pub(super) struct Space {
    of: Vec<u64>,
    tree: Vec<u64>,
}

impl Ranked {
    /// None where a value is NaN: then no correlation is a number.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(x: &[f32], y: &[f32]) -> Option<Ranked> {
        assert_eq!(x.len(), y.len(), "pairs");
        if x.iter().chain(y).any(|v| v.is_nan()) {
            return None;
        }
        let mut levels: Vec<u32> = y.iter().map(|&y| rank(y)).collect();
        levels.sort_unstable();
        levels.dedup();
        let level = |y: f32| levels.partition_point(|&level| level < rank(y));
        let pair = |(place, (&x, &y)): (usize, (&f32, &f32))| Pair { x: rank(x), y: level(y), place };
        let mut pairs: Vec<Pair> = x.iter().zip(y).enumerate().map(pair).collect();
        pairs.sort_unstable_by_key(|pair| (pair.x, pair.y));
        Some(Ranked { pairs, levels: levels.len() })
    }

    /// [`super::metrics::kendall_tau_b`] of the pairs, each as often as `count` says, by their places; the same bits.
    ///
    /// O(n log n) without sorting: the pairs come by x, and the tree tells how many of those before have no larger y.
    pub fn tau(&self, count: &[u32], space: &mut Space) -> f64 {
        space.clear(self.levels);
        let mut counts = Counts::default();
        for group in self.pairs.chunk_by(|a, b| a.x == b.x) {
            let before = counts.n;
            for same in group.chunk_by(|a, b| a.y == b.y) {
                let drawn = same.iter().map(|pair| u64::from(count[pair.place])).sum();
                if drawn > 0 {
                    counts.discordant += drawn * (before - space.up_to(same[0].y));
                    counts.ties_both += pairs_among(drawn);
                    counts.n += drawn;
                }
            }
            counts.ties_x += pairs_among(counts.n - before);
            group.iter().for_each(|pair| space.add(pair.y, count[pair.place]));
        }
        counts.ties_y = space.of.iter().copied().map(pairs_among).sum();
        tau_b(counts)
    }
}

impl Space {
    fn clear(&mut self, levels: usize) {
        for sums in [&mut self.of, &mut self.tree] {
            sums.clear();
            sums.resize(levels, 0);
        }
    }

    fn add(&mut self, y: usize, drawn: u32) {
        if drawn == 0 {
            return;
        }
        self.of[y] += u64::from(drawn);
        let mut node = y;
        while let Some(sum) = self.tree.get_mut(node) {
            *sum += u64::from(drawn);
            node |= node + 1;
        }
    }

    /// Pairs so far of this y and smaller ones.
    fn up_to(&self, y: usize) -> u64 {
        let (mut end, mut sum) = (y + 1, 0);
        while end > 0 {
            sum += self.tree[end - 1];
            end &= end - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::kendall_tau_b;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counted_pairs_are_as_good_as_repeated_ones(
            drawn in prop::collection::vec(((-3i8..3).prop_map(f32::from), -2f32..2.0, 0u32..4), 0..60),
            coarse in any::<bool>(),
        ) {
            let x: Vec<f32> = drawn.iter().map(|pair| pair.0).collect();
            let y: Vec<f32> = drawn.iter().map(|pair| if coarse { pair.1.round() } else { pair.1 }).collect();
            let count: Vec<u32> = drawn.iter().map(|pair| pair.2).collect();
            let repeated = |of: &[f32]| -> Vec<f32> {
                of.iter().zip(&count).flat_map(|(&value, &n)| std::iter::repeat_n(value, n as usize)).collect()
            };
            for (x, y) in [(&x, &y), (&y, &x)] {
                let got = Ranked::new(x, y).unwrap().tau(&count, &mut Space::default());
                prop_assert_eq!(got.to_bits(), kendall_tau_b(&repeated(x), &repeated(y)).to_bits());
            }
        }
    }

    #[test]
    fn what_is_no_number_has_no_rank() {
        assert!(Ranked::new(&[1.0, f32::NAN], &[1.0, 2.0]).is_none());
    }
}
