//! The cut of a run as its journal tells it.

use std::cell::OnceCell;

use super::State;
use crate::engine::verdict::{self, Assessed};
use crate::run::event::{Body, Cut, RunStarted, Stage};
use crate::space::cut::{Cutter, Source};
use crate::space::{Mask, Place, count};

/// The cut that stands.
#[derive(Clone, Debug, Default)]
pub struct Cutting {
    pub cut: Option<Cut>,
    pub confirmed: bool,
    /// How many cuts were proposed so far; a confirmation names it, so that nobody confirms what they have not seen.
    pub proposals: usize,
    /// The verdict on a cut whose journal has none, when it is first asked for.
    judged: OnceCell<Option<Assessed>>,
}

impl Cutting {
    pub(super) fn apply(&mut self, body: &Body) {
        match body {
            Body::CutProposed(cut) => {
                self.cut = Some(cut.clone());
                self.confirmed = false;
                self.proposals += 1;
                self.judged = OnceCell::new();
            }
            // Of a run that is resumed proposals are counted on, as the engine does.
            Body::StageStarted { stage: Stage::Cut } => {
                *self = Cutting { proposals: self.proposals, ..Cutting::default() };
            }
            Body::CutConfirmed(cut) => {
                self.cut = Some(cut.clone());
                self.confirmed = true;
                self.judged = OnceCell::new();
            }
            _ => {}
        }
    }

    /// How many changes there were since the first proposal.
    pub fn revision(&self) -> usize {
        self.proposals.saturating_sub(1)
    }

    /// Whether the person's own hand set this place.
    pub fn by_hand(&self, place: Place) -> bool {
        self.cut.as_ref().is_some_and(|c| c.by_hand.contains(&place))
    }

    /// Whether edits are taken.
    pub fn is_open(&self) -> bool {
        self.cut.is_some() && !self.confirmed
    }
}

impl State {
    /// What is to be said of the cut: the engine's word, or, where its journal is of before, the same from its draws.
    pub fn verdict(&self) -> Option<&Assessed> {
        let cut = self.cut.cut.as_ref()?;
        cut.verdict.as_ref().or_else(|| self.cut.judged.get_or_init(|| self.judge(cut)).as_ref())
    }

    fn judge(&self, cut: &Cut) -> Option<Assessed> {
        let run = self.run.as_ref()?;
        let config = self.config.clone().unwrap_or_default();
        let setup = self.score.setup.as_ref();
        let round = self.score.of_round(0).filter(|r| r.ended);
        let stored = setup.zip(round).map(|(setup, round)| round.stored(setup));
        let own: Vec<_> = self.score.removals.iter().map(|(_, r)| r.clone()).collect();
        verdict::afterwards(cut, run, &config, stored.as_ref(), &own)
    }
}

/// What keeping the most parameters would keep of `space`: on every edge as many operations as `mask` does.
pub fn most_parameters(mask: &Mask, space: &Mask) -> Mask {
    let cutter = Cutter { space: *space, order: Vec::new(), seed: 0 };
    cutter.with_counts(Source::MostParameters, &mask.counts())
}

/// How large a masked space is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    pub operations: usize,
    /// Trainable parameters of the supernet and multiply-accumulates of one picture through it.
    pub parameters: Option<u64>,
    pub macs: Option<u64>,
    /// Decimal logarithm of the number of genotypes that it can express.
    pub genotypes_log10: f64,
}

impl Size {
    /// Of a mask in the supernet that a run searches; without a run, or where it can't be counted, parameters are not known.
    pub fn of(mask: &Mask, run: Option<&RunStarted>) -> Size {
        let counted = run.and_then(|r| {
            let network = count::Network {
                channels: r.channels,
                cells: r.cells.len(),
                classes: r.classes,
                input_channels: r.data.channels,
                height: r.data.height,
                width: r.data.width,
                auxiliary: false,
                stem: r.stem,
            };
            count::supernet(mask, &r.cells, &network).ok()
        });
        Size {
            operations: mask.count(),
            parameters: counted.map(|c| c.parameters),
            macs: counted.map(|c| c.macs),
            genotypes_log10: count::genotypes_log10(mask),
        }
    }
}
