//! The numbers that NAS-Bench-201's tables give its 15,625 cells. The published code lists all cells, seeds Python's `random` with 88
//! and shuffles the list: done here step by step, so that a number has its meaning without a table.

use std::sync::OnceLock;

/// Cells: one of 5 operations on each of 6 edges.
pub const CELLS: usize = 15_625;
const OPERATIONS: usize = 5;
const EDGES: usize = 6;

/// The columns of operations of cell `index`, edge by edge; `None` from 15,625 on.
pub fn digits(index: usize) -> Option<[u8; EDGES]> {
    let mut rest = usize::from(*order().get(index)?);
    let mut digits = [0; EDGES];
    for digit in digits.iter_mut().rev() {
        *digit = (rest % OPERATIONS) as u8;
        rest /= OPERATIONS;
    }
    Some(digits)
}

/// The index of the cell with these columns; `None` where one is no column.
pub fn index(digits: [u8; EDGES]) -> Option<usize> {
    let mut place = 0;
    for digit in digits {
        place = place * OPERATIONS + Some(usize::from(digit)).filter(|d| *d < OPERATIONS)?;
    }
    order().iter().position(|p| usize::from(*p) == place)
}

/// By index: the place of the cell in the list that was shuffled.
fn order() -> &'static [u16] {
    static ORDER: OnceLock<Vec<u16>> = OnceLock::new();
    ORDER.get_or_init(|| {
        let mut cells: Vec<u16> = (0..CELLS as u16).collect();
        let mut random = Twister::seeded(88);
        for i in (1..cells.len()).rev() {
            let j = random.below(i as u32 + 1);
            cells.swap(i, j as usize);
        }
        cells
    })
}

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// The Mersenne Twister (Matsumoto and Nishimura 1998), seeded as Python seeds it.
struct Twister {
    state: [u32; WORDS],
    next: usize,
}

impl Twister {
    /// `random.seed(key)`: `init_by_array` of the one word.
    fn seeded(key: u32) -> Twister {
        let mut s = [0u32; WORDS];
        s[0] = 19_650_218;
        let mixed = |s: &[u32; WORDS], i: usize| s[i - 1] ^ (s[i - 1] >> 30);
        for i in 1..WORDS {
            s[i] = mixed(&s, i).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        let mut i = 1;
        let mut step = |s: &mut [u32; WORDS], factor: u32, add: &dyn Fn(usize) -> u32| {
            s[i] = (s[i] ^ mixed(s, i).wrapping_mul(factor)).wrapping_add(add(i));
            i += 1;
            if i == WORDS {
                s[0] = s[WORDS - 1];
                i = 1;
            }
        };
        (0..WORDS).for_each(|_| step(&mut s, 1_664_525, &|_| key));
        (1..WORDS).for_each(|_| step(&mut s, 1_566_083_941, &|i| (i as u32).wrapping_neg()));
        s[0] = 1 << 31;
        Twister { state: s, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for i in 0..WORDS {
                let y = self.state[i] & (1 << 31) | self.state[(i + 1) % WORDS] & !(1 << 31);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number below `n`, as `random.shuffle` asks for it: as many bits as `n` has, drawn again until they are below it.
    fn below(&mut self, n: u32) -> u32 {
        let drop = n.leading_zeros();
        loop {
            let drawn = self.word() >> drop;
            if drawn < n {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first, the tenth and the 124th cell, which the published code asserts, and the best one's number in the table.
    #[test]
    fn numbers_are_those_of_the_tables() {
        let known =
            [(0, [4, 2, 1, 2, 1, 1]), (9, [4, 0, 0, 1, 0, 3]), (123, [4, 4, 2, 0, 4, 3]), (6111, [3, 3, 3, 1, 3, 2])];
        for (number, columns) in known {
            assert_eq!((digits(number), index(columns)), (Some(columns), Some(number)));
        }
        assert_eq!((digits(CELLS), index([0, 0, 0, 0, 0, 5])), (None, None));
        let mut all: Vec<_> = (0..CELLS).filter_map(digits).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), CELLS);
    }
}
