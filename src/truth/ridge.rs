//! Ridge regression on indicators, with the penalty that cross-validation chooses.

use rayon::prelude::*;

use super::statistics::spearman;
use crate::random;

/// The penalties that are tried, on the sum of squared coefficients beside that of squared errors.
pub const PENALTIES: [f64; 7] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Parts that are held back in turn.
pub const FOLDS: usize = 10;

/// One row: the indicators that are 1, each once, and the number to be predicted.
pub type Sample<'a> = (&'a [u16], f64);

/// A fitted model: `base` plus the coefficients of the indicators that are 1.
#[derive(Clone, Debug)]
pub struct Fit {
    pub penalty: f64,
    pub base: f64,
    /// By indicator; 0 for one that no row has.
    pub coefficients: Vec<f64>,
    /// Of predictions of rows that were held back, by the chosen penalty; NaN where they or the rows are constant.
    pub spearman: f64,
    pub r_squared: f64,
}

/// Sums over rows that normal equations are made of.
#[derive(Clone)]
struct Sums {
    rows: f64,
    /// Of products of indicators, `[p · p]`.
    pairs: Vec<f64>,
    indicators: Vec<f64>,
    products: Vec<f64>,
    numbers: f64,
}

impl Sums {
    fn none(p: usize) -> Sums {
        Sums { rows: 0.0, pairs: vec![0.0; p * p], indicators: vec![0.0; p], products: vec![0.0; p], numbers: 0.0 }
    }

    fn take(&mut self, row: &[usize], number: f64) {
        let p = self.indicators.len();
        self.rows += 1.0;
        self.numbers += number;
        for i in row {
            self.indicators[*i] += 1.0;
            self.products[*i] += number;
            row.iter().for_each(|j| self.pairs[i * p + j] += 1.0);
        }
    }

    fn without(&self, other: &Sums) -> Sums {
        let less = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Sums {
            rows: self.rows - other.rows,
            pairs: less(&self.pairs, &other.pairs),
            indicators: less(&self.indicators, &other.indicators),
            products: less(&self.products, &other.products),
            numbers: self.numbers - other.numbers,
        }
    }

    /// Base and coefficients. The base has no penalty: everything is taken from its mean.
    fn solve(&self, penalty: f64) -> (f64, Vec<f64>) {
        let (p, n) = (self.indicators.len(), self.rows.max(1.0));
        let mut matrix = self.pairs.clone();
        let mut right = self.products.clone();
        for i in 0..p {
            for j in 0..p {
                matrix[i * p + j] -= self.indicators[i] * self.indicators[j] / n;
            }
            matrix[i * p + i] += penalty;
            right[i] -= self.indicators[i] * self.numbers / n;
        }
        cholesky(&mut matrix, &mut right);
        let shift: f64 = right.iter().zip(&self.indicators).map(|(w, s)| w * s / n).sum();
        (self.numbers / n - shift, right)
    }
}

