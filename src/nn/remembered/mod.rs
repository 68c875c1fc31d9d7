//! Leave-one-out: a pass of a network that lacks one operation takes from the pass of the whole network whatever that operation
//! has no part in. Numbers are those of a pass of its own, bit for bit.
//!
//! All cells of a kind lose the operation. So everything before the first cell of that kind is the same; and in that cell the
//! branches that read what lies before the edge's node, and what earlier sources have given to the nodes.

mod cell;

use std::convert::Infallible;
use std::sync::Arc;

use self::cell::CellMemory;
use super::network::{End, NetworkPass};
use super::noise::Noise;
use super::norm::Norm;
use super::plan::{CellSizes, NetworkPlan};
use super::walk::{Forward, Walk, Wanted};
use super::{Mixing, NnError, Policy, Probe, head};
use crate::space::Place;

/// What watchers were shown in a pass, and how often the published network has each of the ReLUs that it was.
pub type Shown<P> = Vec<(Arc<P>, usize)>;

/// What a pass gave.
pub struct Recalled<P> {
    /// `[N, classes]`.
    pub logits: Vec<f32>,
    /// ReLUs alone; batch norms are not shown.
    pub shown: Shown<P>,
}

/// A pass with statistics of the batch, and what passes of smaller networks can take from it.
pub struct Remembered<P> {
    plan: NetworkPlan,
    /// Images, height and width.
    size: [usize; 3],
    /// By block.
    parameters: Vec<Vec<f32>>,
    logits: Vec<f32>,
    /// Of the stem, one or two, and of the cells before the last of `firsts`.
    outputs: Vec<Vec<f32>>,
    /// Of the stem.
    first_shown: Shown<P>,
    /// By cell, and of what comes after the last.
    shown: Vec<Shown<P>>,
    /// By kind, the first cell.
    firsts: [Option<(usize, CellMemory<P>)>; 2],
    noise: Noise,
    probe: Box<dyn Fn() -> P + Send + Sync>,
}

/// Numbers of both kinds' mixing weights, one after the other.
pub(super) fn flat(plan: &NetworkPlan, mixing: &Mixing) -> Result<Vec<f32>, NnError> {
    let mut all = mixing.normal.flatten_all()?.to_vec1::<f32>()?;
    all.extend(mixing.reduction.flatten_all()?.to_vec1::<f32>()?);
    let expected: usize = plan.tables.iter().sum();
    if all.len() != expected {
        return Err(NnError::Input(format!("mixing weights are {expected} numbers, not {}", all.len())));
    }
    Ok(all)
}

/// A pass through `plan` that is shown to `probe`.
fn pass<'a>(
    plan: &'a NetworkPlan,
    size: [usize; 3],
    noise: Noise,
    probe: Option<&'a Arc<dyn Probe>>,
) -> NetworkPass<'a> {
    NetworkPass {
        plan,
        size,
        norm: Norm::Batch,
        policy: Policy::Recompute,
        // Statistics are the batch's.
        running: &[],
        probe,
        end: End::Logits,
        factors: None,
        wanted: Wanted::NOTHING,
        retain: false,
        only: None,
        noise,
    }
}

/// Bytes of the maps that would be remembered.
pub(super) fn bytes(plan: &NetworkPlan, size: [usize; 3]) -> usize {
    let sizes = plan.sizes(size);
    let firsts = || plan.firsts();
    let cells: usize = firsts().map(|i| cell::bytes(&plan.cells[i], &sizes[i])).sum();
    // The outputs of the stem and of the cells before the last of them.
    let stem: usize = plan.stem.maps(size).map(|map| map.iter().product::<usize>()).sum();
    let outputs = (0..firsts().max().unwrap_or(0)).map(|i| cell::output(&plan.cells[i], &sizes[i]));
    cells + size_of::<f32>() * (stem + outputs.sum::<usize>())
}

