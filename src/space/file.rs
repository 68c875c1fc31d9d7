//! A search space of one's own, from a TOML file: its name, its operations, and for each kind of cell the nodes, the edges and
//! the candidates.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::cell::MOST_NODES;
use super::definition::{Definition, Graph, MOST_OPERATIONS, Space};
use super::stacking::Stacking;
use super::{CellKind, Edge, Operation};
use crate::complaint::{Complaint, line};

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A file that is no search space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceFileError {
    #[error("line {line}: {reason}")]
    Line { line: usize, reason: String },
    #[error("{0}")]
    Whole(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    operations: Spanned<Vec<Spanned<String>>>,
    stacking: Option<Spanned<String>>,
    normal: Option<Spanned<CellText>>,
    reduction: Option<Spanned<CellText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CellText {
    nodes: Spanned<usize>,
    edges: Option<Spanned<Edges>>,
    #[serde(default)]
    candidates: BTreeMap<Spanned<String>, Spanned<Vec<Spanned<String>>>>,
}

/// `"complete"`, or a list of names such as `0>2`.
#[derive(Default)]
enum Edges {
    #[default]
    Complete,
    Word(String),
    List(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Edges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Edges, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = Edges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"complete\" or a list of edges such as [\"0>2\", \"1>2\"]")
            }

            fn visit_str<E>(self, word: &str) -> Result<Edges, E> {
                Ok(if word == "complete" { Edges::Complete } else { Edges::Word(word.into()) })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Edges, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Edges::List(names))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// What is wrong, and the byte where.
type Fault = (usize, String);

fn fault<T>(at: &Spanned<impl Sized>, reason: impl Into<String>) -> Result<T, Fault> {
    Err((at.span().start, reason.into()))
}

/// The first 40 letters, without what would move a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Space {
    /// The space that a TOML text describes; [`Space::to_toml`] prints one. A text that was read before has the same handle.
    ///
    /// # Errors
    /// Not TOML, a key that is not known, or no search space: the line, and what is wrong there.
    pub fn read(text: &str) -> Result<Space, SpaceFileError> {
        if let Some(space) = Space::kept(text) {
            return Ok(space);
        }
        let file: File = toml::from_str(text).map_err(|e| {
            let Complaint { line, reason } = Complaint::of(&e, text, "key", None);
            match line {
                Some(line) => SpaceFileError::Line { line, reason },
                None => SpaceFileError::Whole(reason),
            }
        })?;
        let parts = Parts::of(&file).map_err(|(at, reason)| SpaceFileError::Line { line: line(text, at), reason })?;
        Ok(Space::keep(text, |text| parts.kept(text)))
    }

    /// The space in a file.
    ///
    /// # Errors
    /// A file that can't be read, is too long, or is no search space.
    pub fn open(path: &Path) -> Result<Space, SpaceFileError> {
        Space::read(&text_of(path)?)
    }
}

fn text_of(path: &Path) -> Result<String, SpaceFileError> {
    let whole = |e: std::io::Error| SpaceFileError::Whole(format!("can't be read: {e}"));
    let mut text = String::new();
    std::fs::File::open(path).map_err(whole)?.take(LONGEST + 1).read_to_string(&mut text).map_err(whole)?;
    if text.len() as u64 > LONGEST {
        return Err(SpaceFileError::Whole(format!("more than {LONGEST} bytes are too many for a search space")));
    }
    Ok(text)
}

/// A checked file.
struct Parts {
    name: String,
    about: String,
    operations: Vec<Operation>,
    stacking: Stacking,
    graphs: Vec<(CellKind, usize, Vec<Edge>)>,
    candidates: Vec<u16>,
}

impl Parts {
    fn of(file: &File) -> Result<Parts, Fault> {
        let name = file.name.get_ref();
        if name.is_empty()
            || name.len() > 40
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return fault(&file.name, "a name has 1 to 40 letters, digits, `_` and `-`");
        }
        if super::known::built_in().any(|s| s.name() == name) {
            return fault(&file.name, format!("`{name}` is the name of a built-in space; give yours another one"));
        }
        let operations = operations(&file.operations)?;
        let stacking = match &file.stacking {
            Some(text) => text.get_ref().parse().or_else(|e: String| fault(text, e))?,
            None => Stacking::default(),
        };
        let mut parts = Parts {
            name: name.clone(),
            about: file.about.chars().filter(|c| !c.is_control()).take(200).collect(),
            operations,
            stacking,
            graphs: Vec::new(),
            candidates: Vec::new(),
        };
        for (kind, cell) in [(CellKind::Normal, &file.normal), (CellKind::Reduction, &file.reduction)] {
            if let Some(cell) = cell {
                if stacking == Stacking::NasBench201 && kind == CellKind::Reduction {
                    return fault(cell, "cells of nas_bench_201 are all [normal]: residual blocks halve the maps");
                }
                parts.add(kind, cell)?;
            }
        }
        if parts.graphs.is_empty() {
            return fault(&file.name, "a space has a [normal] or a [reduction] cell, or both");
        }
        Ok(parts)
    }

    fn add(&mut self, kind: CellKind, cell: &Spanned<CellText>) -> Result<(), Fault> {
        let text = cell.get_ref();
        let nodes = *text.nodes.get_ref();
        if !(1..=MOST_NODES).contains(&nodes) {
            return fault(&text.nodes, format!("a cell has 1 to {MOST_NODES} nodes, not {nodes}"));
        }
        let inputs = self.stacking.inputs();
        let edges = edges(text.edges.as_ref(), inputs, inputs + nodes)?;
        let mut rows = vec![((1u32 << self.operations.len()) - 1) as u16; edges.len()];
        let mut named = vec![false; edges.len()];
        for (name, list) in &text.candidates {
            let edge = edge_of(name)?;
            let Some(row) = edges.iter().position(|e| *e == edge) else {
                return fault(name, format!("the {kind} cell has no edge {edge:#}"));
            };
            if std::mem::replace(&mut named[row], true) {
                return fault(name, format!("the candidates of edge {edge:#} stand twice"));
            }
            rows[row] = 0;
            for operation in operations_of(list)? {
                let Some(column) = self.operations.iter().position(|o| *o == operation) else {
                    return fault(list, format!("{operation} is not among the `operations` of this space"));
                };
                rows[row] |= 1 << column;
            }
        }
        self.check_nodes(cell, [kind.name(), self.stacking.name()], inputs + nodes, &edges, &rows)?;
        self.candidates.extend(rows);
        self.graphs.push((kind, nodes, edges));
        Ok(())
    }

    /// Whether a genotype can take what it needs of every node.
    fn check_nodes(
        &self,
        cell: &Spanned<CellText>,
        [kind, stacking]: [&str; 2],
        states: usize,
        edges: &[Edge],
        rows: &[u16],
    ) -> Result<(), Fault> {
        for state in self.stacking.inputs()..states {
            let into = || edges.iter().zip(rows).filter(|(e, _)| e.target() == state);
            let count = into().count();
            if self.stacking.every_edge() {
                if count < state {
                    let reason = format!(
                        "state {state} of the {kind} cell has {count} edges into it; in {stacking} a node reads all \
                         {state} states before it (candidates of [\"none\"] stand for no edge)"
                    );
                    return fault(cell, reason);
                }
                continue;
            }
            if count < 2 {
                let reason =
                    format!("state {state} of the {kind} cell has {count} edges into it; a node needs at least 2");
                return fault(cell, reason);
            }
            let none = self.operations.iter().position(|o| *o == Operation::None).map_or(0, |column| 1 << column);
            let usable = into().filter(|(_, row)| *row & !none != 0).count();
            if usable < 2 {
                let reason = format!(
                    "{usable} of the {count} edges into state {state} of the {kind} cell have an operation other than \
                     `none`; a node needs at least 2"
                );
                return fault(cell, reason);
            }
        }
        Ok(())
    }

    fn kept(self, text: &'static str) -> Definition {
        fn leak<T>(list: Vec<T>) -> &'static [T] {
            Box::leak(list.into_boxed_slice())
        }
        let stacking = self.stacking;
        let graphs = self.graphs.into_iter();
        let graphs = graphs.map(|(kind, nodes, edges)| Graph::new(kind, stacking, nodes, leak(edges)));
        Definition {
            name: Box::leak(self.name.into_boxed_str()),
            about: Box::leak(self.about.into_boxed_str()),
            operations: leak(self.operations),
            stacking,
            graphs: leak(graphs.collect()),
            candidates: leak(self.candidates),
            text: Some(text),
        }
    }
}

