//! Is one operation's score lower than another's by more than noise? (Rumiantsev & Coates 2025, Variation Matters.)

pub use crate::run::event::ALPHA;
use crate::statistics;

/// Samples of so many values together are judged exactly, larger ones by the normal distribution.
const EXACT: usize = 40;

/// Ways to split two samples of so many draws each: the least p that [`lower_p`] can give is one of them. `None` where they
/// are too many to matter.
pub fn least_ways(draws: usize) -> Option<u64> {
    let n = draws as u64;
    (draws <= 10).then(|| (1..=n).fold(1, |ways, i| ways * (n + i) / i))
}

/// One-sided Mann-Whitney U: the probability, if both samples came from one distribution, of `low` ranking as low against
/// `high` as it does. Up to 40 values together it is exact over all ways to split the pooled values; beyond, it is the
/// normal approximation with continuity and tie corrections. Equal values share their mean rank in both. `None` for an
/// empty sample. With three draws against three it can't go below 1/20.
pub fn lower_p(low: &[f64], high: &[f64]) -> Option<f64> {
    let (n, total) = (low.len(), low.len() + high.len());
    if low.is_empty() || high.is_empty() {
        return None;
    }
    let mut pooled: Vec<(f64, bool)> = low.iter().map(|v| (*v, true)).chain(high.iter().map(|v| (*v, false))).collect();
    pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the mean rank, a whole number.
    let mut ranks = vec![0usize; total];
    // Sum of t³ - t over groups of t equal values.
    let mut tied = 0.0;
    let mut i = 0;
    while i < total {
        let mut j = i;
        while j + 1 < total && pooled[j + 1].0 == pooled[i].0 {
            j += 1;
        }
        ranks[i..=j].fill(i + j + 2);
        let t = (j + 1 - i) as f64;
        tied += t * t * t - t;
        i = j + 1;
    }
    let observed: usize = pooled.iter().zip(&ranks).filter(|(v, _)| v.1).map(|(_, r)| r).sum();
    if total > EXACT {
        return Some(normal_p(observed as f64 / 2.0, n as f64, total as f64, tied));
    }
    Some(exact_p(observed, n, &ranks))
}

/// Wilcoxon's signed-rank test of pairs: the probability, if each pair might as well stand the other way round, of `low` being as
/// low beside `high` as it is. Whatever the two of a pair have in common (weights, pictures, cells) does not count, nor whether
/// they depend on each other; pairs that are not finite are left out. `None` without a pair, 1 where none is left.
pub fn paired_lower_p(low: &[f64], high: &[f64]) -> Option<f64> {
    if low.is_empty() || high.is_empty() {
        return None;
    }
    let apart: Vec<f64> = low.iter().zip(high).map(|(l, h)| h - l).filter(|d| d.is_finite()).collect();
    Some(statistics::signed_rank_higher_p(&apart).unwrap_or(1.0))
}

