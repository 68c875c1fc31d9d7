//! The architecture parameters of a search: a table of alphas for each kind of cell, and which of them exist.

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

use crate::nn::{NnError, Supernet};
use crate::random;
use crate::space::{CellKind, Place, Space};

/// Alphas `[edges, operations]` by kind of cell; no rows for a kind that the space does not have.
pub struct Alphas {
    space: Space,
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
        let config = net.config();
        let space = config.mask.space();
        let mut draw = |kind| {
            let numbers = (0..space.table(kind)).map(|_| (1e-3 * random::normal(&mut rng)) as f32);
            Var::from_vec(numbers.collect::<Vec<_>>(), (space.edges(kind).len(), space.columns()), &Device::Cpu)
        };
        let tables = [draw(CellKind::Normal)?, draw(CellKind::Reduction)?];
        let active = KINDS
            .map(|kind| {
                space.places().filter(|p| p.cell == kind).map(|p| config.mask.contains(p)).collect::<Vec<bool>>()
            })
            .to_vec();
        let edges = space.graphs().iter().filter(|g| config.layout.contains(&g.kind)).flat_map(|g| {
            g.edges.iter().enumerate().map(|(row, edge)| {
                let columns = space.operations().iter().enumerate();
                let kept = columns.filter(|(_, o)| config.mask.keeps(g.kind, *edge, **o));
                let place = |(column, o): (usize, &_)| (row * space.columns() + column, Place::new(g.kind, *edge, *o));
                (g.kind.index(), kept.map(place).collect())
            })
        });
        Ok(Alphas { space, tables, active, edges: edges.collect() })
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
            var.set(&Tensor::from_slice(values, var.shape(), &Device::Cpu)?)?;
        }
        Ok(())
    }

    /// Whether flat tables have these sizes.
    pub fn fit(&self, tables: &[Vec<f32>]) -> bool {
        tables.iter().map(Vec::len).eq(KINDS.map(|kind| self.space.table(kind)))
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
                None => Ok(vec![0.0; a.elem_count()]),
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

/// The kinds of cell, in the order of the tables.
const KINDS: [CellKind; 2] = [CellKind::Normal, CellKind::Reduction];
