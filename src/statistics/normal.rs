//! The upper tail of the normal distribution.

use std::f64::consts::PI;

/// The probability that a standard normal variable is at least z, with a relative error below 1e-13.
pub(super) fn upper_p(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_p(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z < 2.5 {
        // z + z³/3 + z⁵/15 + …: Abramowitz and Stegun 26.2.11.
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // 1/(z + 1/(z + 2/(z + …))): Abramowitz and Stegun 26.2.14, from its end.
    density / (1..=200).rev().fold(z, |rest, k| z + f64::from(k) / rest)
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_scipy() {
        for (z, p) in reference::NORMAL {
            assert!((upper_p(*z) / p - 1.0).abs() < 1e-13, "{z} {p} {}", upper_p(*z));
        }
        assert_eq!((upper_p(0.0), upper_p(f64::INFINITY), upper_p(f64::NEG_INFINITY)), (0.5, 0.0, 1.0));
    }
}
