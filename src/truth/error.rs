//! What can be wrong with a table of accuracies, or with a cut that it should judge.

use std::io;

use crate::space::CellKind;

/// What, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    #[error("can't read {file}: {source}")]
    Read {
        file: String,
        #[source]
        source: io::Error,
    },
    #[error("{file}: {reason}")]
    Table { file: String, reason: String },
    /// `line` from 1, comments and header counted.
    #[error("{file}, line {line}: {reason}")]
    Line { file: String, line: usize, reason: String },
    #[error("{file} can't judge cuts of {space}: {reason}")]
    Judge { file: String, space: &'static str, reason: String },
    #[error("the cut leaves no cell: node {node} of the {cell} cell has {edges} with an operation other than `none`, and needs {needs}", edges = crate::text::counted(*.edges, "edge"))]
    NoCell { cell: CellKind, node: usize, edges: usize, needs: usize },
}
