//! What a value means as a genotype: operations, states, cells, in any of the forms that code gives them.

use std::cell::Cell;
use std::collections::HashMap;

use super::value::{Kind, Reader, Stop, Value, found, last, stop};
use crate::space::genotype::GenotypeError;
use crate::space::{CellKind, Choice, Genotype, INPUTS, Operation, Space, Stacking};

/// A text that a genotype stands in, and what it defines besides.
pub(super) struct Context<'a> {
    /// What its genotypes are architectures of; without, any operations in cells of DARTS.
    pub space: Option<Space>,
    pub text: &'a str,
    /// Bytes where the values of variables begin, by name, in order.
    pub variables: HashMap<&'a str, Vec<usize>>,
    /// The arguments of `Genotype` by place.
    pub order: [Field; 4],
    /// Values that may still be read as variables, of all genotypes of the text together.
    pub budget: Cell<usize>,
}

/// Variables and wrappers that lead to each other.
const HOPS: usize = 32;
/// See [`Context::budget`].
pub(super) const BUDGET: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Choices(CellKind),
    Concat(CellKind),
}

impl Field {
    /// In the order of the published `namedtuple`.
    pub const ALL: [Field; 4] = [
        Field::Choices(CellKind::Normal),
        Field::Concat(CellKind::Normal),
        Field::Choices(CellKind::Reduction),
        Field::Concat(CellKind::Reduction),
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Field::Choices(CellKind::Normal) => "normal",
            Field::Choices(CellKind::Reduction) => "reduce",
            Field::Concat(CellKind::Normal) => "normal_concat",
            Field::Concat(CellKind::Reduction) => "reduce_concat",
        }
    }

    const fn cell(self) -> CellKind {
        match self {
            Field::Choices(cell) | Field::Concat(cell) => cell,
        }
    }

    pub fn named(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|f| f.name() == name).or(match name {
            "reduction" => Some(Field::Choices(CellKind::Reduction)),
            "reduction_concat" => Some(Field::Concat(CellKind::Reduction)),
            _ => None,
        })
    }
}

/// A genotype that is well written, or not.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fault {
    Stop(Stop),
    /// No architecture of the space, because of what stands at this byte.
    Wrong(usize, GenotypeError),
}

impl From<Stop> for Fault {
    fn from(s: Stop) -> Fault {
        Fault::Stop(s)
    }
}

/// The operation of this name: case and punctuation do not matter, and the four letters of the tables will do.
pub(super) fn operation(name: &str) -> Option<Operation> {
    let plain = |n: &str| n.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let wanted = plain(name);
    Operation::catalogue().find(|o| plain(o.name()) == wanted || o.short() == wanted)
}

/// The operation that a misspelt name was meant to be, where that can hardly be doubted.
fn meant(name: &str) -> Option<Operation> {
    let digits = |n: &str| n.chars().filter(char::is_ascii_digit).collect::<String>();
    let near = |o: &Operation| strsim::damerau_levenshtein(o.name(), &name.to_lowercase());
    let mut close =
        Operation::catalogue().filter(|o| *o != Operation::None && digits(o.name()) == digits(name) && near(o) <= 2);
    close.next().filter(|_| close.next().is_none())
}

/// Names of functions whose result is their first argument, as far as genotypes go.
fn is_wrapper(name: &str) -> bool {
    const WRAPPERS: [&str; 14] = [
        "array", "asarray", "bytes_", "float", "int", "intc", "intp", "list", "long", "longlong", "str", "str_",
        "tensor", "tuple",
    ];
    let name = last(name);
    let sized = name.trim_start_matches('u').trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    WRAPPERS.contains(&name) || matches!(sized, "int" | "float" | "Tensor" | "LongTensor")
}

