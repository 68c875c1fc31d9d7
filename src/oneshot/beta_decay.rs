//! β-decay (Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022): the mean over
//! edges of logsumexp(α), which keeps the mixing weights of an edge near each other while the search is young.

use super::alphas::EdgeAlphas;
use super::part::{Moment, Part};
use super::regulariser::Regulariser;

pub struct BetaDecay;

impl Part for BetaDecay {
    fn name(&self) -> &'static str {
        "beta_decay"
    }

    fn meaning(&self) -> &'static str {
        "λ · mean over edges of logsumexp(α), λ from 0 to its number evenly over the epochs"
    }

    fn published(&self) -> f64 {
        25.0
    }

    fn check(&self, number: f64) -> Result<(), &'static str> {
        if number > 0.0 && number <= 1e6 { Ok(()) } else { Err("λ must be above 0 and at most 1000000") }
    }
}

impl Regulariser for BetaDecay {
    /// As in the published code: λ · epoch / epochs, from 0.
    fn weight(&self, number: f64, Moment { epoch, epochs }: Moment) -> f64 {
        number * epoch as f64 / epochs.max(1) as f64
    }

    fn term(&self, edges: &[EdgeAlphas]) -> (f64, Vec<Vec<f64>>) {
        let share = 1.0 / edges.len().max(1) as f64;
        let mut sum = 0.0;
        let gradient = edges.iter().map(|edge| {
            let top = edge.alphas.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let powers: Vec<f64> = edge.alphas.iter().map(|a| (a - top).exp()).collect();
            let total: f64 = powers.iter().sum();
            if total > 0.0 {
                sum += top + total.ln();
            }
            powers.into_iter().map(|p| share * p / total).collect()
        });
        let gradient = gradient.collect();
        (sum * share, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(rows: &[&[f64]]) -> Vec<EdgeAlphas> {
        rows.iter().map(|r| EdgeAlphas { places: Vec::new(), alphas: r.to_vec() }).collect()
    }

    #[test]
    fn the_gradient_is_that_of_the_term() {
        let rows: [&[f64]; 3] = [&[0.3, -1.2, 2.0, 0.01], &[40.0, -40.0], &[0.7]];
        let (value, gradient) = BetaDecay.term(&edges(&rows));
        let by_hand = rows.iter().map(|r| r.iter().map(|a| a.exp()).sum::<f64>().ln()).sum::<f64>() / 3.0;
        assert!((value - by_hand).abs() < 1e-12, "{value} {by_hand}");
        assert_eq!(gradient.iter().map(Vec::len).collect::<Vec<_>>(), [4, 2, 1]);
        for (e, row) in gradient.iter().enumerate() {
            for (i, found) in row.iter().enumerate() {
                let moved = |by: f64| {
                    let mut moved = edges(&rows);
                    moved[e].alphas[i] += by;
                    BetaDecay.term(&moved).0
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((difference - found).abs() < 1e-9, "edge {e}, {i}: {difference} {found}");
            }
        }
    }

    #[test]
    fn lambda_grows_evenly_from_nothing() {
        let at = |epoch| BetaDecay.weight(25.0, Moment { epoch, epochs: 50 });
        assert_eq!([at(0), at(10), at(49)], [0.0, 5.0, 24.5]);
    }
}
