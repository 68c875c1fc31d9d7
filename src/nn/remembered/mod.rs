//! Leave-one-out: a pass of a network that lacks one operation takes from the pass of the whole network whatever that operation
//! has no part in. Numbers are those of a pass of its own, bit for bit.
//!
//! All cells of a kind lose the operation. So everything before the first cell of that kind is the same; and in that cell the
//! branches that read what lies before the edge's node, and what earlier sources have given to the nodes.

mod cell;

use std::sync::Arc;

use self::cell::CellMemory;
use super::network::{End, NetworkPass};
use super::noise::Noise;
use super::norm::Norm;
use super::plan::NetworkPlan;
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
        weights_wanted: false,
        mixing_wanted: false,
        images_wanted: false,
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
        let needed = plan.firsts().max().unwrap_or(0);
        let (mut shown, mut firsts) = (Vec::new(), [None, None]);
        let stems = plan.stems();
        let own = Arc::new(probe());
        let watcher: Arc<dyn Probe> = own.clone();
        let mut outputs = pass(&plan, size, noise, Some(&watcher)).stem().forward(images, &parameters[0], false).0;
        // The plain stem has no ReLU.
        let first_shown = if stems > 1 { vec![(own, 1)] } else { Vec::new() };
        for (i, sizes) in plan.sizes(size).into_iter().enumerate() {
            let inputs: Vec<&[f32]> = plan.reads(i).map(|o| &outputs[o][..]).collect();
            let (weights, mixing) = (&parameters[i + 1], &mixing[plan.mixing(i)]);
            let kind = plan.cells[i].shape.kind;
            let output = if plan.first(kind) == Some(i) {
                let pass = pass(&plan, size, noise, None);
                let (output, memory) = pass.cell(i, sizes).remember(&inputs, weights, mixing, &probe);
                shown.push(memory.shown(&plan.cells[i]));
                firsts[kind.index()] = Some((i, memory));
                output
            } else {
                let own = Arc::new(probe());
                let watcher: Arc<dyn Probe> = own.clone();
                shown.push(vec![(own, 1)]);
                pass(&plan, size, noise, Some(&watcher)).cell(i, sizes).forward(&inputs, weights, mixing, false).0
            };
            outputs.push(output);
            // The last two are read by the next cell; what no smaller network takes can go before.
            if let Some(old) = i.checked_sub(1).filter(|old| *old > needed) {
                outputs[old + stems - 1] = Vec::new();
            }
        }
        let own = Arc::new(probe());
        let watcher: Arc<dyn Probe> = own.clone();
        let last = outputs.last().map_or(&[][..], Vec::as_slice);
        let logits = logits(&pass(&plan, size, noise, Some(&watcher)), &parameters, last);
        shown.push(vec![(own, 1)]);
        outputs.truncate(needed + stems);
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

/// Logits from the output of the last cell.
fn logits(pass: &NetworkPass, parameters: &[Vec<f32>], last: &[f32]) -> Vec<f32> {
    let plan = pass.plan;
    let shape = plan.features(pass.size, &plan.sizes(pass.size));
    let closed = pass.closing(shape).map(|c| c.forward(last, &parameters[plan.closing_block()]).0);
    head::forward(closed.as_deref().unwrap_or(last), shape, &parameters[plan.classifier_block()], plan.classes)
}

#[cfg(test)]
mod tests;
