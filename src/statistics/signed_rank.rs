//! Wilcoxon's signed-rank test of paired differences.

use super::distribution::SignedRanks;
use super::{Tested, least_p, usable};

/// The two-sided signed-rank test (Wilcoxon 1945) of differences between pairs: whether they lie symmetrically about 0. Equal
/// sizes share their mean rank. Zeros are dropped before ranking, as Wilcoxon did and scipy does by default; Pratt (1959) would
/// rank them first. Exact up to 50 differences that aren't zero, ties included; beyond, the normal approximation with continuity
/// and tie corrections. All zero: p is 1. `None` without a difference, or with one that isn't finite.
pub fn signed_rank(differences: &[f64]) -> Option<Tested> {
    if !usable(differences) {
        return None;
    }
    let ranks = SignedRanks::of(differences, 0.0);
    Some(Tested {
        p: ranks.two_sided_p(),
        exact: ranks.exact(),
        least_p: least_p(ranks.n()),
        n: differences.len(),
        n_used: ranks.n(),
    })
}

/// The one-sided test: the probability, if each sign is as likely as the other, of differences as high as these are. Zeros, ties
/// and approximation as in [`signed_rank`]; 1 where all are zero. `None` without a difference, or with one that isn't finite. With
/// n differences that aren't zero it can't go below 1/2ⁿ.
pub fn higher_p(differences: &[f64]) -> Option<f64> {
    usable(differences).then(|| {
        let ranks = SignedRanks::of(differences, 0.0);
        ranks.p(ranks.negative).min(1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_scipy() {
        for (differences, p) in reference::SIGNED_RANK {
            let tested = signed_rank(differences).unwrap();
            assert!((tested.p / p - 1.0).abs() < 1e-12, "{differences:?}: {} instead of {p}", tested.p);
        }
    }

    #[test]
    fn says_how_small_p_could_be() {
        let five = signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(five, Tested { p: 0.0625, exact: true, least_p: 0.0625, n: 5, n_used: 5 });
        let one_is_zero = signed_rank(&[1.0, 2.0, 0.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((one_is_zero.least_p, one_is_zero.n, one_is_zero.n_used), (0.0625, 6, 5));
        let none = signed_rank(&[0.0; 4]).unwrap();
        assert_eq!((none.p, none.least_p, none.n_used), (1.0, 1.0, 0));
        let many: Vec<f64> = (1..=51).map(f64::from).collect();
        assert!(signed_rank(&many[..50]).unwrap().exact && !signed_rank(&many).unwrap().exact);
    }
}
