//! The search space as pure data and arithmetic: operations, edges, cells, masks, genotypes, and exact counts of
//! parameters and multiply-accumulates. Nothing here knows of tensors.

mod by;
pub(crate) mod cell;
pub mod count;
pub mod cut;
pub mod darts;
mod definition;
mod dot;
mod file;
mod genotype;
mod known;
mod mask;
pub mod nas_bench_201;
mod operation;
mod parse;
mod printed;
pub mod published;
mod stacking;
mod stem;

pub use by::By;
pub use cell::{CellKind, Edge, INPUTS, Place};
pub use definition::{Definition, Graph, Space};
pub use dot::dot;
pub use file::SpaceFileError;
pub use genotype::{Choice, Genotype, GenotypeError};
pub use known::{SpaceError, built_in};
pub use mask::{Counts, Mask, MaskError};
pub use operation::{Compute, Operation, UnknownOperation};
pub use parse::{Genotypes, LONGEST, ParseError, Taken, Which, parse_genotype};
pub use stacking::Stacking;
pub use stem::Stem;
