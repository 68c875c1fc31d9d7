//! The Hodges-Lehmann estimate of a difference between pairs, with its interval.

use super::spread::median;
use super::{least_p, normal, usable};

/// So many differences have their interval by exact counting.
const EXACT: usize = 200;
/// More have none: Walsh averages grow with the square.
const MOST: usize = 4000;

/// A difference between pairs, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of the Walsh averages.
    pub estimate: f64,
    /// `None` where so few pairs have no interval of the wanted level.
    pub interval: Option<(f64, f64)>,
    /// The level of the interval, at least the wanted one; without an interval the highest that so many pairs reach (0.9375 with 5).
    pub level_reached: f64,
}

/// The median of all means of two differences (Walsh averages, each difference with itself too), and the interval of a level in
/// 0..1 that belongs to the signed-rank test (Hodges and Lehmann 1963): from the kth lowest to the kth highest average, where a
/// rank sum below k has at most half of the remaining probability. By exact counting up to 200 differences, by the normal
/// distribution beyond. Assumes differences that are symmetric about the shift; ties and zeros make the interval wider, never
/// narrower than its level. `None` without a difference, with one that isn't finite, or with more than 4,000.
pub fn hodges_lehmann(differences: &[f64], level: f64) -> Option<Shift> {
    let n = differences.len();
    if !usable(differences) || n > MOST || !(level > 0.0 && level < 1.0) {
        return None;
    }
    let mut averages: Vec<f64> = Vec::with_capacity(n * (n + 1) / 2);
    for (i, a) in differences.iter().enumerate() {
        averages.extend(differences[i..].iter().map(|b| a / 2.0 + b / 2.0));
    }
    averages.sort_by(f64::total_cmp);
    let estimate = median(&averages)?;
    let (k, beyond) = if n <= EXACT { counted(n, 1.0 - level) } else { approximated(n, 1.0 - level) };
    if k == 0 {
        return Some(Shift { estimate, interval: None, level_reached: 1.0 - least_p(n) });
    }
    let interval = Some((averages[k - 1], averages[averages.len() - k]));
    Some(Shift { estimate, interval, level_reached: 1.0 - beyond })
}

/// The highest k for which rank sums below k and those as far above have at most the probability `most` together, and that
/// probability. (0, 0) where even the sum 0 has more.
fn counted(n: usize, most: f64) -> (usize, f64) {
    let sums = n * (n + 1) / 2;
    // The probability of each rank sum, halved with every sign so that it never overflows.
    let mut chance = vec![0.0f64; sums + 1];
    chance[0] = 1.0;
    for rank in 1..=n {
        for s in (0..=sums).rev() {
            chance[s] = (chance[s] + if s < rank { 0.0 } else { chance[s - rank] }) / 2.0;
        }
    }
    let (mut k, mut beyond) = (0, 0.0);
    // 1 - 0.95 is a little more than 0.05, 1 - 0.9 a little less than 0.1.
    while beyond + 2.0 * chance[k] <= most + 1e-12 {
        beyond += 2.0 * chance[k];
        k += 1;
    }
    (k, beyond)
}

/// The same by the normal distribution with continuity correction.
fn approximated(n: usize, most: f64) -> (usize, f64) {
    let n = n as f64;
    let (mean, deviation) = (n * (n + 1.0) / 4.0, (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt());
    let beyond = |k: usize| if k == 0 { 0.0 } else { 2.0 * normal::upper_p((mean - k as f64 + 0.5) / deviation) };
    let (mut low, mut high) = (0, mean as usize + 1);
    while high - low > 1 {
        let middle = (low + high) / 2;
        *(if beyond(middle) <= most { &mut low } else { &mut high }) = middle;
    }
    (low, beyond(low))
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_counting_by_hand() {
        for (differences, level, estimate, low, high, reached) in reference::HODGES_LEHMANN {
            let shift = hodges_lehmann(differences, *level).unwrap();
            let interval = shift.interval.unwrap();
            assert!((shift.estimate - estimate).abs() < 1e-12, "{differences:?}: {shift:?}");
            assert!(
                (interval.0 - low).abs() < 1e-12 && (interval.1 - high).abs() < 1e-12,
                "{differences:?}: {shift:?}"
            );
            assert!((shift.level_reached - reached).abs() < 1e-12, "{differences:?}: {shift:?}");
        }
    }

    #[test]
    fn five_pairs_have_no_interval_of_95_per_cent() {
        let five = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(hodges_lehmann(&five, 0.95), Some(Shift { estimate: 3.0, interval: None, level_reached: 0.9375 }));
        let reached = Some(Shift { estimate: 3.0, interval: Some((1.0, 5.0)), level_reached: 0.9375 });
        assert_eq!((hodges_lehmann(&five, 0.9375), hodges_lehmann(&five, 0.9)), (reached, reached));
        let one = Shift { estimate: 2.0, interval: None, level_reached: 0.0 };
        assert_eq!((hodges_lehmann(&[2.0], 0.95), hodges_lehmann(&[2.0], 1.0)), (Some(one), None));
        // Tables give 3 as the critical value of 8 pairs, and 52 of 20.
        assert_eq!((counted(8, 0.05).0, counted(20, 0.05).0), (4, 53));
    }

    #[test]
    fn many_are_judged_like_few() {
        for most in [0.01, 0.05, 0.2] {
            let (exact, normal) = (counted(200, most), approximated(200, most));
            assert!(exact.0.abs_diff(normal.0) <= 12 && (exact.1 - normal.1).abs() < 1e-3, "{exact:?} {normal:?}");
        }
    }
}
