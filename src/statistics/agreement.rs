//! How stable rankings are from seed to seed.

/// How far several rankings of the same items agree.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Stability {
    /// The mean Kendall tau-b over pairs of rankings, -1 to 1. `None` where no pair has one.
    pub tau: Option<f64>,
    /// The lowest of them.
    pub low: Option<f64>,
    /// Pairs with a tau-b.
    pub pairs: usize,
    /// Pairs without: one of them doesn't tell any two items apart.
    pub undefined: usize,
    /// Kendall's W over all rankings: see [`concordance`].
    pub w: Option<f64>,
    /// Items that all rankings have a score for.
    pub items: usize,
    /// Items left out as a ranking has NaN for them.
    pub left_out: usize,
}

/// Mean pairwise tau-b and W of at least two rankings, each the scores of the same items in the same order. An item for which one
/// of them has NaN is left out of all, and counted; infinite scores rank beyond all others. `None` for fewer than two rankings, or
/// unequal lengths. Time grows with the square of items and of rankings.
pub fn stability(rankings: &[&[f64]]) -> Option<Stability> {
    let (first, others) = rankings.split_first()?;
    if others.is_empty() || others.iter().any(|r| r.len() != first.len()) {
        return None;
    }
    let whole: Vec<usize> = (0..first.len()).filter(|i| rankings.iter().all(|r| !r[*i].is_nan())).collect();
    let scores: Vec<Vec<f64>> = rankings.iter().map(|r| whole.iter().map(|i| r[*i]).collect()).collect();
    let (mut taus, mut undefined) = (Vec::new(), 0);
    for (i, a) in scores.iter().enumerate() {
        for b in &scores[i + 1..] {
            match tau_b(a, b) {
                Some(tau) => taus.push(tau),
                None => undefined += 1,
            }
        }
    }
    let some = !taus.is_empty();
    Some(Stability {
        tau: some.then(|| taus.iter().sum::<f64>() / taus.len() as f64),
        low: some.then(|| taus.iter().copied().fold(1.0, f64::min)),
        pairs: taus.len(),
        undefined,
        w: concordance(&scores.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        items: whole.len(),
        left_out: first.len() - whole.len(),
    })
}

/// Kendall's tau-b (1945) of two scores of the same items, -1 to 1: pairs of items in the same order less those in opposite order,
/// over the root of the pairs that each tells apart. `None` where one of them tells none apart, for unequal lengths, or with NaN.
pub fn tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let (mut agree, mut left, mut right) = (0i64, 0u64, 0u64);
    for i in 0..x.len() {
        for k in i + 1..x.len() {
            let (a, b) = (order(x[i], x[k]), order(y[i], y[k]));
            agree += a * b;
            left += a.unsigned_abs();
            right += b.unsigned_abs();
        }
    }
    let tau = agree as f64 / (left as f64 * right as f64).sqrt();
    tau.is_finite().then_some(tau)
}

/// Kendall's coefficient of concordance W of m rankings of n items, with the correction for ties (Kendall and Babington Smith 1939;
/// Kendall 1948): 12·S/(m²·(n³ - n) - m·ΣT), where S is the sum of squares of the items' rank sums about their mean and T sums
/// t³ - t over each ranking's groups of t equal scores. 0 for no agreement, 1 for the same ranks in all; (W·m - 1)/(m - 1) is the
/// mean Spearman correlation of pairs, if there are no ties. `None` for fewer than two rankings, unequal lengths, NaN, or where
/// none tells any two items apart.
pub fn concordance(rankings: &[&[f64]]) -> Option<f64> {
    let n = rankings.first()?.len();
    let sound = |r: &&[f64]| r.len() == n && !r.iter().any(|v| v.is_nan());
    if rankings.len() < 2 || !rankings.iter().all(sound) {
        return None;
    }
    // Twice the rank sums, whole numbers.
    let mut sums = vec![0usize; n];
    let mut tied = 0.0;
    for ranking in rankings {
        let mut sorted: Vec<usize> = (0..n).collect();
        sorted.sort_by(|a, b| ranking[*a].total_cmp(&ranking[*b]));
        for equal in sorted.chunk_by(|a, b| ranking[*a] == ranking[*b]) {
            let below = ranking.iter().filter(|v| **v < ranking[equal[0]]).count();
            equal.iter().for_each(|i| sums[*i] += 2 * below + equal.len() + 1);
            let t = equal.len() as f64;
            tied += t * t * t - t;
        }
    }
    let (m, n) = (rankings.len() as f64, n as f64);
    // Four times S.
    let squares: f64 = sums.iter().map(|s| (*s as f64 - m * (n + 1.0)).powi(2)).sum();
    let w = 3.0 * squares / (m * m * (n * n * n - n) - m * tied);
    w.is_finite().then_some(w.clamp(0.0, 1.0))
}

/// 1 if a is above b, -1 below. Infinite ones can be equal.
fn order(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_scipy() {
        for (rankings, tau, w) in reference::STABILITY {
            let got = stability(rankings).unwrap();
            assert!(
                (got.tau.unwrap() - tau).abs() < 1e-12 && (got.w.unwrap() - w).abs() < 1e-12,
                "{rankings:?}: {got:?}"
            );
        }
    }

    #[test]
    fn by_hand() {
        let (up, down) = ([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]);
        let got = stability(&[&up, &up, &down]).unwrap();
        assert!((got.tau.unwrap() + 1.0 / 3.0).abs() < 1e-15 && got.low == Some(-1.0) && got.pairs == 3);
        // Rank sums 5, 6 and 7: 12·2/(9·24).
        assert!((got.w.unwrap() - 1.0 / 9.0).abs() < 1e-15);
        assert_eq!((concordance(&[&up, &up]), concordance(&[&up, &down])), (Some(1.0), Some(0.0)));
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let got = stability(&[&[1.0, f64::NAN, 2.0, f64::INFINITY], &[1.0, 5.0, 2.0, 3.0], &[7.0; 4]]).unwrap();
        assert_eq!((got.tau, got.pairs, got.undefined, got.items, got.left_out), (Some(1.0), 1, 2, 3, 1));
        let got = stability(&[&[7.0; 4], &[7.0; 4]]).unwrap();
        assert_eq!((got.tau, got.low, got.w, got.undefined), (None, None, None, 1));
        assert_eq!((stability(&[]), stability(&[&[1.0]]), stability(&[&[1.0], &[]])), (None, None, None));
        let empty = stability(&[&[], &[]]).unwrap();
        assert_eq!((empty.tau, empty.w, empty.items, empty.undefined), (None, None, 0, 1));
        assert_eq!((tau_b(&[1.0, 2.0], &[1.0]), tau_b(&[f64::NAN, 1.0], &[1.0, 2.0])), (None, None));
        assert_eq!(tau_b(&[f64::INFINITY, f64::INFINITY, 1.0], &[3.0, 3.0, 1.0]), Some(1.0));
    }
}
