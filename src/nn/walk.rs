//! The order of a pass, written once: which block and which edge comes when, what each reads, what is kept for the way back and what
//! is given up. Processors, GPUs (and what counts their memory), the ledger of a processor's bytes, and the pass that remembers
//! its maps for leaving one operation out take its steps.

use super::Policy;
use super::network::End;
use super::plan::{CellPlan, Entry, NetworkPlan};

/// Gradients that a pass is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Of the parameters, of the mixing weights, of the pictures.
    pub weights: bool,
    pub mixing: bool,
    pub images: bool,
}

impl Wanted {
    pub const NOTHING: Wanted = Wanted { weights: false, mixing: false, images: false };
    pub const WEIGHTS: Wanted = Wanted { weights: true, ..Wanted::NOTHING };
    pub const MIXING: Wanted = Wanted { mixing: true, ..Wanted::NOTHING };
    pub const IMAGES: Wanted = Wanted { images: true, ..Wanted::NOTHING };

    /// Whether there is a way back.
    pub fn any(self) -> bool {
        self.weights || self.mixing || self.images
    }

    /// Whether the way back goes on through the stem.
    pub fn stem(self) -> bool {
        self.weights || self.images
    }
}

/// What a network's pass is for.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub plan: &'a NetworkPlan,
    pub wanted: Wanted,
    pub end: End,
}

/// The steps through a network. Outputs are counted from the first of the stem's, which has one or two.
pub(crate) trait Forward {
    type Fault;

    /// Leaves the stem's outputs, and what its way back needs where it is wanted.
    fn stem(&mut self) -> Result<(), Self::Fault>;
    /// Cell `i`, which reads these outputs; leaves its own.
    fn cell(&mut self, i: usize, reads: &[usize]) -> Result<(), Self::Fault>;
    /// The auxiliary head behind cell `i`.
    fn auxiliary(&mut self, i: usize) -> Result<(), Self::Fault>;
    /// Nobody reads output `k` any more.
    fn give_up(&mut self, k: usize);
    /// The norm and the ReLU behind the last cell.
    fn closing(&mut self) -> Result<(), Self::Fault>;
}

/// The way back, from the gradient of what the last block gave.
pub(crate) trait Backward {
    type Fault;

    fn closing(&mut self) -> Result<(), Self::Fault>;
    fn auxiliary(&mut self, i: usize) -> Result<(), Self::Fault>;
    /// Cell `i`, whose output has a gradient: adds to those of the outputs that it reads, where they are `reached`. What the cell
    /// kept and gave goes.
    fn cell(&mut self, i: usize, reads: &[usize], reached: &[bool]) -> Result<(), Self::Fault>;
    fn stem(&mut self) -> Result<(), Self::Fault>;
}

impl Walk<'_> {
    /// The cell that the auxiliary head follows, where it takes part.
    fn auxiliary(&self) -> Option<usize> {
        let trains = self.end == End::AllLogits && self.wanted.weights;
        self.plan.auxiliary.as_ref().filter(|_| trains).map(|head| head.after)
    }

    /// Whether the way back reads output `k`. Those of the stem are read for what is before them, or by edges that take them as they
    /// are.
    fn keeps(&self, k: usize) -> bool {
        let whole = |cell: &CellPlan| cell.entries.iter().any(|entry| matches!(entry, Entry::Whole));
        let edges = || self.plan.cells.first().is_some_and(|cell| whole(cell));
        self.wanted.any() && (k >= self.plan.stems() || self.wanted.stem() || edges())
    }

    /// # Errors
    /// Those of the steps.
    pub fn forward<S: Forward>(&self, steps: &mut S) -> Result<(), S::Fault> {
        let (plan, stems) = (self.plan, self.plan.stems());
        steps.stem()?;
        let mut gone = 0;
        for (i, cell) in plan.cells.iter().enumerate() {
            let reads: Vec<usize> = cell.reads(i, stems).collect();
            steps.cell(i, &reads)?;
            if self.auxiliary() == Some(i) {
                steps.auxiliary(i)?;
            }
            // The next cell reads none before the oldest of its own.
            let oldest = cell.reads(i + 1, stems).min().unwrap_or(gone);
            (gone..oldest).filter(|k| !self.keeps(*k)).for_each(|k| steps.give_up(k));
            gone = gone.max(oldest);
        }
        if plan.closing.is_some() { steps.closing() } else { Ok(()) }
    }

    /// # Errors
    /// Those of the steps.
    pub fn backward<S: Backward>(&self, steps: &mut S) -> Result<(), S::Fault> {
        let (plan, stems) = (self.plan, self.plan.stems());
        if plan.closing.is_some() {
            steps.closing()?;
        }
        for i in (0..plan.cells.len()).rev() {
            if self.auxiliary() == Some(i) {
                steps.auxiliary(i)?;
            }
            let reads: Vec<usize> = plan.reads(i).collect();
            let reached: Vec<bool> = reads.iter().map(|k| *k >= stems || self.wanted.stem()).collect();
            steps.cell(i, &reads, &reached)?;
        }
        if self.wanted.stem() { steps.stem() } else { Ok(()) }
    }
}

