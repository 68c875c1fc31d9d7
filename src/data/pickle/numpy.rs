//! What the globals that are known do: numpy's arrays and types, and bytes.

use std::borrow::Cow;

use super::global::Global;
use super::machine::Machine;
use super::{Id, Value};

/// A numpy type of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    /// `b` bool, `i` signed, `u` unsigned, `f` float, `S` bytes, `U` characters of 4 bytes; `O`: anything else, whose
    /// values are not read.
    code: u8,
    /// Bytes of one value.
    size: usize,
    big_endian: bool,
}

/// A numpy array; its values are a string elsewhere in the table, whose length has been checked.
#[derive(Clone, Debug)]
pub(super) struct Array {
    kind: Option<Type>,
    shape: Vec<usize>,
    column_major: bool,
    pub data: Option<Id>,
}

impl Array {
    const EMPTY: Array = Array { kind: None, shape: Vec::new(), column_major: false, data: None };

    fn shape_text(&self) -> String {
        self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
    }

    pub fn check_byte_rows(&self, columns: usize) -> Result<(), String> {
        match self.kind {
            Some(Type { code: b'u', size: 1, .. }) => {}
            _ => return Err("the array is not of unsigned bytes (uint8)".into()),
        }
        // Planes of red, green and blue, in one dimension or in three.
        let planes = match self.shape[..] {
            [_, wide] => wide == columns,
            [_, 3, height, width] => height == width && height.saturating_mul(width).saturating_mul(3) == columns,
            _ => false,
        };
        if !planes {
            return Err(format!("the array is {}, N x {columns} was expected", self.shape_text()));
        }
        if self.column_major && self.shape[0] > 1 {
            return Err("the array is stored column by column (Fortran order), which is not read".into());
        }
        Ok(())
    }

    pub fn integers(&self, data: &[u8]) -> Result<Vec<i64>, String> {
        let Some(Type { code: code @ (b'i' | b'u'), size, big_endian }) = self.kind else {
            return Err("the array is not of integers".into());
        };
        if self.shape.iter().filter(|&&side| side != 1).count() > 1 {
            return Err(format!("the array is {}, one dimension was expected", self.shape_text()));
        }
        Ok(data.chunks_exact(size).map(|bytes| number(bytes, code, big_endian)).collect())
    }

    /// Texts of at most `longest` bytes.
    pub fn strings(&self, data: &[u8], longest: usize) -> Result<Vec<String>, String> {
        match self.kind {
            Some(kind @ Type { code: b'S' | b'U', size: 1.., .. }) if kind.size <= 4 * longest => {
                let text = |bytes| String::from_utf8_lossy(&kind.text(bytes)).into_owned();
                Ok(data.chunks_exact(kind.size).map(text).collect())
            }
            _ => Err("the array is not of names".into()),
        }
    }
}

/// A whole number of at most 8 bytes.
fn number(bytes: &[u8], code: u8, big_endian: bool) -> i64 {
    let fold = |value: u64, &byte: &u8| (value << 8) | u64::from(byte);
    let bits = if big_endian { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) };
    let unused = 64 - 8 * bytes.len() as u32;
    // Extend the sign of what is signed.
    if code == b'i' { ((bits << unused) as i64) >> unused } else { i64::try_from(bits).unwrap_or(i64::MAX) }
}

