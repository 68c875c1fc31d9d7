//! What would do nothing here and now, so that neither the footer nor the palette need offer it.

use super::{Overlay, Ui};
use crate::explorer::action::{self, ACTIONS, Action, Context};
use crate::explorer::state::State;
use crate::run::event::Outcome;

impl Ui {
    /// What the palette offers for what was typed, best first: rows of the table.
    pub fn offered(&self, state: &State, typed: &str) -> Vec<usize> {
        let here = self.screen(state);
        let mut rows = action::matching(here, typed);
        rows.retain(|row| !self.idle(state, here, ACTIONS[*row].action));
        rows
    }

    /// Whether an action would do nothing here and now.
    pub fn idle(&self, state: &State, context: Context, action: Action) -> bool {
        let works = self.engine_alive && state.ended.is_none() && !self.missing;
        match action {
            // A training has no mixing weights to look at.
            Action::EdgeLines => context == Context::Search && state.trains(),
            Action::OtherCell => {
                // The genotype that is trained need not be of the settings' space.
                let trained = state.genotype().filter(|_| state.trains());
                let kinds = trained.map_or_else(|| state.space().kinds().len(), |genotype| genotype.kinds().count());
                context == Context::Search && state.trains() || kinds < 2
            }
            Action::Pause => !works && self.replay.is_none() || self.opened.is_none() && state.run.is_none(),
            Action::Stop | Action::Abort | Action::Checkpoint => !works && self.replay.is_none(),
            Action::Confirm
            | Action::Toggle
            | Action::Undo
            | Action::Redo
            | Action::Budget
            | Action::Scope
            | Action::LevelDown
            | Action::LevelUp
            | Action::WholeEdge
            | Action::WholeKind
            | Action::Automatic
            | Action::By => state.cut.confirmed || !works,
            Action::Controls => state.trains() || state.cut.cut.is_none(),
            Action::Copy | Action::Export | Action::Train => state.genotype().is_none(),
            // Of the help; the list of warnings is short.
            Action::Filter => matches!(self.overlay, Some(Overlay::Warnings { .. })),
            Action::Back | Action::Forward | Action::Slower | Action::Faster => self.replay.is_none(),
            Action::Resume => match context {
                // Of the run under the cursor, whatever is open.
                Context::Runs => false,
                Context::Score | Context::Cut | Context::Search | Context::Cell | Context::Log | Context::Waiting => {
                    let done = state.ended.as_ref().is_some_and(|e| e.outcome == Outcome::Done);
                    self.opened.is_none() || works || done || self.missing || self.replay.is_some()
                }
                _ => true,
            },
            _ => false,
        }
    }
}
