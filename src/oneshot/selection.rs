//! How a genotype is read from what a search has learnt.

use crate::space::{Genotype, Mask};

/// A rule that chooses inputs and operations.
pub trait SelectionRule: Sync {
    /// The genotype of mixing weights `[edges, operations]`, flat, by kind of cell.
    fn select(&self, mixing: [&[f32]; 2], mask: &Mask) -> Genotype;
}
