//! Pairs of a setting and its baseline over the seeds that both have.

use std::collections::BTreeMap;

/// A setting beside its baseline. Each seed of either is in exactly one of the lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paired {
    /// Seeds with one finite value on both sides, ascending. The next three belong to them.
    pub seeds: Vec<u64>,
    pub values: Vec<f64>,
    pub baseline: Vec<f64>,
    /// Value less baseline, in the unit of both.
    pub differences: Vec<f64>,
    /// Seeds that the setting has no row for.
    pub missing: Vec<u64>,
    /// Seeds that the baseline has no row for.
    pub missing_baseline: Vec<u64>,
    /// Seeds of which one side, or the difference, is NaN or infinite, as of a run that diverged.
    pub not_finite: Vec<u64>,
    /// Seeds with several rows of one side that aren't equal: which one counts is not to be guessed.
    pub ambiguous: Vec<u64>,
}

/// The pairs of a setting and its baseline from rows of (setting, seed, value), in any order. Equal rows count once. A seed that
/// makes no pair is listed with its reason: the first that applies of `missing`, `missing_baseline`, `ambiguous`, `not_finite`.
pub fn pairs<S: PartialEq>(rows: &[(S, u64, f64)], setting: &S, baseline: &S) -> Paired {
    let mut sides: BTreeMap<u64, [Vec<f64>; 2]> = BTreeMap::new();
    for (of, seed, value) in rows {
        for (side, name) in [setting, baseline].into_iter().enumerate() {
            if of == name {
                sides.entry(*seed).or_default()[side].push(*value);
            }
        }
    }
    let mut paired = Paired::default();
    for (seed, [values, others]) in sides {
        // NaN equals itself here.
        let same = |v: &[f64]| v.iter().all(|x| *x == v[0] || (x.is_nan() && v[0].is_nan()));
        let (Some(value), Some(other)) = (values.first(), others.first()) else {
            if values.is_empty() { &mut paired.missing } else { &mut paired.missing_baseline }.push(seed);
            continue;
        };
        if !same(&values) || !same(&others) {
            paired.ambiguous.push(seed);
        } else if !(value - other).is_finite() {
            paired.not_finite.push(seed);
        } else {
            paired.seeds.push(seed);
            paired.values.push(*value);
            paired.baseline.push(*other);
            paired.differences.push(value - other);
        }
    }
    paired
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_seed_is_lost() {
        let rows = [
            ("cut", 3, 0.5),
            ("full", 1, 0.25),
            ("cut", 1, 0.75),
            ("full", 3, 1.0),
            ("cut", 2, 0.1),
            ("full", 4, 0.1),
            ("other", 9, 0.1),
            ("cut", 5, f64::NAN),
            ("full", 5, 0.1),
            ("cut", 6, 0.1),
            ("cut", 6, 0.2),
            ("full", 6, 0.1),
            ("cut", 7, 0.1),
            ("full", 7, 0.1),
            ("full", 7, 0.2),
            // The same run twice.
            ("full", 1, 0.25),
        ];
        let got = pairs(&rows, &"cut", &"full");
        assert_eq!((got.seeds, got.differences), (vec![1, 3], vec![0.5, -0.5]));
        assert_eq!((got.values, got.baseline), (vec![0.75, 0.5], vec![0.25, 1.0]));
        assert_eq!((got.missing, got.missing_baseline), (vec![4], vec![2]));
        assert_eq!((got.not_finite, got.ambiguous), (vec![5], vec![6, 7]));
        assert_eq!(pairs(&rows, &"none", &"absent"), Paired::default());
        // Against itself.
        assert_eq!(pairs(&rows, &"full", &"full").differences, [0.0; 5]);
        let diverged = [("a", 1, f64::INFINITY), ("b", 1, f64::INFINITY)];
        assert_eq!(pairs(&diverged, &"a", &"b").not_finite, [1]);
    }
}
