//! What anyone may append to `commands.jsonl`. Each is answered by an event: accepted, or refused with the reason.

use serde::{Deserialize, Serialize};

use crate::space::cut::Scope;
use crate::space::{By, CellKind, Edge, Mask, Operation, Place};

/// One line of `commands.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Chosen by the sender, unique: the answer carries it.
    pub id: String,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Body {
    Pause,
    Resume,
    /// Save a checkpoint now.
    Checkpoint,
    /// Stop after this epoch (or this scoring round) with a checkpoint.
    Stop,
    /// Stop at once.
    Abort,
    /// Change the proposed cut.
    Cut(Edit),
    /// Undo or redo the last change of the cut.
    Undo,
    Redo,
    /// Accept the cut that stands. `revision`: how many changes the sender has seen; a different count refuses.
    Confirm {
        revision: Option<usize>,
    },
}

impl Body {
    /// As in the file, and as the answering event calls it.
    pub const fn name(&self) -> &'static str {
        match self {
            Body::Pause => "pause",
            Body::Resume => "resume",
            Body::Checkpoint => "checkpoint",
            Body::Stop => "stop",
            Body::Abort => "abort",
            Body::Cut(_) => "cut",
            Body::Undo => "undo",
            Body::Redo => "redo",
            Body::Confirm { .. } => "confirm",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// The automatic cut at this level, hand changes kept.
    Level {
        xi: f64,
    },
    /// The automatic cut that keeps the most and whose search is predicted to fit into so many bytes.
    Budget {
        bytes: u64,
    },
    /// The same level as a share of each edge, or of all of them together.
    Scope {
        scope: Scope,
    },
    /// Back to the automatic cut.
    Automatic,
    /// A control of the same size: "random", "cheapest", "most_parameters", or back to "scores".
    Source {
        source: String,
    },
    /// A cut by scores, from some of the functions that were scored, or put together otherwise.
    By(By),
    /// Exactly this mask, by hand, as one change.
    Mask {
        mask: Mask,
    },
    Keep {
        place: Place,
    },
    Drop {
        place: Place,
    },
    /// Keep (all that scoring knew) or drop down to the best one, on a whole edge.
    Edge {
        cell: CellKind,
        edge: Edge,
        keep: bool,
    },
    /// Keep or drop an operation wherever that leaves the edge something.
    Kind {
        cell: Option<CellKind>,
        operation: Operation,
        keep: bool,
    },
}
