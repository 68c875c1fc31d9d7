//! What a search ended with: the genotype and its counts.

use std::collections::BTreeSet;

use super::Weights;
use crate::space::{CellKind, Choice, Edge, Genotype, Operation, Stem};

/// What the search ended with.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub genotype: Genotype,
    /// At the published evaluation size; none where they are too many to count.
    pub parameters: Option<u64>,
    pub macs: Option<u64>,
    /// Which network is published for such pictures.
    pub stem: Stem,
}

/// One chosen edge of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// State (2..) that it ends in.
    pub target: usize,
    pub choice: Choice,
    /// Its mixing weight.
    pub weight: Option<f32>,
    /// By how much the weight is above the edge's next best operation that could be chosen, and which that is.
    pub margin: Option<(f32, Operation)>,
}

/// The edge from a state to a node, as all screens call it: `0▸2`.
pub fn edge_name(source: usize, target: usize) -> String {
    Edge::between(source, target).map_or_else(|| format!("{source}▸{target}"), |edge| edge.to_string())
}

impl Chosen {
    pub fn edge(&self) -> String {
        edge_name(self.choice.source, self.target)
    }
}

impl Change {
    /// `1▸2 sep5, was sep3`; another edge is named, too.
    pub fn words(&self) -> String {
        let name = |c: &Choice| format!("{} {}", edge_name(c.source, self.target), c.operation.short());
        match (&self.lost, &self.got) {
            (Some(lost), Some(got)) if lost.source == got.source => {
                format!("{}, was {}", name(got), lost.operation.short())
            }
            (Some(lost), Some(got)) => format!("{}, was {}", name(got), name(lost)),
            (None, Some(got)) => format!("{}, new", name(got)),
            (Some(lost), None) => format!("{}, gone", name(lost)),
            (None, None) => String::new(),
        }
    }
}

/// The chosen edges of one cell, in the genotype's order, with the weights that they were chosen by.
pub fn chosen(genotype: &Genotype, cell: CellKind, weights: Option<&Weights>) -> Vec<Chosen> {
    let every_edge = genotype.stacking.every_edge();
    genotype
        .choices(cell)
        .iter()
        .zip(genotype.stacking.targets())
        .map(|(choice, target)| {
            let edge = Edge::between(choice.source, target);
            let weight = weights.zip(edge).map(|(w, e)| w.get(cell, e, choice.operation));
            let margin = weights.zip(edge).and_then(|(w, e)| {
                let operations = w.space().operations().iter().copied();
                let next = operations
                    .filter(|o| {
                        (every_edge || *o != Operation::None) && *o != choice.operation && w.get(cell, e, *o) > 0.0
                    })
                    .max_by(|a, b| w.get(cell, e, *a).total_cmp(&w.get(cell, e, *b)))?;
                Some((w.get(cell, e, choice.operation) - w.get(cell, e, next), next))
            });
            Chosen { target, choice: *choice, weight, margin }
        })
        .collect()
}

/// One difference between two genotypes: what a node lost and what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub cell: CellKind,
    pub target: usize,
    pub lost: Option<Choice>,
    pub got: Option<Choice>,
}

/// What differs from one genotype to the next, node by node; the order of a node's two inputs does not count.
pub fn changes(before: &Genotype, after: &Genotype) -> Vec<Change> {
    let mut all = Vec::new();
    for (cell, a, b) in
        [(CellKind::Normal, &before.normal, &after.normal), (CellKind::Reduction, &before.reduction, &after.reduction)]
    {
        let states = before.stacking.inputs()..before.states(cell).max(after.states(cell));
        let into = |choices: &[Choice], state: usize| -> BTreeSet<Choice> {
            let own = choices.iter().zip(before.stacking.targets()).filter(|(_, target)| *target == state);
            own.map(|(choice, _)| *choice).collect()
        };
        for target in states {
            let (x, y) = (into(a, target), into(b, target));
            let mut lost = x.difference(&y).copied();
            let mut got = y.difference(&x).copied();
            loop {
                let change = Change { cell, target, lost: lost.next(), got: got.next() };
                if change.lost.is_none() && change.got.is_none() {
                    break;
                }
                all.push(change);
            }
        }
    }
    all
}
