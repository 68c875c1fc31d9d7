//! Signed ranks of paired differences and what chance makes of them (Wilcoxon 1945).

use super::{SAME, normal};

/// So many pairs are counted exactly: the 2ⁿ ways of their signs are whole numbers without rounding. Scipy goes as far.
pub(super) const EXACT: usize = 50;

/// The ranks of the sizes of differences, with their signs.
pub(super) struct SignedRanks {
    /// Twice the rank of each difference that isn't zero, ascending: equal sizes share the mean of their ranks, and twice that is
    /// whole.
    doubled: Vec<usize>,
    /// Twice the rank sum of the positive differences.
    pub positive: usize,
    /// Twice the rank sum of the negative differences.
    pub negative: usize,
}

impl SignedRanks {
    /// Of finite differences less `about`. Zeros are dropped before ranking, as Wilcoxon did.
    pub fn of(differences: &[f64], about: f64) -> Self {
        let close = SAME * differences.iter().fold(about.abs(), |most, d| most.max(d.abs()));
        let mut apart: Vec<f64> = differences.iter().map(|d| d - about).filter(|d| d.abs() > close).collect();
        apart.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut ranks = Self { doubled: Vec::with_capacity(apart.len()), positive: 0, negative: 0 };
        let mut i = 0;
        while i < apart.len() {
            let equal = apart[i..].iter().take_while(|d| d.abs() <= apart[i].abs() + close).count();
            let rank = 2 * i + equal + 1;
            for d in &apart[i..i + equal] {
                ranks.doubled.push(rank);
                *(if *d > 0.0 { &mut ranks.positive } else { &mut ranks.negative }) += rank;
            }
            i += equal;
        }
        ranks
    }

    /// Differences that aren't zero.
    pub fn n(&self) -> usize {
        self.doubled.len()
    }

    /// Whether [`Self::p`] counts all ways.
    pub fn exact(&self) -> bool {
        self.n() <= EXACT
    }

    /// The probability, if each sign is as likely as the other, of a doubled rank sum of one sign of at most `sum`. Exact up to
    /// [`EXACT`] pairs, ties included; beyond, the normal approximation with continuity and tie corrections.
    pub fn p(&self, sum: usize) -> f64 {
        if self.exact() { self.counted(sum) } else { self.approximated(sum) }
    }

    fn counted(&self, sum: usize) -> f64 {
        // ways[s]: signs for which the ranks of one sign add up to s/2.
        let mut ways = vec![0.0f64; sum + 1];
        ways[0] = 1.0;
        for rank in &self.doubled {
            for s in (*rank..=sum).rev() {
                ways[s] += ways[s - rank];
            }
        }
        ways.iter().sum::<f64>() / 2f64.powi(self.n() as i32)
    }

    fn approximated(&self, sum: usize) -> f64 {
        let mean = self.doubled.iter().map(|r| *r as f64).sum::<f64>() / 4.0;
        // Σ r²/4, which is n(n + 1)(2n + 1)/24 less (t³ - t)/48 for each t equal sizes.
        let variance = self.doubled.iter().map(|r| (*r as f64 / 2.0).powi(2)).sum::<f64>() / 4.0;
        normal::upper_p((mean - sum as f64 / 2.0 - 0.5) / variance.sqrt())
    }

    /// The probability, both ends together, of rank sums at least as far apart.
    pub fn two_sided_p(&self) -> f64 {
        (2.0 * self.p(self.positive.min(self.negative))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_by_hand() {
        let ranks = SignedRanks::of(&[3.0, -1.0, 0.0, 1.0, -4.0], 0.0);
        assert_eq!((ranks.doubled.as_slice(), ranks.positive, ranks.negative), (&[3, 3, 6, 8][..], 9, 11));
        // Equal but for rounding; and zero but for rounding.
        let ranks = SignedRanks::of(&[0.93 - 0.92, 0.47 - 0.48, 0.3 - 0.29, 0.1 + 0.2 - 0.3], 0.0);
        assert_eq!((ranks.doubled.as_slice(), ranks.positive, ranks.negative), (&[4, 4, 4][..], 8, 4));
        assert_eq!(SignedRanks::of(&[0.93 - 0.92, 0.47 - 0.46], 0.01).n(), 0);
    }

    #[test]
    fn counting_and_the_normal_distribution_agree() {
        let untied: Vec<f64> = (1..=50).map(f64::from).collect();
        let tied: Vec<f64> = (1..=50).map(|i| f64::from(i / 4)).collect();
        for differences in [untied, tied] {
            let ranks = SignedRanks::of(&differences, 0.0);
            for sum in [600, 800, 1000, 1200] {
                let (counted, approximated) = (ranks.counted(sum), ranks.approximated(sum));
                assert!((counted - approximated).abs() < 5e-3, "{sum}: {counted} {approximated}");
            }
            // Every sum at most: sure. And exact: no sum lost a bit.
            assert_eq!(ranks.counted(50 * 51), 1.0);
        }
        let many: Vec<f64> = (1..=51).map(f64::from).collect();
        assert!(SignedRanks::of(&many[..50], 0.0).exact() && !SignedRanks::of(&many, 0.0).exact());
    }
}