impl Type {
    /// The text of one value of `S` or `U`, as UTF-8 where it is text.
    fn text(self, bytes: &[u8]) -> Vec<u8> {
        let end = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        if self.code == b'S' {
            return bytes[..end(bytes)].to_vec();
        }
        let character = |four: &[u8]| {
            char::from_u32(number(four, b'u', self.big_endian) as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
        };
        let text: String = bytes.chunks_exact(4).map(character).collect();
        text.trim_end_matches('\0').as_bytes().to_vec()
    }
}

/// A copy of a tuple that numpy writes, all of which are short: a long one could be made to be copied without end.
fn short(tuple: &[Id]) -> Result<Vec<Id>, String> {
    if tuple.len() > 9 { Err(format!("a tuple of {} values for numpy", tuple.len())) } else { Ok(tuple.to_vec()) }
}

impl<'a> Machine<'a> {
    /// `callable(*arguments)`.
    pub(super) fn reduce(&mut self, callable: Id, arguments: Id) -> Result<Value<'a>, String> {
        let Value::Global(global) = *self.value(callable) else {
            return Err(format!("{} is called like a function", self.value(callable).kind()));
        };
        if global == Global::Unknown {
            return Ok(Value::Other("what unknown code makes"));
        }
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err("a function is called without a tuple of arguments".into());
        };
        let arguments = short(arguments)?;
        match (global, arguments.as_slice()) {
            (Global::Reconstruct, [class, _, _]) if matches!(self.value(*class), Value::Global(Global::NdArray)) => {
                Ok(Value::Array(Array::EMPTY))
            }
            (Global::DType, [code, ..]) => self.dtype(*code),
            (Global::Scalar, [kind, data]) => self.scalar(*kind, *data),
            (Global::Bytes, []) => Ok(Value::Bytes(Cow::Borrowed(b""))),
            (Global::Ordered, _) => Ok(Value::Dict(Vec::new())),
            (Global::Encode, [text, encoding]) => self.encode(*text, *encoding),
            (Global::FromBuffer, [data, kind, shape, order]) => {
                let column_major = self.string(*order) == Some(b"F");
                self.array(*shape, *kind, column_major, *data)
            }
            _ => Err("a function of numpy is called with arguments that it does not take".into()),
        }
    }

    /// `object.__setstate__(state)`.
    pub(super) fn build(&mut self, object: Id, state: Id) -> Result<(), String> {
        if matches!(self.value(object), Value::Other(_)) {
            return Ok(());
        }
        let Value::Tuple(state) = self.value(state) else {
            return Err("an object is given a state that is no tuple".into());
        };
        let state = short(state)?;
        let built = match (self.value(object), state.as_slice()) {
            (Value::Array(_), &[_version, shape, kind, column_major, data]) => {
                let column_major = match self.value(column_major) {
                    Value::Bool(flag) => *flag,
                    Value::Int(flag) => *flag != 0,
                    other => return Err(format!("the order of an array is {}", other.kind())),
                };
                self.array(shape, kind, column_major, data)?
            }
            (Value::Type(kind), &[_version, order, ..]) => {
                let big_endian = match self.string(order) {
                    Some(b"|" | b"<" | b"=") => false,
                    Some(b">") => true,
                    _ => return Err("a numpy type has an unknown byte order".into()),
                };
                Value::Type(Type { big_endian, ..*kind })
            }
            (other, _) => return Err(format!("{} is given a state", other.kind())),
        };
        self.replace(object, built);
        Ok(())
    }

    fn dtype(&self, code: Id) -> Result<Value<'a>, String> {
        let code = self.string(code).unwrap_or(b"");
        let (code, size) = match code {
            [code @ (b'i' | b'u'), size @ (b'1' | b'2' | b'4' | b'8')] => (*code, usize::from(size - b'0')),
            [b'f', size @ (b'2' | b'4' | b'8')] => (b'f', usize::from(size - b'0')),
            b"b1" => (b'b', 1),
            [code @ (b'S' | b'U'), digits @ ..] => {
                let length: Option<usize> = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                let width = if *code == b'S' { 1 } else { 4 };
                (
                    *code,
                    length.and_then(|length| length.checked_mul(width)).ok_or("a numpy type of text without length")?,
                )
            }
            // Objects, dates, complex numbers, records: nothing that is needed.
            [_, ..] => (b'O', 0),
            [] => return Err("a numpy type without a name".into()),
        };
        Ok(Value::Type(Type { code, size, big_endian: false }))
    }

    /// One number or text of numpy's.
    fn scalar(&mut self, kind: Id, data: Id) -> Result<Value<'a>, String> {
        let Value::Type(kind) = *self.value(kind) else {
            return Err("the type of a number is none".into());
        };
        let length = match self.value(data) {
            Value::Bytes(bytes) => bytes.len(),
            _ if kind.code == b'O' => return Ok(Value::Other("a value of an unknown type")),
            other => return Err(format!("a number of numpy made of {}", other.kind())),
        };
        if kind.code == b'O' {
            return Ok(Value::Other("a value of an unknown type"));
        }
        if length != kind.size {
            return Err(format!("a number of {} bytes has {length} bytes", kind.size));
        }
        if matches!(kind.code, b'S' | b'U') {
            self.charge(length)?;
        }
        let Value::Bytes(bytes) = self.value(data) else {
            return Err("the value of a number is no bytes".into());
        };
        Ok(match kind.code {
            b'i' | b'u' => Value::Int(number(bytes, kind.code, kind.big_endian)),
            b'b' => Value::Bool(bytes.iter().any(|&byte| byte != 0)),
            b'f' => Value::Float,
            _ => Value::Bytes(Cow::Owned(kind.text(bytes))),
        })
    }

    fn encode(&mut self, text: Id, encoding: Id) -> Result<Value<'a>, String> {
        if !matches!(self.string(encoding), Some(b"latin1" | b"latin-1")) {
            return Err("bytes in an encoding other than latin1".into());
        }
        let length = match self.value(text) {
            Value::Text(text) => text.len(),
            _ => return Err("bytes that are not made from a string".into()),
        };
        // A string may be named again and again; a real file decodes each of its own once.
        self.charge(length)?;
        let wrong = || "bytes made from a string that is not latin1".to_string();
        let text = self.string(text).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| wrong())?;
        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        Ok(Value::Bytes(Cow::Owned(bytes.ok_or_else(wrong)?)))
    }

    fn array(&self, shape: Id, kind: Id, column_major: bool, data: Id) -> Result<Value<'a>, String> {
        let Value::Tuple(sides) = self.value(shape) else {
            return Err("the shape of an array is no tuple".into());
        };
        let sides = short(sides)?;
        let side = |&id: &Id| match self.value(id) {
            Value::Int(side) => usize::try_from(*side).ok(),
            _ => None,
        };
        let shape: Option<Vec<usize>> = sides.iter().map(side).collect();
        let shape = shape.ok_or("the shape of an array is not made of sizes")?;
        let Value::Type(kind) = *self.value(kind) else {
            return Err("the type of an array is none".into());
        };
        if kind.code == b'O' {
            return Ok(Value::Other("an array of values that are not read"));
        }
        let Value::Bytes(bytes) = self.value(data) else {
            return Err("the values of an array are no bytes".into());
        };
        let claimed = shape.iter().try_fold(kind.size, |product, &side| product.checked_mul(side));
        let array = Array { kind: Some(kind), shape, column_major, data: Some(data) };
        if claimed != Some(bytes.len()) {
            let (shape, size) = (array.shape_text(), kind.size);
            return Err(format!("an array of {shape} values of {size} bytes has {} bytes", bytes.len()));
        }
        Ok(Value::Array(array))
    }
}