/// Solves `matrix · x = right` in place for a symmetric matrix with eigenvalues of at least the penalty.
fn cholesky(matrix: &mut [f64], right: &mut [f64]) {
    let p = right.len();
    for j in 0..p {
        for i in j..p {
            let dot: f64 = (0..j).map(|k| matrix[i * p + k] * matrix[j * p + k]).sum();
            let rest = matrix[i * p + j] - dot;
            matrix[i * p + j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / matrix[j * p + j] };
        }
    }
    for i in 0..p {
        let dot: f64 = (0..i).map(|k| matrix[i * p + k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * p + i];
    }
    for i in (0..p).rev() {
        let dot: f64 = (i + 1..p).map(|k| matrix[k * p + i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * p + i];
    }
}

/// Fits rows of which the indicators lie below `indicators`. The penalty is the one of [`PENALTIES`] with the least squared
/// error of rows that were held back, [`FOLDS`] parts in turn, drawn by `seed`; its correlation comes from the same parts.
/// The order of the rows matters only to which part they fall into.
pub fn fit(samples: &[Sample], indicators: usize, seed: u64) -> Fit {
    // Only what some row has takes part.
    let mut at = vec![None; indicators];
    let mut there: Vec<usize> = samples.iter().flat_map(|(row, _)| row.iter().map(|i| usize::from(*i))).collect();
    there.sort_unstable();
    there.dedup();
    there.retain(|i| *i < indicators);
    there.iter().enumerate().for_each(|(k, i)| at[*i] = Some(k));
    let middle = samples.iter().map(|s| s.1).sum::<f64>() / samples.len().max(1) as f64;
    let rows: Vec<(Vec<usize>, f64)> = samples
        .iter()
        .map(|(row, y)| (row.iter().filter_map(|i| *at.get(usize::from(*i))?).collect(), y - middle))
        .collect();

    let mut order: Vec<usize> = (0..rows.len()).collect();
    random::shuffle(&mut random::stream(seed, "audit/folds"), &mut order);
    let folds = FOLDS.min(rows.len()).max(1);
    let mut parts = vec![Vec::new(); folds];
    order.iter().enumerate().for_each(|(k, row)| parts[k % folds].push(*row));

    let mut all = Sums::none(there.len());
    rows.iter().for_each(|(row, y)| all.take(row, *y));
    let predicted = |part: &Vec<usize>| {
        let mut own = Sums::none(there.len());
        part.iter().for_each(|i| own.take(&rows[*i].0, rows[*i].1));
        let rest = all.without(&own);
        PENALTIES.map(|penalty| {
            let (base, w) = rest.solve(penalty);
            part.iter().map(|i| base + rows[*i].0.iter().map(|k| w[*k]).sum::<f64>()).collect::<Vec<f64>>()
        })
    };
    let by_part: Vec<[Vec<f64>; PENALTIES.len()]> = parts.par_iter().map(predicted).collect();
    let mut held_back = vec![vec![0.0; rows.len()]; PENALTIES.len()];
    for (part, by_penalty) in parts.iter().zip(&by_part) {
        for (to, from) in held_back.iter_mut().zip(by_penalty) {
            part.iter().zip(from).for_each(|(i, number)| to[*i] = *number);
        }
    }
    let numbers: Vec<f64> = rows.iter().map(|r| r.1).collect();
    let error = |predicted: &[f64]| predicted.iter().zip(&numbers).map(|(p, y)| (p - y) * (p - y)).sum::<f64>();
    let best = (0..PENALTIES.len()).min_by(|a, b| error(&held_back[*a]).total_cmp(&error(&held_back[*b]))).unwrap_or(0);
    let (base, w) = all.solve(PENALTIES[best]);
    let mut coefficients = vec![0.0; indicators];
    there.iter().zip(w).for_each(|(i, w)| coefficients[*i] = w);
    Fit {
        penalty: PENALTIES[best],
        base: base + middle,
        coefficients,
        spearman: spearman(&held_back[best], &numbers),
        r_squared: 1.0 - error(&held_back[best]) / numbers.iter().map(|y| y * y).sum::<f64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two indicators of which each row has one, a rows and b rows, with means A and B. In the closed form the coefficients are
    /// opposite, ±w, where w = (A - B) h / (2 h + penalty) with h = a b / (a + b), and the base is the mean less what they give.
    #[test]
    fn closed_form_of_two_groups() {
        let groups = [(&[0u16][..], 10.0), (&[0], 14.0), (&[0], 12.0), (&[1], 5.0), (&[1], 7.0)];
        let mut sums = Sums::none(2);
        groups.iter().for_each(|(row, y)| sums.take(&row.iter().map(|i| usize::from(*i)).collect::<Vec<_>>(), *y));
        for penalty in PENALTIES {
            let (base, w) = sums.solve(penalty);
            let h = 3.0 * 2.0 / 5.0;
            let expected = (12.0 - 6.0) * h / (2.0 * h + penalty);
            assert!((w[0] - expected).abs() < 1e-12 && (w[1] + expected).abs() < 1e-12, "{w:?} {expected}");
            assert!((base - (9.6 - expected * (3.0 - 2.0) / 5.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn cholesky_solves() {
        // L = [[2, 0, 0], [1, 3, 0], [-1, 2, 1]], x = (1, -2, 3).
        let mut matrix = vec![4.0, 2.0, -2.0, 2.0, 10.0, 5.0, -2.0, 5.0, 6.0];
        let mut right = vec![-6.0, -3.0, 6.0];
        cholesky(&mut matrix, &mut right);
        assert!(right.iter().zip([1.0, -2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{right:?}");
    }

    #[test]
    fn what_is_linear_is_found_and_noise_is_not() {
        let mut rng = random::stream(3, "test");
        let rows: Vec<Vec<u16>> =
            (0..200).map(|_| (0..5).map(|e| (4 * e + random::below(&mut rng, 4)) as u16).collect()).collect();
        let truth: Vec<f64> = (0..20).map(|i| f64::from(i * i % 7)).collect();
        let of = |row: &Vec<u16>| 90.0 + row.iter().map(|i| truth[usize::from(*i)]).sum::<f64>();
        let samples: Vec<Sample> = rows.iter().map(|r| (&r[..], of(r))).collect();
        let fitted = fit(&samples, 24, 1);
        assert_eq!((fitted.penalty, fitted.coefficients.len()), (PENALTIES[0], 24));
        assert!(fitted.spearman > 0.99 && fitted.r_squared > 0.999, "{fitted:?}");
        assert_eq!(fitted.coefficients[20..], [0.0; 4]);
        let noise: Vec<Sample> = rows.iter().map(|r| (&r[..], random::normal(&mut rng))).collect();
        let fitted = fit(&noise, 24, 1);
        assert!(fitted.spearman.abs() < 0.25 && fitted.penalty >= 10.0, "{fitted:?}");
        // Constant, and next to nothing: no number is made up, and nothing panics.
        let constant: Vec<Sample> = rows.iter().map(|r| (&r[..], 5.0)).collect();
        assert!(fit(&constant, 24, 1).spearman.is_nan());
        for few in 0..3 {
            fit(&samples[..few], 24, 1);
        }
    }
}
