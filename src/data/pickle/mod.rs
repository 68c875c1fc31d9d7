//! A reader for Python pickles that hold what data sets hold: dictionaries, lists, strings, integers and numpy arrays.
//!
//! It is a machine for the opcodes of protocols 0 to 5, with one difference to Python's: nothing in a file is ever run. Of
//! all names of code only a few mean anything here (how numpy writes arrays, types and single numbers, ordered
//! dictionaries, and how Python 3 writes bytes for Python 2). What other code would make is a value of which nothing is
//! known, which does no harm in a part of the file that is not needed; names that serve attacks are refused. Memory is
//! bounded by the length of the file: strings are borrowed from it, values live in one flat table, nothing recurses.

mod global;
mod machine;
mod numpy;
mod strings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use global::Global;
use numpy::{Array, Type};

/// Index into the table of values.
type Id = u32;

/// What is wrong with a pickle, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub offset: usize,
    pub reason: String,
}

#[derive(Clone, Debug)]
enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float,
    /// A Unicode string, as UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes, or a string of Python 2.
    Bytes(Cow<'a, [u8]>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Type(Type),
    Array(Array),
    /// Something that no picture or label is made of, in words.
    Other(&'static str),
}

impl Value<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "a bool",
            Value::Int(_) => "an integer",
            Value::Float => "a float",
            Value::Text(_) | Value::Bytes(_) => "a string",
            Value::Tuple(_) => "a tuple",
            Value::List(_) => "a list",
            Value::Dict(_) => "a dictionary",
            Value::Global(_) => "a name of code",
            Value::Type(_) => "a numpy type",
            Value::Array(_) => "an array",
            Value::Other(kind) => kind,
        }
    }
}

/// A pickle that has been read.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    /// Where in the file each value began.
    offsets: Vec<usize>,
    root: Id,
}

impl<'a> Pickle<'a> {
    pub fn read(file: &'a [u8]) -> Result<Self, Problem> {
        machine::Machine::new(file).run()
    }

    /// The value that the pickle is of.
    pub fn root(&self) -> Item<'_, 'a> {
        Item { pickle: self, id: self.root }
    }
}

/// A value of a pickle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'p, 'a> {
    pickle: &'p Pickle<'a>,
    id: Id,
}

impl<'p, 'a> Item<'p, 'a> {
    fn value(self) -> &'p Value<'a> {
        &self.pickle.values[self.id as usize]
    }

    pub fn offset(self) -> usize {
        self.pickle.offsets[self.id as usize]
    }

    fn problem(self, reason: String) -> Problem {
        Problem { offset: self.offset(), reason }
    }

    /// The raw bytes of a string.
    fn string(self) -> Option<&'p [u8]> {
        match self.value() {
            Value::Text(bytes) => Some(bytes),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value of a key (a string of any type) of a dictionary, if it is there.
    pub fn get(self, key: &str) -> Result<Option<Self>, Problem> {
        let Value::Dict(pairs) = self.value() else {
            return Err(self.problem(format!("a dictionary was expected, this is {}", self.value().kind())));
        };
        // As in Python, the last one counts.
        let found = pairs.iter().rev().find(|pair| Item { id: pair.0, ..self }.string() == Some(key.as_bytes()));
        Ok(found.map(|pair| Item { id: pair.1, ..self }))
    }

    /// The value of a key that must be there.
    pub fn require(self, key: &str) -> Result<Self, Problem> {
        self.get(key)?.ok_or_else(|| self.problem(format!("the dictionary has no `{key}`")))
    }

    fn items(self, what: &str) -> Result<impl Iterator<Item = Self>, Problem> {
        let (Value::List(ids) | Value::Tuple(ids)) = self.value() else {
            return Err(self.problem(format!("a list of {what} was expected, this is {}", self.value().kind())));
        };
        Ok(ids.iter().map(move |&id| Item { id, ..self }))
    }

    /// A list, tuple or array (with one side that is not 1) of integers; each with its offset.
    pub fn integers(self) -> Result<Vec<(i64, usize)>, Problem> {
        if let Value::Array(array) = self.value() {
            let values = array.integers(self.array_data(array)).map_err(|reason| self.problem(reason))?;
            return Ok(values.into_iter().map(|value| (value, self.offset())).collect());
        }
        let integer = |item: Self| match item.value() {
            Value::Int(value) => Ok((*value, item.offset())),
            Value::Array(array) => match array.integers(item.array_data(array)).as_deref() {
                Ok(&[value]) => Ok((value, item.offset())),
                Ok(values) => Err(item.problem(format!("an integer was expected, these are {}", values.len()))),
                Err(reason) => Err(item.problem(reason.clone())),
            },
            other => Err(item.problem(format!("an integer was expected, this is {}", other.kind()))),
        };
        self.items("integers")?.map(integer).collect()
    }

    /// A list, tuple or array of exactly `count` names.
    pub fn names(self, count: usize) -> Result<Vec<String>, Problem> {
        if let Value::Array(array) = self.value() {
            let names = array.strings(self.array_data(array), 256).map_err(|reason| self.problem(reason))?;
            let found = names.len();
            let wrong = || self.problem(format!("{found} names, {count} were expected"));
            return if found == count { Ok(names) } else { Err(wrong()) };
        }
        let found = self.items("names")?.count();
        if found != count {
            return Err(self.problem(format!("{found} names, {count} were expected")));
        }
        let text = |item: Self| match item.string() {
            Some(bytes) if bytes.len() <= 256 => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Some(bytes) => Err(item.problem(format!("a name of {} bytes", bytes.len()))),
            None => Err(item.problem(format!("a name was expected, this is {}", item.value().kind()))),
        };
        self.items("names")?.map(text).collect()
    }

    /// An array of unsigned bytes, `[rows, columns]` or `[rows, 3, side, side]`; its values row by row.
    pub fn byte_rows(self, columns: usize) -> Result<&'p [u8], Problem> {
        let Value::Array(array) = self.value() else {
            return Err(self.problem(format!("an array was expected, this is {}", self.value().kind())));
        };
        array.check_byte_rows(columns).map_err(|reason| self.problem(reason))?;
        Ok(self.array_data(array))
    }

    fn array_data(self, array: &Array) -> &'p [u8] {
        array.data.and_then(|id| Item { id, ..self }.string()).unwrap_or(&[])
    }
}