impl<P: Probe + 'static> Remembered<P> {
    /// `images` are `[N, H, W, C]`, `parameters` by block; each part of the pass is shown to another one that `probe` makes.
    pub(super) fn new(
        plan: NetworkPlan,
        size: [usize; 3],
        images: &[f32],
        parameters: Vec<Vec<f32>>,
        mixing: &Mixing,
        noise: Noise,
        probe: impl Fn() -> P + Send + Sync + 'static,
    ) -> Result<Remembered<P>, NnError> {
        let mixing = flat(&plan, mixing)?;
        let needed = plan.firsts().max().unwrap_or(0) + plan.stems();
        let mut steps = Remembering {
            plan: &plan,
            sizes: plan.sizes(size),
            size,
            images,
            parameters: &parameters,
            mixing: &mixing,
            noise,
            probe: &probe,
            needed,
            outputs: Vec::new(),
            first_shown: Vec::new(),
            shown: Vec::new(),
            firsts: [None, None],
        };
        let Ok(()) = Walk { plan: &plan, wanted: Wanted::NOTHING, end: End::Logits }.forward(&mut steps);
        let Remembering { mut outputs, first_shown, mut shown, firsts, .. } = steps;
        let own = Arc::new(probe());
        let watcher: Arc<dyn Probe> = own.clone();
        let last = outputs.last().map_or(&[][..], Vec::as_slice);
        let logits = logits(&pass(&plan, size, noise, Some(&watcher)), &parameters, last);
        shown.push(vec![(own, 1)]);
        outputs.truncate(needed);
        let probe = Box::new(probe);
        Ok(Remembered { plan, size, parameters, logits, outputs, first_shown, shown, firsts, noise, probe })
    }

    /// The pass itself.
    pub fn whole(&self) -> Recalled<P> {
        let shown = [&self.first_shown[..], &self.shown.concat()].concat();
        Recalled { logits: self.logits.clone(), shown }
    }

    /// The pass of the network that lacks the operation at `place`, under `mixing`, which differs from the whole network's on
    /// that edge alone.
    ///
    /// # Errors
    /// Mixing weights of another shape, or candle's own.
    pub fn without(&self, place: Place, mixing: &Mixing) -> Result<Recalled<P>, NnError> {
        let Some((first, memory)) = &self.firsts[place.cell.index()] else { return Ok(self.whole()) };
        let (first, mixing) = (*first, flat(&self.plan, mixing)?);
        let plan = self.plan.without(place);
        let sizes = plan.sizes(self.size);
        let own = Arc::new((self.probe)());
        let watcher: Arc<dyn Probe> = own.clone();
        let pass = pass(&plan, self.size, self.noise, Some(&watcher));
        let mut shown = [&self.first_shown[..], &self.shown[..first].concat()].concat();
        let (output, parts) = pass.cell(first, sizes[first]).recall(
            memory,
            &self.plan.cells[first],
            place,
            &self.parameters[first + 1],
            &mixing[plan.mixing(first)],
        );
        shown.extend(parts);
        let (mut older, mut last) = (None, output);
        for (i, sizes) in sizes.into_iter().enumerate().skip(first + 1) {
            let before = older.as_ref().unwrap_or(&self.outputs[first + plan.stems() - 1]);
            let inputs = [&before[..], &last[..]];
            let inputs = &inputs[inputs.len() - plan.cells[i].inputs()..];
            let (weights, mixing) = (&self.parameters[i + 1], &mixing[plan.mixing(i)]);
            let output = pass.cell(i, sizes).forward(inputs, weights, mixing, false).0;
            older = Some(std::mem::replace(&mut last, output));
        }
        let logits = logits(&pass, &self.parameters, &last);
        shown.push((own, 1));
        Ok(Recalled { logits, shown })
    }
}

/// A pass that remembers its maps, under way.
struct Remembering<'p, P> {
    plan: &'p NetworkPlan,
    sizes: Vec<CellSizes>,
    size: [usize; 3],
    images: &'p [f32],
    parameters: &'p [Vec<f32>],
    mixing: &'p [f32],
    noise: Noise,
    probe: &'p dyn Fn() -> P,
    /// Outputs that smaller networks take: the first so many.
    needed: usize,
    outputs: Vec<Vec<f32>>,
    first_shown: Shown<P>,
    shown: Vec<Shown<P>>,
    firsts: [Option<(usize, CellMemory<P>)>; 2],
}

impl<P: Probe + 'static> Forward for Remembering<'_, P> {
    type Fault = Infallible;

    fn stem(&mut self) -> Result<(), Infallible> {
        let own = Arc::new((self.probe)());
        let watcher: Arc<dyn Probe> = own.clone();
        let pass = pass(self.plan, self.size, self.noise, Some(&watcher));
        self.outputs = pass.stem().forward(self.images, &self.parameters[0], false).0;
        // The plain stem has no ReLU.
        if self.plan.stems() > 1 {
            self.first_shown.push((own, 1));
        }
        Ok(())
    }

    fn cell(&mut self, i: usize, reads: &[usize]) -> Result<(), Infallible> {
        let (plan, sizes, kind) = (self.plan, self.sizes[i], self.plan.cells[i].shape.kind);
        let inputs: Vec<&[f32]> = reads.iter().map(|k| &self.outputs[*k][..]).collect();
        let (weights, mixing) = (&self.parameters[i + 1], &self.mixing[plan.mixing(i)]);
        let output = if plan.first(kind) == Some(i) {
            let pass = pass(plan, self.size, self.noise, None);
            let (output, memory) = pass.cell(i, sizes).remember(&inputs, weights, mixing, self.probe);
            self.shown.push(memory.shown(&plan.cells[i]));
            self.firsts[kind.index()] = Some((i, memory));
            output
        } else {
            let own = Arc::new((self.probe)());
            let watcher: Arc<dyn Probe> = own.clone();
            self.shown.push(vec![(own, 1)]);
            let pass = pass(plan, self.size, self.noise, Some(&watcher));
            pass.cell(i, sizes).forward(&inputs, weights, mixing, false).0
        };
        self.outputs.push(output);
        Ok(())
    }

    fn auxiliary(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }

    fn give_up(&mut self, k: usize) {
        if k >= self.needed {
            self.outputs[k] = Vec::new();
        }
    }

    /// With the classifier, as of smaller networks.
    fn closing(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Logits from the output of the last cell.
fn logits(pass: &NetworkPass, parameters: &[Vec<f32>], last: &[f32]) -> Vec<f32> {
    let plan = pass.plan;
    let shape = plan.features(pass.size, &plan.sizes(pass.size));
    let closed = pass.closing(shape).map(|c| c.forward(last, &parameters[plan.closing_block()]).0);
    head::forward(closed.as_deref().unwrap_or(last), shape, &parameters[plan.classifier_block()], plan.classes)
}

#[cfg(test)]
mod tests;
