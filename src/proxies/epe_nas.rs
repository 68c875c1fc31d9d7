//! `epe_nas`: how little pictures of one class correlate in what their pixels do to the logits.

use std::collections::BTreeMap;

use super::nngp_frobenius::correlations;
use super::{Context, Needs, RankingFunction};
use crate::nn::NnError;

/// Keeps the logarithm finite.
const K: f64 = 1e-5;

/// Classes up to which they are added up.
const MANY: usize = 100;

/// `Σ over the classes of |E|` with `E = Σ ln(|ρ| + k)` over the correlations ρ between the gradients of a class's pictures (those of
/// `jacob_cov`), k = 1e-5. With more than 100 classes `Σ |Eᵢ − Eⱼ|` over all pairs of classes of the batch, each E divided by
/// its number of pictures, divided by the number of classes.
pub struct EpeNas;

impl RankingFunction for EpeNas {
    fn name(&self) -> &'static str {
        "epe_nas"
    }
    fn needs(&self) -> Needs {
        Needs { data: true, labels: true, gradients: true, pixels: true, ..Needs::default() }
    }
    fn paper(&self) -> &'static str {
        "Lopes et al. 2021, EPE-NAS (arXiv 2102.08099)"
    }
    fn meaning(&self) -> &'static str {
        "how little pictures of one class correlate in what their pixels do to the logits"
    }
    fn constant_since(&self, _: usize) -> Option<&'static str> {
        Some("no two pictures of the batch have the same class")
    }
    fn evaluate(&self, context: &Context) -> Result<f64, NnError> {
        let rows = context.jacobians()?;
        let mut classes: BTreeMap<u32, Vec<Vec<f64>>> = BTreeMap::new();
        for (label, row) in context.draw.labels.to_vec1::<u32>()?.into_iter().zip(rows) {
            classes.entry(label).or_default().push(row.clone());
        }
        let of = |rows: &Vec<Vec<f64>>| correlations(rows).iter().map(|r| (r.abs() + K).ln()).sum::<f64>();
        if context.net()?.config().classes <= MANY {
            return Ok(classes.values().map(|rows| of(rows).abs()).sum());
        }
        let means: Vec<f64> = classes.values().map(|rows| of(rows) / rows.len() as f64).collect();
        let apart: f64 = means.iter().flat_map(|a| means.iter().map(move |b| (a - b).abs())).sum();
        Ok(apart / means.len() as f64)
    }
}