/// The columns.
fn operations(list: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<Operation>, Fault> {
    let found = operations_of(list)?;
    if found.len() > MOST_OPERATIONS {
        return fault(list, format!("a space has at most {MOST_OPERATIONS} operations"));
    }
    if found.iter().all(|o| *o == Operation::None) {
        return fault(list, "a space needs an operation other than `none`");
    }
    Ok(found)
}

/// At least one operation, none twice.
fn operations_of(list: &Spanned<Vec<Spanned<String>>>) -> Result<Vec<Operation>, Fault> {
    let mut found = Vec::new();
    for name in list.get_ref() {
        let operation: Operation =
            name.get_ref().parse().or_else(|e: super::operation::UnknownOperation| fault(name, e.to_string()))?;
        if found.contains(&operation) {
            return fault(name, format!("{operation} stands twice"));
        }
        found.push(operation);
    }
    if found.is_empty() {
        return fault(list, "at least one operation is needed");
    }
    Ok(found)
}

/// In order.
fn edges(text: Option<&Spanned<Edges>>, inputs: usize, states: usize) -> Result<Vec<Edge>, Fault> {
    let all = (inputs..states).flat_map(|target| (0..target).filter_map(move |source| Edge::between(source, target)));
    let complete: Vec<Edge> = all.collect();
    let Some(text) = text else { return Ok(complete) };
    match text.get_ref() {
        Edges::Complete => Ok(complete),
        Edges::Word(word) => {
            fault(text, format!("edges are \"complete\" or a list such as [\"0>2\", \"1>2\"], not `{}`", shown(word)))
        }
        Edges::List(list) => {
            let mut found = Vec::new();
            for name in list {
                let edge = edge_of(name)?;
                if edge.target() < inputs {
                    return fault(
                        name,
                        format!("edge {edge:#} ends in an input: states 0 and 1 are the cell's inputs"),
                    );
                }
                if !complete.contains(&edge) {
                    let (last, nodes) = (states - 1, states - inputs);
                    return fault(
                        name,
                        format!("edge {edge:#} ends behind the last state, {last}: there are {nodes} nodes"),
                    );
                }
                if found.contains(&edge) {
                    return fault(name, format!("edge {edge:#} stands twice"));
                }
                found.push(edge);
            }
            found.sort();
            Ok(found)
        }
    }
}

/// An edge by its name; where that is none, the reason in the spelling of these files.
fn edge_of(name: &Spanned<String>) -> Result<Edge, Fault> {
    let text = name.get_ref();
    text.parse().or_else(|_| {
        let ends = ["▸", "->", ">", "→", "-"].iter().find_map(|arrow| text.split_once(arrow));
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let reason = match ends.and_then(|(source, target)| number(source).zip(number(target))) {
            // Only such edges can make a cycle.
            Some((source, target)) if source >= target => {
                format!("edge {source}>{target} leads backwards, which would make a cycle; sources come before targets")
            }
            Some((source, target)) if target > MOST_NODES + 1 => {
                format!("edge {source}>{target} ends behind the last state: a cell has 1 to {MOST_NODES} nodes")
            }
            _ => format!(
                "`{}` is not an edge: write `0>2` for the one from state 0 to state 2 (the cell's inputs come first, its \
                 nodes follow)",
                shown(text)
            ),
        };
        fault(name, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: &str = r#"name = "mine"
about = "two nodes"
operations = ["none", "skip_connect", "sep_conv_3x3"]

[normal]
nodes = 2
edges = ["0>2", "1>2", "1>3", "2>3"]
[normal.candidates]
"2>3" = ["none", "sep3"]

[reduction]
nodes = 3
"#;

    #[test]
    fn a_file_says_what_its_space_is() {
        let space = Space::read(MINE).unwrap();
        assert_eq!((space.name(), space.columns(), space.rows()), ("mine", 3, 4 + 9));
        let edge = |name: &str| name.parse::<Edge>().unwrap();
        assert_eq!(space.row(CellKind::Normal, edge("1>3")), Some(2));
        assert_eq!(space.row(CellKind::Normal, edge("0>3")), None);
        assert_eq!(space.row(CellKind::Reduction, edge("3>4")), Some(4 + 8));
        let full = space.full();
        assert!(full.kept(CellKind::Normal, edge("2>3")).eq([Operation::None, Operation::SepConv3x3]));
        assert_eq!(full.count(), 3 * 12 + 2);
        // The same text is the same space; another one of this name is not.
        assert_eq!(Space::read(MINE).unwrap(), space);
        let other = Space::read(&MINE.replace("nodes = 3", "nodes = 2")).unwrap();
        assert!(other != space && other.key() != space.key());
        let one = Space::read(MINE.split("[reduction]").next().unwrap()).unwrap();
        assert_eq!((one.kinds().len(), one.layout(3)), (1, vec![CellKind::Normal; 3]));
    }

    #[test]
    fn a_file_that_is_no_space_is_refused_with_its_line() {
        for (from, to, line, part) in [
            ("\"mine\"", "\"darts\"", 1, "built-in"),
            ("\"mine\"", "\"a b\"", 1, "letters"),
            ("sep_conv_3x3", "sep_conv_3x4", 3, "did you mean `sep_conv_3x3`"),
            ("\"none\", \"skip_connect\", \"sep_conv_3x3\"", "", 3, "at least one operation"),
            ("\"skip_connect\", \"sep_conv_3x3\"", "\"none\"", 3, "twice"),
            (", \"skip_connect\", \"sep_conv_3x3\"", "", 3, "other than `none`"),
            ("nodes = 2", "nodes = 1000", 6, "1 to 8 nodes"),
            ("nodes = 2", "nodes = -1", 6, "`normal.nodes`: "),
            ("nodes = 2", "nodes = 2\nnodes = 3", 7, "duplicate"),
            ("\"1>3\", ", "", 5, "state 3 of the normal cell has 1 edges"),
            ("\"1>3\"", "\"3>2\"", 7, "backwards"),
            ("\"1>3\"", "\"2>2\"", 7, "backwards"),
            ("\"1>3\"", "\"1>2\"", 7, "twice"),
            ("\"1>3\"", "\"1>4\"", 7, "behind the last state"),
            ("\"1>3\"", "\"x\"", 7, "`x` is not an edge: write `0>2`"),
            ("\"1>3\"", "\"1>99\"", 7, "edge 1>99 ends behind the last state"),
            ("\"2>3\" =", "\"2\" =", 9, "no edge 0>3"),
            ("\"2>3\" =", "\"3>2\" =", 9, "edge 3>2 leads backwards"),
            ("\"2>3\" =", "\"x\" =", 9, "write `0>2`"),
            ("\"2>3\" =", "\"0>3\" =", 9, "no edge 0>3"),
            ("[\"none\", \"sep3\"]", "[]", 9, "at least one operation"),
            ("[\"none\", \"sep3\"]", "[\"sep5\"]", 9, "not among the `operations`"),
            ("nodes = 3", "nods = 3", 12, "no key `nods` here; did you mean `nodes`?"),
            ("about = ", "abuot = ", 2, "no key `abuot` here; did you mean `about`?"),
            ("[normal]", "[normal", 5, ""),
        ] {
            assert!(MINE.contains(from), "{from}");
            match Space::read(&MINE.replacen(from, to, 1)) {
                Err(SpaceFileError::Line { line: at, reason }) => {
                    assert!(at == line && reason.contains(part), "{to}: line {at}: {reason}");
                }
                other => panic!("{to}: {other:?}"),
            }
        }
        assert!(Space::read("").is_err());
        assert!(Space::open(Path::new("/nowhere/x.toml")).unwrap_err().to_string().contains("can't be read"));
    }
}
