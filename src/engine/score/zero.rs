//! Scores by weights of zero: an operation is left out, and the others of its edge keep the share that they had with it.
//!
//! By [leaving out](super::leave_one_out) they take its share over: with one of seven gone each counts a sixth and not a seventh, so
//! that the edge is as strong as before. Here it is weaker by that operation. What is scored is the same otherwise, round by round.

use crate::nn::{Mixing, NnError};
use crate::space::Mask;

/// What the operations of `mask` count for, whichever of them is left out: that one does not run.
pub(super) fn mixing(mask: &Mask) -> Result<Mixing, NnError> {
    Ok(Mixing::uniform(mask)?)
}
