//! Mean, spread and range of a setting's values over its seeds.

/// A summary of the finite ones among some values, in their unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Spread {
    /// Finite values, from which the rest is computed.
    pub n: usize,
    /// Values that are NaN or infinite. They are part of nothing else here, so they have to be told apart.
    pub not_finite: usize,
    pub mean: Option<f64>,
    /// The sample's standard deviation, with n - 1. `None` for fewer than two values.
    pub deviation: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// The middle value, or the mean of the two middle ones.
    pub median: Option<f64>,
}

impl Spread {
    /// Of any values; all but the counts is `None` where none is finite.
    pub fn of(values: &[f64]) -> Self {
        let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        finite.sort_by(f64::total_cmp);
        let n = finite.len();
        Self {
            n,
            not_finite: values.len() - n,
            mean: mean(&finite),
            deviation: deviation(&finite),
            low: finite.first().copied(),
            high: finite.last().copied(),
            median: median(&finite),
        }
    }
}

/// The mean of finite values. Summed from the first one on, so that equal values have exactly that mean.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let first = values.first()?;
    let mean = first + values.iter().map(|v| v - first).sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// The sample's standard deviation of finite values, with n - 1. Squared in units of the largest deviation, so that nothing
/// overflows or vanishes.
pub(super) fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let far = values.iter().fold(0.0, |most: f64, v| most.max((v - mean).abs()));
    if values.len() < 2 || far == 0.0 {
        return (values.len() > 1).then_some(0.0);
    }
    let squares: f64 = values.iter().map(|v| ((v - mean) / far).powi(2)).sum();
    let deviation = far * (squares / (values.len() as f64 - 1.0)).sqrt();
    deviation.is_finite().then_some(deviation)
}

/// The median of ascending finite values.
pub(super) fn median(ascending: &[f64]) -> Option<f64> {
    let n = ascending.len();
    let (left, right) = (ascending.get(n.checked_sub(1)? / 2)?, ascending.get(n / 2)?);
    Some(left / 2.0 + right / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let spread = Spread::of(&[4.0, f64::NAN, 1.0, 2.0, f64::NEG_INFINITY, 9.0]);
        assert_eq!((spread.n, spread.not_finite, spread.mean), (4, 2, Some(4.0)));
        assert_eq!((spread.low, spread.high, spread.median), (Some(1.0), Some(9.0), Some(3.0)));
        // (0 + 9 + 4 + 25)/3
        assert!((spread.deviation.unwrap() - (38f64 / 3.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn few_and_equal_values() {
        assert_eq!(Spread::of(&[]), Spread::default());
        assert_eq!(Spread::of(&[f64::NAN]), Spread { not_finite: 1, ..Spread::default() });
        let one = Spread::of(&[0.1]);
        assert_eq!((one.n, one.mean, one.deviation, one.median), (1, Some(0.1), None, Some(0.1)));
        // 0.1 + 0.1 + 0.1 is not 0.3.
        let equal = Spread::of(&[0.1; 3]);
        assert_eq!((equal.mean, equal.deviation), (Some(0.1), Some(0.0)));
        assert_eq!(Spread::of(&[f64::MAX, -f64::MAX]).deviation, None);
        let small = Spread::of(&[1e-200, 3e-200]).deviation.unwrap();
        assert!((small / 2e-200 - 0.5f64.sqrt()).abs() < 1e-15);
    }
}
