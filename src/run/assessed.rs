//! A verdict on a cut in numbers, as the journal has it: whether the cut is any good, as far as that can be told without training.

use serde::{Deserialize, Serialize};

use crate::space::{Operation, Place};

/// What can be said of a cut without training anything. Edges count on which something is kept and something goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Assessed {
    /// Draws of weights and pictures that the scores have; 0 where nothing is scored.
    pub draws: usize,
    /// Rounds of scoring that decided; 0 where nothing is scored.
    pub rounds: usize,
    /// A budget was spent on the best cells, or operations were kept wherever they are worth most: what stays is not the highest of each edge.
    pub buys: bool,
    /// Operations kept on those edges, and those that go.
    pub kept: usize,
    pub decisions: usize,
    /// How many of them a random cut of the same size keeps too, in the mean.
    pub by_chance: f64,
    /// Of a cut by scores: the share of them that are again among the highest of their edge when the draws are drawn again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays: Option<f64>,
    /// Those that are not in nine of ten times, the least sure first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsure: Vec<Unsure>,
    /// The same share at each level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Settled>,
    /// What each ranking function has to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Say>,
    /// Operations that go, and the lowest that stays instead, which noise does not tell apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within_noise: Vec<Tie>,
    /// Beside the run's scores put together as its settings say, where the cut is not by those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Beside>,
    /// Beside the operations with the most parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Beside>,
    /// Predicted bytes of the search with random cuts of the same size, in the mean over some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_bytes: Option<u64>,
    /// Where cells were sampled, how good its cells are by the scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The same of the parameter count's cut of that size, and of some random ones, from the lowest to the highest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random_percent: Option<(f64, f64)>,
    /// The same in words, the most important first.
    pub words: Vec<String>,
}

/// How a cut's cells do by the scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Of random cells of the space, how many in a hundred are worse than the cut's are in the mean.
    pub percent: f64,
    /// The same from the lowest to the highest of the middle nine tenths of 40 times that the draws are drawn again; absent with one draw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// How often one operation stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unsure {
    pub place: Place,
    pub stays: f64,
    /// Its score is below that of one that goes: it stays by what settles ties (`score.undecided`), or by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lower: bool,
}

/// How much of the cut at a level stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    pub xi: f64,
    pub stays: f64,
    /// Of a random cut.
    pub by_chance: f64,
}

/// What a ranking function has to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Say {
    pub function: String,
    /// Its part in the differences between operations of an edge; the parts of all add up to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<f64>,
    /// The share of its own differences that noise from draw to draw would make; with one draw nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Why it has no vote, where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<String>,
}

/// A decision that noise does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tie {
    pub goes: Place,
    pub stays: Operation,
}

/// Another cut that keeps as many operations on every edge.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// How many of those that are kept it keeps too.
    pub same: usize,
    /// Predicted bytes of its search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
