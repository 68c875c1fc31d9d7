//! Drop path: edges that are left out of a training pass, image by image.

use rand::RngExt;

use super::plan::NetworkPlan;
use crate::random;

/// Edges that are left out of a training pass, image by image (FractalNet; DARTS, appendix A.2.1): the kept ones are
/// scaled up. The draws of a step depend on nothing but its number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropPath {
    /// Between 0 and 1 (exclusive).
    pub probability: f64,
    pub seed: u64,
    /// Epoch and step.
    pub at: [u64; 2],
}

/// What images of edges that may be left out are multiplied with: by cell and edge, where among the numbers `[N]` each begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factors {
    pub numbers: Vec<f32>,
    pub places: Vec<Vec<Option<usize>>>,
}

impl Factors {
    /// All draws of a pass, cell by cell and edge by edge; none for the identity, which is never left out.
    pub fn drawn(plan: &NetworkPlan, drop: Option<DropPath>, images: usize) -> Factors {
        let mut factors = Factors::default();
        let Some(drop) = drop.filter(|d| d.probability > 0.0) else { return factors };
        let keep = 1.0 - drop.probability;
        let mut rng = random::stream_at(drop.seed, "drop_path", drop.at);
        for cell in &plan.cells {
            let mut places = Vec::with_capacity(cell.edges.len());
            for edge in 0..cell.edges.len() {
                let drops = cell.may_drop(edge);
                places.push(drops.then_some(factors.numbers.len()));
                for _ in 0..if drops { images } else { 0 } {
                    let factor = if rng.random::<f64>() < keep { (1.0 / keep) as f32 } else { 0.0 };
                    factors.numbers.push(factor);
                }
            }
            factors.places.push(places);
        }
        factors
    }

    /// Of an edge, by image; `None` where it is never left out.
    pub fn of(&self, cell: usize, edge: usize, images: usize) -> Option<&[f32]> {
        let at = (*self.places.get(cell)?.get(edge)?)?;
        self.numbers.get(at..at + images)
    }
}
