//! Sizes of effects between pairs, without a unit.

use super::distribution::SignedRanks;
use super::spread::{deviation, mean};
use super::student::gamma_ratio;
use super::{constant, largest, usable};

/// Hedges' g_av of paired values, the one to report beside other papers: the mean difference over the root mean square of both
/// standard deviations (d_av in Cumming 2012), times [`correction`] for n - 1. It tells a difference in units of the spread from
/// seed to seed, as an unpaired design would. `None` for fewer than three pairs, unequal lengths, a value that isn't finite, or
/// no spread at all.
pub fn g_av(values: &[f64], baseline: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 3 || n != baseline.len() || !usable(values) || !usable(baseline) {
        return None;
    }
    if constant(values, largest(values)) && constant(baseline, largest(baseline)) {
        return None;
    }
    let spread = ((deviation(values)?.powi(2) + deviation(baseline)?.powi(2)) / 2.0).sqrt();
    finite((mean(values)? - mean(baseline)?) / spread * correction(n - 1))
}

/// Hedges' g_z of paired differences: their mean over their standard deviation (d_z in Lakens 2013), times [`correction`] for
/// n - 1. It tells how surely pairs show the difference (power), and grows with how much both have in common: no size to compare
/// between designs. `None` for fewer than three differences, one that isn't finite, or all equal.
pub fn g_z(differences: &[f64]) -> Option<f64> {
    let n = differences.len();
    if n < 3 || !usable(differences) || constant(differences, largest(differences)) {
        return None;
    }
    finite(mean(differences)? / deviation(differences)? * correction(n - 1))
}

/// The matched-pairs rank-biserial correlation (Kerby 2014): the share of the signed ranks that is positive less the share that is
/// negative, -1 to 1; the effect that belongs to [`super::signed_rank`]. `None` where no difference is other than 0, or one isn't
/// finite.
pub fn rank_biserial(differences: &[f64]) -> Option<f64> {
    let ranks = usable(differences).then(|| SignedRanks::of(differences, 0.0))?;
    let (positive, negative) = (ranks.positive as f64, ranks.negative as f64);
    (ranks.n() > 0).then(|| (positive - negative) / (positive + negative))
}

/// Hedges' (1981) exact correction for small samples, Γ(ν/2)/(√(ν/2)·Γ((ν - 1)/2)), for ν ≥ 2 degrees of freedom; about
/// 1 - 3/(4ν - 1).
fn correction(freedom: usize) -> f64 {
    gamma_ratio(freedom - 1) / (freedom as f64 / 2.0).sqrt()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_formulas_in_scipy() {
        for (values, baseline, av, z, biserial) in reference::EFFECT {
            let differences: Vec<f64> = values.iter().zip(*baseline).map(|(v, b)| v - b).collect();
            assert!((g_av(values, baseline).unwrap() - av).abs() < 1e-11, "{values:?}");
            assert!((g_z(&differences).unwrap() - z).abs() < 1e-11, "{values:?}");
            assert!((rank_biserial(&differences).unwrap() - biserial).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn without_spread_there_is_none() {
        assert_eq!((g_z(&[0.1; 5]), g_z(&[1.0, 2.0]), rank_biserial(&[0.0; 5])), (None, None, None));
        assert_eq!((g_av(&[0.1; 5], &[0.2; 5]), g_av(&[1.0, 2.0, 3.0], &[1.0])), (None, None));
        assert_eq!((rank_biserial(&[0.1; 5]), rank_biserial(&[-2.0, 0.0])), (Some(1.0), Some(-1.0)));
        assert!(g_av(&[1.0, 2.0, 3.0], &[1.0; 3]).unwrap() > 0.0);
        // Γ(1)/(√1·Γ(1/2)), and the usual approximation.
        assert!(
            (correction(2) - 0.5641895835477563).abs() < 1e-15 && (correction(20) - (1.0 - 3.0 / 79.0)).abs() < 2e-4
        );
    }
}
