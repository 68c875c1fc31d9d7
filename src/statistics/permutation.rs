//! The sign-flip permutation test of paired differences.

use super::{SAME, Tested, largest, least_p, usable};

/// So many differences that aren't zero are flipped in all 2ⁿ ways.
const EXACT: usize = 30;
/// Draws of signs beyond that.
const DRAWS: usize = 100_000;
/// The draws' seed, so that the same differences always have the same p.
const SEED: u64 = 1935;

/// The two-sided permutation test of a mean of differences between pairs (Fisher 1935): the share of all ways to flip their signs
/// whose mean is at least as far from 0. Exact up to 30 differences that aren't zero; beyond, by 100,000 seeded draws as
/// (b + 1)/(draws + 1), which never gives 0 (Phipson and Smyth 2010). `None` without a difference, or with one that isn't finite.
pub fn permutation(differences: &[f64]) -> Option<Tested> {
    if !usable(differences) {
        return None;
    }
    let scale = largest(differences);
    // Sizes from 0 to 1: no sum can overflow.
    let apart: Vec<f64> = differences.iter().filter(|d| d.abs() > SAME * scale).map(|d| d / scale).collect();
    let n_used = apart.len();
    let close = SAME * apart.iter().map(|d| d.abs()).sum::<f64>();
    let least = apart.iter().sum::<f64>().abs() - close;
    let exact = n_used <= EXACT;
    let p = match exact {
        // As far as any.
        _ if least <= 0.0 => 1.0,
        true => counted(&apart, least),
        false => (drawn(&apart, least) + 1) as f64 / (DRAWS + 1) as f64,
    };
    let reachable = if exact { 0.0 } else { 1.0 / (DRAWS + 1) as f64 };
    Some(Tested { p, exact, least_p: least_p(n_used).max(reachable), n: differences.len(), n_used })
}

/// The share of all signs whose sum is at least that far from 0, which is above 0: sums of one half of the values meet those of
/// the other half.
fn counted(values: &[f64], least: f64) -> f64 {
    let (left, right) = values.split_at(values.len() / 2);
    let (left, right) = (sums(left), sums(right));
    let (mut from, mut far) = (right.len(), 0);
    for sum in &left {
        while from > 0 && sum + right[from - 1] >= least {
            from -= 1;
        }
        far += right.len() - from;
    }
    // Below 0 there are as many.
    2.0 * far as f64 / (left.len() * right.len()) as f64
}

/// The sums of values with each in both signs, ascending.
fn sums(values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0];
    for v in values {
        sums = sums.iter().flat_map(|sum| [sum - v, sum + v]).collect();
    }
    sums.sort_by(f64::total_cmp);
    sums
}

/// How many of the drawn signs have a sum at least that far from 0.
fn drawn(values: &[f64], least: f64) -> usize {
    let mut state = SEED;
    let far = |_: &usize| {
        let mut sum = 0.0;
        for some in values.chunks(64) {
            let signs = next(&mut state);
            sum += some.iter().enumerate().map(|(k, v)| if signs >> k & 1 == 1 { *v } else { -v }).sum::<f64>();
        }
        f64::abs(sum) >= least
    };
    (0..DRAWS).filter(far).count()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_scipy() {
        for (differences, p) in reference::PERMUTATION {
            let tested = permutation(differences).unwrap();
            assert!(tested.exact && (tested.p / p - 1.0).abs() < 1e-12, "{differences:?}: {} instead of {p}", tested.p);
        }
    }

    #[test]
    fn says_how_small_p_could_be() {
        let five = permutation(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(five, Tested { p: 0.0625, exact: true, least_p: 0.0625, n: 5, n_used: 5 });
        let none = permutation(&[0.0; 4]).unwrap();
        assert_eq!((none.p, none.least_p, none.n_used), (1.0, 1.0, 0));
        assert_eq!(permutation(&[f64::MAX; 6]).unwrap().p, 0.03125);
        // The first of SplitMix64 from 0, as published.
        assert_eq!(next(&mut 0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn draws_agree_with_counting() {
        let values: Vec<f64> = (1..=30).map(|i| f64::from(i % 7) + if i % 3 == 0 { -4.5 } else { 0.5 }).collect();
        let least = 30.0;
        let (exact, estimate) = (counted(&values, least), drawn(&values, least) as f64 / DRAWS as f64);
        // Five standard errors.
        let error = (exact * (1.0 - exact) / DRAWS as f64).sqrt();
        assert!((exact - estimate).abs() < 5.0 * error && exact > 0.01 && exact < 0.5, "{exact} {estimate}");
        let same = [1.0; 100];
        let tested = permutation(&same).unwrap();
        assert_eq!((tested.exact, tested.p, tested.least_p), (false, 1.0 / 100_001.0, 1.0 / 100_001.0));
        assert_eq!(permutation(&same), permutation(&same));
    }
}
