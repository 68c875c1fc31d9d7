//! Exports of NNI's DARTS: `normal_n2_p0` is the operation of node 2 on what state 0 gives, `normal_n2_switch` the two of them
//! that stay; or, newer, `normal/op_2_0` and `normal/input_2_0`. There are no concatenations: they are of all nodes.

use super::meaning::{Context, Fault, Spots, check};
use super::value::{Kind, Stop, Value, found, stop};
use crate::space::cell::MOST_STATES;
use crate::space::{CellKind, Choice, Genotype, Operation, Stacking};

/// What an entry is of.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    Operation(CellKind, usize, usize),
    Switch(CellKind, usize),
    /// The operation or the source of a node's first or second input.
    Input(CellKind, usize, usize, bool),
}

fn key(name: &str) -> Option<Key> {
    let (cell, rest) = match name.strip_prefix("normal") {
        Some(rest) => (CellKind::Normal, rest),
        None => (CellKind::Reduction, name.strip_prefix("reduce").or_else(|| name.strip_prefix("reduction"))?),
    };
    let two = |text: &str, between: &str| {
        let (a, b) = text.split_once(between)?;
        Some((a.parse::<usize>().ok()?, b.parse::<usize>().ok()?))
    };
    if let Some(rest) = rest.strip_prefix("_n") {
        if let Some(node) = rest.strip_suffix("_switch") {
            return Some(Key::Switch(cell, node.parse().ok()?));
        }
        return two(rest, "_p").map(|(node, source)| Key::Operation(cell, node, source));
    }
    let rest = rest.strip_prefix('/')?;
    let of = |prefix: &str| rest.strip_prefix(prefix).and_then(|r| two(r, "_"));
    match (of("op_"), of("input_")) {
        (Some((node, i)), _) => Some(Key::Input(cell, node, i, true)),
        (_, Some((node, i))) => Some(Key::Input(cell, node, i, false)),
        _ => None,
    }
}

fn of_entry(entry: &(Value, Value)) -> Option<Key> {
    match entry.0.kind {
        Kind::Text(name) => key(name),
        _ => None,
    }
}

/// Whether a dictionary is such an export.
pub(super) fn is_export(entries: &[(Value, Value)]) -> bool {
    entries.iter().any(|e| of_entry(e).is_some())
}

/// The genotype of an export, which begins at byte `at`.
pub(super) fn genotype(context: &Context, at: usize, entries: &[(Value, Value)]) -> Result<Genotype, Fault> {
    let export = Export { context, at, entries };
    let mut spots = [at; 2].map(|at| Spots { list: at, choices: Vec::new(), concat: at });
    let mut cells = [Vec::new(), Vec::new()];
    let mut concat = [Vec::new(), Vec::new()];
    for graph in context.space.unwrap_or_default().graphs() {
        let cell = graph.kind;
        for node in graph.node_states() {
            for (choice, at) in export.node(cell, node)? {
                cells[cell.index()].push(choice);
                spots[cell.index()].choices.push(at);
            }
        }
        concat[cell.index()] = graph.node_states().collect();
    }
    let ([normal, reduction], [normal_concat, reduction_concat]) = (cells, concat);
    let stacking = Stacking::Darts;
    check(Genotype { stacking, normal, normal_concat, reduction, reduction_concat }, context.space, &spots)
}

struct Export<'c, 'a> {
    context: &'c Context<'a>,
    at: usize,
    entries: &'c [(Value<'a>, Value<'a>)],
}

impl<'a> Export<'_, 'a> {
    fn get(&self, key: Key) -> Option<&Value<'a>> {
        self.entries.iter().find(|e| of_entry(e) == Some(key)).map(|(_, value)| value)
    }

    /// The one name or number that a value is, perhaps in a list of its own.
    fn single<'v>(value: &'v Value<'a>) -> &'v Value<'a> {
        match &value.kind {
            Kind::List(items) if items.len() == 1 => &items[0],
            _ => value,
        }
    }

    fn operation(&self, value: &Value<'a>) -> Result<Operation, Stop> {
        match Self::single(value).kind {
            Kind::Text("maxpool") => Ok(Operation::MaxPool3x3),
            Kind::Text("avgpool") => Ok(Operation::AvgPool3x3),
            Kind::Text(name) => self.context.operation(value.at, name),
            _ => self.expected(value.at, "the name of an operation"),
        }
    }

    fn expected<T>(&self, at: usize, what: &str) -> Result<T, Stop> {
        stop(at, format!("an export of NNI; expected {what} here, found {}", found(self.context.text, at)))
    }

    /// The inputs of a node, and where each stands.
    fn node(&self, cell: CellKind, node: usize) -> Result<Vec<(Choice, usize)>, Stop> {
        let word = if cell == CellKind::Normal { "normal" } else { "reduce" };
        if let Some(switch) = self.get(Key::Switch(cell, node)) {
            let names = match &switch.kind {
                Kind::List(names) => &names[..],
                _ => std::slice::from_ref(switch),
            };
            let input = |name: &Value<'a>| {
                let source = match name.kind {
                    Kind::Text(text) => match key(text) {
                        Some(Key::Operation(c, n, source)) if (c, n) == (cell, node) => source,
                        _ => return self.expected(name.at, &format!("`{word}_n{node}_p0` or the like")),
                    },
                    Kind::Number(n) if n.fract() == 0.0 && (0.0..MOST_STATES as f64).contains(&n) => n as usize,
                    _ => return self.expected(name.at, &format!("`{word}_n{node}_p0` or the like")),
                };
                let Some(value) = self.get(Key::Operation(cell, node, source)) else {
                    return stop(name.at, format!("an export of NNI without `{word}_n{node}_p{source}`"));
                };
                Ok((Choice { operation: self.operation(value)?, source }, value.at))
            };
            let inputs = names.iter().map(input).collect::<Result<Vec<_>, _>>()?;
            if inputs.len() != 2 {
                let found = inputs.len();
                return stop(switch.at, format!("an export of NNI; a node takes two inputs, this one has {found}"));
            }
            return Ok(inputs);
        }
        let input = |i: usize| {
            let part = |operation| self.get(Key::Input(cell, node, i, operation));
            let (Some(operation), Some(source)) = (part(true), part(false)) else {
                let lacks = format!("`{word}_n{node}_switch`, or `{word}/op_{node}_{i}` and `{word}/input_{node}_{i}`");
                return stop(self.at, format!("an export of NNI without {lacks}"));
            };
            match Self::single(source).kind {
                Kind::Number(n) if n.fract() == 0.0 && (0.0..MOST_STATES as f64).contains(&n) => {
                    Ok((Choice { operation: self.operation(operation)?, source: n as usize }, operation.at))
                }
                _ => self.expected(source.at, "the number of a state"),
            }
        };
        Ok(vec![input(0)?, input(1)?])
    }
}
