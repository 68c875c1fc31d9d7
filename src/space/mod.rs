//! The search space as pure data and arithmetic: operations, edges, cells, masks, genotypes, and exact counts of
//! parameters and multiply-accumulates. Nothing here knows of tensors.

mod cell;
pub mod count;
pub mod cut;
mod dot;
mod genotype;
mod mask;
mod named;
mod operation;
mod parse;
pub mod published;

pub use cell::{CellKind, EDGES, Edge, INPUTS, NODES, Place, STATES};
pub use dot::dot;
pub use genotype::{Choice, Genotype, GenotypeError};
pub use mask::{Counts, Mask, MaskError};
pub use named::{Space, SpaceError, listed};
pub use operation::{OPERATIONS, Operation};
pub use parse::{Genotypes, LONGEST, ParseError, Taken, Which, parse_genotype};
