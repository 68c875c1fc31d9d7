//! Cells of a space as sets of slots ([`Space::slot`]), and what a mask leaves of them.

use rand::Rng;

use super::error::TruthError;
use crate::random;
use crate::space::{CellKind, Genotype, Mask, Operation, Place, Space};

/// A cell of each kind, as the sorted slots of its operations. The order of a node's inputs is lost.
pub type Cell = Box<[u16]>;

/// A node, or an edge where cells have an operation on every one: of these rows of the space `choose` are taken, each with one
/// operation.
#[derive(Clone, Debug)]
struct Part {
    kind: CellKind,
    node: usize,
    rows: Vec<usize>,
    choose: usize,
}

/// How cells of a space are made.
#[derive(Clone, Debug)]
pub struct Cells {
    space: Space,
    parts: Vec<Part>,
    full: Left,
}

/// The operations that cells may be made of, as sorted slots by row of the space. `none` is among them only where cells have
/// an operation on every edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left(pub(super) Vec<Vec<u16>>);

impl Left {
    /// Operations on each edge.
    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }

    /// Operations on all edges.
    pub fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The slots of a row of the space.
    pub fn row(&self, row: usize) -> &[u16] {
        self.0.get(row).map_or(&[], Vec::as_slice)
    }
}

impl Cells {
    pub fn of(space: Space) -> Cells {
        let mut parts = Vec::new();
        for graph in space.graphs() {
            let kind = graph.kind;
            for (node, state) in graph.node_states().enumerate() {
                let rows: Vec<usize> = graph.into_state(state).filter_map(|e| space.row(kind, e)).collect();
                match space.stacking().every_edge() {
                    true => parts.extend(rows.iter().map(|row| Part { kind, node, rows: vec![*row], choose: 1 })),
                    false => parts.push(Part { kind, node, rows, choose: 2 }),
                }
            }
        }
        Cells { space, parts, full: slots(&space.full()) }
    }

    pub const fn space(&self) -> Space {
        self.space
    }

    /// Rows of the space of which a cell takes so many each: the edges into a node, or single ones where all are taken.
    pub fn parts(&self) -> impl Iterator<Item = (&[usize], usize)> {
        self.parts.iter().map(|part| (&part.rows[..], part.choose))
    }

    /// Everything that a cell of the space may have.
    pub const fn full(&self) -> &Left {
        &self.full
    }

    /// What a mask of the space leaves.
    ///
    /// # Errors
    /// A node that has not inputs enough.
    pub fn left(&self, mask: &Mask) -> Result<Left, TruthError> {
        let left = slots(mask);
        for part in &self.parts {
            let edges = open(part, &left).len();
            if edges < part.choose {
                let Part { kind, node, choose, .. } = *part;
                return Err(TruthError::NoCell { cell: kind, node, edges, needs: choose });
            }
        }
        Ok(left)
    }

    /// The network that has this cell alone: `none` on every edge that it does not take. `None` where the space has no `none`
    /// and the cell leaves an edge out.
    pub fn mask(&self, cell: &[u16]) -> Option<Mask> {
        let mut mask = self.space.full();
        for place in self.space.full().places() {
            mask.set(place, self.space.slot(place).is_some_and(|slot| cell.contains(&(slot as u16))));
        }
        for (kind, edge) in self.space.all_edges() {
            let none = Place::new(kind, edge, Operation::None);
            if mask.count_on(kind, edge) == 0 {
                self.space.full().contains(none).then(|| mask.set(none, true))?;
            }
        }
        Some(mask)
    }

    /// The slots of a genotype.
    ///
    /// # Errors
    /// Why it is no cell of the space.
    pub fn cell(&self, genotype: &Genotype) -> Result<Cell, String> {
        genotype.check_in(self.space).map_err(|e| e.to_string())?;
        let mut slots = Vec::new();
        for (kind, graph) in genotype.kinds().filter_map(|kind| Some((kind, self.space.graph(kind)?))) {
            let mut concat = genotype.concat(kind).to_vec();
            concat.sort_unstable();
            if !self.space.stacking().every_edge() && !concat.into_iter().eq(graph.node_states()) {
                return Err(format!("the {kind} cell's output does not have all nodes"));
            }
            for (edge, operation) in genotype.chosen(kind) {
                let slot = self.space.slot(Place::new(kind, edge, operation));
                slots.push(
                    slot.ok_or_else(|| format!("there is no such edge in the space {}", self.space.name()))? as u16
                );
            }
        }
        slots.sort_unstable();
        Ok(slots.into())
    }

    /// How many cells (pairs of one of each kind) there are; exact below 2^53.
    pub fn count(&self, left: &Left) -> f64 {
        let ways = |part: &Part| {
            // The elementary symmetric polynomial of the rows' counts.
            let mut ways = vec![0.0; part.choose + 1];
            ways[0] = 1.0;
            for row in &part.rows {
                for taken in (1..=part.choose).rev() {
                    ways[taken] += ways[taken - 1] * left.0[*row].len() as f64;
                }
            }
            ways[part.choose]
        };
        self.parts.iter().map(ways).product()
    }

