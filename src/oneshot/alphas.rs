//! The architecture parameters of a search: a table of alphas for each kind of cell, and which of them exist.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

use crate::nn::{NnError, Supernet};
use crate::random;
use crate::space::{CellKind, EDGES, Edge, OPERATIONS, Place};

/// Alphas `[edges, operations]` by kind of cell.
pub struct Alphas {
    tables: [Var; 2],
    active: Vec<Vec<bool>>,
    /// The edges that are in the network, by place in the flat tables.
    edges: Vec<(usize, Vec<(usize, Place)>)>,
}

/// The alphas of one edge, of the operations that the cut kept.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeAlphas {
    pub places: Vec<Place>,
    pub alphas: Vec<f64>,
}

impl Alphas {
    /// Drawn as 1e-3·N(0, 1) from the stream `alphas`, equal for every mask.
    ///
    /// # Errors
    /// Candle's own.
    pub fn new(net: &Supernet, seed: u64) -> Result<Alphas, NnError> {
        let mut rng = random::stream(seed, "alphas");
        let mut draw = || {
            let numbers: Vec<f32> = (0..EDGES * OPERATIONS).map(|_| (1e-3 * random::normal(&mut rng)) as f32).collect();
            Var::from_vec(numbers, (EDGES, OPERATIONS), &Device::Cpu)
        };
        let tables = [draw()?, draw()?];
        let config = net.config();
        let active = CellKind::ALL
            .map(|kind| Place::all().filter(|p| p.cell == kind).map(|p| config.mask.contains(p)).collect::<Vec<bool>>())
            .to_vec();
        let kinds = CellKind::ALL.into_iter().filter(|k| config.layout.contains(k));
        let edges = kinds.flat_map(|kind| Edge::all().map(move |edge| (kind, edge)));
        let edges = edges.map(|(kind, edge)| {
            let kept = config.mask.kept(kind, edge).map(|o| Place::new(kind, edge, o));
            (kind.index(), kept.map(|p| (edge.index() * OPERATIONS + p.operation.index(), p)).collect())
        });
        Ok(Alphas { tables, active, edges: edges.collect() })
    }

    /// By kind, flat, row after row.
    ///
    /// # Errors
    /// Candle's own.
    pub fn values(&self) -> Result<[Vec<f32>; 2], NnError> {
        let flat = |v: &Var| v.flatten_all()?.to_vec1::<f32>();
        Ok([flat(&self.tables[0])?, flat(&self.tables[1])?])
    }

    /// # Errors
    /// Tables of another size.
    pub fn set(&self, alphas: [&[f32]; 2]) -> Result<(), NnError> {
        for (var, values) in self.tables.iter().zip(alphas) {
            var.set(&Tensor::from_slice(values, (EDGES, OPERATIONS), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Whether flat tables have these sizes.
    pub fn fit(tables: &[Vec<f32>]) -> bool {
        tables.len() == CellKind::ALL.len() && tables.iter().all(|t| t.len() == EDGES * OPERATIONS)
    }

    /// Which alphas exist, by kind, flat: those of operations that were cut do not.
    pub fn active(&self) -> &[Vec<bool>] {
        &self.active
    }

    /// As variables of a graph.
    pub fn tracked(&self) -> [&Tensor; 2] {
        [&self.tables[0], &self.tables[1]]
    }

    /// As constants.
    pub fn detached(&self) -> [Tensor; 2] {
        [self.tables[0].as_detached_tensor(), self.tables[1].as_detached_tensor()]
    }

    /// Their gradients by kind, flat; 0 for a kind that has no cell in the network.
    ///
    /// # Errors
    /// Candle's own.
    pub fn gradients(&self, found: &GradStore) -> Result<Vec<Vec<f32>>, NnError> {
        self.tables
            .iter()
            .map(|a| match found.get(a) {
                Some(g) => Ok(g.flatten_all()?.to_vec1::<f32>()?),
                None => Ok(vec![0.0; EDGES * OPERATIONS]),
            })
            .collect()
    }

    /// Each edge of the kinds that have a cell in the network.
    pub fn by_edge(&self, tables: &[Vec<f32>]) -> Vec<EdgeAlphas> {
        let of = |(table, kept): &(usize, Vec<(usize, Place)>)| EdgeAlphas {
            places: kept.iter().map(|(_, place)| *place).collect(),
            alphas: kept.iter().map(|(i, _)| f64::from(tables[*table][*i])).collect(),
        };
        self.edges.iter().map(of).collect()
    }

    /// Adds `factor` times a gradient that is given as [`Alphas::by_edge`] lists the alphas.
    pub fn add_by_edge(&self, to: &mut [Vec<f32>], gradient: &[Vec<f64>], factor: f64) {
        for ((table, kept), row) in self.edges.iter().zip(gradient) {
            for ((i, _), g) in kept.iter().zip(row) {
                let sum = &mut to[*table][*i];
                *sum = (f64::from(*sum) + factor * g) as f32;
            }
        }
    }
}

/// A flat table of alphas or mixing weights as rows, one for each edge.
pub fn alphas_by_row(flat: &[f32]) -> Vec<Vec<f32>> {
    flat.chunks(OPERATIONS).map(<[f32]>::to_vec).collect()
}
