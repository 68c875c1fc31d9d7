//! Statistics of paired samples: what runs over seeds, and draws of scores, show, and what they are too few to show.
//!
//! Every function takes finite values and answers `None` where its result is undefined, never with NaN. What isn't finite is
//! counted where rows are paired ([`pairs`]) and summarized ([`Spread`]). A difference is a setting's value minus its
//! baseline's, in the value's own unit.

mod agreement;
mod distribution;
mod effect;
mod equivalence;
mod hodges_lehmann;
mod holm;
mod normal;
mod overlap;
mod paired;
mod permutation;
#[cfg(test)]
mod reference;
mod signed_rank;
mod spread;
mod student;

pub use agreement::{Stability, concordance, stability, tau_b};
pub use effect::{g_av, g_z, rank_biserial};
pub use equivalence::{Basis, Equivalence, Sides, Verdict, equivalence};
pub use hodges_lehmann::{Shift, hodges_lehmann};
pub use holm::holm;
pub use overlap::{MeanOverlap, Overlap, mean_overlap, overlap};
pub use paired::{Paired, pairs};
pub use permutation::permutation;
pub use signed_rank::{higher_p as signed_rank_higher_p, signed_rank};
pub use spread::Spread;
pub use student::{interval_of_mean, quantile as t_quantile};

/// Differences that are apart by at most this share of the largest count as equal, and as zero if they are that small: accuracies
/// are fractions of a count, and subtracting them leaves rounding errors that would otherwise break ties.
const SAME: f64 = 1e-9;

/// A two-sided test of paired differences against none.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Tested {
    /// The probability of differences at least as extreme if there is no effect, 0 to 1.
    pub p: f64,
    /// Counted over all signs; otherwise approximated or drawn.
    pub exact: bool,
    /// The least p that `n_used` pairs can give.
    pub least_p: f64,
    /// Pairs.
    pub n: usize,
    /// Pairs that differ. The others say nothing.
    pub n_used: usize,
}

/// The least two-sided p that so many pairs can give, by signed ranks or by flipped signs: 2/2ⁿ, with all differences of one sign.
/// With 5 pairs 0.0625, so that 5 seeds can't show a difference at 5 %.
pub fn least_p(pairs: usize) -> f64 {
    2f64.powf(1.0 - pairs as f64).min(1.0)
}

/// Values of which there is at least one, and none is NaN or infinite.
fn usable(values: &[f64]) -> bool {
    !values.is_empty() && values.iter().all(|v| v.is_finite())
}

/// The largest size; 0 of none.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, v| most.max(v.abs()))
}

/// Values without any spread but rounding errors at the given scale.
fn constant(values: &[f64], scale: f64) -> bool {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    high - low <= SAME * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pairs_cannot_show_a_difference() {
        assert_eq!((least_p(0), least_p(1), least_p(5), least_p(6)), (1.0, 1.0, 0.0625, 0.03125));
        assert_eq!(least_p(100_000), 0.0);
    }

    #[test]
    fn nothing_and_what_is_not_finite_have_no_statistics() {
        for bad in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY, 2.0]] {
            assert_eq!((signed_rank(bad), permutation(bad), hodges_lehmann(bad, 0.95)), (None, None, None));
            assert_eq!((interval_of_mean(bad, 0.95), equivalence(bad, 1.0, 0.05)), (None, None));
            assert_eq!((g_z(bad), g_av(bad, bad), rank_biserial(bad)), (None, None, None));
        }
    }

    #[test]
    fn odd_values_have_sound_statistics_or_none() {
        let odd = [0.0, -0.0, 1.0, -1.0, 1.0, 5e-324, 1e-200, 3e-200, -1e200, 1e300, f64::MAX, -f64::MAX, 1.0 + 1e-15];
        let sound = |p: f64| assert!((0.0..=1.0).contains(&p), "{p}");
        for code in 0..odd.len().pow(4) {
            let some: Vec<f64> = (0..code % 5).map(|k| odd[code / odd.len().pow(k as u32) % odd.len()]).collect();
            for tested in [signed_rank(&some), permutation(&some)].into_iter().flatten() {
                sound(tested.p);
                assert!(tested.p >= tested.least_p, "{some:?} {tested:?}");
            }
            for (margin, alpha) in [(1.0, 0.05), (1e-200, 1e-12), (f64::MAX, 0.4)] {
                if let Some(got) = equivalence(&some, margin, alpha) {
                    [got.sides, got.ranks].iter().flat_map(|s| [s.p_lower, s.p_upper, s.p]).for_each(sound);
                    sound(got.p_difference);
                    assert!(got.interval.is_none_or(|(low, high)| low <= high), "{some:?} {got:?}");
                }
            }
            if let Some(shift) = hodges_lehmann(&some, 0.8) {
                assert!(shift.interval.is_none_or(|(low, high)| low <= shift.estimate && shift.estimate <= high));
            }
            let baseline: Vec<f64> = some.iter().rev().copied().collect();
            let sizes = [g_z(&some), g_av(&some, &baseline), rank_biserial(&some), Spread::of(&some).deviation];
            assert!(sizes.iter().flatten().all(|v| v.is_finite()), "{some:?} {sizes:?}");
            assert!(interval_of_mean(&some, 0.95).is_none_or(|(low, high)| low <= high), "{some:?}");
        }
    }
}
