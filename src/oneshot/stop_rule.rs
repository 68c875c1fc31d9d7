//! When a search ends before its last epoch.

use super::part::Part;
use crate::space::Genotype;

/// A rule that is asked after every epoch in which the alphas moved. Its number is its limit.
pub trait StopRule: Part {
    /// Why the search ends with this epoch, if it does; `genotype` is what it would find.
    fn reason(&self, limit: f64, genotype: &Genotype) -> Option<String>;
}
