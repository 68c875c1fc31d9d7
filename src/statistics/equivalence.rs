//! "The same but for a margin": two one-sided tests of paired differences.

use super::distribution::SignedRanks;
use super::spread::{deviation, mean};
use super::student::{quantile, two_sided_p, upper_p};
use super::{constant, largest, usable};

/// With fewer pairs than this nothing is concluded: two give one degree of freedom.
const FEWEST: usize = 3;

/// What the two tests together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Verdict {
    /// The difference is within the margin, both tests say so. It may be other than 0 all the same: see
    /// [`Equivalence::p_difference`].
    Equivalent,
    /// Not shown to be within the margin, and other than 0. Not shown to be beyond the margin either.
    Different,
    /// Neither is shown.
    Undecided,
    /// Too few pairs to show either.
    NotEnough,
}

/// What p and the verdict rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Basis {
    /// Student's t.
    Student,
    /// Signed ranks, as all differences are equal and have no t.
    Ranks,
}

/// Two one-sided tests.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Sides {
    /// Of a difference of at most -margin: small where the setting is not worse than that (non-inferiority, if more is better).
    pub p_lower: f64,
    /// Of a difference of at least +margin: small where the setting is not better than that.
    pub p_upper: f64,
    /// The larger of both: small where the difference is within the margin.
    pub p: f64,
}

/// An equivalence test.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Equivalence {
    /// Pairs.
    pub n: usize,
    /// The mean difference, in the unit of the values, as are the margin and the interval.
    pub mean: f64,
    pub margin: f64,
    pub alpha: f64,
    pub basis: Basis,
    /// By the basis.
    pub sides: Sides,
    /// By signed ranks, which need no normal distribution.
    pub ranks: Sides,
    /// The least p that n pairs can give by signed ranks, on one side: 1/2ⁿ, 1/32 with 5 pairs.
    pub least_rank_p: f64,
    /// By the basis, two-sided: of no difference.
    pub p_difference: f64,
    /// The interval of the mean at the level 1 - 2·alpha, by t: within the margin exactly where t says equivalent. `None` where
    /// differences are all equal.
    pub interval: Option<(f64, f64)>,
    pub verdict: Verdict,
}

impl Sides {
    fn of(p_lower: f64, p_upper: f64) -> Self {
        Self { p_lower, p_upper, p: p_lower.max(p_upper) }
    }
}

/// Whether paired differences are within ±margin (in their unit), by two one-sided tests at alpha (Schuirmann 1987): by Student's
/// t on their mean, and by exact signed ranks. The verdict rests on t. Where all differences are equal, there is no t: it rests
/// on signed ranks, which do not take "always the same" of three seeds for certainty. `None` without a difference, with one that
/// isn't finite, with a margin that isn't above 0, or with an alpha that isn't from 1e-12 to below 0.5.
pub fn equivalence(differences: &[f64], margin: f64, alpha: f64) -> Option<Equivalence> {
    let sound = margin > 0.0 && margin.is_finite() && (1e-12..0.5).contains(&alpha);
    if !sound || !usable(differences) {
        return None;
    }
    let n = differences.len();
    let mean = mean(differences)?;
    let (above, below) = (SignedRanks::of(differences, -margin), SignedRanks::of(differences, margin));
    let ranks = Sides::of(above.p(above.negative), below.p(below.positive));
    let least_rank_p = 2f64.powf(-(n as f64));
    let whole = Equivalence {
        n,
        mean,
        margin,
        alpha,
        basis: Basis::Ranks,
        sides: ranks,
        ranks,
        least_rank_p,
        p_difference: SignedRanks::of(differences, 0.0).two_sided_p(),
        interval: None,
        verdict: Verdict::NotEnough,
    };
    if n < 2 || constant(differences, largest(differences).max(margin)) {
        // Within the margin one side has to reach alpha, beyond it a two-sided p.
        let reachable = if mean.abs() < margin { least_rank_p } else { 2.0 * least_rank_p };
        return Some(whole.concluded(n >= FEWEST && reachable <= alpha));
    }
    let (freedom, error) = (n - 1, deviation(differences)? / (n as f64).sqrt());
    let half = quantile(2.0 * alpha, freedom) * error;
    let by_t = Equivalence {
        basis: Basis::Student,
        sides: Sides::of(upper_p((mean + margin) / error, freedom), upper_p((margin - mean) / error, freedom)),
        p_difference: two_sided_p(mean / error, freedom),
        interval: Some((mean - half, mean + half)),
        ..whole
    };
    Some(by_t.concluded(n >= FEWEST))
}

