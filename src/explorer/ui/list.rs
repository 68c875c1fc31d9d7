//! The list of runs as it is asked for: filter, columns, order, groups; what is done to a line of it.

use super::{Asked, Effect, Menu, Overlay, Typed, Ui};
use crate::explorer::action::Action;
use crate::explorer::runs::Row;
use crate::run::listing::{Column, Filter, Line, Query, Sort, Table, parse_columns, suggest};

/// Runs that are pinned at most.
const PINS: usize = 6;

/// How the person wants the list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Chosen columns; none: those that there is room for.
    pub columns: Vec<Column>,
    pub sort: Option<Sort>,
    pub grouped: bool,
    /// Keys of groups whose runs are shown.
    pub open: std::collections::BTreeSet<String>,
}

impl Ui {
    fn query(&self) -> Query {
        let (filter, _) = Filter::parse(&self.filters[1]);
        Query { filter, sort: self.list.sort, grouped: self.list.grouped, open: self.list.open.clone() }
    }

    /// The lines of the list.
    pub fn table<'a>(&self, rows: &'a [Row], now: f64) -> Table<'a, Row> {
        Table::of(rows, &self.query(), now)
    }

    /// What is wrong with the list's filter.
    pub fn filter_faults(&self) -> Vec<String> {
        Filter::parse(&self.filters[1]).1
    }

    /// Sorts by the next of these columns, or the one before; past the last as the list is.
    pub fn step_sort(&mut self, columns: &[Column], on: bool) {
        let at = self.list.sort.and_then(|s| columns.iter().position(|c| *c == s.column));
        let next = match (at, on) {
            (None, true) => Some(0),
            (None, false) => columns.len().checked_sub(1),
            (Some(i), true) => Some(i + 1).filter(|i| *i < columns.len()),
            (Some(i), false) => i.checked_sub(1),
        };
        self.list.sort = next.and_then(|i| columns.get(i)).map(|c| Sort::by(*c));
        self.runs = 0;
    }

    /// Sorts by a column; the other way round, where it is sorted by that already.
    pub fn sort_by(&mut self, column: Column) {
        self.list.sort = match self.list.sort {
            Some(sort) if sort.column == column => Some(Sort { falling: !sort.falling, ..sort }),
            _ => Some(Sort::by(column)),
        };
        self.runs = 0;
    }

    /// The other way round.
    pub(super) fn turn_sort(&mut self) {
        match self.list.sort {
            Some(sort) => self.sort_by(sort.column),
            None => self.say("choose what the runs are sorted by first"),
        }
    }

    pub(super) fn group(&mut self) {
        self.list.grouped = !self.list.grouped;
        self.list.open.clear();
        self.runs = 0;
        if self.list.grouped {
            self.say("runs that differ in nothing but their seed are one line; means are over those that are done");
        }
    }

    /// What is done to a line of the list.
    pub fn of_line(&mut self, action: Action, line: &Line, rows: &[Row]) -> Option<Effect> {
        match (line, action) {
            (Line::Group(group), Action::Choose) => {
                let names: Vec<&String> = group.runs.iter().filter_map(|i| rows.get(*i)).map(|r| &r.name).collect();
                if names.iter().all(|n| self.chosen.contains(n)) {
                    self.chosen.retain(|n| !names.contains(&n));
                } else {
                    for name in names {
                        if !self.chosen.contains(name) {
                            self.choose(name);
                        }
                    }
                }
                None
            }
            (Line::Group(group), Action::Open) => {
                if !self.list.open.remove(&group.key) {
                    self.list.open.insert(group.key.clone());
                }
                None
            }
            (Line::Group(group), _) => {
                let n = group.runs.len();
                self.say(format!("this line is {n} runs: enter shows them, and what is done is done to one of them"));
                None
            }
            (Line::Run(i) | Line::Member(i), _) => self.of_run(action, rows.get(*i)?),
        }
    }

    /// What is done to a run of the list.
    pub fn of_run(&mut self, action: Action, row: &Row) -> Option<Effect> {
        match action {
            Action::Open => return Some(Effect::Open(self.runs)),
            Action::Replay => return Some(Effect::Replay(self.runs)),
            Action::Choose => self.choose(&row.name),
            Action::Pin => {
                if let Some(at) = self.pinned.iter().position(|n| *n == row.name) {
                    self.pinned.remove(at);
                } else if self.pinned.len() == PINS {
                    self.say(format!("{PINS} runs are pinned already; unpin one first"));
                } else {
                    self.pinned.push(row.name.clone());
                }
                return Some(Effect::Pins);
            }
            Action::Resume if row.can_go_on => return Some(Effect::Resume(self.runs)),
            Action::Resume if row.has_engine => self.say(format!("{} is at work already: {}", row.name, row.status)),
            Action::Resume => self.say(format!("{} is {}: there is nothing to resume", row.name, row.status)),
            Action::Delete if row.has_engine => {
                self.say(format!("an engine is at work on {}: open it and stop it first", row.name));
            }
            Action::Delete => {
                self.about.clone_from(&row.name);
                return self.open(Overlay::Menu { menu: Menu::Delete, cursor: 0 });
            }
            Action::Note | Action::Tags => match &row.notes {
                Err(why) => self.say(format!("{}: {why}", row.name)),
                Ok(notes) => {
                    self.about.clone_from(&row.name);
                    let (asked, typed) = match action {
                        Action::Note => (Asked::Note, notes.note.clone()),
                        _ => (Asked::Tags, notes.tags.join(" ")),
                    };
                    return self.open(Overlay::Prompt { asked, typed: typed.into() });
                }
            },
            _ => {}
        }
        None
    }

    /// Chooses a run for the comparison, or no longer.
    fn choose(&mut self, name: &str) {
        if let Some(at) = self.chosen.iter().position(|n| n == name) {
            self.chosen.remove(at);
        } else {
            self.chosen.push(name.to_string());
        }
    }

    /// Takes the columns that were typed; the prompt stays open over what is wrong with them.
    pub(super) fn take_columns(&mut self, typed: Typed) -> Option<Effect> {
        match parse_columns(&typed) {
            Ok(columns) => self.list.columns = columns,
            Err(_) => return self.open(Overlay::Prompt { asked: Asked::Columns, typed }),
        }
        None
    }

    /// What is to be said beside a text that is typed about the list: what is wrong with it, or what its last word may become.
    pub fn hint(&self) -> Option<(bool, String)> {
        let Some(Overlay::Prompt { asked, typed }) = &self.overlay else { return None };
        let last = typed.rsplit([' ', ',']).next().unwrap_or("");
        let names = |sign: &str| {
            let all: Vec<String> = suggest(last).into_iter().map(|c| format!("{}{sign}", c.key())).collect();
            (!last.is_empty() && !all.is_empty()).then(|| (false, all.join(" ")))
        };
        match asked {
            Asked::Filter if self.tab == super::Tab::Runs => match &self.filter_faults()[..] {
                [] if last.contains([':', '<', '>', '=']) => None,
                [] => names(":"),
                wrong => Some((true, wrong.join("; "))),
            },
            Asked::Columns => match parse_columns(typed) {
                Ok(_) => names(""),
                // A word that is still typed may become many.
                Err(e) => Some((true, e.to_string())),
            },
            _ => None,
        }
    }
}
