//! `nngp_eigenvalue`: the eigenvalues of the kernel of a batch's features.

use nalgebra::DMatrix;

use super::{Context, Needs, RankingFunction};
use crate::nn::{NnError, Pass};

/// Those of the rows' inner products, the least first; all NaN where one is not finite.
pub(super) fn eigenvalues(rows: &[Vec<f64>]) -> Vec<f64> {
    let product = |i: usize, j: usize| rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum::<f64>();
    let kernel = DMatrix::from_fn(rows.len(), rows.len(), product);
    if kernel.iter().any(|v| !v.is_finite()) {
        return vec![f64::NAN; rows.len()];
    }
    let mut values: Vec<f64> = kernel.symmetric_eigenvalues().iter().copied().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// `−Σ ln(λ + 1) + 1/(λ + 1)`, λ the eigenvalues of `Φ·Φᵀ`, Φ what the classifier reads of each picture, `[N, C]`.
pub struct NngpEigenvalue;

impl RankingFunction for NngpEigenvalue {
    fn name(&self) -> &'static str {
        "nngp_eigenvalue"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Lee et al. 2018, NNGP (arXiv 1711.00165); as used by Rumiantsev & Coates 2023 (ICASSP)"
    }
    fn meaning(&self) -> &'static str {
        "how little the features of different pictures span (eigenvalues of their kernel)"
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let maps = context.net()?.features(&context.draw.images, &context.mixing, &Pass::observe())?;
        let (_, h, w, c) = maps.dims4()?;
        let mean = |map: &[f32]| {
            let mut sums = vec![0.0f64; c];
            map.chunks_exact(c).for_each(|pixel| sums.iter_mut().zip(pixel).for_each(|(s, v)| *s += f64::from(*v)));
            sums.into_iter().map(|s| s / (h * w) as f64).collect()
        };
        let rows: Vec<Vec<f64>> = maps.flatten_all()?.to_vec1::<f32>()?.chunks_exact(h * w * c).map(mean).collect();
        Ok(-eigenvalues(&rows).iter().map(|v| (v + 1.0).ln() + 1.0 / (v + 1.0)).sum::<f64>())
    }
}
