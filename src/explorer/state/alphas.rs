//! Mixing weights of a search as the screens show them.

use crate::run::number::Number;
use crate::space::{CellKind, Edge, Operation, Space};

/// Mixing weights of all kinds of cell, by edge and operation; 0 where cut.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    space: Space,
    tables: [Vec<Vec<f32>>; 2],
}

impl Weights {
    pub fn new(space: Space, normal: &[Vec<f32>], reduction: &[Vec<f32>]) -> Weights {
        let number = |v: &f32| if v.is_finite() { *v } else { 0.0 };
        let table = |rows: &[Vec<f32>]| rows.iter().map(|row| row.iter().map(number).collect()).collect();
        Weights { space, tables: [table(normal), table(reduction)] }
    }

    /// Softmax of raw alphas; what is NaN was cut.
    pub fn from_alphas(space: Space, normal: &[Vec<Number>], reduction: &[Vec<Number>]) -> Weights {
        let table = |rows: &[Vec<Number>]| -> Vec<Vec<f32>> { rows.iter().map(|row| softmax(row)).collect() };
        Weights::new(space, &table(normal), &table(reduction))
    }

    pub fn get(&self, cell: CellKind, edge: Edge, operation: Operation) -> f32 {
        let row = self.space.graph(cell).and_then(|g| self.tables[cell.index()].get(g.row(edge)?));
        row.and_then(|row| row.get(self.space.column(operation)?)).copied().unwrap_or(0.0)
    }

    /// What they are the weights of.
    pub const fn space(&self) -> Space {
        self.space
    }

    /// The largest weight of a cell.
    pub fn highest(&self, cell: CellKind) -> f32 {
        self.tables[cell.index()].iter().flatten().copied().fold(0.0, f32::max)
    }
}

fn softmax(row: &[Number]) -> Vec<f32> {
    let top = row.iter().map(|v| v.0).filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = row.iter().map(|v| if v.0.is_finite() { (v.0 - top).exp() } else { 0.0 }).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|p| if sum > 0.0 { (p / sum) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::darts;

    #[test]
    fn softmax_leaves_out_what_was_cut() {
        let row: Vec<Number> =
            [f64::NAN, 0.0, 0.0, f64::NAN, 2f64.ln(), f64::NAN, f64::NAN, f64::NAN].map(Number).to_vec();
        let w = Weights::from_alphas(darts::SPACE, &[row], &[]);
        let edge = Edge::between(0, 2).unwrap();
        assert_eq!(w.get(CellKind::Normal, edge, Operation::None), 0.0);
        assert!((w.get(CellKind::Normal, edge, Operation::MaxPool3x3) - 0.25).abs() < 1e-6);
        assert!((w.get(CellKind::Normal, edge, Operation::SepConv3x3) - 0.5).abs() < 1e-6);
        assert_eq!(w.get(CellKind::Reduction, edge, Operation::SepConv3x3), 0.0);
    }
}
