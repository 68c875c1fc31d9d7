//! What a search has beside epochs: alphas, the genotype as it changes, why it stopped.

use super::{Change, Epochs, Weights, changes};
use crate::run::event::{Body, EpochEnded, Event, SearchStarted};
use crate::space::{Genotype, Space};

/// The mixing weights at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// In epochs from the start.
    pub at: f64,
    /// Wall clock, seconds since 1970.
    pub time: f64,
    pub weights: Weights,
}

/// The one-shot search: what it has beside epochs ([`Epochs`]).
#[derive(Clone, Debug, Default)]
pub struct Searching {
    /// What is searched.
    space: Space,
    pub setup: Option<SearchStarted>,
    pub epochs: Vec<EpochEnded>,
    /// Snapshots in order of time, thinned when there are many.
    pub alphas: Vec<Snapshot>,
    /// What each epoch changed in the genotype, with the epoch.
    pub changes: Vec<(usize, Vec<Change>)>,
    /// Why the search ended before its last epoch, and after which.
    pub stopped: Option<(usize, String)>,
    /// How far two evaluations of a second-order gradient were apart when last measured.
    pub spread: Option<f64>,
}

/// Snapshots kept.
const SNAPSHOTS: usize = 256;

impl Searching {
    /// `epochs` know of the event already.
    pub(super) fn apply(&mut self, event: &Event, epochs: &Epochs) {
        match &event.body {
            Body::RunStarted(run) => self.space = run.space.space(),
            // One that is resumed says so once more; what is known stays.
            Body::SearchStarted(setup) => self.setup = Some(setup.clone()),
            Body::Alphas { epoch, step, normal, reduction } => {
                let at = epochs.position(*epoch, *step);
                while self.alphas.last().is_some_and(|s| s.at >= at) {
                    self.alphas.pop();
                }
                if self.alphas.len() == SNAPSHOTS {
                    let mut keep = true;
                    self.alphas.retain(|_| {
                        keep = !keep;
                        keep
                    });
                }
                self.alphas.push(Snapshot {
                    at,
                    time: event.time,
                    weights: Weights::new(self.space, normal, reduction),
                });
            }
            Body::EpochEnded(epoch) => self.end_epoch(epoch),
            Body::SearchStopped { epoch, reason } => self.stopped = Some((*epoch, reason.clone())),
            Body::SecondOrder { spread, .. } => self.spread = Some(spread.0),
            _ => {}
        }
    }

    fn end_epoch(&mut self, epoch: &EpochEnded) {
        self.stopped = None;
        self.epochs.retain(|e| e.epoch < epoch.epoch);
        self.changes.retain(|(e, _)| *e < epoch.epoch);
        if let Some(before) = self.epochs.last() {
            let changed = changes(&before.genotype, &epoch.genotype);
            if !changed.is_empty() {
                self.changes.push((epoch.epoch, changed));
            }
        }
        self.epochs.push(epoch.clone());
    }

    /// The genotype of the latest epoch.
    pub fn genotype(&self) -> Option<&Genotype> {
        self.epochs.last().map(|e| &e.genotype)
    }

    /// The snapshot of a moment, in epochs from the start: the latest that is not after it.
    pub fn snapshot(&self, at: f64) -> Option<&Snapshot> {
        self.alphas.iter().rev().find(|s| s.at <= at + 1e-9)
    }

    /// The latest mixing weights, from whichever event told them last.
    pub fn weights(&self) -> Option<Weights> {
        let from_epoch = self.epochs.last().map(|e| (e.epoch as f64 + 1.0, e));
        let weights = |e: &EpochEnded| Weights::from_alphas(self.space, &e.alphas_normal, &e.alphas_reduction);
        match (self.alphas.last(), from_epoch) {
            (Some(s), Some((at, e))) if at > s.at => Some(weights(e)),
            (Some(s), _) => Some(s.weights.clone()),
            (None, Some((_, e))) => Some(weights(e)),
            (None, None) => None,
        }
    }
}