    /// A cell: the inputs of a node uniformly from its edges that have an operation, then operations uniformly.
    pub fn draw(&self, left: &Left, rng: &mut impl Rng) -> Vec<u16> {
        let mut cell = Vec::new();
        for part in &self.parts {
            for row in take(&mut open(part, left), part.choose, rng) {
                let operations = &left.0[*row];
                cell.push(operations[random::below(rng, operations.len() as u64) as usize]);
            }
        }
        cell
    }

    /// What other cuts of a mask's shape may keep: everything that cells may have, but for `none` where the mask keeps none of
    /// it, as it is where it took no part in scoring.
    pub fn candidates(&self, mask: &Mask) -> Mask {
        let full = self.space.full();
        let keeps_none = mask.places().any(|p| p.operation == Operation::None);
        if keeps_none && self.space.stacking().every_edge() { full } else { full.without_operation(Operation::None) }
    }

    /// As many operations on every row as `counts` says, drawn from these.
    pub fn draw_cut(&self, from: &Left, counts: &[usize], rng: &mut impl Rng) -> Left {
        let row = |(all, count): (&Vec<u16>, &usize)| {
            let mut kept = take(&mut all.clone(), *count, rng).to_vec();
            kept.sort_unstable();
            kept
        };
        Left(from.0.iter().zip(counts).map(row).collect())
    }

    /// The sum over the nodes of how often each row is taken (2 of 5 edges: 0.4) times the row's number.
    pub fn expected(&self, left: &Left, row: impl Fn(usize) -> f64) -> f64 {
        let part = |part: &Part| {
            let open = open(part, left);
            open.iter().map(|r| row(*r)).sum::<f64>() * part.choose as f64 / open.len().max(1) as f64
        };
        self.parts.iter().map(part).sum()
    }

    /// The sum over the nodes of the numbers of their rows that are best.
    pub fn best(&self, left: &Left, row: impl Fn(usize) -> f64) -> f64 {
        let part = |part: &Part| {
            let mut all: Vec<f64> = open(part, left).iter().map(|r| row(*r)).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            all.iter().take(part.choose).sum::<f64>()
        };
        self.parts.iter().map(part).sum()
    }
}

/// Rows of a part that have an operation.
fn open(part: &Part, left: &Left) -> Vec<usize> {
    part.rows.iter().copied().filter(|row| left.0.get(*row).is_some_and(|r| !r.is_empty())).collect()
}

/// So many of them, uniformly.
fn take<'a, T>(from: &'a mut [T], count: usize, rng: &mut impl Rng) -> &'a [T] {
    let count = count.min(from.len());
    for i in 0..count {
        let other = i + random::below(rng, (from.len() - i) as u64) as usize;
        from.swap(i, other);
    }
    &from[..count]
}

fn slots(mask: &Mask) -> Left {
    let space = mask.space();
    let row = |(kind, edge)| {
        let kept = mask.kept(kind, edge).filter(|o| *o != Operation::None || space.stacking().every_edge());
        // Columns ascend, and so do slots; there are at most 2 · 45 · 16.
        kept.filter_map(|o| space.slot(Place::new(kind, edge, o))).map(|slot| slot as u16).collect()
    };
    Left(space.all_edges().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts;

    #[test]
    fn cells_are_counted_drawn_and_refused() {
        let cells = Cells::of(darts::SPACE);
        // By hand: 7 operations on each of two of 2, 3, 4, 5 edges, in both kinds of cell.
        let kind = 49f64.powi(4) * f64::from(3 * 6 * 10);
        assert_eq!(cells.count(cells.full()), kind * kind);
        let mut rng = random::stream(1, "test");
        let cell = cells.draw(cells.full(), &mut rng);
        assert_eq!(cell.len(), 16);
        let cut = cells.draw_cut(cells.full(), &[3; 28], &mut rng);
        assert_eq!(cut.counts(), [3; 28]);
        assert!(cells.draw(&cut, &mut rng).iter().all(|slot| cut.0.iter().flatten().any(|s| s == slot)));
        let only = |operation| Mask::uniform(darts::SPACE, &[operation]);
        assert_eq!(cells.count(&cells.left(&only(Operation::SkipConnect)).unwrap()), (180 * 180) as f64);
        let refused = cells.left(&only(Operation::None)).unwrap_err().to_string();
        assert!(refused.contains("node 0 of the normal cell has 0 edges") && refused.contains("needs 2"), "{refused}");
    }

    #[test]
    fn a_genotype_is_the_same_cell_whatever_the_order_of_inputs() {
        let cells = Cells::of(darts::SPACE);
        let mut genotype = crate::space::published::find("DARTS_V2").unwrap().genotype;
        let cell = cells.cell(&genotype).unwrap();
        genotype.normal.swap(0, 1);
        assert_eq!(cells.cell(&genotype).unwrap(), cell);
        genotype.normal_concat = vec![3, 4, 5];
        assert!(cells.cell(&genotype).unwrap_err().contains("all nodes"));
    }
}
