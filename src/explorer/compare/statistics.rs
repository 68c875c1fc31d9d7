//! What a comparison of a few runs needs beside the statistics of studies: samples that are not paired, permutations of runs
//! between two settings, the jackknife.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::statistics::t_quantile;

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

/// Sample variance.
fn variance(v: &[f64]) -> f64 {
    let m = mean(v);
    v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (v.len() as f64 - 1.0)
}

/// The difference of the means of two independent samples with variances of their own, second less first, and the interval that
/// holds it at a level in 0..1 if values are normal (Welch 1947; degrees of freedom rounded down). None of fewer than two of
/// either, or where neither has any spread.
pub fn welch(a: &[f64], b: &[f64], level: f64) -> Option<(f64, (f64, f64))> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let (va, vb) = (variance(a) / a.len() as f64, variance(b) / b.len() as f64);
    if va + vb < 1e-18 {
        return None;
    }
    let difference = mean(b) - mean(a);
    let freedom = (va + vb).powi(2) / (va.powi(2) / (a.len() - 1) as f64 + vb.powi(2) / (b.len() - 1) as f64);
    let half = t_quantile(1.0 - level, (freedom as usize).max(1)) * (va + vb).sqrt();
    Some((difference, (difference - half, difference + half)))
}

/// Ways to deal runs out to two groups that are all tried; of more, so many are drawn.
const EXACT: f64 = 20_000.0;
const DRAWN: usize = 9_999;

/// Whether runs of two settings are further apart than those of one: the mean distance between less the mean within, and the
/// share of all ways to deal the runs out to two groups of these sizes in which it is as large or larger (a permutation test:
/// exact up to 20,000 ways, beyond by 9,999 drawn with a fixed seed). A distance that is NaN has no part in it. None where
/// either has fewer than two runs.
pub fn apart(distance: &[Vec<f64>], first: usize) -> Option<(f64, f64)> {
    let n = distance.len();
    if first < 2 || n < first + 2 {
        return None;
    }
    let statistic = |in_first: &[bool]| {
        let (mut between, mut within) = ((0.0, 0.0), (0.0, 0.0));
        for i in 0..n {
            for j in (i + 1..n).filter(|j| !distance[i][*j].is_nan()) {
                let of = if in_first[i] == in_first[j] { &mut within } else { &mut between };
                (of.0, of.1) = (of.0 + distance[i][j], of.1 + 1.0);
            }
        }
        between.0 / between.1 - within.0 / within.1
    };
    let mut labels: Vec<bool> = (0..n).map(|i| i < first).collect();
    let observed = statistic(&labels);
    let as_large = |labels: &[bool]| usize::from(statistic(labels) >= observed - 1e-12);
    let ways = (0..first).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
    if ways > EXACT {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut count = 1;
        for _ in 0..DRAWN {
            for i in (1..n).rev() {
                labels.swap(i, rng.random_range(0..=i));
            }
            count += as_large(&labels);
        }
        return Some((observed, count as f64 / (DRAWN + 1) as f64));
    }
    let (mut tried, mut count) = (0, 0);
    let mut chosen: Vec<usize> = (0..first).collect();
    loop {
        labels.fill(false);
        chosen.iter().for_each(|i| labels[*i] = true);
        (tried, count) = (tried + 1, count + as_large(&labels));
        // The next choice, in the order of a dictionary.
        let Some(at) = (0..first).rev().find(|i| chosen[*i] < n - first + i) else { break };
        chosen[at] += 1;
        for i in at + 1..first {
            chosen[i] = chosen[i - 1] + 1;
        }
    }
    Some((observed, count as f64 / tried as f64))
}

/// Standard error of a statistic by leaving out one part after the other (Quenouille's jackknife).
pub fn jackknife(parts: usize, without: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = (0..parts).map(without).collect();
    let values = values.filter(|v| v.len() > 2)?;
    let m = mean(&values);
    let n = values.len() as f64;
    Some(((n - 1.0) / n * values.iter().map(|v| (v - m).powi(2)).sum::<f64>()).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_by_hand() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 9.0]);
        let (difference, (low, high)) = welch(&a, &b, 0.95).unwrap();
        let (va, vb): (f64, f64) = (5.0 / 3.0 / 4.0, 26.75 / 3.0 / 4.0);
        // 4.1 degrees of freedom: t(0.975, 4) = 2.776445.
        let half = 2.776_445_105 * (va + vb).sqrt();
        assert!(
            (difference - 2.75).abs() < 1e-12 && (high - 2.75 - half).abs() < 1e-6 && (2.75 - low - half).abs() < 1e-6
        );
        assert!(welch(&[1.0], &[1.0, 2.0], 0.95).is_none() && welch(&[1.0, 1.0], &[2.0, 2.0], 0.95).is_none());
    }

    #[test]
    fn groups_that_are_apart_and_groups_that_are_not() {
        let distance =
            |at: &[f64]| -> Vec<Vec<f64>> { at.iter().map(|a| at.iter().map(|b| (a - b).abs()).collect()).collect() };
        let (far, p) = apart(&distance(&[0.0, 0.1, 0.2, 5.0, 5.1, 5.2]), 3).unwrap();
        // Of 20 ways, this one and its mirror image.
        assert!(far > 4.0 && (p - 0.1).abs() < 1e-12, "{far} {p}");
        let (_, p) = apart(&distance(&[0.0, 5.0, 0.1, 5.1, 0.2, 5.2]), 3).unwrap();
        assert!(p > 0.1, "{p}");
        assert!(apart(&distance(&[0.0, 1.0, 2.0]), 1).is_none());
        // Many runs take no longer than some.
        let many: Vec<f64> = (0..40).map(|i| f64::from(i % 7) + if i < 20 { 0.0 } else { 30.0 }).collect();
        assert!(apart(&distance(&many), 20).unwrap().1 < 0.01);
    }
}
