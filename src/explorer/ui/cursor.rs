//! Moving through grids and lists.

use super::{Effect, Layout, Tab, Ui};
use crate::explorer::action::Action;
use crate::explorer::state::State;
use crate::space::{CellKind, Edge, Place};

impl Ui {
    pub(super) fn step(&mut self, action: Action, state: &State) -> Option<Effect> {
        match (self.tab, action) {
            (Tab::Runs, Action::Left) if self.comparing.is_some() => {
                self.compared_from = self.compared_from.saturating_sub(1);
            }
            // The screen stops at its end.
            (Tab::Runs, Action::Right) if self.comparing.is_some() => {
                self.compared_from = (self.compared_from + 1).min(self.chosen.len().saturating_sub(1));
            }
            (Tab::Runs, _) if self.comparing.is_some() => {
                self.scroll_comparison(if action == Action::Up { -1 } else { 1 })
            }
            (Tab::Runs, Action::Up) => self.runs = self.runs.saturating_sub(1),
            (Tab::Runs, Action::Down) => self.runs = (self.runs + 1).min(self.runs_total.saturating_sub(1)),
            (Tab::Study, _) => {
                let ((settings, seeds), (row, column)) = (self.study_size, &mut self.study);
                match action {
                    Action::Up => *row = row.saturating_sub(1),
                    Action::Down => *row = (*row + 1).min(settings.saturating_sub(1)),
                    Action::Left => *column = column.saturating_sub(1),
                    _ => *column = (*column + 1).min(seeds.saturating_sub(1)),
                }
            }
            (Tab::Log, Action::Up) => self.scroll_log(1, state),
            (Tab::Log, Action::Down) => self.scroll_log(-1, state),
            (Tab::Score, _) if self.layout == Layout::List => self.move_in_list(action, state),
            (Tab::Score | Tab::Cut | Tab::Search, _) => self.move_cursor(action, state),
            _ => {}
        }
        None
    }

    pub(super) fn jump(&mut self, action: Action, state: &State) -> Option<Effect> {
        match (self.tab, action) {
            (Tab::Runs, _) if self.comparing.is_some() => match action {
                Action::First => self.comparing = Some(0),
                Action::Last => self.scroll_comparison(1000),
                Action::PageUp => self.scroll_comparison(-(self.page as isize)),
                _ => self.scroll_comparison(self.page as isize),
            },
            (Tab::Runs, Action::First) => self.runs = 0,
            (Tab::Runs, Action::Last) => self.runs = self.runs_total.saturating_sub(1),
            (Tab::Runs, Action::PageUp) => self.runs = self.runs.saturating_sub(self.page),
            (Tab::Runs, _) => self.runs = (self.runs + self.page).min(self.runs_total.saturating_sub(1)),
            (Tab::Study, _) => {
                let last = self.study_size.0.saturating_sub(1);
                self.study.0 = match action {
                    Action::First => 0,
                    Action::Last => last,
                    Action::PageUp => self.study.0.saturating_sub(self.page),
                    _ => (self.study.0 + self.page).min(last),
                };
            }
            (Tab::Log, Action::First) => self.log_scroll = state.log.lines.len().saturating_sub(1),
            (Tab::Log, Action::Last) => self.log_scroll = 0,
            (Tab::Log, Action::PageUp) => self.scroll_log(self.page as isize, state),
            (Tab::Log, _) => self.scroll_log(-(self.page as isize), state),
            (Tab::Score | Tab::Cut | Tab::Search, _) => {
                let edges = state.space().edges(self.cell);
                let (at, last) = (self.row(edges), edges.len().saturating_sub(1));
                let to = match action {
                    Action::First => 0,
                    Action::Last => last,
                    Action::PageUp => at.saturating_sub(5),
                    _ => (at + 5).min(last),
                };
                self.edge = edges.get(to).copied().unwrap_or(self.edge);
            }
            _ => {}
        }
        None
    }

    pub(super) fn scroll_log(&mut self, lines: isize, state: &State) {
        self.log_scroll = self.log_scroll.saturating_add_signed(lines).min(state.log.lines.len().saturating_sub(1));
    }

