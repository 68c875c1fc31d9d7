//! Ranks, correlations of ranks, quantiles and percentiles.

/// Ranks from 0; equal values share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut i = 0;
    while i < order.len() {
        let mut end = i;
        while end < order.len() && values[order[end]] == values[order[i]] {
            end += 1;
        }
        let end = end.max(i + 1);
        order[i..end].iter().for_each(|k| ranks[*k] = (i + end - 1) as f64 / 2.0);
        i = end;
    }
    ranks
}

/// Pearson's correlation; NaN where one of them is constant.
fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        xy += (a - mx) * (b - my);
        xx += (a - mx) * (a - mx);
        yy += (b - my) * (b - my);
    }
    xy / (xx * yy).sqrt()
}

/// Spearman's rank correlation, -1 to 1; NaN where one of them is constant.
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&ranks(x), &ranks(y))
}

/// Kendall's tau-b over the pairs within each group, -1 to 1; `None` where nothing can be compared.
pub fn kendall_within<'a>(groups: impl IntoIterator<Item = &'a [(f64, f64)]>) -> Option<f64> {
    let (mut agree, mut left, mut right) = (0i64, 0u64, 0u64);
    for group in groups {
        for (i, (a, b)) in group.iter().enumerate() {
            for (c, d) in &group[i + 1..] {
                let (x, y) = (sign(a - c), sign(b - d));
                agree += x * y;
                left += x.unsigned_abs();
                right += y.unsigned_abs();
            }
        }
    }
    let tau = agree as f64 / (left as f64 * right as f64).sqrt();
    tau.is_finite().then_some(tau)
}

fn sign(difference: f64) -> i64 {
    i64::from(difference > 0.0) - i64::from(difference < 0.0)
}

/// The shares of [`quantiles`].
pub const SHARES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Quantiles at [`SHARES`] of ascending values, interpolated (Hyndman and Fan's type 7); NaN of none.
pub fn quantiles(ascending: &[f64]) -> [f64; 5] {
    SHARES.map(|share| {
        let Some(last) = ascending.len().checked_sub(1) else { return f64::NAN };
        let at = share * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        ascending[low] + part * (ascending[(low + 1).min(last)] - ascending[low])
    })
}

/// The share of `all`, in per cent, that lies below `value`; equal ones count half.
pub fn percentile(value: f64, all: &[f64]) -> f64 {
    let below = all.iter().filter(|v| **v < value).count() as f64;
    let equal = all.iter().filter(|v| **v == value).count() as f64;
    100.0 * (below + equal / 2.0) / all.len() as f64
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[10.0, 30.0, 20.0, 40.0]) - 0.8).abs() < 1e-12);
        assert!(spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan() && spearman(&[], &[]).is_nan());
        assert_eq!(ranks(&[f64::NAN, 1.0]), [1.0, 0.0]);
        // Of six pairs within the two groups, five agree and one does not.
        let (a, b) = ([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)], [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]);
        assert!((kendall_within([&a[..], &b[..]]).unwrap() - 4.0 / 6.0).abs() < 1e-12);
        assert_eq!(kendall_within([&[(1.0, 1.0), (1.0, 2.0)][..]]), None);
        assert_eq!(quantiles(&[0.0, 1.0, 2.0, 3.0, 4.0]), [0.2, 1.0, 2.0, 3.0, 3.8]);
        assert!(quantiles(&[])[0].is_nan());
        assert_eq!(percentile(2.0, &[1.0, 2.0, 3.0, 4.0]), 37.5);
    }
}
