//! The table: lines that a filter lets through, in an order, runs or groups of them.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::column::Column;
use super::filter::Filter;
use super::group::{Cell, Group, group_of};
use super::run::Listed;
use super::value::Value;
use crate::run::config::KEYS;

/// A name for its parts, which are what counts.
const METHOD: &str = "search.method";
const PARTS: [&str; 4] = ["search.order", "search.regularisers", "search.alpha_warmup_epochs", "search.stop"];

/// What the lines are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: Column,
    /// The highest first.
    pub falling: bool,
}

impl Sort {
    /// By a column in its own direction.
    pub fn by(column: Column) -> Sort {
        Sort { column, falling: column.falls() }
    }
}

/// What is asked of the list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub filter: Filter,
    /// None: as the list is, the newest first.
    pub sort: Option<Sort>,
    /// Runs that differ in nothing but their seed are one line.
    pub grouped: bool,
    /// Groups whose runs are shown below them, by their keys.
    pub open: BTreeSet<String>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A run by its number in the list.
    Run(usize),
    /// The same below its group.
    Member(usize),
    Group(Group),
}

impl Line {
    /// The run that it is of; none of a group.
    pub const fn run(&self) -> Option<usize> {
        match self {
            Line::Run(i) | Line::Member(i) => Some(*i),
            Line::Group(_) => None,
        }
    }
}

/// The lines, and what they are made of.
pub struct Table<'a, R> {
    runs: &'a [R],
    now: f64,
    pub lines: Vec<Line>,
    /// Runs that the filter lets through.
    pub shown: usize,
}

impl<'a, R: Borrow<Listed>> Table<'a, R> {
    pub fn of(runs: &'a [R], query: &Query, now: f64) -> Table<'a, R> {
        let lets = |i: &usize| query.filter.lets(runs[*i].borrow(), now);
        let shown: Vec<usize> = (0..runs.len()).filter(lets).collect();
        let mut table = Table { runs, now, lines: Vec::new(), shown: shown.len() };
        let mut lines = if query.grouped { table.grouped(&shown, query) } else { table.each(&shown) };
        if let Some(sort) = query.sort {
            table.sort(&mut lines, sort);
        }
        for line in lines {
            let mut members = match &line {
                Line::Group(group) if group.open => group.runs.iter().map(|i| Line::Run(*i)).collect(),
                _ => Vec::new(),
            };
            if let Some(sort) = query.sort {
                table.sort(&mut members, sort);
            }
            table.lines.push(line);
            table.lines.extend(members.iter().filter_map(Line::run).map(Line::Member));
        }
        table
    }

    fn each(&self, shown: &[usize]) -> Vec<Line> {
        shown.iter().map(|i| Line::Run(*i)).collect()
    }

    /// Groups of two or more, where the first of them stands.
    fn grouped(&self, shown: &[usize], query: &Query) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        let mut at: HashMap<String, usize> = HashMap::new();
        for i in shown {
            let Some(key) = group_of(self.runs[*i].borrow()) else {
                lines.push(Line::Run(*i));
                continue;
            };
            match at.get(&key) {
                Some(line) => {
                    if let Line::Group(group) = &mut lines[*line] {
                        group.runs.push(*i);
                    }
                }
                None => {
                    at.insert(key.clone(), lines.len());
                    let open = query.open.contains(&key);
                    lines.push(Line::Group(Group { key, runs: vec![*i], open }));
                }
            }
        }
        for line in &mut lines {
            if let Line::Group(group) = line
                && let [alone] = group.runs[..]
            {
                *line = Line::Run(alone);
            }
        }
        lines
    }

    fn sort(&self, lines: &mut [Line], sort: Sort) {
        let mut keyed: Vec<(Option<Value>, Line)> =
            lines.iter().map(|line| (self.sorted_by(line, sort.column), line.clone())).collect();
        // What has no value stands last, whichever way it is sorted.
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) if sort.falling => b.order(a),
            (Some(a), Some(b)) => a.order(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        for (place, (_, line)) in lines.iter_mut().zip(keyed) {
            *place = line;
        }
    }

    fn sorted_by(&self, line: &Line, column: Column) -> Option<Value> {
        let value = match line {
            Line::Run(i) | Line::Member(i) => column.value(self.run(*i), self.now),
            Line::Group(group) => match self.cell(group, column) {
                Cell::Same(value) => value,
                cell => cell.number().map_or_else(|| Value::Words(cell.text(0)), Value::Number),
            },
        };
        Some(value).filter(|v| !v.is_missing())
    }

    pub fn run(&self, i: usize) -> &'a Listed {
        self.runs[i].borrow()
    }

    /// What a group shows in a column.
    pub fn cell(&self, group: &Group, column: Column) -> Cell {
        group.cell(column, |i| self.run(i), self.now)
    }

    /// Runs of a group that are done: those that its means are over.
    fn done(&self, group: &Group) -> usize {
        group.runs.iter().filter(|i| self.run(**i).is_done).count()
    }

    /// What stands in a column of a line, as people read it.
    pub fn text(&self, line: &Line, column: Column) -> String {
        match line {
            Line::Run(i) | Line::Member(i) => column.value(self.run(*i), self.now).text(),
            Line::Group(group) => self.cell(group, column).text(self.done(group)),
        }
    }

    /// Settings that results depend on and that are not the same in all lines: what the table is about. The seed is none of
    /// them where the lines are groups.
    pub fn varying(&self) -> Vec<Column> {
        let members = self.lines.iter().flat_map(|line| match line {
            Line::Run(i) | Line::Member(i) => vec![*i],
            Line::Group(group) => group.runs.first().copied().into_iter().collect(),
        });
        let runs: Vec<&Listed> = members.map(|i| self.run(i)).collect();
        let grouped = self.lines.iter().any(|l| matches!(l, Line::Group(_)));
        let differs = |key: usize| {
            let mut first: Option<&Value> = None;
            for run in &runs {
                let Ok(settings) = &run.settings else { continue };
                if !super::run::concerns(run.trains, KEYS[key].section) {
                    continue;
                }
                let value = settings.get(key);
                match first {
                    Some(known) if known != value => return true,
                    _ => first = Some(value),
                }
            }
            false
        };
        let method = KEYS.iter().position(|k| k.path() == METHOD).filter(|key| differs(*key));
        let told = |key: &usize| {
            let (k, path) = (&KEYS[*key], KEYS[*key].path());
            // A file's text has no place in a table, and grouped runs differ in their seeds. A method's name says its parts.
            let left_out = path == "space.definition"
                || grouped && path == "seed"
                || method.is_some() && PARTS.contains(&path.as_str());
            (!k.free || path == METHOD) && !left_out
        };
        (0..KEYS.len()).filter(told).filter(|key| differs(*key)).map(Column::Setting).collect()
    }
}
