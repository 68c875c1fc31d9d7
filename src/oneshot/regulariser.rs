//! What is added to the validation loss for the sake of the alphas.

use super::alphas::EdgeAlphas;
use super::part::{Moment, Part};

/// A term of the alphas alone. Its number is its weight, however that is spread over the search.
pub trait Regulariser: Part {
    /// The weight that it has at a moment, of the number that the settings give.
    fn weight(&self, number: f64, moment: Moment) -> f64;

    /// The term without its weight, and its gradient in the shape of `edges`.
    fn term(&self, edges: &[EdgeAlphas]) -> (f64, Vec<Vec<f64>>);
}
