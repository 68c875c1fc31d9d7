//! Values as Python and JSON write them: numbers, strings, names, lists, dictionaries, calls. Only read, never run.

/// Brackets within brackets.
const DEEPEST: usize = 24;
/// Values of one text that is read at a time.
const MOST: usize = 4096;

/// A value and the byte that it begins at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value<'a> {
    pub at: usize,
    pub kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Number(f64),
    Text(&'a str),
    /// With the names of modules before it: `np.int64`.
    Name(&'a str),
    /// A list, tuple or set.
    List(Vec<Value<'a>>),
    Dict(Vec<(Value<'a>, Value<'a>)>),
    Call(&'a str, Vec<(Option<&'a str>, Value<'a>)>),
}

/// Why and at which byte a text stops to be what is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stop {
    pub at: usize,
    pub reason: String,
}

pub(super) fn stop<T>(at: usize, reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop { at, reason: reason.into() })
}

/// The name without those of modules.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands at a place, for an error.
pub(super) fn found(text: &str, at: usize) -> String {
    let ends = |c: char| c.is_whitespace() || c.is_control() || ",()[]{}=:".contains(c);
    let mut chars = text.get(at..).unwrap_or_default().chars();
    match chars.next() {
        None => "the end of the text".into(),
        Some(first) if ends(first) => format!("`{}`", first.escape_debug()),
        Some(first) => {
            let more: String = chars.take_while(|c| !ends(*c)).take(30).collect();
            format!("`{first}{more}`")
        }
    }
}

/// Reads values from a place of a text on.
pub(super) struct Reader<'a> {
    pub text: &'a str,
    pub at: usize,
    /// The next `Genotype` that begins is one too many: the one that is read was torn off.
    single: bool,
    depth: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, at: usize) -> Reader<'a> {
        Reader { text, at, single: false, depth: 0, values: 0 }
    }

    /// `Genotype(…)`, which stands here, without another within.
    pub fn genotype(&mut self) -> Result<Value<'a>, Stop> {
        let start = self.at;
        let name = self.path();
        self.single = true;
        let args = self.arguments()?;
        Ok(Value { at: start, kind: Kind::Call(name, args) })
    }

    /// How many values have been read.
    pub fn values(&self) -> usize {
        self.values
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Over white space, comments and line continuations.
    pub fn space(&mut self) {
        while let Some(c) = self.next() {
            self.at += match c {
                '#' => self.rest().find(['\n', '\r']).unwrap_or(self.rest().len()),
                c if c.is_whitespace() || c == '\\' => c.len_utf8(),
                _ => return,
            };
        }
    }

    pub fn eat(&mut self, token: char) -> bool {
        self.space();
        let found = self.next() == Some(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    fn expect(&mut self, token: char, what: &str) -> Result<(), Stop> {
        if self.eat(token) {
            return Ok(());
        }
        stop(self.at, format!("expected {what}, found {}", found(self.text, self.at)))
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    /// A name, with dots.
    pub fn path(&mut self) -> &'a str {
        self.space();
        let start = self.at;
        self.word();
        while self.rest().strip_prefix('.').is_some_and(|r| r.starts_with(|c: char| is_word(c) && !c.is_numeric())) {
            self.at += 1;
            self.word();
        }
        &self.text[start..self.at]
    }

    /// A value; sums of whole numbers are added up.
    pub fn value(&mut self) -> Result<Value<'a>, Stop> {
        let mut value = self.simple()?;
        while let Kind::Number(sum) = &mut value.kind {
            let sign = if self.eat('+') {
                1.0
            } else if self.eat('-') {
                -1.0
            } else {
                break;
            };
            let more = self.simple()?;
            match more.kind {
                Kind::Number(n) => *sum += sign * n,
                _ => return stop(more.at, format!("expected a number, found {}", found(self.text, more.at))),
            }
        }
        Ok(value)
    }

    fn simple(&mut self) -> Result<Value<'a>, Stop> {
        self.space();
        let at = self.at;
        self.values += 1;
        if self.values > MOST {
            return stop(at, format!("more than {MOST} values"));
        }
        let kind = match self.next() {
            Some('[') => self.list('[', ']')?,
            Some('(') => self.list('(', ')')?,
            Some('{') => self.braces()?,
            Some('\'' | '"') => Kind::Text(self.string()?),
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => Kind::Number(self.number()?),
            Some(c) if is_word(c) => self.named()?,
            _ => return stop(at, format!("expected a value, found {}", found(self.text, at))),
        };
        Ok(Value { at, kind })
    }

    fn number(&mut self) -> Result<f64, Stop> {
        let (start, rest) = (self.at, self.rest());
        let mut before = ' ';
        let end = rest.find(|c: char| {
            let goes_on = c.is_ascii_alphanumeric()
                || "._".contains(c)
                || ("+-".contains(c) && matches!(before, ' ' | 'e' | 'E'));
            before = c;
            !goes_on
        });
        let word = &rest[..end.unwrap_or(rest.len())];
        // `1_000`, and Python 2's `1L`.
        let plain: String = word.chars().filter(|c| *c != '_').take(40).collect();
        match plain.strip_suffix('L').unwrap_or(&plain).parse::<f64>() {
            Ok(n) if !plain.contains(|c: char| c.is_ascii_alphabetic() && !"eEL".contains(c)) => {
                self.at += word.len();
                Ok(n)
            }
            _ => stop(start, format!("expected a value, found {}", found(self.text, start))),
        }
    }

    fn string(&mut self) -> Result<&'a str, Stop> {
        let start = self.at;
        let Some(quote) = self.next() else { return stop(start, "expected a quote") };
        let inner = &self.rest()[quote.len_utf8()..];
        match inner.find([quote, '\n', '\r']).filter(|end| inner[*end..].starts_with(quote)) {
            Some(end) => {
                self.at += end + 2 * quote.len_utf8();
                Ok(&inner[..end])
            }
            None => stop(start, "this quote is not closed"),
        }
    }

    /// One bracket deeper, with room for the items.
    fn deeper(&mut self, open: char) -> Result<(), Stop> {
        if self.depth == DEEPEST {
            return stop(self.at, format!("more than {DEEPEST} brackets within each other"));
        }
        if !self.eat(open) {
            return stop(self.at, format!("expected `{open}`, found {}", found(self.text, self.at)));
        }
        self.depth += 1;
        Ok(())
    }

    /// Items up to a closing bracket; a trailing comma may be.
    fn items<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Result<T, Stop>) -> Result<Vec<T>, Stop> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(item(self)?);
            if !self.eat(',') {
                self.expect(close, &format!("`,` or `{close}`"))?;
                break;
            }
        }
        self.depth -= 1;
        Ok(items)
    }

    fn list(&mut self, open: char, close: char) -> Result<Kind<'a>, Stop> {
        self.deeper(open)?;
        let before = self.at;
        let mut items = self.items(close, Self::value)?;
        // Parentheses around one value, without a comma, are no tuple.
        let comma = self.text[before..self.at - 1].trim_end().ends_with(',');
        if open == '(' && items.len() == 1 && !comma {
            return Ok(items.remove(0).kind);
        }
        Ok(Kind::List(items))
    }

    /// A dictionary, or a set.
    fn braces(&mut self) -> Result<Kind<'a>, Stop> {
        self.deeper('{')?;
        let items = self.items('}', |r| {
            let key = r.value()?;
            let value = r.eat(':').then(|| r.value()).transpose()?;
            Ok((key, value))
        })?;
        if !items.is_empty() && items.iter().all(|(_, v)| v.is_none()) {
            return Ok(Kind::List(items.into_iter().map(|(k, _)| k).collect()));
        }
        let pair = |(k, v): (Value<'a>, Option<Value<'a>>)| match v {
            Some(v) => Ok((k, v)),
            None => stop(k.at, "this key has no value"),
        };
        Ok(Kind::Dict(items.into_iter().map(pair).collect::<Result<_, _>>()?))
    }

    /// A name, a call, or a string with a letter before it.
    fn named(&mut self) -> Result<Kind<'a>, Stop> {
        let start = self.at;
        let name = self.path();
        let prefix = ["u", "b", "r", "f"].iter().any(|p| name.eq_ignore_ascii_case(p));
        if prefix && matches!(self.next(), Some('\'' | '"')) {
            return Ok(Kind::Text(self.string()?));
        }
        if self.single && last(name) == "Genotype" {
            return stop(start, "another genotype begins before this one has ended");
        }
        let after = self.at;
        if self.eat('(') {
            self.at -= 1;
            return Ok(Kind::Call(name, self.arguments()?));
        }
        self.at = after;
        Ok(Kind::Name(name))
    }

    fn arguments(&mut self) -> Result<Vec<(Option<&'a str>, Value<'a>)>, Stop> {
        self.deeper('(')?;
        self.items(')', |r| {
            r.space();
            let start = r.at;
            let name = r.word();
            if !name.is_empty() && r.eat('=') {
                return Ok((Some(name), r.value()?));
            }
            r.at = start;
            Ok((None, r.value()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Kind<'_>, Stop> {
        let mut reader = Reader::new(text, 0);
        reader.value().map(|v| v.kind)
    }

    #[test]
    fn values_are_read() {
        assert_eq!(read(" -1.5e-3 "), Ok(Kind::Number(-1.5e-3)));
        assert_eq!(read("2 + 4"), Ok(Kind::Number(6.0)));
        assert_eq!(read("1L"), Ok(Kind::Number(1.0)));
        assert_eq!(read("u'a'"), Ok(Kind::Text("a")));
        assert_eq!(read("a.b.c"), Ok(Kind::Name("a.b.c")));
        assert_eq!(read("(3)"), Ok(Kind::Number(3.0)));
        for (text, count) in [("(3,)", 1), ("[]", 0), ("{1, 2}", 2), ("(1, # a, b\n 2 \\\n, )", 2)] {
            assert!(matches!(read(text), Ok(Kind::List(l)) if l.len() == count), "{text}");
        }
        let Ok(Kind::Call("np.array", args)) = read("np.array([1], dtype=int)") else { panic!("no call") };
        assert_eq!((args.len(), args[1].0), (2, Some("dtype")));
        assert!(matches!(read("{'a': {}, \"b\": null}"), Ok(Kind::Dict(d)) if d.len() == 2));
    }

    #[test]
    fn what_is_no_value_is_said_and_depth_and_number_have_limits() {
        for (text, at, reason) in [
            ("['a, 1]", 1, "not closed"),
            ("[1 2]", 3, "`,` or `]`"),
            ("[1, *a]", 4, "expected a value"),
            ("2025-03x", 5, "expected a value"),
            ("{'a': 1, 'b'}", 9, "no value"),
            ("", 0, "the end of the text"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.at == at && e.reason.contains(reason), "{text}: {e:?}");
        }
        assert!(read(&"[".repeat(1 << 20)).unwrap_err().reason.contains("within each other"));
        assert!(read(&format!("[{}]", "1,".repeat(1 << 20))).unwrap_err().reason.contains("values"));
    }
}
