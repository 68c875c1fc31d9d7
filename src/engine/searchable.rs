//! Whether a cut leaves a network that can be searched.

use crate::space::{Edge, Mask, Operation};

/// # Errors
/// The first node that could not get its two inputs.
pub fn searchable(mask: &Mask) -> Result<(), String> {
    mask.check().map_err(|e| e.to_string())?;
    // Where every edge is chosen, `none` will do.
    for graph in mask.space().graphs().iter().filter(|g| !g.stacking.every_edge()) {
        let cell = graph.kind;
        for state in graph.node_states() {
            let open = |e: &Edge| mask.kept(cell, *e).any(|o| o != Operation::None);
            let inputs = graph.into_state(state).filter(open).count();
            if inputs < 2 {
                return Err(format!(
                    "node {state} of the {cell} cell needs two edges with an operation other than `none`, and has {inputs}; \
                     keep another operation on one of 0▸{state} to {}▸{state}",
                    state - 1
                ));
            }
        }
    }
    Ok(())
}