/// Probability of a rank sum of at most `sum` for `n` of `total` values.
fn normal_p(sum: f64, n: f64, total: f64, tied: f64) -> f64 {
    let mean = n * (total + 1.0) / 2.0;
    let variance = n * (total - n) / 12.0 * (total + 1.0 - tied / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (sum + 0.5 - mean) / variance.sqrt();
    0.5 * candle_core::cpu::erf::erfc_f64(-z / std::f64::consts::SQRT_2)
}

/// Probability of a doubled rank sum of at most `observed` for `n` values of those with the doubled ranks `ranks`.
fn exact_p(observed: usize, n: usize, ranks: &[usize]) -> f64 {
    let most: usize = ranks.iter().sum();
    // ways[k][s]: subsets of k values with doubled rank sum s.
    let mut ways = vec![vec![0.0f64; most + 1]; n + 1];
    ways[0][0] = 1.0;
    for r in ranks {
        for k in (1..=n).rev() {
            for s in (*r..=most).rev() {
                ways[k][s] += ways[k - 1][s - r];
            }
        }
    }
    let all: f64 = ways[n].iter().sum();
    ways[n][..=observed].iter().sum::<f64>() / all
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.mannwhitneyu(a, b, alternative="less", method="exact").pvalue
    #[test]
    fn matches_known_values() {
        let p = |a: &[f64], b: &[f64]| lower_p(a, b).unwrap();
        assert!((p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) - 0.05).abs() < 1e-12);
        assert!((p(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]) - 1.0).abs() < 1e-12);
        assert!((p(&[1.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0]) - 24.0 / 70.0).abs() < 1e-12);
        assert!((p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]) - 1.0 / 252.0).abs() < 1e-12);
        // All equal: nothing can be said.
        assert!((p(&[1.0, 1.0], &[1.0, 1.0, 1.0]) - 1.0).abs() < 1e-12);
        assert_eq!(lower_p(&[], &[1.0]), None);
    }

    // scipy.stats.wilcoxon(low, high, alternative="less", method="exact").pvalue
    #[test]
    fn pairs_match_known_values() {
        let p = |low: &[f64], high: &[f64]| paired_lower_p(low, high).unwrap();
        let seven: Vec<f64> = (1..=7).map(f64::from).collect();
        assert!((p(&[0.0; 7], &seven) - 1.0 / 128.0).abs() < 1e-15);
        assert!((p(&seven, &[0.0; 7]) - 1.0).abs() < 1e-15);
        let (low, high) = ([1.0, 5.0, 2.0, 8.0, 3.0, 9.5], [2.5, 4.0, 4.75, 8.25, 6.5, 9.0]);
        assert!((p(&low, &high) - 0.15625).abs() < 1e-12, "{}", p(&low, &high));
        // What both share is no noise, however large.
        let shared: Vec<f64> = (0..7).map(|i| f64::from(i * i * 100)).collect();
        let above: Vec<f64> = shared.iter().map(|v| v + 1.0).collect();
        assert!(lower_p(&shared, &above).unwrap() > 0.3 && p(&shared, &above) < 0.01);
        // Equal sizes share their rank; equal pairs say nothing.
        assert!((p(&[0.0, 0.0, 0.0, 5.0], &[1.0, 1.0, -1.0, 5.0]) - 0.5).abs() < 1e-15);
        assert_eq!((paired_lower_p(&[], &[]), p(&[1.0], &[1.0])), (None, 1.0));
        let apart: Vec<f64> = (1..=40).map(|i| f64::from(i * if i % 3 == 0 { -1 } else { 1 })).collect();
        assert!((p(&[0.0; 40], &apart) - 0.03308030813332152).abs() < 1e-12, "{}", p(&[0.0; 40], &apart));
        // What is not finite is left out.
        assert_eq!(p(&[0.0, f64::NAN, 0.0], &[1.0, 1.0, 2.0]), 0.25);
        assert_eq!(p(&[f64::NAN], &[1.0]), 1.0);
    }

    #[test]
    fn many_draws_are_judged_like_few() {
        // Rank sums around the mean of 410, exactly and by the normal distribution; without ties and with many.
        let plain: Vec<usize> = (1..=40).map(|r| 2 * r).collect();
        for sum in [330.0, 360.0, 400.0, 430.0] {
            let exact = exact_p(2 * sum as usize, 20, &plain);
            assert!((exact - normal_p(sum, 20.0, 40.0, 0.0)).abs() < 2e-3, "{sum}");
        }
        let tied: Vec<usize> = (0..40).map(|i| 2 * (i / 10 * 10) + 11).collect();
        // Here rank sums come in steps of 10: half of the probability of 360 itself takes the continuity correction's place.
        // Counted with whole numbers: 0.06207752427465152 and 0.10482234391167021.
        let exact = (exact_p(2 * 350, 20, &tied) + exact_p(2 * 360, 20, &tied)) / 2.0;
        assert!((exact - 0.08344993409316087).abs() < 1e-12);
        assert!((exact - normal_p(359.5, 20.0, 40.0, 4.0 * 990.0)).abs() < 3e-3);
        assert!((exact - normal_p(359.5, 20.0, 40.0, 0.0)).abs() > 4e-3);
        let low: Vec<f64> = (0..1000).map(f64::from).collect();
        let high: Vec<f64> = low.iter().map(|v| v + 30.0).collect();
        assert!((0.001..ALPHA).contains(&lower_p(&low, &high).unwrap()));
        assert!(lower_p(&high, &low).unwrap() > 0.95);
        assert_eq!(lower_p(&[1.0; 50], &[1.0; 50]), Some(1.0));
    }
}