impl Equivalence {
    fn concluded(self, enough: bool) -> Self {
        let verdict = match enough {
            false => Verdict::NotEnough,
            _ if self.sides.p <= self.alpha => Verdict::Equivalent,
            _ if self.p_difference <= self.alpha => Verdict::Different,
            _ => Verdict::Undecided,
        };
        Self { verdict, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_statsmodels() {
        for (differences, margin, lower, upper, rank_lower, rank_upper, interval) in reference::EQUIVALENCE {
            let got = equivalence(differences, *margin, 0.05).unwrap();
            let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-10, "{differences:?}: {got:?}");
            close(got.sides.p_lower, *lower);
            close(got.sides.p_upper, *upper);
            close(got.ranks.p_lower, *rank_lower);
            close(got.ranks.p_upper, *rank_upper);
            close(got.interval.unwrap().0, interval.0);
            close(got.interval.unwrap().1, interval.1);
            close(got.sides.p, lower.max(*upper));
        }
    }

    fn verdict(differences: &[f64]) -> Verdict {
        equivalence(differences, 1.0, 0.05).unwrap().verdict
    }

    #[test]
    fn verdicts() {
        assert_eq!(verdict(&[0.1, -0.2, 0.3, -0.1, 0.0]), Verdict::Equivalent);
        assert_eq!(verdict(&[3.1, 2.8, 3.3, 2.9, 3.0]), Verdict::Different);
        assert_eq!(verdict(&[3.1, -2.8, 3.3, -2.9, 3.0]), Verdict::Undecided);
        assert_eq!((verdict(&[0.1]), verdict(&[0.1, 0.2])), (Verdict::NotEnough, Verdict::NotEnough));
        // Other than 0 and within the margin: equivalent is what was asked.
        let small = equivalence(&[0.31, 0.28, 0.33, 0.29, 0.3], 1.0, 0.05).unwrap();
        assert!(small.verdict == Verdict::Equivalent && small.p_difference < 0.001);
        // Its interval is within the margin just where t says so.
        for margin in [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] {
            let got = equivalence(&[0.31, 0.08, 0.43, 0.19, 0.6], margin, 0.05).unwrap();
            let (low, high) = got.interval.unwrap();
            assert_eq!(got.verdict == Verdict::Equivalent, low > -margin && high < margin, "{margin}");
        }
    }

    #[test]
    fn equal_differences_are_judged_by_ranks() {
        let five = equivalence(&[0.0; 5], 1.0, 0.05).unwrap();
        assert_eq!((five.basis, five.sides.p, five.interval), (Basis::Ranks, 1.0 / 32.0, None));
        assert_eq!((five.verdict, five.p_difference), (Verdict::Equivalent, 1.0));
        assert_eq!((verdict(&[0.5; 4]), verdict(&[0.5; 5])), (Verdict::NotEnough, Verdict::Equivalent));
        assert_eq!((verdict(&[2.0; 5]), verdict(&[2.0; 6])), (Verdict::NotEnough, Verdict::Different));
        // On the margin: other than 0, and not within. Equal but for rounding errors is equal.
        assert_eq!(verdict(&[1.0; 8]), Verdict::Different);
        assert_eq!(verdict(&[1e-17, -1e-17, 0.0, 0.0]), Verdict::NotEnough);
    }

    #[test]
    fn what_makes_no_sense_has_no_answer() {
        for (margin, alpha) in
            [(0.0, 0.05), (-1.0, 0.05), (f64::NAN, 0.05), (f64::INFINITY, 0.05), (1.0, 0.0), (1.0, 0.5)]
        {
            assert_eq!(equivalence(&[1.0, 2.0, 3.0], margin, alpha), None);
        }
    }
}
