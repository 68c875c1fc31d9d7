//! Keys of the cut editor become commands.

use super::dialogue::Choice;
use super::{Asked, Effect, Menu, Overlay, Ui};
use crate::explorer::action::Action;
use crate::explorer::state::State;
use crate::run::command::{Body, Edit};
use crate::run::event::Cut;
use crate::space::Place;
use crate::space::cut::Source;
use crate::text;

/// Marks kept on the curve.
const MARKS: usize = 8;

impl Ui {
    pub(super) fn edit(&mut self, action: Action, state: &State) -> Option<Effect> {
        let Some(cut) = &state.cut.cut else {
            self.say("there is no cut yet: it is proposed when scoring is done");
            return None;
        };
        if action == Action::Mark {
            self.mark(cut);
            return None;
        }
        if action == Action::Controls {
            // Runs of their own can be queued at any time.
            return self.open(Overlay::Menu { menu: Menu::Controls, cursor: 0 });
        }
        if state.cut.confirmed {
            self.say("the cut is confirmed and cannot change any more");
            return None;
        }
        let place = self.place();
        let level = |steps: f64| {
            // One operation an edge: between these levels nothing changes.
            let step = 1.0 / state.full().widest().max(2) as f64;
            Body::Cut(Edit::Level { xi: (((cut.xi / step).round() + steps) * step).clamp(step, 1.0 - step) })
        };
        let kept = cut.mask.contains(place);
        let body = match action {
            Action::LevelDown => level(-1.0),
            Action::LevelUp => level(1.0),
            Action::Scope => Body::Cut(Edit::Scope { scope: cut.scope.turned() }),
            Action::Toggle if kept => Body::Cut(Edit::Drop { place }),
            Action::Toggle => Body::Cut(Edit::Keep { place }),
            Action::WholeEdge => {
                let most = state
                    .space()
                    .operations()
                    .iter()
                    .filter(|o| state.score.takes_part(Place::new(self.cell, self.edge, **o)))
                    .count();
                let keep = cut.mask.count_on(self.cell, self.edge) < most;
                Body::Cut(Edit::Edge { cell: self.cell, edge: self.edge, keep })
            }
            Action::WholeKind => {
                let everywhere =
                    state.space().edges(self.cell).iter().all(|e| cut.mask.keeps(self.cell, *e, self.operation));
                let keep = !kept && !everywhere;
                Body::Cut(Edit::Kind { cell: Some(self.cell), operation: self.operation, keep })
            }
            Action::Undo => Body::Undo,
            Action::Redo => Body::Redo,
            Action::Automatic => Body::Cut(Edit::Automatic),
            Action::By | Action::Budget | Action::Confirm if !self.heard(state) => return None,
            Action::Budget => {
                let typed = cut.budget_bytes.map_or_else(String::new, text::bytes);
                return self.open(Overlay::Prompt { asked: Asked::Budget, typed: typed.into() });
            }
            Action::By => {
                let now = match cut.source.parse() {
                    Ok(Source::Scores) => Edit::By(cut.by.clone()),
                    _ => Edit::Source { source: cut.source.clone() },
                };
                let now = Choice::Send(Body::Cut(now));
                let cursor = self.choices(Menu::By, state).iter().position(|(_, choice)| *choice == now).unwrap_or(0);
                return self.open(Overlay::Menu { menu: Menu::By, cursor });
            }
            Action::Confirm => return self.open(Overlay::Menu { menu: Menu::Confirm, cursor: 0 }),
            _ => return None,
        };
        self.send(state, body)
    }

    /// Marks a cut on the curve, or takes its mark away.
    fn mark(&mut self, cut: &Cut) {
        let mark = (cut.gone(), cut.memory_bytes);
        if let Some(at) = self.marks.iter().position(|m| *m == mark) {
            self.marks.remove(at);
            return;
        }
        if self.marks.len() == MARKS {
            self.marks.remove(0);
        }
        self.marks.push(mark);
    }
}
