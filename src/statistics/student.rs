//! Student's t distribution (Student 1908) with whole degrees of freedom, and the interval of a mean from it.

use super::spread::{deviation, mean};
use super::{constant, largest, usable};
use std::f64::consts::PI;

/// The interval of a mean of paired differences, or of any values that are normally distributed, at a level in 0..1 (0.95), in
/// the unit of the values: mean ± t·s/√n. `None` for fewer than two values, one that isn't finite, or values that are all equal:
/// they would give an interval without any width, however few they are.
pub fn interval_of_mean(values: &[f64], level: f64) -> Option<(f64, f64)> {
    let n = values.len();
    if n < 2 || !usable(values) || !(level > 0.0 && level < 1.0) || constant(values, largest(values)) {
        return None;
    }
    let (mean, half) = (mean(values)?, quantile(1.0 - level, n - 1) * deviation(values)? / (n as f64).sqrt());
    Some((mean - half, mean + half))
}

/// Γ((ν + 1)/2)/Γ(ν/2), from 1/√π for ν = 1: the ratio for ν times the one for ν + 1 is ν/2.
pub(super) fn gamma_ratio(freedom: usize) -> f64 {
    (1..freedom).fold(1.0 / PI.sqrt(), |ratio, k| k as f64 / 2.0 / ratio)
}

/// The probability of a t of at least that size, with ν ≥ 1 degrees of freedom.
pub(super) fn two_sided_p(t: f64, freedom: usize) -> f64 {
    tail(t, freedom, gamma_ratio(freedom))
}

/// The probability of a t that is at least as high.
pub(super) fn upper_p(t: f64, freedom: usize) -> f64 {
    let half = two_sided_p(t, freedom) / 2.0;
    if t > 0.0 { half } else { 1.0 - half }
}

/// The size that t exceeds with the probability p in 0..1, both ends together.
pub fn quantile(p: f64, freedom: usize) -> f64 {
    let (nu, ratio) = (freedom as f64, gamma_ratio(freedom));
    let mut t = 0.0;
    // The tail is convex and falls: Newton's steps from 0 never go beyond the root.
    for _ in 0..500 {
        let density = ratio / (PI * nu).sqrt() * (-(nu + 1.0) / 2.0 * (t * t / nu).ln_1p()).exp();
        let next = t + (tail(t, freedom, ratio) - p) / (2.0 * density);
        if next.is_nan() || next <= t * (1.0 + 1e-15) {
            break;
        }
        t = next;
    }
    t
}

/// The incomplete beta function I_x(ν/2, 1/2) at x = ν/(ν + t²) (Abramowitz and Stegun 26.5.27).
fn tail(t: f64, freedom: usize, ratio: f64) -> f64 {
    let (nu, square) = (freedom as f64, t.abs().min(1e150).powi(2));
    let (a, b, x) = (nu / 2.0, 0.5, nu / (nu + square));
    let y = square / (nu + square);
    // x^a·y^b/B(a, b)
    let front = (-a * (square / nu).ln_1p()).exp() * y.sqrt() * ratio / PI.sqrt();
    let p =
        if x < (a + 1.0) / (a + b + 2.0) { front / a / fraction(a, b, x) } else { 1.0 - front / b / fraction(b, a, y) };
    p.clamp(0.0, 1.0)
}

/// The continued fraction 1 + d₁/(1 + d₂/(1 + …)) of the incomplete beta function (Abramowitz and Stegun 26.5.8), from its start
/// as Lentz (1976) does it.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let (mut value, mut numerator, mut denominator) = (1.0, 1.0, 0.0);
    for k in 1..20_000 {
        let m = f64::from(k / 2);
        let d = if k % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        denominator = 1.0 / away(1.0 + d * denominator);
        numerator = away(1.0 + d / numerator);
        value *= numerator * denominator;
        if (numerator * denominator - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// Never 0, to be divided by.
fn away(value: f64) -> f64 {
    if value == 0.0 { f64::MIN_POSITIVE } else { value }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;

    #[test]
    fn matches_scipy() {
        for (t, freedom, p) in reference::STUDENT {
            let got = two_sided_p(*t, *freedom);
            assert!((got / p - 1.0).abs() < 1e-11, "t {t} with {freedom}: {got} instead of {p}");
        }
        for (p, freedom, t) in reference::STUDENT_QUANTILE {
            let got = quantile(*p, *freedom);
            assert!((got / t - 1.0).abs() < 1e-11, "p {p} with {freedom}: {got} instead of {t}");
        }
        for (values, low, high) in reference::INTERVAL {
            let got = interval_of_mean(values, 0.95).unwrap();
            assert!((got.0 - low).abs() < 1e-10 && (got.1 - high).abs() < 1e-10, "{values:?}: {got:?}");
        }
    }

    #[test]
    fn ends() {
        assert_eq!((two_sided_p(0.0, 4), two_sided_p(f64::INFINITY, 4)), (1.0, 0.0));
        assert_eq!(upper_p(0.0, 3), 0.5);
        assert!((upper_p(-2.0, 3) + upper_p(2.0, 3) - 1.0).abs() < 1e-15);
        // Without spread, and rounding errors are none.
        assert_eq!((interval_of_mean(&[0.2; 5], 0.95), interval_of_mean(&[1.0], 0.95)), (None, None));
        assert_eq!(interval_of_mean(&[0.93 - 0.92, 0.92 - 0.91, 0.47 - 0.46], 0.95), None);
        assert_eq!((interval_of_mean(&[1.0, 2.0], 1.0), interval_of_mean(&[1.0, 2.0], f64::NAN)), (None, None));
    }
}
