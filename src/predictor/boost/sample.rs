//! Draws of rows and of columns.

use crate::rng::Stream;

/// What a draw is for: part of the counter of its random numbers.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Draw {
    /// The rows that trees see.
    Rows = 0x6762_0001,
    /// The columns that a tree sees.
    Columns = 0x6762_0002,
}

/// A fraction of the numbers below `n`, at least one of them, ascending; all subsets of the size are equally likely.
///
/// Source: Knuth, TAOCP 3.4.2, algorithm S.
pub fn choose(seed: u64, draw: Draw, round: usize, n: usize, fraction: f64) -> Vec<u32> {
    let size = ((n as f64 * fraction).round() as usize).clamp(1.min(n), n);
    let mut stream = Stream::new(seed, draw as u32, round as u32);
    let mut chosen = Vec::with_capacity(size);
    for i in 0..n {
        if chosen.len() == size {
            break;
        }
        if (stream.below((n - i) as u32) as usize) < size - chosen.len() {
            chosen.push(i as u32);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_chosen_equally_often() {
        let mut counts = [0; 10];
        for round in 0..10_000 {
            let chosen = choose(1, Draw::Rows, round, 10, 0.3);
            assert!(chosen.len() == 3 && chosen.is_sorted_by(|a, b| a < b));
            chosen.iter().for_each(|&i| counts[i as usize] += 1);
        }
        // six standard deviations
        assert!(counts.iter().all(|&c: &i32| (c - 3000).abs() < 280), "{counts:?}");
    }

    #[test]
    fn extremes() {
        assert_eq!(choose(1, Draw::Rows, 0, 5, 1.0), [0, 1, 2, 3, 4]);
        assert_eq!(choose(1, Draw::Columns, 0, 5, 1e-9).len(), 1);
        assert!(choose(1, Draw::Columns, 0, 0, 0.5).is_empty());
    }
}
