//! MT19937 as Python's `random.Random` uses it: published divisions are made with it. Nothing of our own is.
//!
//! Matsumoto, Nishimura: Mersenne Twister (ACM TOMACS 1998), with the seeding by an array of 2002.

const N: usize = 624;
const M: usize = 397;

/// Python's `random.Random(seed)` for a seed below 2³².
pub(super) struct Random {
    state: [u32; N],
    next: usize,
}

impl Random {
    /// As Python seeds: the seed is an array of one word.
    pub fn new(seed: u32) -> Random {
        let mut state = [0u32; N];
        state[0] = 19_650_218;
        for i in 1..N {
            state[i] = mixed(state[i - 1], 1_812_433_253).wrapping_add(i as u32);
        }
        // once round with the seed, once more without; both passes go on where the index is
        let mut i = 1;
        for pass in 0..N + N - 1 {
            let (factor, add) = if pass < N { (1_664_525, seed) } else { (1_566_083_941, (i as u32).wrapping_neg()) };
            state[i] = (state[i] ^ mixed(state[i - 1], factor)).wrapping_add(add);
            i += 1;
            if i == N {
                state[0] = state[N - 1];
                i = 1;
            }
        }
        state[0] = 1 << 31;
        Random { state, next: N }
    }

    /// Python's `shuffle`.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i as u32 + 1) as usize);
        }
    }

    /// Uniform in 0..n, by drawing again what is not below n.
    fn below(&mut self, n: u32) -> u32 {
        let shift = n.leading_zeros();
        loop {
            let drawn = self.word() >> shift;
            if drawn < n {
                return drawn;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.next == N {
            self.turn();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    fn turn(&mut self) {
        for i in 0..N {
            let y = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ y >> 1 ^ odd;
        }
        self.next = 0;
    }
}

fn mixed(word: u32, factor: u32) -> u32 {
    (word ^ word >> 30).wrapping_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shuffles_as_python_does() {
        let shuffled = |n: u32| {
            let mut values: Vec<u32> = (0..n).collect();
            Random::new(0).shuffle(&mut values);
            values
        };
        // random.Random(0).shuffle(x)
        assert_eq!(shuffled(5), [2, 1, 0, 4, 3]);
        assert_eq!(shuffled(10), [7, 8, 1, 5, 3, 4, 2, 0, 9, 6]);
        let many = shuffled(15_000);
        assert_eq!((&many[..3], &many[14_997..]), (&[8277, 12729, 8976][..], &[12418, 6311, 13835][..]));
        let sum: u64 = many.iter().zip(0u64..).map(|(&value, place)| place * u64::from(value)).sum();
        assert_eq!(sum, 839_986_078_993);
    }
}
