//! Holm's adjustment of several tests.

/// The adjusted p of each of several tests (Holm 1979): the kth smallest of m times m - k + 1, at least the one before, at most 1.
/// Compared with alpha, they keep the chance of any wrong rejection at alpha, however the tests depend on each other. A test
/// without a p (`None`, NaN or outside 0 to 1) stays without one and isn't counted in m: nothing is claimed from it.
pub fn holm(p: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> =
        p.iter().enumerate().filter_map(|(i, p)| Some((i, p.filter(|p| (0.0..=1.0).contains(p))?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![None; p.len()];
    let (m, mut before) = (order.len(), 0f64);
    for (k, (i, p)) in order.into_iter().enumerate() {
        before = before.max((p * (m - k) as f64).min(1.0));
        adjusted[i] = Some(before);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_statsmodels() {
        for (p, adjusted) in reference::HOLM {
            let got = holm(&p.iter().copied().map(Some).collect::<Vec<_>>());
            assert!(got.iter().zip(*adjusted).all(|(a, b)| (a.unwrap() - b).abs() < 1e-15), "{p:?}: {got:?}");
        }
    }

    #[test]
    fn a_test_without_p_is_none() {
        assert_eq!(holm(&[]), []);
        let with = holm(&[Some(0.02), None, Some(0.01), Some(f64::NAN), Some(1.5), Some(-0.1)]);
        assert_eq!(with, [Some(0.02), None, Some(0.02), None, None, None]);
    }
}
