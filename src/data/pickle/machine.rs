//! A reader of the pickles that CIFAR comes in: builds plain values only, and runs nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use super::global::Global;
use super::{Id, Pickle, Problem, Value, strings};

/// Values that one file may make: real ones make some 130,000.
const MAX_VALUES: usize = 1 << 20;

/// The stack machine that a pickle is a program for.
pub(super) struct Machine<'a> {
    file: &'a [u8],
    /// Next byte to read.
    position: usize,
    /// Where the current opcode is.
    opcode_at: usize,
    values: Vec<Value<'a>>,
    offsets: Vec<usize>,
    stack: Vec<Id>,
    /// Heights of the stack where marks lie.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Bytes that have been copied out of the file.
    copied: usize,
}

type Step<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Machine {
            file,
            position: 0,
            opcode_at: 0,
            values: Vec::new(),
            offsets: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        }
    }

    pub fn run(mut self) -> Result<Pickle<'a>, Problem> {
        loop {
            self.opcode_at = self.position;
            match self.step() {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Pickle { values: self.values, offsets: self.offsets, root }),
                Err(reason) => return Err(Problem { offset: self.opcode_at, reason }),
            }
        }
    }

    /// One opcode; `Some` is the result of the whole program.
    fn step(&mut self) -> Step<Option<Id>> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return self.stop().map(Some),
            0x80 => self.protocol()?,
            0x95 => {
                let length = self.number(8)?;
                if length > (self.file.len() - self.position) as u64 {
                    return Err(format!("the file is torn: a frame of {length} bytes goes beyond its end"));
                }
            }
            b'(' => self.marks.push(self.stack.len()),

            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'K' => self.integer(1, false)?,
            b'M' => self.integer(2, false)?,
            b'J' => self.integer(4, true)?,
            0x8a => {
                let length = self.number(1)?;
                self.integer(length as usize, true)?;
            }
            b'I' => match self.line()? {
                b"00" => self.push(Value::Bool(false))?,
                b"01" => self.push(Value::Bool(true))?,
                text => self.decimal(text)?,
            },
            b'L' => {
                let text = self.line()?;
                self.decimal(text.strip_suffix(b"L").unwrap_or(text))?;
            }
            0x8b => {
                let length = self.number(4)?;
                self.integer(length as usize, true)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Float)?;
            }
            b'F' => {
                let text = self.line()?;
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
                number.ok_or_else(|| format!("`{}` is no number", text.escape_ascii()))?;
                self.push(Value::Float)?;
            }

            b'U' | b'C' => self.bytes(1)?,
            b'T' | b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'S' => {
                let line = self.long_line()?;
                let bytes = strings::quoted(line).ok_or("a string without quotes, or with a broken escape")?;
                self.push(Value::Bytes(Cow::Owned(bytes)))?;
            }
            b'V' => {
                let line = self.long_line()?;
                let text = strings::raw_unicode(line).ok_or("a string with a broken escape")?;
                self.push(Value::Text(Cow::Owned(text.into_bytes())))?;
            }

            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            b']' => self.push(Value::List(Vec::new()))?,
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::List(items))?;
            }
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'd' => {
                let pairs = pairs(&self.pop_to_mark()?)?;
                self.push(Value::Dict(pairs))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.extend_list(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(vec![(key, value)])?;
            }
            b'u' => {
                let pairs = pairs(&self.pop_to_mark()?)?;
                self.extend_dict(pairs)?;
            }

            b'0' => {
                // A mark goes like a value.
                if self.marks.last() == Some(&self.stack.len()) {
                    self.marks.pop();
                } else {
                    self.pop()?;
                }
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            // Sets.
            0x8f => self.push(Value::Other("a set"))?,
            0x90 => {
                self.pop_to_mark()?;
                self.top()?;
            }
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other("a set"))?;
            }

            b'q' | b'r' => {
                let index = self.number(if opcode == b'q' { 1 } else { 4 })?;
                self.remember(index)?;
            }
            b'p' => {
                let index = self.line_number()?;
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'h' | b'j' => {
                let index = self.number(if opcode == b'h' { 1 } else { 4 })?;
                self.recall(index)?;
            }
            b'g' => {
                let index = self.line_number()?;
                self.recall(index)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (name, module) = (self.global_part(name)?, self.global_part(module)?);
                self.global(&module, &name)?;
            }
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let value = self.reduce(callable, arguments)?;
                self.push(value)?;
            }
            0x81 | 0x92 => {
                if opcode == 0x92 {
                    self.pop()?;
                }
                let (_arguments, class) = (self.pop()?, self.pop()?);
                self.instance(class)?;
            }
            b'o' => {
                let items = self.pop_to_mark()?;
                self.instance(*items.first().ok_or("an object without a class")?)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                self.pop_to_mark()?;
                self.global(module, name)?;
                let class = self.pop()?;
                self.instance(class)?;
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                self.build(object, state)?;
            }
            other => {
                return Err(format!("opcode 0x{other:02x} does not occur in pickles of data sets, so it is refused"));
            }
        }
        Ok(None)
    }

    fn stop(&mut self) -> Step<Id> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err("the pickle ends with values left over".into());
        }
        if self.position < self.file.len() {
            let more = self.file.len() - self.position;
            return Err(format!("{more} bytes follow after the end of the pickle"));
        }
        Ok(root)
    }

    fn protocol(&mut self) -> Step {
        match self.number(1)? {
            0..=5 => Ok(()),
            other => Err(format!("pickle protocol {other} is not known (0 to 5 are)")),
        }
    }

    // Reading operands.

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let rest = &self.file[self.position..];
        if count > rest.len() {
            let missing = count - rest.len();
            return Err(format!("the file is torn: {missing} more bytes were to follow"));
        }
        self.position += count;
        Ok(&rest[..count])
    }

    /// A little-endian number of at most 8 bytes.
    fn number(&mut self, bytes: usize) -> Step<u64> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte)))
    }

    fn line(&mut self) -> Step<&'a [u8]> {
        // No operand that is a line is longer than a name.
        let rest = &self.file[self.position..];
        let end = rest.iter().take(256).position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("a line of text does not end")? + 1)?;
        Ok(&line[..line.len() - 1])
    }

    /// A line of any length: a string.
    fn long_line(&mut self) -> Step<&'a [u8]> {
        let end = memchr::memchr(b'\n', &self.file[self.position..]);
        let line = self.take(end.ok_or("the file is torn: a line of text does not end")? + 1)?;
        Ok(&line[..line.len() - 1])
    }

    fn line_number(&mut self) -> Step<u64> {
        let line = self.line()?;
        std::str::from_utf8(line)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| "no number where one must be".into())
    }

    fn string_operand(&mut self, length_bytes: usize) -> Step<&'a [u8]> {
        let length = self.number(length_bytes)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    // Making values.

    fn push(&mut self, value: Value<'a>) -> Step {
        if self.values.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values, which no pickle of a data set holds"));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(value);
        self.offsets.push(self.opcode_at);
        Ok(())
    }

    fn integer(&mut self, bytes: usize, signed: bool) -> Step {
        if bytes > 8 {
            self.take(bytes)?;
            return self.push(Value::Other("an integer of more than 8 bytes"));
        }
        let bits = self.number(bytes)?;
        let value = match bytes {
            0 => 0,
            _ if signed => ((bits << (64 - 8 * bytes)) as i64) >> (64 - 8 * bytes),
            _ => bits as i64,
        };
        self.push(Value::Int(value))
    }

    fn decimal(&mut self, text: &[u8]) -> Step {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.len() > 18 && digits.iter().all(u8::is_ascii_digit) {
            return self.push(Value::Other("an integer of more than 8 bytes"));
        }
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        self.push(Value::Int(value.ok_or_else(|| format!("`{}` is no integer", text.escape_ascii()))?))
    }

    fn bytes(&mut self, length_bytes: usize) -> Step {
        let bytes = self.string_operand(length_bytes)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn text(&mut self, length_bytes: usize) -> Step {
        let text = self.string_operand(length_bytes)?;
        self.push(Value::Text(Cow::Borrowed(text)))
    }

    fn short_tuple(&mut self, count: usize) -> Step {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Step {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::List(list) => list.extend(items),
            Value::Other(_) => {}
            other => return Err(format!("items are appended to {}", other.kind())),
        }
        Ok(())
    }

    fn extend_dict(&mut self, pairs: Vec<(Id, Id)>) -> Step {
        let dict = self.top()?;
        match &mut self.values[dict as usize] {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Other(_) => {}
            other => return Err(format!("keys are set in {}", other.kind())),
        }
        Ok(())
    }

    // The stack and the memo.

    fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(|items| items.last()).copied().ok_or_else(|| "the stack is empty".into())
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or("there is no mark on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, index: u64) -> Step {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u64) -> Step {
        let id = *self.memo.get(&index).ok_or_else(|| format!("memo {index} was never set"))?;
        self.stack.push(id);
        Ok(())
    }

    // Names of code.

    fn global_part(&self, id: Id) -> Step<Vec<u8>> {
        match self.string(id) {
            // Only known names matter, and those are short.
            Some(bytes) => Ok(bytes[..bytes.len().min(256)].to_vec()),
            None => Err(format!("{} where the name of code must be", self.value(id).kind())),
        }
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Step {
        match Global::find(module, name) {
            Some(global) => self.push(Value::Global(global)),
            None => Err(format!(
                "the pickle asks for the code `{}.{}`, which no data set needs: refused, it may be hostile",
                module.escape_ascii(),
                name.escape_ascii()
            )),
        }
    }

    /// An object of a class that is not known: nothing is run, and nothing can be had from it.
    fn instance(&mut self, class: Id) -> Step {
        match self.value(class) {
            Value::Global(Global::Ordered) => self.push(Value::Dict(Vec::new())),
            Value::Global(Global::Unknown) => self.push(Value::Other("an object of an unknown class")),
            Value::Global(_) => Err("a function of numpy is called with arguments that it does not take".into()),
            other => Err(format!("{} is called like a function", other.kind())),
        }
    }

    // For what the globals do.

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    pub(super) fn replace(&mut self, id: Id, value: Value<'a>) {
        self.values[id as usize] = value;
    }

    pub(super) fn string(&self, id: Id) -> Option<&[u8]> {
        match self.value(id) {
            Value::Text(bytes) => Some(bytes),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Account for copied bytes: all together they may be four times what the file is long (a character of latin1 may
    /// take two bytes as UTF-8), so nothing is copied over and over.
    pub(super) fn charge(&mut self, bytes: usize) -> Step {
        self.copied += bytes;
        if self.copied > self.file.len().saturating_mul(4) {
            Err("strings are copied over and over".into())
        } else {
            Ok(())
        }
    }
}

fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    if items.len() % 2 == 1 {
        return Err("a key of a dictionary has no value".into());
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
