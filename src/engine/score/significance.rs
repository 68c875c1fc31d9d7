//! Is one operation's score lower than another's by more than noise? (Rumiantsev & Coates 2025, Variation Matters.)

/// Level below which a difference counts as more than noise.
pub const ALPHA: f64 = 0.05;

/// One-sided Mann-Whitney U: the probability, if both samples came from one distribution, of `low` ranking as low against
/// `high` as it does. Exact over all ways to split the pooled values (equal values share their mean rank), so ties are
/// accounted for. `None` for an empty sample. With three draws against three it can't go below 1/20.
pub fn lower_p(low: &[f64], high: &[f64]) -> Option<f64> {
    let (n, total) = (low.len(), low.len() + high.len());
    if low.is_empty() || high.is_empty() {
        return None;
    }
    let mut pooled: Vec<(f64, bool)> = low.iter().map(|v| (*v, true)).chain(high.iter().map(|v| (*v, false))).collect();
    pooled.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the mean rank, a whole number.
    let mut ranks = vec![0usize; total];
    let mut i = 0;
    while i < total {
        let mut j = i;
        while j + 1 < total && pooled[j + 1].0 == pooled[i].0 {
            j += 1;
        }
        ranks[i..=j].fill(i + j + 2);
        i = j + 1;
    }
    let observed: usize = pooled.iter().zip(&ranks).filter(|(v, _)| v.1).map(|(_, r)| r).sum();
    let most: usize = ranks.iter().sum();
    // ways[k][s]: subsets of k values with doubled rank sum s.
    let mut ways = vec![vec![0.0f64; most + 1]; n + 1];
    ways[0][0] = 1.0;
    for r in &ranks {
        for k in (1..=n).rev() {
            for s in (*r..=most).rev() {
                ways[k][s] += ways[k - 1][s - r];
            }
        }
    }
    let all: f64 = ways[n].iter().sum();
    Some(ways[n][..=observed].iter().sum::<f64>() / all)
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
}