impl<'a> Context<'a> {
    /// The value behind wrappers and variables.
    fn open(&self, value: &Value<'a>) -> Result<Value<'a>, Stop> {
        let mut value = value.clone();
        for _ in 0..HOPS {
            value = match &value.kind {
                Kind::Call(name, args) if is_wrapper(name) && args.first().is_some_and(|a| a.0.is_none()) => {
                    args[0].1.clone()
                }
                Kind::Name(name) => {
                    // As Python has it, the last one before.
                    let known = self.variables.get(name).and_then(|at| at.iter().rev().find(|at| **at < value.at));
                    match known {
                        Some(at) => {
                            let mut reader = Reader::new(self.text, *at);
                            let found = reader.value()?;
                            match self.budget.get().checked_sub(reader.values()) {
                                Some(left) => self.budget.set(left),
                                None => return stop(value.at, "too much stands behind the variables of this text"),
                            }
                            found
                        }
                        None => return Ok(value),
                    }
                }
                _ => return Ok(value),
            };
        }
        Ok(value)
    }

    fn expected<T>(&self, at: usize, what: &str) -> Result<T, Stop> {
        stop(at, format!("expected {what}, found {}", found(self.text, at)))
    }

    fn list(&self, value: &Value<'a>, what: &str) -> Result<Vec<Value<'a>>, Stop> {
        match self.open(value)?.kind {
            Kind::List(items) => Ok(items),
            _ => self.expected(value.at, what),
        }
    }

    fn number(&self, value: &Value<'a>) -> Result<Option<f64>, Stop> {
        Ok(match self.open(value)?.kind {
            Kind::Number(n) => Some(n),
            Kind::Text(t) => t.trim().parse::<u16>().ok().map(f64::from),
            _ => None,
        })
    }

    fn state(&self, value: &Value<'a>) -> Result<usize, Stop> {
        match self.number(value)? {
            Some(n) if n.fract() == 0.0 && (0.0..1000.0).contains(&n) => Ok(n as usize),
            _ => self.expected(value.at, "the number of a state"),
        }
    }

    /// The name in an operation's place, where there is one.
    fn name(&self, value: &Value<'a>) -> Result<Option<&'a str>, Stop> {
        Ok(match self.open(value)?.kind {
            Kind::Text(t) if t.trim().parse::<f64>().is_err() => Some(t),
            // Quotes that a shell has taken.
            Kind::Name(n) => Some(n),
            _ => None,
        })
    }

    pub fn operation(&self, at: usize, name: &str) -> Result<Operation, Stop> {
        if name.len() > 64 {
            return stop(at, "this is too long for the name of an operation");
        }
        if let Some(operation) = operation(name) {
            return Ok(operation);
        }
        let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
        let near = meant(name).map(|o| format!(" (`{o}` is near)")).unwrap_or_default();
        let all = Operation::catalogue().map(Operation::name).collect::<Vec<_>>().join(", ");
        stop(at, format!("`{shown}` is not an operation that is built{near}; those are {all}"))
    }

    /// An operation and a state, in either order, perhaps with a weight behind, of this node if all are in order.
    fn choice(&self, value: &Value<'a>, node: usize) -> Result<Choice, Stop> {
        const PAIR: &str = "a pair ('operation', state)";
        let opened = self.open(value)?;
        let items = match opened.kind {
            Kind::List(items) => items,
            Kind::Dict(entries) => {
                let of = |names: &[&str]| {
                    let is = |k: &Value| matches!(&k.kind, Kind::Text(t) if names.contains(t));
                    entries.iter().find(|(k, _)| is(k)).map(|(_, v)| v.clone())
                };
                let found = (of(&["operation", "op", "primitive"]), of(&["source", "input", "from", "state"]));
                let (Some(operation), Some(source)) = found else {
                    return stop(value.at, "this choice lacks its `operation` or its `source`");
                };
                vec![operation, source]
            }
            _ => return self.expected(value.at, PAIR),
        };
        let [first, second, more @ ..] = &items[..] else { return self.expected(value.at, PAIR) };
        let (name, at, source) = match (self.name(first)?, self.name(second)?) {
            (Some(name), _) => (name, first.at, second),
            (None, Some(name)) => (name, second.at, first),
            _ => return self.expected(first.at, "the name of an operation in quotes"),
        };
        let operation = self.operation(at, name)?;
        let source = self.state(source)?;
        match more {
            [] => Ok(Choice { operation, source }),
            [third] => {
                let number = self.number(third)?;
                let nothing = matches!(self.open(third)?.kind, Kind::Name("None" | "null" | "nan" | "NaN"));
                // A weight; a whole number may be the node that the edge leads to, which its place says already.
                let weight = number.is_some_and(|n| n.fract() != 0.0 || (0.0..=1.0).contains(&n));
                if nothing || weight || number == Some((node + INPUTS) as f64) {
                    return Ok(Choice { operation, source });
                }
                self.expected(third.at, "a weight, or the node that this pair stands at")
            }
            [_, _, fourth @ ..] => {
                let at = fourth.first().map_or(value.at, |f| f.at);
                self.expected(at, "`)`: a pair is ('operation', state), perhaps with a weight")
            }
        }
    }

    /// The choices of a cell and where each stands; node by node in lists of their own, or all in one.
    fn choices(&self, value: &Value<'a>) -> Result<(Vec<Choice>, Vec<usize>), Stop> {
        let items = self.list(value, "a list, `[` or `(`")?;
        let (mut choices, mut spots) = (Vec::new(), Vec::new());
        for item in &items {
            let pairs = match self.open(item)?.kind {
                Kind::List(inner) => {
                    let first = inner.first().map(|f| self.open(f)).transpose()?;
                    matches!(first.map(|f| f.kind), Some(Kind::List(_) | Kind::Dict(_))).then_some(inner)
                }
                _ => None,
            };
            if let Some(pairs) = &pairs
                && pairs.len() != 2
            {
                return stop(item.at, format!("a node takes two inputs; this one has {}", pairs.len()));
            }
            for pair in pairs.as_deref().unwrap_or(std::slice::from_ref(item)) {
                choices.push(self.choice(pair, choices.len() / 2)?);
                spots.push(pair.at);
            }
        }
        Ok((choices, spots))
    }

    /// States: a list of them, or a range.
    fn concat(&self, value: &Value<'a>) -> Result<Vec<usize>, Stop> {
        match self.open(value)?.kind {
            Kind::Call(name, args) if matches!(last(name), "range" | "arange" | "xrange") => {
                let numbers = args.iter().filter(|a| a.0.is_none()).map(|a| self.state(&a.1));
                let (first, end, step) = match numbers.collect::<Result<Vec<_>, _>>()?[..] {
                    [end] => (0, end, 1),
                    [first, end] => (first, end, 1),
                    [first, end, step] if step > 0 => (first, end, step),
                    _ => return self.expected(value.at, "range(2, 6)"),
                };
                Ok((first..end).step_by(step).collect())
            }
            Kind::List(items) => items.iter().map(|i| self.state(i)).collect(),
            _ => self.expected(value.at, "a list of states, or a range"),
        }
    }

    /// The fields of a genotype: a call, a dictionary, or the four of them in a list.
    fn fields(&self, value: &Value<'a>) -> Result<Vec<(Field, Value<'a>)>, Stop> {
        let mut fields: Vec<(Field, Value<'a>)> = Vec::new();
        let mut take = |at: usize, field: Field, value: Value<'a>| {
            if fields.iter().any(|(f, _)| *f == field) {
                return stop(at, format!("`{}` is given twice", field.name()));
            }
            fields.push((field, value));
            Ok(())
        };
        match &value.kind {
            Kind::Call(_, args) => {
                for (i, (name, value)) in args.iter().enumerate() {
                    let field = match name {
                        Some(name) => Field::named(name),
                        None => self.order.get(i).copied(),
                    };
                    let Some(field) = field else {
                        let at = name.and_then(|n| self.text[..value.at].rfind(n)).unwrap_or(value.at);
                        return stop(at, "arguments are normal, normal_concat, reduce and reduce_concat");
                    };
                    take(value.at, field, value.clone())?;
                }
            }
            Kind::List(items) => {
                for (field, value) in self.order.into_iter().zip(items) {
                    take(value.at, field, value.clone())?;
                }
            }
            Kind::Dict(entries) => {
                for (key, value) in entries {
                    if let Kind::Text(name) | Kind::Name(name) = key.kind
                        && let Some(field) = Field::named(name)
                    {
                        take(key.at, field, value.clone())?;
                    }
                }
            }
            _ => return self.expected(value.at, "a genotype"),
        }
        Ok(fields)
    }

    /// What a dictionary says of it.
    fn stacking(&self, value: &Value<'a>) -> Result<Stacking, Stop> {
        let Kind::Dict(entries) = &value.kind else { return Ok(Stacking::Darts) };
        let named = entries.iter().find(|(k, _)| matches!(k.kind, Kind::Text("stacking") | Kind::Name("stacking")));
        match named.map(|(_, v)| (v.at, self.name(v))) {
            None => Ok(Stacking::Darts),
            Some((at, name)) => name?.unwrap_or_default().parse().or_else(|e: String| stop(at, e)),
        }
    }

    /// The genotype that a value is; `end` is the byte behind it.
    pub fn genotype(&self, value: &Value<'a>, end: usize) -> Result<Genotype, Fault> {
        let (fields, stacking) = (self.fields(value)?, self.stacking(value)?);
        let space = self.space.unwrap_or_default();
        let whole = |field: &Field| stacking == Stacking::Darts || matches!(field, Field::Choices(CellKind::Normal));
        let needed = |field: &Field| whole(field) && space.graph(field.cell()).is_some();
        if let Some(missing) = Field::ALL.iter().find(|f| needed(f) && !fields.iter().any(|(g, _)| g == *f)) {
            return Ok(stop(end, format!("the argument `{}` is missing", missing.name()))?);
        }
        let (mut choices, mut concat, mut spots) = <([Vec<Choice>; 2], [Vec<usize>; 2], [Spots; 2])>::default();
        for (field, value) in &fields {
            match field {
                Field::Choices(cell) => {
                    let spots = &mut spots[cell.index()];
                    (choices[cell.index()], spots.choices) = self.choices(value)?;
                    spots.list = value.at;
                }
                Field::Concat(cell) => {
                    concat[cell.index()] = self.concat(value)?;
                    spots[cell.index()].concat = value.at;
                }
            }
        }
        let ([normal, reduction], [normal_concat, reduction_concat]) = (choices, concat);
        check(Genotype { stacking, normal, normal_concat, reduction, reduction_concat }, self.space, &spots)
    }
}

/// Where the parts of a cell are in the text, in bytes.
#[derive(Default)]
pub(super) struct Spots {
    pub list: usize,
    pub choices: Vec<usize>,
    pub concat: usize,
}

/// The genotype, if it is an architecture of the space; else what is not and where; spots by kind of cell.
pub(super) fn check(genotype: Genotype, space: Option<Space>, spots: &[Spots; 2]) -> Result<Genotype, Fault> {
    match space.map_or_else(|| genotype.check(), |space| genotype.check_in(space)) {
        Ok(()) => Ok(genotype),
        Err(error) => Err(Fault::Wrong(spot(spots, &error, &genotype), error)),
    }
}

/// The byte where what an error speaks of stands.
fn spot(spots: &[Spots; 2], error: &GenotypeError, genotype: &Genotype) -> usize {
    let choice = |cell: CellKind, node: usize, is: &dyn Fn(&Choice) -> bool, last: bool| {
        let spots = &spots[cell.index()];
        let (choices, stacking) = (genotype.choices(cell), genotype.stacking);
        let targets = stacking.targets().map(|target| target - stacking.inputs());
        let pair = choices.iter().enumerate().zip(targets).filter(|(_, n)| *n == node).map(|(choice, _)| choice);
        let mut found = pair.filter(|(_, c)| is(c)).map(|(i, _)| i);
        let i = if last { found.last() } else { found.next() };
        i.and_then(|i| spots.choices.get(i)).copied().unwrap_or(spots.list)
    };
    match *error {
        GenotypeError::Choices { cell, .. } => spots[cell.index()].list,
        GenotypeError::Source { cell, node, source_state, .. } => {
            choice(cell, node, &|c| c.source == source_state, false)
        }
        GenotypeError::Order { cell, node, source_state, .. } => {
            choice(cell, node, &|c| c.source == source_state, false)
        }
        GenotypeError::Twice { cell, node, source_state } => choice(cell, node, &|c| c.source == source_state, true),
        GenotypeError::NoOperation { cell, node } => choice(cell, node, &|c| c.operation == Operation::None, false),
        GenotypeError::Outside { cell, node, source_state, operation, .. } => {
            choice(cell, node, &|c| (c.source, c.operation) == (source_state, operation), false)
        }
        GenotypeError::Concat { cell, .. } | GenotypeError::EmptyConcat { cell, .. } => spots[cell.index()].concat,
    }
}
