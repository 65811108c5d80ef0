//! The best cut of a leaf over all columns.

use super::histogram::Group;
use crate::kernels::Isa;
use crate::kernels::histogram::{self, Bin, GROUP, Leaf, Packing, Rule};

/// A cut of a leaf: rows with codes up to `bin` go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// In squares of the integer gradients' unit.
    pub gain: f64,
    /// Position among the columns that can be cut.
    pub column: usize,
    /// Where its codes are: which group.
    pub group: usize,
    /// Which lane of the group.
    pub lane: usize,
    /// The last bin of the left side.
    pub bin: u32,
    /// Whether missing values go left; `None` where the column has none in the training rows.
    pub missing_left: Option<bool>,
}

impl Split {
    /// The better of two: more gain, then the earlier column.
    pub fn better(a: Option<Split>, b: Option<Split>) -> Option<Split> {
        match (a, b) {
            (Some(a), Some(b)) => {
                let b_wins = b.gain > a.gain || (b.gain == a.gain && b.column < a.column);
                Some(if b_wins { b } else { a })
            }
            (a, b) => a.or(b),
        }
    }

    /// Sums of the left side and of the right, from the histogram of the group that is cut.
    pub fn sides(&self, packing: Packing, group: &Group, bins: &[Bin], leaf: Leaf) -> [Leaf; 2] {
        let upto = bins[..=self.bin as usize].iter().map(|bin| bin.0[self.lane]);
        let missing = match (self.missing_left, group.missing[self.lane]) {
            (Some(true), Some(code)) => bins[usize::from(code)].0[self.lane],
            _ => 0,
        };
        let (gradient, count) = packing.unpack(upto.fold(missing, u64::wrapping_add));
        [Leaf { gradient, count }, Leaf { gradient: leaf.gradient - gradient, count: leaf.count - count }]
    }

    /// For each code whether it goes left.
    pub fn goes_left(&self, group: &Group) -> [bool; 256] {
        let mut left = [false; 256];
        left[..=self.bin as usize].fill(true);
        if let Some(code) = group.missing[self.lane] {
            left[usize::from(code)] = self.missing_left == Some(true);
        }
        left
    }
}

/// What a search needs to know besides the histogram.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The instruction set.
    pub isa: Isa,
    /// How histograms are packed.
    pub packing: Packing,
    /// What makes a cut admissible and good.
    pub rule: Rule,
    /// Gain that a cut must exceed, in squares of the integer gradients' unit.
    pub min_gain: f64,
}

impl Search {
    /// The best cut of a leaf within one group, first with missing values on the right, then on the left.
    pub fn group(&self, number: usize, group: &Group, bins: &[Bin], leaf: Leaf) -> Option<Split> {
        let mut start = [0; GROUP];
        let mut best = self.scan(number, group, bins, &start, leaf, None);
        if group.missing.iter().any(Option::is_some) {
            for lane in 0..GROUP {
                start[lane] = group.missing[lane].map_or(0, |code| bins[usize::from(code)].0[lane]);
            }
            // a tie stays with the right
            let left = self.scan(number, group, bins, &start, leaf, Some(true));
            if let Some(left) = left
                && best.is_none_or(|right| left.gain > right.gain)
            {
                best = Some(left);
            }
        }
        best
    }

    fn scan(
        &self,
        number: usize,
        group: &Group,
        bins: &[Bin],
        start: &[u64; GROUP],
        leaf: Leaf,
        side: Option<bool>,
    ) -> Option<Split> {
        let cuts = histogram::scan(self.isa, self.packing, bins, start, leaf, self.rule);
        // below it a gain is what rounding leaves of nothing
        let noise = 1.0 + 1e-12 * self.rule.score(leaf);
        let mut best = None;
        for lane in 0..GROUP {
            let (cut, Some(column)) = (cuts[lane], group.columns[lane]) else { continue };
            if cut.gain > self.min_gain.max(noise) {
                let missing_left = group.missing[lane].map(|_| side == Some(true));
                let split = Split { gain: cut.gain, column, group: number, lane, bin: cut.bin, missing_left };
                best = Split::better(best, Some(split));
            }
        }
        best
    }
}