/// The steps through a cell. States are its inputs as edges read them, then its nodes.
pub(crate) trait CellForward {
    type Fault;
    /// Maps of the edges' operations before their last norms.
    type Maps;

    /// Input `i`, as it is or through what stands before the cell.
    fn enter(&mut self, i: usize) -> Result<(), Self::Fault>;
    /// Room for the nodes; one that no edge leads to is zeros.
    fn open(&mut self) -> Result<(), Self::Fault>;
    /// The operations of edges from one state.
    fn branches(&mut self, source: usize, edges: &[usize]) -> Result<Self::Maps, Self::Fault>;
    /// Adds operations of the edges at these places among `edges`, of which no two lead to one node, to the nodes, or sets those that are
    /// `fresh`.
    fn mix(
        &mut self,
        source: usize,
        edges: &[usize],
        places: &[usize],
        fresh: &[bool],
        maps: &Self::Maps,
    ) -> Result<(), Self::Fault>;
    /// For the way back.
    fn keep(&mut self, source: usize, edges: &[usize], maps: Self::Maps);
    /// Maps that are made again on the way back, or that nobody asks for.
    fn give_up(&mut self, maps: Self::Maps) {
        drop(maps);
    }
}

/// The way back through a cell.
pub(crate) trait CellBackward {
    type Fault;

    /// All edges from one state, whose nodes' gradients are complete. Where the state is not `reached`, only the mixing weights have a
    /// gradient.
    fn source(&mut self, source: usize, edges: &[usize], reached: bool) -> Result<(), Self::Fault>;
    /// The nodes have no more use.
    fn close(&mut self) -> Result<(), Self::Fault>;
    /// What stands before the cell at input `i`.
    fn enter(&mut self, i: usize) -> Result<(), Self::Fault>;
}

impl CellPlan {
    /// `keep`: for a way back.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn forward<S: CellForward>(&self, policy: Policy, keep: bool, steps: &mut S) -> Result<(), S::Fault> {
        for i in 0..self.inputs() {
            steps.enter(i)?;
        }
        steps.open()?;
        let mut made = vec![false; self.nodes];
        let keeps = keep && policy == Policy::Keep;
        for source in 0..self.sources() {
            let edges: Vec<usize> = self.from(source).collect();
            // Edges that read one map take their steps together; where little is to be alive they take turns.
            for edges in edges.chunks(if keeps { edges.len() } else { 1 }.max(1)) {
                let maps = steps.branches(source, edges)?;
                for places in self.rounds(edges) {
                    let nodes = places.iter().map(|place| self.edges[edges[*place]].node);
                    let fresh: Vec<bool> = nodes.map(|node| !std::mem::replace(&mut made[node], true)).collect();
                    steps.mix(source, edges, &places, &fresh, &maps)?;
                }
                if keeps { steps.keep(source, edges, maps) } else { steps.give_up(maps) }
            }
        }
        Ok(())
    }

    /// `reached`: by input, whether anything before it has a gradient.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn backward<S: CellBackward>(&self, reached: &[bool], steps: &mut S) -> Result<(), S::Fault> {
        for source in (0..self.sources()).rev() {
            let edges: Vec<usize> = self.from(source).collect();
            if !edges.is_empty() {
                steps.source(source, &edges, reached.get(source) != Some(&false))?;
            }
        }
        steps.close()?;
        (0..self.inputs()).filter(|i| reached[*i]).try_for_each(|i| steps.enter(i))
    }
}
