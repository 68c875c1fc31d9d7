//! What a cut by scores goes by: some of the ranking functions, or all; put together as the run does, or otherwise.

use serde::{Deserialize, Serialize};

/// By default the run's own order: all functions, put together as its settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct By {
    /// Ranking functions, in the order of scoring; none stands for all.
    #[serde(default, rename = "by", skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// How they are put together, where not as the run does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<String>,
}

impl By {
    /// Whether it is the run's own order.
    pub fn is_own(&self) -> bool {
        *self == By::default()
    }

    /// In words: `scores`, `naswot + logsynflow`, `scores as ranks`. It may hold words from files.
    pub fn words(&self) -> String {
        let all = if self.functions.is_empty() { "scores".into() } else { self.functions.join(" + ") };
        match &self.aggregate {
            Some(aggregate) => format!("{all} as {aggregate}"),
            None => all,
        }
    }
}
