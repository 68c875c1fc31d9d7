use serde::{Deserialize, Serialize};

use super::Operation;

/// One chosen edge: an operation and the state (0..=4) that it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    pub operation: Operation,
    pub source: usize,
}

/// A discrete architecture: two inputs for each of the four nodes of both kinds of cell (choices 2i and 2i+1 belong to node
/// i), and the states that the cell's output is the concatenation of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Genotype {
    pub normal: Vec<Choice>,
    pub normal_concat: Vec<usize>,
    pub reduction: Vec<Choice>,
    pub reduction_concat: Vec<usize>,
}