    /// Left and right run on from one cell into the other, past columns that are not shown.
    fn move_cursor(&mut self, action: Action, state: &State) {
        let (columns, edges) = (state.columns(), state.space().edges(self.cell));
        let beside = |other| Some(other).filter(|cell| state.space().graph(*cell).is_some());
        let at = columns.iter().position(|o| *o == self.operation);
        match action {
            Action::Up => self.edge = edges.get(self.row(edges).wrapping_sub(1)).copied().unwrap_or(self.edge),
            Action::Down => self.edge = edges.get(self.row(edges) + 1).copied().unwrap_or(self.edge),
            Action::Left => match at {
                Some(0) if self.cell == CellKind::Reduction => {
                    if let Some(cell) = beside(CellKind::Normal) {
                        self.enter(cell, state);
                        self.operation = columns.last().copied().unwrap_or(self.operation);
                    }
                }
                Some(i) => self.operation = columns.get(i.saturating_sub(1)).copied().unwrap_or(self.operation),
                None => self.operation = columns.first().copied().unwrap_or(self.operation),
            },
            _ => match at {
                Some(i) if i + 1 == columns.len() && self.cell == CellKind::Normal => {
                    if let Some(cell) = beside(CellKind::Reduction) {
                        self.enter(cell, state);
                        self.operation = columns.first().copied().unwrap_or(self.operation);
                    }
                }
                Some(i) => self.operation = columns.get(i + 1).copied().unwrap_or(self.operation),
                None => self.operation = columns.first().copied().unwrap_or(self.operation),
            },
        }
    }

    pub(super) fn scroll_comparison(&mut self, lines: isize) {
        // More than the longest comparison; the screen stops at its end.
        self.comparing = self.comparing.map(|at| at.saturating_add_signed(lines).min(400));
    }

    /// Up and down through all operations in order of importance.
    fn move_in_list(&mut self, action: Action, state: &State) {
        let list = self.ordered(state);
        let Some(last) = list.len().checked_sub(1) else { return };
        let at = list.iter().position(|p| *p == self.place());
        let next = match (action, at) {
            (Action::Up, Some(i)) => i.saturating_sub(1),
            (Action::Down, Some(i)) => (i + 1).min(last),
            (Action::Up | Action::Down, None) => 0,
            _ => return self.move_cursor(action, state),
        };
        self.go_to(list[next]);
    }

    /// The row of the edge under the cursor.
    fn row(&self, edges: &[Edge]) -> usize {
        edges.iter().position(|e| *e == self.edge).unwrap_or(0)
    }

    /// Into another kind of cell, if the space has it: on the same edge, or where that is missing in the same row or the last.
    pub(super) fn enter(&mut self, cell: CellKind, state: &State) {
        let row = self.row(state.space().edges(self.cell));
        let edges = state.space().edges(cell);
        let Some(last) = edges.len().checked_sub(1) else { return };
        self.cell = cell;
        if !edges.contains(&self.edge) {
            self.edge = edges[row.min(last)];
        }
    }

    /// Brings the cursor back into the search space, where it is none of its places.
    pub fn settle(&mut self, state: &State) {
        let space = state.space();
        let Some(graph) = space.graph(self.cell).or(space.graphs().first()) else { return };
        let first = graph.edges.first().copied().unwrap_or(self.edge);
        self.edge = if graph.row(self.edge).is_some() { self.edge } else { first };
        self.cell = graph.kind;
        if space.column(self.operation).is_none() {
            self.operation = state.columns().first().copied().unwrap_or(self.operation);
        }
    }

    /// Puts the cursor on a place.
    pub fn go_to(&mut self, place: Place) {
        (self.cell, self.edge, self.operation) = (place.cell, place.edge, place.operation);
    }

    /// All operations that pass the filter, most important first; what has no score yet comes last. Of one round, those that
    /// took part in it.
    pub fn ordered(&self, state: &State) -> Vec<Place> {
        let round = self.round_of(state);
        let ranking = state.score.ranking(self.function, round);
        let wanted = &self.filters[0];
        let mut list: Vec<Place> = state
            .space()
            .places()
            .filter(|p| state.score.takes_part(*p))
            .filter(|p| round.is_none() || state.score.shown(*p, round).is_some())
            .filter(|p| crate::text::contains(&names(*p), wanted))
            .collect();
        list.sort_by_key(|p| ranking.rank(*p).unwrap_or(usize::MAX));
        list
    }

    /// The round whose scores are chosen, if it has begun; without one each operation's deciding round is shown.
    pub fn round_of(&self, state: &State) -> Option<usize> {
        self.round.filter(|r| state.score.of_round(*r).is_some())
    }

    /// From the deciding rounds to the first, on to the last, and to the deciding ones again.
    pub(super) fn step_round(&mut self, on: bool, state: &State) {
        let last = state.score.rounds().checked_sub(1);
        self.round = match (self.round_of(state), on) {
            (None, true) => last.map(|_| 0),
            (None, false) => last,
            (Some(r), true) => Some(r + 1).filter(|r| Some(*r) <= last),
            (Some(r), false) => r.checked_sub(1),
        };
    }
}

/// Everything that a place is called, on the screen, in files and in commands.
fn names(place: Place) -> String {
    let Place { cell, edge, operation } = place;
    let (from, to) = (edge.source(), edge.target());
    let index = edge.number().map_or(String::new(), |n| n.to_string());
    let (short, narrow) = (operation.short(), operation.narrow());
    format!(
        "{cell} {edge} {from}>{to} {from}-{to} {from}->{to} {operation} {short} {narrow} {cell}:{index}:{operation}"
    )
}
